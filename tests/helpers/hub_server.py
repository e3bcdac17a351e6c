"""A hub on this machine: enough of its protocol for the real ``huggingface_hub`` and ``datasets`` clients, with faults.

``with HubServer() as hub:`` then ``hub.add(...)``; a stage that runs with ``hub.environment(cache)`` fetches from it.
"""

import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".parquet", ".safetensors")  # kept outside of git by the hub, and named by their sha256
API = re.compile(r"/api/(?P<kind>model|dataset)s/(?P<id>[^/]+/[^/]+)/(?P<what>tree|revision)/(?P<revision>[^/]+)/?")
FILE = re.compile(r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass
class Repository:
    """The files of one commit, and the names under which the commit can be asked for."""

    commit: str
    files: Mapping[str, bytes]
    names: set[str] = field(default_factory=set)

    def entry(self, path: str) -> dict[str, Any]:
        """A file as the hub's listing states it."""
        content = self.files[path]
        size, git_oid = len(content), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if not path.endswith(LARGE):
            return {"type": "file", "path": path, "size": size, "oid": git_oid}
        large = {"oid": hashlib.sha256(content).hexdigest(), "size": size, "pointerSize": 134}
        return {"type": "file", "path": path, "size": size, "oid": git_oid, "lfs": large}

    def checksum(self, path: str) -> str:
        entry = self.entry(path)
        return entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]


class HubServer:
    """Serves repositories on a free port of 127.0.0.1.

    ``faults``: what happens to the next requests for a large file's content, one each: drop (the connection breaks
    after half of it), limit (429 with Retry-After), truncate (half of it, as if that were all), corrupt (one byte
    differs), fail (500). ``served``: repository and path of every
    file whose content was asked for, in order.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.faults: deque[str] = deque()
        self.served: list[tuple[str, str]] = []
        self.requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """From now on nothing answers at ``url``."""
        self._server.shutdown()
        self._server.server_close()

    def add(self, kind: str, repository: str, revision: str, files: Mapping[str, bytes]) -> None:
        """Publish files; ``revision`` is a commit, or a name such as refs/convert/parquet for a made-up one."""
        is_commit = re.fullmatch("[0-9a-f]{40}", revision)
        commit = revision if is_commit else hashlib.sha1(f"{repository}@{revision}".encode()).hexdigest()
        self.repositories[kind, repository] = Repository(commit, dict(files), {commit, revision})

    def add_folder(self, kind: str, repository: str, revision: str, folder: Path) -> None:
        """Publish all files below a folder."""
        files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        self.add(kind, repository, revision, files)

    def environment(self, cache: Path) -> dict[str, str]:
        """Environment variables with which the clients ask this server and keep their files in ``cache``."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.requests += 1
        path = urlsplit(self.path).path
        if match := API.fullmatch(path):
            self._api(match["kind"], match["id"], match["what"], unquote(match["revision"]))
        elif match := FILE.fullmatch(path):
            kind = "dataset" if match["kind"] else "model"
            self._file(kind, match["id"], unquote(match["revision"]), unquote(match["path"]))
        else:
            self._answer(404, {"X-Error-Code": "RepoNotFound"})

    def _repository(self, kind: str, name: str, revision: str) -> Repository | None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None:
            self._answer(404, {"X-Error-Code": "RepoNotFound"})
        elif revision not in repository.names:
            self._answer(404, {"X-Error-Code": "RevisionNotFound"})
        else:
            return repository
        return None

    def _api(self, kind: str, name: str, what: str, revision: str) -> None:
        repository = self._repository(kind, name, revision)
        if repository is None:
            return
        listing = [repository.entry(path) for path in repository.files]
        info = {"id": name, "sha": repository.commit, "siblings": [{"rfilename": path} for path in repository.files]}
        content = json.dumps(listing if what == "tree" else info).encode()
        self._answer(200, {"Content-Type": "application/json"}, content)

    def _file(self, kind: str, name: str, revision: str, path: str) -> None:
        repository = self._repository(kind, name, revision)
        if repository is None:
            return
        headers = {"X-Repo-Commit": repository.commit, "Accept-Ranges": "bytes"}
        if path not in repository.files:
            self._answer(404, headers | {"X-Error-Code": "EntryNotFound"})
            return
        content = repository.files[path]
        headers |= {"ETag": f'"{repository.checksum(path)}"', "X-Linked-Size": str(len(content))}
        fault = ""
        if self.command == "GET":
            self.hub.served.append((name, path))
            if path.endswith(LARGE) and self.hub.faults:
                fault = self.hub.faults.popleft()
        if fault in ("limit", "fail"):
            self._answer(429 if fault == "limit" else 500, {"Retry-After": "0"})
            return
        if fault == "corrupt":
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start:
            first = int(start[1])
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content = content[first:]
        if fault == "truncate":
            content = content[: len(content) // 2]
        self._answer(206 if start else 200, headers, content, broken=fault == "drop")

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes = b"", broken: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: len(content) // 2] if broken else content)
        if broken:
            self.wfile.flush()
            self.close_connection = True
