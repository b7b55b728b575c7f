"""Vectors that were made elsewhere: NumPy arrays, safetensors, and tables with a list of numbers in each row."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from cubelib.data.readers.files import check_file, listed, nearest
from cubelib.data.readers.hub_tables import is_hub_name
from cubelib.data.readers.problems import BadRows, RowLog
from cubelib.data.readers.tables import TABLES, Source, files_of, table_rows
from cubelib.data.readers.text import kind_of
from cubelib.data.vectors import BLOCK, VectorFile, check_vectors
from cubelib.errors import DataError

IN_MEMORY = 1_000_000_000  # bytes

_ARRAYS = (".npy", ".npz", ".safetensors")
_EXPECTED = "expected real numbers, shape (n, dim)"
_REMEDY = "Save it again, for example with np.save(path, np.asarray(vectors, dtype=np.float32))."
_DEFLATE = 1032  # zip cannot pack better than this: what claims more is no archive, or a trap
_NO_DIRECTION = "a vector that cannot be used (NaN, infinite, all zeros, or a length below 1e-6 or above 1e6)"


def read_vectors(path: Source, key: str | None = None, *, bad_rows: BadRows = "error") -> Tensor:
    """Vectors from a file, in memory. For more than fit there, see `cubelib.data.vectors.VectorFile`.

    Args:
        path: an array `(n, dim)` in a .npy, .npz or .safetensors file, of float16, float32, float64, whole numbers or
            (in .safetensors) bfloat16; or a .csv, .tsv, .json, .jsonl, .ndjson or .parquet file with a vector in each
            row, as a list of numbers (in a cell of .csv or .tsv: "[0.1, -0.2]"); or several such tables, or the name
            of a data set on the hub.
        key: the array's name in a .npz or .safetensors file; None where there is only one. The column in a table; None:
            "embedding".
        bad_rows: "error" raises at the first vector that cannot be used, "skip" leaves such vectors out and warns. In a
            table the first vector sets the width of all.

    Returns:
        float32 `(n, dim)`, in the order of the file.

    Warns:
        SkippedRows: how many vectors were left out, and why.

    Raises:
        DataError: the file, the array or a row cannot be used. Or nothing remains.
        ModuleNotFoundError: a .parquet file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> np.savez(f"{folder.name}/v.npz", titles=np.eye(2), bodies=np.ones((2, 2)))
        >>> read_vectors(f"{folder.name}/v.npz", "titles")
        tensor([[1., 0.],
                [0., 1.]])
        >>> folder.cleanup()
    """
    log = RowLog(files_of(path), bad_rows)
    size = check_file(log.path, (*_ARRAYS, *TABLES), "vectors")
    places = None
    if log.path.suffix.lower() not in _ARRAYS:
        vectors, places = _table(log, "embedding" if key is None else key)
    elif len(log.paths) > 1:
        raise DataError(
            f"Reading {log.source}: several arrays are not joined. Read one by one, and join with torch.cat."
        )
    else:
        vectors = _READERS[log.path.suffix.lower()](log.path, size, key)
        log.total = len(vectors)
        if bad_rows == "error":
            return check_vectors(vectors, f"Reading {log.path}")
    vectors = _usable(log, vectors, places)
    log.finish(len(vectors), "vectors", "Put a vector in each row.")
    return vectors


def open_vectors(path: Source, key: str | None = None, *, bad_rows: BadRows = "error") -> Tensor | VectorFile:
    """`read_vectors`, but a .npy or .safetensors file larger than `IN_MEMORY` stays on the disk, as a VectorFile.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/v.npy", np.eye(2))
        ...     open_vectors(f"{folder}/v.npy")
        tensor([[1., 0.],
                [0., 1.]])
    """
    if isinstance(path, str | Path) and not is_hub_name(path):
        file = Path(path)
        if file.suffix.lower() in (".npy", ".safetensors") and file.is_file() and file.stat().st_size > IN_MEMORY:
            if bad_rows == "skip":
                raise DataError(
                    f"Reading {file}: of a file above {IN_MEMORY / 1e9:g} GB, which stays on the disk, no vectors can "
                    "be skipped. Remove those that cannot be used, and leave bad_rows out."
                )
            return VectorFile(file, key)
    return read_vectors(path, key, bad_rows=bad_rows)


def _usable(log: RowLog, vectors: Tensor, places: Sequence[tuple[Path, str]] | None) -> Tensor:
    """The vectors that `check_vectors` has nothing against; the others are bad rows."""
    good = torch.ones(len(vectors), dtype=torch.bool)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        if _passes(block):
            continue
        for number, vector in enumerate(block, start):
            if not _passes(vector[None]):
                good[number] = False
                log.path, place = places[number] if places else (log.path, f"vector {number} (counted from 0)")
                log.bad(place, _NO_DIRECTION, "It has no direction to learn from. Remove it, or encode its text again.")
    return vectors if good.all() else vectors[good]


def _passes(vectors: Tensor) -> bool:
    try:
        check_vectors(vectors, "")
    except DataError:
        return False
    return True


def _table(log: RowLog, column: str) -> tuple[Tensor, list[tuple[Path, str]]]:
    vectors: list[np.ndarray] = []
    places: list[tuple[Path, str]] = []
    advice = 'Name one with key="…" (data.vector_column in a configuration).'
    for place, row in table_rows(log, [column], "vectors", advice, bare=list):
        vector = _numbers(row[column] if isinstance(row, dict) else row)
        if isinstance(vector, str):
            advice = "Expected a list of numbers, such as [0.12, -0.5]; mend it, or remove the row."
            log.bad(place, f"the column {column!r} holds {vector}", advice)
        elif vectors and len(vector) != len(vectors[0]):
            reason = f"{len(vector)} numbers where the vectors above have {len(vectors[0])}"
            log.bad(place, reason, "Vectors of one file come from one model; mend it, or remove the row.")
        else:
            vectors.append(vector)
            places.append((log.path, place))
    stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    return torch.from_numpy(stacked), places


def _numbers(cell: Any) -> np.ndarray | str:
    """A cell as float32 `(dim,)`, or what it is instead."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return "text that is no list"
    if not isinstance(cell, list):
        return kind_of(cell)
    others = {type(number) for number in cell} - {int, float}
    if others or not cell:
        return f"a list with {kind_of(next(x for x in cell if type(x) in others))} in it" if others else "an empty list"
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which check_vectors refuses
            return np.array(cell, dtype=np.float32)
    except OverflowError:
        return "a number too large to work with"


