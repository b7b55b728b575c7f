"""Vectors in memory or in a file, read block by block, so that their number does not matter.

Taught in notebook 04.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from cubelib.errors import DataError

BLOCK = 1024  # rows held in memory at a time


class VectorFile:
    """Rows of a .npy or .safetensors file, read when they are asked for.

    Nothing stays in memory and no descriptor stays open: each reading opens the file, sees whether it is still the one
    it was, and reads the rows asked for. So a VectorFile can be pickled, sent to another process, and is no hindrance
    to whoever wants to remove the file.

    Args:
        path: a .npy file of one array `(n, dim)`, or a .safetensors file.
        key: the tensor's name in a .safetensors file; None where there is only one.

    Raises:
        DataError: no such file, cut short, not float16, float32 or float64, not two-dimensional, or in Fortran order;
            while reading: the file has changed since.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> np.save(f"{folder.name}/v.npy", np.arange(6, dtype=np.float16).reshape(3, 2))
        >>> file = VectorFile(f"{folder.name}/v.npy")
        >>> file
        VectorFile(v.npy: 3 vectors of 2 numbers, float16)
        >>> file[1:], file.take([2, 0])[[0]]
        (tensor([[2., 3.],
                [4., 5.]]), tensor([[4., 5.]]))
        >>> folder.cleanup()
    """

    def __init__(self, path: str | Path, key: str | None = None) -> None:
        self.path = Path(path)
        ending = self.path.suffix.lower()
        if ending not in (".npy", ".safetensors"):
            raise DataError(f"Reading {self.path}: vectors come from .npy or .safetensors files. Convert the file.")
        if key is not None and ending == ".npy":
            raise DataError(f"Reading {self.path}: a .npy file holds one array without a name. Leave out key={key!r}.")
        with self._open() as file:
            self._state = _state(file)
            header = _npy_header if ending == ".npy" else _safetensors_header
            shape, stored, self._offset, size = header(self.path, file, key)
        if stored.kind != "f" or stored.itemsize not in (2, 4, 8) or len(shape) != 2:
            raise DataError(
                f"Reading {self.path}: found an array of {stored}, shape {tuple(shape)}; expected float16, float32 or "
                "float64, shape (n, dim). Write it again, for example with np.save(path, array.astype(np.float32))."
            )
        if self._state[0] != size:
            raise DataError(
                f"Reading {self.path}: the file has {self._state[0]:,} bytes, its header speaks of {size:,}. It was "
                "cut short or added to; write it again."
            )
        self._stored, self._width = stored, shape[1]
        self._rows = np.arange(shape[0])  # which rows of the file these are

    @property
    def shape(self) -> torch.Size:
        """`(n, dim)`."""
        return torch.Size((len(self._rows), self._width))

    @property
    def ndim(self) -> int:
        """2, as of a tensor of vectors."""
        return 2

    @property
    def dtype(self) -> torch.dtype:
        """What is given out, whatever is stored: float32."""
        return torch.float32

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: int | slice | Sequence[int] | np.ndarray | Tensor) -> Tensor:
        chosen = self._rows[rows.numpy() if isinstance(rows, Tensor) else rows]
        return self._read(chosen) if chosen.ndim else self._read(chosen[None])[0]

    def take(self, rows: slice | Sequence[int] | np.ndarray | Tensor) -> VectorFile:
        """Some of the rows, in the order given, as a VectorFile of their own; nothing is read or copied."""
        view = object.__new__(VectorFile)
        vars(view).update(vars(self), _rows=self._rows[rows.numpy() if isinstance(rows, Tensor) else rows])
        return view

    @property
    def _row_bytes(self) -> int:
        return self._width * self._stored.itemsize

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb", buffering=0)
        except OSError as error:
            raise DataError(f"Reading {self.path}: {error.strerror}. Give the path of a readable file.") from None

    def _read(self, rows: np.ndarray) -> Tensor:
        """`(rows,)` → float32 `(rows, dim)`; rows that follow one another in the file are read in one go."""
        values = np.empty((len(rows), self._width), self._stored)
        starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        with self._open() as file:
            if _state(file) != self._state:
                raise DataError(
                    f"Reading {self.path}: the file has changed since it was first read. Leave it alone while it is in "
                    "use, and start again."
                )
            for start, end in zip(starts, np.append(starts[1:], len(rows)), strict=False):
                file.seek(self._offset + int(rows[start]) * self._row_bytes)
                _fill(file, values[start:end])
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and check_vectors refuses it
            return torch.from_numpy(values.astype(np.float32, copy=False))

    def __repr__(self) -> str:
        return f"VectorFile({self.path.name}: {len(self):,} vectors of {self._width} numbers, {self._stored})"


class Picked(VectorFile):
    """Some rows of several sets of vectors as one set, read when they are asked for; nothing is copied.

    Args:
        parts: `(n, dim)` each, in memory or in files.
        rows: which rows, counted through all parts.

    Example:
        >>> Picked([torch.eye(2), 5 * torch.eye(2)], np.array([3, 0]))[:]
        tensor([[0., 5.],
                [1., 0.]])
    """

    def __init__(self, parts: Sequence[Tensor | VectorFile], rows: np.ndarray) -> None:
        self._parts, self._rows, self._width = parts, rows, parts[0].shape[1]
        self._ends = np.cumsum([len(part) for part in parts])

    def _read(self, rows: np.ndarray) -> Tensor:
        found, where = torch.empty(len(rows), self._width), np.searchsorted(self._ends, rows, side="right")
        for number, part in enumerate(self._parts):
            here = np.flatnonzero(where == number)
            if len(here):
                found[torch.from_numpy(here)] = part[torch.from_numpy(rows[here] - self._ends[number] + len(part))]
        return found

    def take(self, rows: slice | Sequence[int] | np.ndarray | Tensor) -> Picked:
        """Some of the rows, in the order given; nothing is read or copied."""
        return Picked(self._parts, self._rows[rows.numpy() if isinstance(rows, Tensor) else rows])

    def __repr__(self) -> str:
        return f"Picked({len(self):,} of {self._ends[-1]:,} vectors of {self._width} numbers)"


def take(vectors: Tensor | VectorFile, rows: slice | Tensor) -> Tensor | VectorFile:
    """Some of the vectors: a tensor's rows, or a view of a file's.

    Example:
        >>> take(torch.eye(3), torch.tensor([2]))
        tensor([[0., 0., 1.]])
    """
    return vectors.take(rows) if isinstance(vectors, VectorFile) else vectors[rows]


def _state(file: BinaryIO) -> tuple[int, int]:
    """Size and time of the last change: another file, or the same one written to, has others."""
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def _fill(file: BinaryIO, values: np.ndarray) -> None:
    """Reads from the file's position until the array is full: one call may give less than was asked for."""
    room = values.reshape(-1).view(np.uint8)
    while len(room):
        count = file.readinto(room)
        if not count:
            raise DataError(f"Reading {file.name}: the file ended early. It was cut short while it was read.")
        room = room[count:]


