"""The Hugging Face hub: the only place where cubelib opens a connection, and only for a name that begins with "hub:".

Files that were downloaded before are used without a connection. They are kept in the hub's own cache folder and never
include pickles or code: the caller names the kinds of files it wants.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal

from cubelib.errors import ConfigError, DataError, UserError

INSTALL = 'python -m pip install "huggingface_hub>=1.25"'


def download(
    name: str,
    *,
    kind: Literal["model", "dataset"],
    revision: str | None,
    patterns: Sequence[str],
    required: Sequence[str] = (),
) -> Path:
    """The folder of a repository of the hub, downloaded if it is not on this machine yet.

    A local copy is used as it is until another revision is asked for. An interrupted download is continued.

    Args:
        name: "organization/name", as in the repository's address on huggingface.co.
        kind: what the repository holds.
        revision: a branch, a tag or a commit; None for the main branch.
        patterns: the files to fetch, such as "*.json"; `*` also matches across folders.
        required: patterns that must each match a file.

    Returns:
        A folder with those files, and perhaps others that another program put there.

    Raises:
        ConfigError: there is no such repository or revision, or its license has to be accepted first.
        DataError: no file matches one of the `required` patterns, or none of the `patterns`.
        UserError: there is no connection, or no room on the disk.
        ModuleNotFoundError: huggingface_hub is not installed or too old; the message has the command.

    Example:
        >>> try:
        ...     download("all-MiniLM-L6-v2/", kind="model", revision=None, patterns=["*.json"])
        ... except ConfigError as error:
        ...     print(error)
        Hub: 'all-MiniLM-L6-v2/' is not the name of a model; expected organization/name, as on huggingface.co.
    """
    try:
        from huggingface_hub import errors, snapshot_download
        from huggingface_hub.errors import HTTPError, IncompleteSnapshotError  # type: ignore[attr-defined]
    except ImportError as error:
        raise ModuleNotFoundError(f"Hub: downloading {name!r} needs huggingface_hub. Install it: {INSTALL}") from error
    fetch = partial(snapshot_download, name, repo_type=kind, revision=revision, allow_patterns=list(patterns))
    where = f"{kind} {name}" if revision is None else f"{kind} {name} at revision {revision!r}"
    try:
        with suppress(errors.LocalEntryNotFoundError, IncompleteSnapshotError):  # nothing here yet, or not all of it
            folder = Path(fetch(local_files_only=True))
            if not _missing(folder, patterns, required):
                return folder
        folder = Path(fetch())
    except errors.HFValidationError as error:
        raise ConfigError(
            f"Hub: {name!r} is not the name of a {kind}; expected organization/name, as on huggingface.co."
        ) from error
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"Hub: accept the terms of the {kind} {name} on its page on huggingface.co, then log in: hf auth login"
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise ConfigError(
            f"Hub: there is no {where}, or it is private. Check the spelling; for a private one: hf auth login"
        ) from error
    except (HTTPError, OSError, RuntimeError) as error:  # RuntimeError: the hub's own transfer library
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(
            f"Hub: cannot download the {where} ({reason}). Check the connection, HF_HUB_OFFLINE and the room on the "
            "disk. Files that arrived are kept: try again."
        ) from error
    missing = _missing(folder, patterns, required)
    if missing:
        raise DataError(
            f"Hub: the {where} has no file like {', '.join(missing)}. Only {', '.join(patterns)} are fetched, never "
            "pickles or code. Choose another revision or another repository."
        )
    return folder


def _missing(folder: Path, patterns: Sequence[str], required: Sequence[str]) -> list[str]:
    """The required patterns that no file matches; or all patterns, if no file matches any of them."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if not any(fnmatch.filter(names, pattern) for pattern in patterns):
        return list(patterns)
    return [pattern for pattern in required if not fnmatch.filter(names, pattern)]
