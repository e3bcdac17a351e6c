"""Files of the hub at a pinned revision, fetched once into the client's own cache and checked there."""

import sys
from pathlib import Path

from threephase.base.errors import UserError, first_line
from threephase.base.faults import described
from threephase.base.files import sha256_of

GIT_DIGITS = 40  # of the checksum that names small files; large ones are named by their sha256


def download(repository: str, revision: str, kind: str, patterns: list[str], remedy: str) -> Path:
    """The folder with those files of a repository that match ``patterns``; what is cached is not fetched again.

    ``kind``: model or dataset. The client retries what a network may do for a while, resumes and honours
    HF_HUB_OFFLINE; what it gives up on becomes one line that names repository, revision and ``remedy``.
    """
    import huggingface_hub
    from huggingface_hub import errors
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
    what = f"hub {kind} {repository} at revision {revision}"
    try:
        folder = huggingface_hub.snapshot_download(
            repository, repo_type=kind, revision=revision, allow_patterns=patterns
        )
    except errors.RevisionNotFoundError:
        raise UserError(f"{what}: the hub has no such revision any more; {remedy}") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise UserError(f"{what}: the hub has no such repository, or you may not read it; {remedy}") from None
    except errors.LocalEntryNotFoundError as error:
        reason = f"the hub can't be reached ({first_line(error.__cause__ or error)})"
        if huggingface_hub.constants.is_offline_mode():
            reason = "HF_HUB_OFFLINE is set"
        raise UserError(f"{what}: {reason} and the cache does not hold all its files; {remedy}") from None
    except (errors.HTTPError, OSError) as error:
        if described(error):
            raise
        raise UserError(f"{what}: the download failed ({first_line(error)}); run again, or {remedy}") from None
    _check(Path(folder), what, remedy)
    return Path(folder)


def _check(folder: Path, what: str, remedy: str) -> None:
    """Refuse files whose content is not what the hub states, and drop them from the cache so that they come anew.

    The cache keeps each file under its checksum and links to it, so this needs no network; the client itself
    compares sizes only. Where a file system has no links there is nothing to compare with.
    """
    from huggingface_hub.utils.sha import git_hash

    for file in sorted(folder.rglob("*")):
        if not file.is_symlink():
            continue
        expected = file.readlink().name
        got = git_hash(file.read_bytes()) if len(expected) == GIT_DIGITS else sha256_of(file)
        if got != expected:
            file.resolve().unlink()
            file.unlink()
            raise UserError(
                f"{what}: {file.relative_to(folder)}: got checksum {got}, expected {expected}; the file is removed "
                f"from the cache: run again, or {remedy}"
            )
