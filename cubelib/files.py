"""Write files and folders so that they are whole or absent, whatever happens while they are written.

Every writer in this package goes through `written_aside`: the new content is written beside its place, flushed to the
disk, and only then renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from cubelib.errors import DataError, UserError

SEAL = "sha256"  # the key of a sealed file's own checksum


@contextmanager
def written_aside(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Gives a path to write a file or a folder to; at the end of the block it moves to `path`.

    The content is flushed to the disk before it gets its name, so a power failure leaves the old content or the new,
    never a file of 0 bytes. If the block raises, nothing is left behind and what was at `path` is still there. Parent
    folders are made.

    Args:
        path: of the file or folder to be written.
        replace: whether something at `path` may be replaced.

    Raises:
        FileExistsError: something is at `path` and `replace` is False; said before anything is written, and again
            before the rename.
        OSError: the disk is full, or the place cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with written_aside(f"{folder}/notes.txt") as aside:
        ...         _ = aside.write_text("complete")
        ...         before = Path(folder, "notes.txt").exists()
        ...     before, Path(folder, "notes.txt").read_text()
        (False, 'complete')
    """
    path = Path(path)
    _refuse_existing(path, replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        aside = workshop / path.name
        yield aside
        _flush(aside)
        _refuse_existing(path, replace)
        if path.is_dir() and not path.is_symlink():
            _replace_folder(path, aside, workshop)
        else:
            os.replace(aside, path)
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def check_new(target: Path, task: str) -> None:
    """Refuses a name that is taken, before any work is done.

    Args:
        target: of the file or folder to be written.
        task: what is being done, the first word of the error.

    Raises:
        DataError: something of that name exists.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"{task}: {target} exists and was left as it is. Choose another name, or remove it first.")


@contextmanager
def new_target(target: Path, task: str) -> Iterator[Path]:
    """`written_aside` for a new file or folder, with errors for users.

    Raises:
        DataError: something of that name exists.
        UserError: it cannot be written; nothing is left of it.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder, new_target(Path(folder, "cube.txt"), "Exporting") as aside:
        ...     _ = aside.write_text("complete")
        ...     [path.name for path in Path(folder).glob("cube*")]
        []
    """
    try:
        with written_aside(target) as aside:
            yield aside
    except (OSError, SafetensorError) as error:  # safetensors wraps what the system says
        if isinstance(error, FileExistsError):
            check_new(target, task)
        raise UserError(
            f"{task}: cannot write {target} ({reason(error)}). Free the disk, or choose a place that you may write to."
        ) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class OtherFormat(ValueError):
    """A file of another version of its format."""


def write_sealed(path: Path, format: int, contents: Mapping[str, Any]) -> None:
    """Writes a JSON object with the number of its format and a checksum of its own, which `read_sealed` compares.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = Path(folder, "index.json")
        ...     write_sealed(index, 1, {"name": "a"})
        ...     _ = read_sealed(index, 1)
        ...     _ = index.write_text(index.read_text().replace('"a"', '"e"'))  # one bit
        ...     read_sealed(index, 1)
        Traceback (most recent call last):
        ...
        ValueError: it is not as it was written: its checksum differs
    """
    contents = {"format": format, **contents}
    text = json.dumps({**contents, SEAL: _seal(contents)}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_sealed(path: Path, format: int) -> dict[str, Any]:
    """Reads what `write_sealed` wrote.

    Raises:
        OSError: it cannot be read, or is no file.
        OtherFormat: it has another format.
        ValueError: it is no such object, or has another checksum than its contents.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be read for ever
        raise OSError(22, "it is a device or a pipe, not a file", str(path))
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(contents, dict) or "format" not in contents:
        raise ValueError("it is no object with a format")
    if contents["format"] != format:
        raise OtherFormat(f"it has format {str(contents['format'])[:20]}, this cubelib reads {format}")
    if contents.pop(SEAL, None) != _seal(contents):
        raise ValueError("it is not as it was written: its checksum differs")
    del contents["format"]
    return contents


def _seal(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()


def reason(error: Exception) -> str:
    """What went wrong with a file, in the system's words and without a path.

    Example:
        >>> reason(PermissionError(13, "Permission denied", "/root/x"))
        'Permission denied'
    """
    return str(getattr(error, "strerror", None) or error)


def _refuse_existing(path: Path, replace: bool) -> None:
    if not replace and (path.exists() or path.is_symlink()):
        raise FileExistsError(17, "it exists already and was left as it is", str(path))


def _replace_folder(path: Path, aside: Path, workshop: Path) -> None:
    """A folder cannot replace another in one step: the old one, which is complete, steps aside first."""
    retired = workshop / "retired"
    os.replace(path, retired)
    try:
        os.replace(aside, path)
    except OSError:
        os.replace(retired, path)
        raise


def _flush(path: Path) -> None:
    """Makes what was written readable as the user's umask says, and waits until the disk has it."""
    if path.is_dir():
        for child in path.iterdir():
            _flush(child)
        _flush_folder(path)
        return
    path.chmod(0o666 & ~_umask())  # some libraries write for the owner alone
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and needs no flush of it
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
