"""Vectors in memory or in a file, read block by block, so that their number does not matter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cubelib.errors import DataError
from cubelib.files import reason

BLOCK = 1024  # rows held in memory at a time
COSINE_TOLERANCE = 1e-6  # float32 rounding: two vectors with a cosine above 1 minus this are the same vector
_FLOATS = ("float16", "bfloat16", "float32", "float64")

Array = NDArray[Any]
Index = int | slice | Sequence[int] | Array | Tensor


class VectorFile:
    """Rows of a .npy or .safetensors file, read when they are asked for.

    The file is mapped into memory for each read and released afterwards. A VectorFile can therefore be pickled and
    sent to another process.

    Args:
        path: a .npy file with one array `(n, dim)`, or a .safetensors file.
        key: the tensor's name in a .safetensors file; None if there is only one.

    Raises:
        DataError: no such file, an incomplete one, or no floating-point array `(n, dim)`; on a later read: the file has
            changed.

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
        self._state = self._file_state()
        ending = self.path.suffix.lower()
        if ending not in (".npy", ".safetensors"):
            raise DataError(f"Reading {self.path}: vectors come from .npy or .safetensors files. Convert the file.")
        if ending == ".npy" and key is not None:
            raise DataError(f"Reading {self.path}: a .npy file holds one array without a name. Leave out {key=}.")
        self._key = tensor_name(self.path, key) if ending == ".safetensors" else None
        stored = self._open()
        self._stored = getattr(stored.dtype, "name", str(stored.dtype).removeprefix("torch."))
        if self._stored not in _FLOATS or stored.ndim != 2:
            raise DataError(
                f"Reading {self.path}: found an array of {self._stored}, shape {tuple(stored.shape)}; expected one of "
                f"{', '.join(_FLOATS)}, shape (n, dim). Convert it to float32, and write it again."
            )
        self._width = int(stored.shape[1])
        self._rows: Array = np.arange(len(stored))  # the rows of the file that this view shows

    @property
    def shape(self) -> torch.Size:
        """`(n, dim)`."""
        return torch.Size((len(self), self._width))

    @property
    def ndim(self) -> int:
        """2, like a tensor of vectors."""
        return 2

    @property
    def dtype(self) -> torch.dtype:
        """float32, whatever the file stores."""
        return torch.float32

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Index) -> Tensor:
        chosen = self._chosen(rows)
        return self._read(chosen) if chosen.ndim else self._read(chosen[None])[0]

    def take(self, rows: Index) -> VectorFile:
        """A view of some rows, in the given order; nothing is read or copied."""
        view = object.__new__(type(self))
        vars(view).update(vars(self), _rows=self._chosen(rows))
        return view

    def _chosen(self, rows: Index) -> Array:
        return self._rows[rows.numpy() if isinstance(rows, Tensor) else rows]

    def _read(self, rows: Array) -> Tensor:
        """`(rows,)` → float32 `(rows, dim)`."""
        if self._file_state() != self._state:
            raise DataError(f"Reading {self.path}: the file has changed since it was first read. Start again.")
        values = self._open()[rows]
        if not isinstance(values, Tensor):
            values = torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))
        return values.float()

    def _open(self) -> Array | Tensor:
        """The whole array, mapped into memory: only the rows that are selected from it are read."""
        if self._key is not None:
            with safe_open(self.path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(self._key)
                return tensor
        try:
            array: Array = np.lib.format.open_memmap(self.path, mode="r")  # type: ignore[no-untyped-call]
            return array
        except (ValueError, OSError) as error:  # ValueError: cut short, or Python objects
            raise DataError(f"Reading {self.path}: not a complete .npy array of numbers ({error}).") from None

    def _file_state(self) -> tuple[int, int]:
        """Size and time of the last change."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise DataError(f"Reading {self.path}: {reason(error)}. Give the path of a readable file.") from None
        return status.st_size, status.st_mtime_ns

    def __repr__(self) -> str:
        return f"VectorFile({self.path.name}: {len(self):,} vectors of {self._width} numbers, {self._stored})"


class ConcatSubset(VectorFile):
    """Some rows of several sets of vectors as one set; nothing is copied until rows are asked for.

    Args:
        parts: `(n, dim)` each, in memory or in files.
        rows: which rows, counted through all parts.

    Example:
        >>> ConcatSubset([torch.eye(2), 5 * torch.eye(2)], np.array([3, 0]))[:]
        tensor([[0., 5.],
                [1., 0.]])
    """

    def __init__(self, parts: Sequence[Tensor | VectorFile], rows: Array) -> None:
        self._parts, self._rows, self._width = parts, rows, int(parts[0].shape[1])
        self._ends = np.cumsum([len(part) for part in parts])

    def _read(self, rows: Array) -> Tensor:
        vectors = torch.empty(len(rows), self._width)
        part_of = np.searchsorted(self._ends, rows, side="right")
        for number, part in enumerate(self._parts):
            places = np.flatnonzero(part_of == number)
            if len(places):
                start = self._ends[number] - len(part)
                vectors[torch.from_numpy(places)] = part[torch.from_numpy(rows[places] - start)]
        return vectors

    def __repr__(self) -> str:
        return f"ConcatSubset({len(self):,} of {self._ends[-1]:,} vectors of {self._width} numbers)"


def take(vectors: Tensor | VectorFile, rows: slice | Tensor) -> Tensor | VectorFile:
    """Some of the vectors: rows of a tensor, or a view of a file.

    Example:
        >>> take(torch.eye(3), torch.tensor([2]))
        tensor([[0., 0., 1.]])
    """
    return vectors.take(rows) if isinstance(vectors, VectorFile) else vectors[rows]


def tensor_name(path: Path, key: str | None) -> str:
    """The name of the tensor to read from a .safetensors file: `key`, or that of the only one.

    Raises:
        DataError: the file is damaged, there is no such tensor, or several and no key.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if key is None and len(names) > 1:
                names = [name for name in names if len(file.get_slice(name).get_shape()) == 2] or names
    except (SafetensorError, OSError) as error:
        raise DataError(f"Reading {path}: not a complete .safetensors file ({error}). Write it again.") from None
    return choose_name(path, names, key, "tensor")


def choose_name(path: Path, names: Sequence[str], key: str | None, what: str) -> str:
    """`key` if it is one of the names, or the only name.

    Raises:
        DataError: there is no such name, or several and no key.
    """
    if key is None and len(names) == 1:
        return names[0]
    if key is not None and key in names:
        return key
    fault = f"which {what} holds the vectors?" if key is None else f"there is no {what} {key!r}."
    raise DataError(
        f'Reading {path}: {fault} Found: {", ".join(names) or "none"}. Name one with key="…" (data.vector_column in a '
        "configuration; for pairs data.question_column and data.answer_column)."
    )


def blocks(vectors: Tensor | VectorFile, size: int = BLOCK) -> Iterator[Tensor]:
    """The vectors in order, float32 `(size, dim)` at a time; the last block has what is left.

    Example:
        >>> [tuple(block.shape) for block in blocks(torch.zeros(5, 2), 2)]
        [(2, 2), (2, 2), (1, 2)]
    """
    for start in range(0, len(vectors), size):
        yield vectors[start : start + size].float()


def first_equals(parts: Sequence[Tensor | VectorFile]) -> Array:
    """For each vector the position of the first that equals it number for number, `(n,)`; in linear time.

    Example:
        >>> first_equals([torch.eye(2), torch.eye(2)]).tolist()
        [0, 1, 0, 1]
    """
    first: dict[bytes, int] = {}
    same_as: list[int] = []
    for part in parts:
        for block in blocks(part):
            for row in (block + 0.0).contiguous().numpy():  # + 0.0: −0 becomes 0
                digest = hashlib.blake2b(row.data, digest_size=16).digest()
                same_as.append(first.setdefault(digest, len(same_as)))
    return np.array(same_as)


def _faults(block: Tensor) -> dict[str, Tensor]:
    """What can be wrong with a vector → which of `(n, dim)` have it, `(n,)`; the worst fault first."""
    lengths = block.norm(dim=1)
    return {
        "NaN or infinite numbers": ~torch.isfinite(block).all(1),
        "nothing but zeros": (block == 0).all(1),
        "numbers too small or too large to work with": (lengths < 1e-6) | (lengths > 1e6),
    }


def usable(vectors: Tensor) -> Tensor:
    """Which vectors of `(n, dim)` have a direction, `(n,)`: finite, not zero, of a length from 1e-6 to 1e6.

    Example:
        >>> usable(torch.tensor([[1.0, 2.0], [0.0, 0.0], [torch.nan, 1.0]])).tolist()
        [True, False, False]
    """
    return torch.cat([~torch.stack([*_faults(block).values()]).any(0) for block in blocks(vectors)])


def check_vectors(vectors: Tensor | VectorFile, origin: str) -> Tensor | VectorFile:
    """The vectors `(n, dim)`, a tensor as float32; raises if any of them cannot be used.

    Raises:
        DataError: not two-dimensional, empty, NaN, infinite or zero vectors.

    Example:
        >>> check_vectors(torch.eye(2, dtype=torch.long), "An example")
        tensor([[1., 0.],
                [0., 1.]])
    """
    if vectors.ndim != 2 or not len(vectors):
        raise DataError(f"{origin}: vectors must be (n, dim) with n at least 1; got shape {tuple(vectors.shape)}.")
    places: dict[str, list[int]] = {}  # plain numbers: a small tensor kept from each block would keep its memory
    for number, block in enumerate(blocks(vectors)):
        for fault, affected in _faults(block).items():
            places.setdefault(fault, []).extend((number * BLOCK + affected.nonzero()[:, 0]).tolist())
    for fault, affected_rows in places.items():
        if affected_rows:
            raise DataError(
                f"{origin}: {len(affected_rows):,} of {len(vectors):,} vectors hold {fault}, the first is number "
                f"{affected_rows[0]} (counted from 0). Such a vector has no direction; remove or re-encode it."
            )
    return vectors.float() if isinstance(vectors, Tensor) else vectors
