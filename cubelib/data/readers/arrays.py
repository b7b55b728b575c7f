"""Files that hold one array: .npy, .npz, .safetensors and .pt."""

from __future__ import annotations

import pickle
import warnings
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from cubelib.data.vectors import Array, choose_name, tensor_name
from cubelib.errors import DataError

TEXTS = ("texts", "text", "documents", "sentences", "words")
ARRAYS = (".npy", ".npz", ".safetensors", ".pt", ".pth")

_MOST = 100  # times that an archive of vectors unpacks to; zip can pack zeros a thousandfold
_HDF5 = (
    "such files need a package of their own. List what it holds, and save the vectors: import h5py, numpy; file = "
    "h5py.File({path!r}); print(list(file)); numpy.save({saved!r}, file['NAME'][:])"
)
_PICKLE = (
    "a pickle runs code when it is opened, so it is not read here. Save a table of pandas with its to_parquet. If you "
    "trust the file, save its vectors once: import pickle, numpy; numpy.save({saved!r}, "
    "numpy.asarray(pickle.load(open({path!r}, 'rb')), dtype='float32'))"
)
_FEATHER = "save the table in another format: import pandas; pandas.read_feather({path!r}).to_parquet({parquet!r})"
_WORD2VEC = (
    "word vectors in binary. Save them as text: from gensim.models import KeyedVectors; "
    "KeyedVectors.load_word2vec_format({path!r}, binary=True).save_word2vec_format({text!r})"
)
_JOBLIB = _PICKLE.replace("pickle, ", "joblib, ").replace("pickle.load(open({path!r}, 'rb'))", "joblib.load({path!r})")
REFUSED = {
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".joblib": _JOBLIB,
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".feather": _FEATHER,
    ".arrow": _FEATHER,
    ".bin": _WORD2VEC,
}


def check_kind(path: Path) -> None:
    """Refuses pickles, HDF5 and the like, with the lines that convert them.

    Raises:
        DataError: the file is of such a kind.
    """
    advice = REFUSED.get(path.suffix.lower())
    if advice:
        endings = {"saved": ".npy", "parquet": ".parquet", "text": ".vec"}
        names = {name: path.with_suffix(ending).as_posix() for name, ending in endings.items()}
        lines = advice.format(path=path.as_posix(), **names)
        raise DataError(f"Reading {path}: {lines}")


def read_array(path: Path, key: str | None) -> Tensor:
    """The array of a file as float32 `(n, dim)`.

    Warns:
        UserWarning: the numbers are whole numbers of a byte.

    Raises:
        DataError: the file is damaged, or holds no real numbers `(n, dim)`, or packed bits.
    """
    ending = path.suffix.lower()
    if ending == ".safetensors":
        name = tensor_name(path, key)
        with safe_open(path, framework="pt") as file:
            return _from_tensor(path, file.get_tensor(name))
    if ending in (".pt", ".pth"):
        return _from_tensor(path, _pt(path, key))
    if ending == ".npy" and key is not None:
        raise DataError(f"Reading {path}: a .npy file holds one array without a name. Leave out {key=}.")
    try:
        # A mapped array cannot be larger than its file, whatever its header says. Neither holds Python objects.
        array: Array = np.lib.format.open_memmap(path, mode="r") if ending == ".npy" else _npz(path, key)  # type: ignore[no-untyped-call]
    except DataError:
        raise
    except (ValueError, EOFError, OSError, RuntimeError, MemoryError, BadZipFile, zlib.error) as error:
        if "object" in str(error).lower():
            raise DataError(
                f"Reading {path}: an array of Python objects, such as a list of vectors with holes or of several "
                "widths, which only a pickle can hold. Leave out what is no vector, and save it again: np.save(path, "
                "np.stack([vector for vector in vectors if vector is not None]).astype(np.float32))."
            ) from None
        raise DataError(f"Reading {path}: not a complete {ending} file of numbers ({error}). Write it again.") from None
    _check_layout(path, str(array.dtype), array.shape, array.dtype.kind in "fiu")
    refuse_packed_bits(str(path), array)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which check_vectors refuses
        return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))


