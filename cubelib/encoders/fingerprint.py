"""Who a model is: SHA-256 of the files that decide what vector a text gets.

A name says little: settings, tokenizer or weights may differ behind it. So vectors are filed under the weights' SHA-256
and a tag for everything else, and files are compared with what they must be before they are used.

Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cubelib.errors import DataError

WEIGHTS = "model.safetensors"

_SHAPING = {".json", ".txt", ".model", ".safetensors"}  # files of these kinds decide what vector a text gets
_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "empty"
        ...     path.touch()
        ...     print(sha256_of(path)[:16])
        e3b0c44298fc1c14
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def shaping_files(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of the files of a model's folder that shape its vectors.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "vocab.txt").write_text("a b"), (Path(folder) / "read.me").write_text("Hello")
        ...     print(list(shaping_files(Path(folder))))
        ['vocab.txt']
    """
    return {name: sha256_of(folder / name) for name in _shaping_names(folder)}


def _shaping_names(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.suffix in _SHAPING and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def weights_sha256(files: Mapping[str, str]) -> str:
    """SHA-256 of a model's weights: of model.safetensors, or of the list of its pieces where there are several.

    Args:
        files: name → SHA-256.

    Example:
        >>> weights_sha256({"model.safetensors": "aa", "config.json": "bb"})
        'aa'
        >>> weights_sha256({"model-1.safetensors": "aa", "model-2.safetensors": "cc"})[:16]
        'b94d908d3b8403b0'
    """
    return files.get(WEIGHTS) or _listed(
        {name: sha256 for name, sha256 in files.items() if name.endswith(".safetensors")}
    )


def _listed(files: Mapping[str, str]) -> str:
    lines = [f"{name} {sha256}\n" for name, sha256 in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def vector_tag(files: Mapping[str, str]) -> str:
    """How a model turns a text into a vector, in short: a hash over the files beside its weights.

    The settings, the tokenizer and the pooling are in those files; a change in one makes other vectors and another tag.

    Args:
        files: name → SHA-256.

    Example:
        >>> mean, first = {"pooling.json": "aa"}, {"pooling.json": "bb"}
        >>> vector_tag(mean) == vector_tag(first)
        False
        >>> vector_tag(mean) == vector_tag({**mean, WEIGHTS: "cc"})
        True
    """
    beside = {name: sha256 for name, sha256 in files.items() if name != WEIGHTS}
    return f"unit-length {_listed(beside)[:16]}"


def check_files(folder: Path, pins: Mapping[str, str], remedy: str) -> None:
    """Compare the files of a folder with the SHA-256 they must have; no other file may shape its vectors.

    Args:
        folder: the model's folder.
        pins: name → SHA-256.
        remedy: the last sentence of the error: what to do.

    Raises:
        DataError: a file is missing, differs or does not belong there; the message names it.

    Example:
        >>> try:
        ...     check_files(Path("nowhere"), {"vocab.txt": "aa"}, "Install it again.")
        ... except DataError as error:
        ...     print(error)
        Teacher: nowhere/vocab.txt is not the file it must be. SHA-256: no such file, expected: aa. Install it again.
    """
    for name, expected in pins.items():
        path = folder / name
        actual = sha256_of(path) if path.is_file() else "no such file"
        if actual != expected:
            raise DataError(
                f"Teacher: {path} is not the file it must be. SHA-256: {actual}, expected: {expected}. {remedy}"
            )
    for name in _shaping_names(folder):
        if name not in pins:
            raise DataError(
                f"Teacher: {folder / name} is no file of this model and would change what it says. {remedy}"
            )