def _npy_header(path: Path, file: BinaryIO, key: str | None) -> tuple[tuple[int, ...], np.dtype, int, int]:
    """Shape, type and place of the array, and the size that the file must have."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, stored = read(file)
    except ValueError as error:
        raise DataError(f"Reading {path}: not a complete .npy array of numbers ({error}). Write it again.") from None
    if fortran:
        raise DataError(
            f"Reading {path}: the array is stored column by column (Fortran order), so that a vector cannot be read "
            "by itself. Write it again with np.save(path, np.ascontiguousarray(array))."
        )
    return shape, stored, file.tell(), file.tell() + math.prod(shape) * stored.itemsize


def _safetensors_header(path: Path, file: BinaryIO, key: str | None) -> tuple[tuple[int, ...], np.dtype, int, int]:
    """The same of a tensor by its name. The library would map the file into memory, which counts as memory used."""
    try:
        length = int.from_bytes(file.read(8), "little")
        if length > os.fstat(file.fileno()).st_size:
            raise ValueError("the header is longer than the file")
        header = json.loads(file.read(length))
        tensors = {
            name: (entry["dtype"], tuple(map(int, entry["shape"])), *map(int, entry["data_offsets"]))
            for name, entry in header.items()
            if name != "__metadata__"
        }
        size = 8 + length + max(end for *_, end in tensors.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"Reading {path}: not a complete .safetensors file ({error}). Write it again.") from None
    if key is None and len(tensors) == 1:
        key = next(iter(tensors))
    if key not in tensors:
        wrong = "which tensor holds the vectors?" if key is None else f"there is no tensor {key!r}."
        raise DataError(f"Reading {path}: {wrong} Tensors found: {', '.join(tensors)}. Name one with key=...")
    kind, shape, start, end = tensors[key]
    if kind not in ("F16", "F32", "F64"):
        raise DataError(
            f"Reading {path}: the tensor {key!r} is of type {kind}; expected F16, F32 or F64 (float16, float32, "
            "float64). Convert it, for example with tensor.float()."
        )
    stored = np.dtype(f"<f{int(kind[1:]) // 8}")
    if end - start != math.prod(shape) * stored.itemsize:
        raise DataError(f"Reading {path}: the header contradicts itself about {key!r}. Write the file again.")
    return shape, stored, 8 + length + start, size


def blocks(vectors: Tensor | VectorFile, size: int = BLOCK) -> Iterator[Tensor]:
    """The vectors in order, float32 `(size, dim)` at a time, the last block with what is left.

    Example:
        >>> [tuple(block.shape) for block in blocks(torch.zeros(5, 2), 2)]
        [(2, 2), (2, 2), (1, 2)]
    """
    return (vectors[start : start + size].float() for start in range(0, len(vectors), size))


def _extreme(block: Tensor) -> Tensor:
    lengths = block.norm(dim=1)
    return (lengths < 1e-6) | (lengths > 1e6)


_FAULTS = {
    "NaN or infinite numbers": lambda block: ~torch.isfinite(block).all(1),
    "nothing but zeros": lambda block: (block == 0).all(1),
    "numbers too small or too large to work with": _extreme,
}


def check_vectors(vectors: Tensor | VectorFile, origin: str) -> Tensor | VectorFile:
    """Vectors `(n, dim)`, a tensor as float32, or a sentence that says what is wrong with them.

    Raises:
        DataError: not two-dimensional, empty, NaN, infinite or zero vectors.

    Example:
        >>> check_vectors(torch.eye(2, dtype=torch.long), "An example")
        tensor([[1., 0.],
                [0., 1.]])
    """
    if vectors.ndim != 2 or not len(vectors):
        raise DataError(f"{origin}: vectors must be (n, dim) with n at least 1; got shape {tuple(vectors.shape)}.")
    # Numbers, not tensors, are kept: a small tensor kept from every block would hold the memory beside it.
    count, first = dict.fromkeys(_FAULTS, 0), dict.fromkeys(_FAULTS, -1)
    for number, block in enumerate(blocks(vectors)):
        for fault, has in _FAULTS.items():
            places = has(block).nonzero()[:, 0].tolist()
            if places and not count[fault]:
                first[fault] = number * BLOCK + places[0]
            count[fault] += len(places)
    for fault in _FAULTS:
        if count[fault]:
            raise DataError(
                f"{origin}: {count[fault]:,} of {len(vectors):,} vectors hold {fault}, the first is number "
                f"{first[fault]} (counted from 0). Such a vector has no direction; remove or re-encode it."
            )
    return vectors.float() if isinstance(vectors, Tensor) else vectors
