"""The Hugging Face hub: the one place from which cubelib opens a connection, and only when it is asked to by name.

What was downloaded before is used as it is, without a connection. The files go into the hub's own cache folder, which
other libraries share, and never include pickles or code: the caller names the kinds of files it wants.

Taught in notebook 01.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from contextlib import suppress
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

    A copy that is here already is enough, so a name keeps its files until another revision is asked for. A download
    that was interrupted is continued.

    Args:
        name: "organization/name", as in the repository's address on huggingface.co.
        kind: what the repository holds.
        revision: a branch, a tag or a commit; None for the main branch.
        patterns: the files to fetch, such as "*.json"; `*` also matches across folders.
        required: patterns of which each must match a file, or the repository is refused.

    Returns:
        A folder with those files. Others may lie beside them, put there by other programs.

    Raises:
        ConfigError: there is no such repository or revision, or it wants a license accepted first.
        DataError: the repository has no file for one of the `required` patterns, or for none of the `patterns`.
        UserError: there is no connection, or no room on the disk.
        ModuleNotFoundError: huggingface_hub is not installed or too old; the message has the command.

    Example:
        >>> try:
        ...     download("all-MiniLM-L6-v2/", kind="model", revision=None, patterns=["*.json"])
        ... except ConfigError as error:
        ...     print(error)
        Hub: 'all-MiniLM-L6-v2/' is no name of a model. Expected organization/name, as in its address on huggingface.co.
    """
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HFValidationError,
            HTTPError,
            IncompleteSnapshotError,  # noqa: F401 - without it an interrupted download passes for a whole one
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError as error:
        raise ModuleNotFoundError(
            f"Hub: downloading {name!r} needs the package huggingface_hub, 1.25 or newer. Install it with: {INSTALL}"
        ) from error
    wanted = {"repo_id": name, "repo_type": kind, "revision": revision, "allow_patterns": list(patterns)}
    at = f" at revision {revision!r}" if revision else ""
    try:
        with suppress(LocalEntryNotFoundError):  # nothing here yet, or not all of it
            folder = Path(snapshot_download(**wanted, local_files_only=True))
            if not _lacking(folder, patterns, required):
                return folder
        folder = Path(snapshot_download(**wanted))
    except HFValidationError as error:
        raise ConfigError(
            f"Hub: {name!r} is no name of a {kind}. Expected organization/name, as in its address on huggingface.co."
        ) from error
    except GatedRepoError as error:
        raise ConfigError(
            f"Hub: the {kind} {name} is given only to those who accepted its terms. Accept them on its page on "
            "huggingface.co, then log in here with: hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(
            f"Hub: there is no {kind} {name!r} (or it is private). Compare the spelling with its address on "
            "huggingface.co; for a private one log in with: hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise ConfigError(
            f"Hub: the {kind} {name} has no revision {revision!r}. Expected a branch, a tag or a commit."
        ) from error
    except (HTTPError, OSError, RuntimeError) as error:  # RuntimeError: the hub's own transfer library
        if isinstance(error.__cause__, OfflineModeIsEnabled):
            raise UserError(
                f"Hub: the {kind} {name}{at} is not on this machine, and HF_HUB_OFFLINE forbids to download it. Unset "
                "that environment variable and start Python again."
            ) from error
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise UserError(
            f"Hub: cannot download the {kind} {name}{at} ({reason}). It needs a connection to "
            f"{constants.ENDPOINT} and room in {constants.HF_HUB_CACHE}; what arrived so far is kept: try again."
        ) from error
    if lacking := _lacking(folder, patterns, required):
        raise DataError(
            f"Hub: the {kind} {name}{at} has no file like {', '.join(lacking)}. Only {', '.join(patterns)} are "
            "fetched, never pickles or code. Choose another revision or another repository."
        )
    return folder


def _lacking(folder: Path, patterns: Sequence[str], required: Sequence[str]) -> list[str]:
    """The required patterns that no file matches; or all patterns, if there is no file of any."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if not any(fnmatch.filter(names, pattern) for pattern in patterns):
        return list(patterns)
    return [pattern for pattern in required if not fnmatch.filter(names, pattern)]
