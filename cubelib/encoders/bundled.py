"""The warm cache: the teacher's vectors of the default corpora, part of the package.

`cubelib/encoders/warm_cache.npz` holds no texts: `keys` (n, 16) uint8, sorted, and row by row the vector filed under that
key (see `cubelib.encoders.cache.embedding_key`), in 8 bits a number with a scale and an offset of its own:

    vector = numbers · scale + offset          numbers (n, 768) uint8, scale and offset (n, 1) float32

The cosine to the original is above 0.9999. With the cache a fresh machine trains at once; the teacher, 405 MB, is
needed only for other texts. `scripts/build_warm_cache.py` rebuilds it.

Taught in notebook 01.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cubelib.encoders.cache import KEY_BYTES
from cubelib.errors import DataError

WARM_CACHE = Path(__file__).parent / "warm_cache.npz"
FORMAT = 2
# Steps between 8-bit numbers are no finer than this: rounding costs a unit vector of 768 numbers 768 · STEP² / 24 =
# 7e-5 of its cosine, and coarser numbers take less room once they are compressed.
STEP = 0.0015

_REMEDY = "It was left as it is. Install cubelib again, or rebuild it with: python scripts/build_warm_cache.py"


def write_warm_cache(path: Path, vectors: Mapping[bytes, np.ndarray], *, sha256: str, tag: str) -> None:
    """Writes a warm cache, aside and then renamed. The same vectors give the same file, byte by byte.

    Args:
        path: the file.
        vectors: key → unit vector `(dim,)`; rounded to 8 bits.
        sha256: SHA-256 of the weights that made the vectors.
        tag: how that model turns a text into a vector.
    """
    keys = sorted(vectors)
    table = np.stack([vectors[key] for key in keys]).astype(np.float32)  # (n, dim)
    offset = table.min(1, keepdims=True)
    scale = np.maximum((table.max(1, keepdims=True) - offset) / 255, np.float32(STEP))
    facts = {"format": FORMAT, "sha256": sha256, "tag": tag, "dim": table.shape[1], "count": len(keys)}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        np.savez_compressed(
            file,
            facts=np.array(json.dumps(facts)),
            keys=np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES),
            numbers=np.rint((table - offset) / scale).astype(np.uint8),
            scale=scale,
            offset=offset,
        )
    os.replace(aside, path)


def warm_facts(path: Path = WARM_CACHE) -> dict[str, object]:
    """What a warm cache says about itself: format, sha256, tag, dim and count.

    Raises:
        DataError: the file is missing, damaged or of another format; it is left as it is.

    Example:
        >>> warm_facts()["dim"]
        768
    """
    return _read(path)["facts"]


@lru_cache(maxsize=1)
def warm_vectors(path: Path = WARM_CACHE) -> Mapping[bytes, np.ndarray]:
    """The vectors that come with the package, read once: key → read-only unit vector `(dim,)` float32.

    Raises:
        DataError: the file is missing, damaged or of another format; it is left as it is.

    Example:
        >>> {vector.shape for vector in warm_vectors().values()}
        {(768,)}
    """
    arrays = _read(path, "keys", "numbers", "scale", "offset")
    vectors = arrays["numbers"] * arrays["scale"] + arrays["offset"]  # (n, dim) float32
    # Rounding moved the lengths away from 1. Mended for the whole table at once, so that a text's numbers cannot depend
    # on the batch it is asked for in.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors.flags.writeable = False
    return {key.tobytes(): vector for key, vector in zip(arrays["keys"], vectors, strict=True)}


def _read(path: Path, *names: str) -> dict[str, Any]:
    if not path.exists():
        raise DataError(f"warm cache: {path} is missing. {_REMEDY}")
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))  # the archive holds a checksum of each array
            known = facts["format"] == FORMAT
            arrays = {name: file[name] for name in names} if known else {}  # another format may hold others
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"warm cache: {path} is damaged or cut short ({error}). {_REMEDY}") from error
    if not known:
        raise DataError(f"warm cache: {path} has format {facts['format']}, this cubelib reads {FORMAT}. {_REMEDY}")
    return {"facts": facts, **arrays}
