"""Vectors that were made elsewhere: NumPy arrays, safetensors, and tables with a list of numbers in each row."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from cubelib.data.readers.hub_tables import is_hub_name
from cubelib.data.readers.rows import TABLES, BadRows, RowLog, Source, check_file, table_rows
from cubelib.data.readers.texts import kind_of
from cubelib.data.vectors import Array, VectorFile, check_vectors, choose_name, tensor_name, usable
from cubelib.errors import DataError

IN_MEMORY = 1_000_000_000  # bytes

_ARRAYS = (".npy", ".npz", ".safetensors")
_MOST = 100  # times that an archive of vectors unpacks to; zip can pack zeros a thousandfold
_NO_DIRECTION = "a vector that cannot be used (NaN, infinite, all zeros, or a length below 1e-6 or above 1e6)"


def read_vectors(path: Source, key: str | None = None, *, bad_rows: BadRows = "error") -> Tensor:
    """Vectors from a file, in memory. For more than fit there, see `cubelib.data.vectors.VectorFile`.

    Args:
        path: an array `(n, dim)` in a .npy, .npz or .safetensors file, of floating-point or whole numbers; or a .csv,
            .tsv, .json, .jsonl, .ndjson or .parquet file with a vector in each row, as a list of numbers (in a cell of
            .csv or .tsv: "[0.1, -0.2]"); or several such tables, or the name of a data set on the hub.
        key: the array's name in a .npz or .safetensors file; None if there is only one. The column in a table; None:
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
    log = RowLog(path, bad_rows)
    check_file(log.path, (*_ARRAYS, *TABLES), "vectors")
    if log.path.suffix.lower() not in _ARRAYS:
        vectors, places = _table(log, "embedding" if key is None else key)
    elif len(log.paths) > 1:
        raise DataError(f"Reading {log.source}: several arrays are not joined. Read each, and join with torch.cat.")
    else:
        vectors = _array(log.path, key)
        log.total = len(vectors)
        if bad_rows == "error":
            check_vectors(vectors, f"Reading {log.path}")
            return vectors
        places = [(log.path, f"vector {number} (counted from 0)") for number in range(len(vectors))]
    if len(vectors):
        good = usable(vectors)
        for number in (~good).nonzero()[:, 0].tolist():
            log.path, place = places[number]
            log.bad(place, _NO_DIRECTION, "It has no direction to learn from. Remove it, or encode its text again.")
        vectors = vectors[good]
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
                    f"Reading {file}: vectors of a file above {IN_MEMORY / 1e9:g} GB, which stays on the disk, cannot "
                    "be skipped. Remove those that cannot be used, and leave bad_rows out."
                )
            return VectorFile(file, key)
    return read_vectors(path, key, bad_rows=bad_rows)


def _array(path: Path, key: str | None) -> Tensor:
    """The array of a .npy, .npz or .safetensors file as float32 `(n, dim)`."""
    ending = path.suffix.lower()
    if ending == ".safetensors":
        name = tensor_name(path, key)
        with safe_open(path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(name)
            _check_layout(path, str(tensor.dtype), tensor.shape, tensor.dtype != torch.bool and not tensor.is_complex())
            return tensor.to(torch.float32, copy=True)  # a copy, or it would need the file
    if ending == ".npy" and key is not None:
        raise DataError(f"Reading {path}: a .npy file holds one array without a name. Leave out {key=}.")
    try:
        # A mapped array cannot be larger than its file, whatever its header says. Neither holds Python objects.
        array = np.load(path, mmap_mode="r") if ending == ".npy" else _npz(path, key)
    except DataError:
        raise
    except (ValueError, EOFError, OSError, RuntimeError, MemoryError, BadZipFile, zlib.error) as error:
        raise DataError(f"Reading {path}: not a complete {ending} file of numbers ({error}). Write it again.") from None
    _check_layout(path, str(array.dtype), array.shape, array.dtype.kind in "fiu")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which check_vectors refuses
        return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _npz(path: Path, key: str | None) -> Array:
    if not is_zipfile(path):
        raise ValueError("not a zip archive")
    with np.load(path) as archive:
        name = choose_name(path, archive.files, key, "array")
        member = archive.zip.getinfo(f"{name}.npy")
        if member.file_size > _MOST * member.compress_size:
            raise DataError(
                f"Reading {path}: {member.filename} unpacks from {member.compress_size:,} to {member.file_size:,} "
                "bytes, which no vectors do. The file is damaged, or a trap."
            )
        array: Array = archive[name]
        return array


def _check_layout(path: Path, kind: str, shape: Sequence[int], real: bool) -> None:
    if not real or len(shape) != 2:
        raise DataError(
            f"Reading {path}: found an array of {kind}, shape {tuple(shape)}; expected real numbers, shape (n, dim). "
            "Save it again, for example with np.save(path, np.asarray(vectors, dtype=np.float32))."
        )


def _table(log: RowLog, column: str) -> tuple[Tensor, list[tuple[Path, str]]]:
    """The vectors `(n, dim)` of a column, and the file and place of each."""
    vectors: list[Array] = []
    places: list[tuple[Path, str]] = []
    advice = 'Name one with key="…" (data.vector_column in a configuration).'
    for place, row in table_rows(log, [column], "vectors", advice, bare=list):
        vector = _numbers(row[column] if isinstance(row, dict) else row)
        if isinstance(vector, str):
            remedy = "Expected a list of numbers, such as [0.12, -0.5]; mend it, or remove the row."
            log.bad(place, f"the column {column!r} holds {vector}", remedy)
        elif vectors and len(vector) != len(vectors[0]):
            fault = f"{len(vector)} numbers where the vectors above have {len(vectors[0])}"
            log.bad(place, fault, "Vectors of one file come from one model; mend it, or remove the row.")
        else:
            vectors.append(vector)
            places.append((log.path, place))
    stacked = np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
    return torch.from_numpy(stacked), places


def _numbers(cell: Any) -> Array | str:
    """A cell as float32 `(dim,)`, or what it holds instead, in words."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return "text that is no list"
    if not isinstance(cell, list):
        return kind_of(cell)
    if not cell:
        return "an empty list"
    for number in cell:
        if type(number) not in (int, float):
            return f"a list with {kind_of(number)} in it"
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which check_vectors refuses
            return np.array(cell, dtype=np.float32)
    except OverflowError:
        return "a number too large to work with"
