"""A remote of dvc that answers over HTTP and fails a share of all requests, as a network or a service would."""

import contextlib
import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextlib.contextmanager
def failing_remote(folder: Path, share: float, seed: int = 0) -> Iterator[tuple[str, Counter[str]]]:
    """Serve ``folder``; yields the address, and the count of requests that were ``answered`` and ``failed``.

    A request that fails ends in status 503, or in a connection that closes without an answer.
    """
    draw, counts = random.Random(seed), Counter()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            failed = draw.random() < share
            counts["failed" if failed else "answered"] += 1
            body = self._body() if self.command == "PUT" else b""
            if failed and draw.random() < 0.5:
                self.close_connection = True
                return
            file = folder / self.path.lstrip("/")
            status = 503 if failed else 200 if self.command == "PUT" or file.is_file() else 404
            if status == 200 and self.command == "PUT":
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(body)
            serves = status == 200 and self.command != "PUT"
            self.send_response(status)
            self.send_header("Content-Length", str(file.stat().st_size if serves else 0))
            self.end_headers()
            if serves and self.command == "GET":
                with file.open("rb") as content:
                    shutil.copyfileobj(content, self.wfile)

        def _body(self) -> bytes:
            """What is sent, which dvc does in chunks: a line with the length before each, the last one empty."""
            body = b""
            while length := int(self.rfile.readline(), 16):
                body += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_HEAD = do_PUT = _answer

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()