def _npy(path: Path, size: int, key: str | None) -> Tensor:
    if key is not None:
        raise DataError(f"Reading {path}: a .npy file holds one array without a name. Leave out key={key!r}.")
    with path.open("rb") as file:
        return _array(file, size, f"Reading {path}")


def _npz(path: Path, size: int, key: str | None) -> Tensor:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            member = members[names.index(_one_of(names, key, path, "array"))]
            if member.file_size > _DEFLATE * min(member.compress_size, size):
                raise DataError(
                    f"Reading {path}: {member.filename} claims to unpack to {member.file_size:,} bytes, which no "
                    f"archive of {size:,} bytes can hold. The file is damaged, or a trap."
                )
            with archive.open(member) as file:
                return _array(file, member.file_size, f"Reading {path}, array {member.filename}")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise DataError(f"Reading {path}: not a complete .npz archive ({error}). Write it again.") from None


def _array(file: BinaryIO, size: int, where: str) -> Tensor:
    """An array in NumPy's own format, once its header is known to be true: nothing is reserved for a false one."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, stored = read(file)
        if stored.hasobject:
            raise DataError(f"{where}: found Python objects, which are not loaded: a pickle can run code. {_REMEDY}")
        if stored.kind not in "fiu" or len(shape) != 2:
            raise DataError(f"{where}: found an array of {stored}, shape {shape}; {_EXPECTED}. {_REMEDY}")
        claimed = file.tell() + math.prod(shape) * stored.itemsize
        if claimed != size:
            raise DataError(
                f"{where}: the header speaks of shape {shape}, {claimed:,} bytes in all, but there are {size:,}. It "
                "was cut short or added to; write it again."
            )
        file.seek(0)
        values = np.lib.format.read_array(file, allow_pickle=False)
    except MemoryError:
        raise DataError(
            f"{where}: {size / 1e9:,.1f} GB do not fit into memory. Save fewer vectors in a file."
        ) from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: not a complete .npy array of numbers ({error}). Write it again.") from None
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _safetensors(path: Path, size: int, key: str | None) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            name = _one_of(list(file.keys()), key, path, "tensor")
            tensor = file.get_tensor(name)
            if tensor.ndim != 2 or tensor.dtype == torch.bool or tensor.is_complex():
                raise DataError(
                    f"Reading {path}, tensor {name!r}: found {tensor.dtype}, shape {tuple(tensor.shape)}; {_EXPECTED}. "
                    "Convert it."
                )
            return tensor.to(torch.float32, copy=True)  # a copy, or it would hang on the file
    except SafetensorError as error:
        raise DataError(f"Reading {path}: not a complete .safetensors file ({error}). Write it again.") from None


def _one_of(names: Sequence[str], key: str | None, path: Path, what: str) -> str:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"Reading {path}: two of the {what}s have the same name, {twice!r}. Write the file again.")
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        asked = (
            f"which {what} holds the vectors?" if key is None else f"there is no {what} {key!r}.{nearest(key, names)}"
        )
        raise DataError(f'Reading {path}: {asked} Found: {listed(names)}. Name one with key="…".')
    return key


_READERS = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