def _from_tensor(path: Path, tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided:
        raise DataError(f"Reading {path}: a sparse tensor. Save it whole: torch.save(tensor.to_dense(), path).")
    real = tensor.dtype != torch.bool and not tensor.is_complex() and not tensor.is_quantized
    _check_layout(path, str(tensor.dtype), tensor.shape, real)
    if not tensor.is_floating_point():
        refuse_packed_bits(str(path), tensor.numpy())
    return tensor.detach().to(torch.float32, copy=True)  # a copy, or it would need the file


def _pt(path: Path, key: str | None) -> Tensor:
    """A tensor, the only one of a dictionary, or a list of vectors; nothing else is ever unpickled."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DataError(
            f"Reading {path}: not a file of tensors alone ({str(error).splitlines()[0]:.80}). Anything else would run "
            "code when it is opened. Save the vectors alone: torch.save(torch.as_tensor(vectors), path)."
        ) from None
    if isinstance(content, dict):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        matrices = [name for name, value in tensors.items() if value.ndim == 2]
        if not matrices and key is None:
            raise DataError(
                f"Reading {path}: a dictionary without a tensor (n, dim). Save the vectors alone: "
                "torch.save(torch.stack(list(vectors.values())), path)."
            )
        return tensors[choose_name(path, matrices if key is None else list(tensors), key, "tensor")]
    if isinstance(content, list | tuple) and all(isinstance(value, Tensor) for value in content):
        one_shape = len({value.shape for value in content}) == 1
        content = torch.stack(list(content)) if one_shape else content
    if isinstance(content, list) and len({len(row) if isinstance(row, list) else -1 for row in content}) == 1:
        with suppress(ValueError, TypeError):
            content = torch.tensor(content)
    if not isinstance(content, Tensor):
        raise DataError(
            f"Reading {path}: found {type(content).__name__}, expected a tensor (n, dim). Save the vectors alone: "
            "torch.save(torch.as_tensor(vectors), path)."
        )
    return content


def _npz(path: Path, key: str | None) -> Array:
    if not is_zipfile(path):
        raise ValueError("not a zip archive")
    with np.load(path) as archive:
        names = archive.files
        if key is None and len(names) > 1:
            numeric = [name for name in names if _is_numeric(archive, name)]
            names = numeric if len(numeric) == 1 else names
        name = choose_name(path, names, key, "array")
        member = archive.zip.getinfo(f"{name}.npy")
        if member.file_size > _MOST * member.compress_size:
            raise DataError(
                f"Reading {path}: {member.filename} unpacks from {member.compress_size:,} to {member.file_size:,} "
                "bytes, which no vectors do. The file is damaged, or a trap."
            )
        array: Array = archive[name]
        return array


def npz_texts(path: Path, name: str | None, count: int) -> list[str] | None:
    """The only array of texts in a .npz file, if it has one for each vector.

    Args:
        path: of the file.
        name: of the array; None: the only one.
        count: vectors.
    """
    with np.load(path) as archive:
        names = [name] if name else [usual for usual in TEXTS if usual in archive.files] or archive.files
        found = []
        for candidate in names:
            kind, shape = _header(archive, candidate)
            if kind == "U" and shape == (count,):
                found.append(archive[candidate].tolist())
    return found[0] if len(found) == 1 else None


def _is_numeric(archive: Any, name: str) -> bool:
    kind, shape = _header(archive, name)
    return kind in "fiu" and len(shape) == 2


def _header(archive: Any, name: str) -> tuple[str, tuple[int, ...]]:
    """Kind and shape of an array of an archive, which is not unpacked."""
    with archive.zip.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)  # type: ignore[no-untyped-call]
    return dtype.kind, shape


def _check_layout(path: Path, kind: str, shape: Sequence[int], real: bool) -> None:
    if real and len(shape) == 2:
        return
    remedy = "Save it again, for example with np.save(path, np.asarray(vectors, dtype=np.float32))."
    if real and len(shape) == 1:
        remedy = "One vector trains nothing: np.save(path, np.stack(vectors)), or array.reshape(-1, dim) if it is many."
    elif real and len(shape) == 3 and 1 in shape[:2]:
        remedy = f"An axis of length 1 is too many: np.save(path, array.squeeze({1 if shape[1] == 1 else 0}))."
    elif real and len(shape) == 3:
        remedy = "If these are the tokens of each text, average them: np.save(path, array.mean(axis=1))."
    raise DataError(
        f"Reading {path}: found an array of {kind}, shape {tuple(shape)}; expected real numbers, shape (n, dim). "
        f"{remedy}"
    )


def refuse_packed_bits(source: str, array: Array) -> None:
    """Refuses whole numbers of a byte unless they are clearly quantized numbers, of which it warns.

    `precision="binary"` and `"ubinary"` pack eight signs into a number, whose size then means nothing; `"int8"` and
    `"uint8"` scale each column to the range of a byte. The numbers tell which: the two highest bits of a byte are as
    often equal as not where each is the sign of another column, and mostly differ where they are the size of a number,
    because most numbers are in the middle of their range. What is not clear is refused.

    Raises:
        DataError: packed bits, or what may be.
    """
    if not len(array) or not array.size or not _are_bytes(array):
        return
    offset = 128 if array.min() < 0 or array.dtype == np.int8 else 0
    values = array.astype(np.int16) + offset  # 0 … 255
    middle = ((values >= 64) & (values < 192)).mean()
    margin = max(0.15, 1.5 / np.sqrt(array.shape[1]))  # columns may repeat themselves in every row
    if middle > 0.5 + margin:
        warnings.warn(
            f"Reading {source}: whole numbers of a byte, as precision='int8' writes them. They are read as they are; "
            "vectors of full precision are a little better.",
            stacklevel=5,
        )
        return
    unpack = "array" if not offset else "(array.astype('int16') + 128).astype('uint8')"
    raise DataError(
        f"Reading {source}: {array.dtype} numbers of a byte, as precision='ubinary' or 'binary' writes them: eight "
        "signs packed into each, whose size means nothing. Unpack them into 1 and -1: np.save(path, "
        f"np.unpackbits({unpack}, axis=1) * 2.0 - 1). If they are numbers all the same: np.save(path, array / 127.0)."
    )


def _are_bytes(array: Array) -> bool:
    """Whether it is of bytes, or of whole numbers that fill the range of a byte."""
    if array.dtype in (np.int8, np.uint8):
        return True
    head = array[:100]
    if not (head == np.rint(head)).all():
        return False
    least, most = array.min(), array.max()
    fits = (least >= -128 and most <= 127) or (least >= 0 and most <= 255)
    return bool(fits and most - least > 200 and (array == np.rint(array)).all())
