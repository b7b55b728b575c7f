"""The warm cache: the teacher's vectors of the default corpora, part of the package.

`cubelib/data/warm_cache.safetensors` holds two tensors and no texts: `keys` (n, 16) uint8, sorted, and `vectors`
(n, 768) float16, row by row the embedding filed under that key (see `cubelib.cache.embedding_key`). With it a fresh
machine trains at once; the teacher, 405 MB, is needed only for other texts. `scripts/build_warm_cache.py` rebuilds it.

Taught in notebook 01.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cubelib.cache import KEY_BYTES
from cubelib.errors import DataError

WARM_CACHE = Path(__file__).parent / "data" / "warm_cache.safetensors"
FORMAT = 1

_REMEDY = "It was left as it is. Install cubelib again, or rebuild it with: python scripts/build_warm_cache.py"


def write_warm_cache(path: Path, vectors: Mapping[bytes, np.ndarray], *, sha256: str, tag: str) -> None:
    """Write a warm cache, aside and then renamed. The same vectors give the same file, byte by byte.

    Args:
        path: the file.
        vectors: key → unit vector `(dim,)`; halved to float16.
        sha256: SHA-256 of the weights that made the vectors.
        tag: how that model turns a text into a vector.
    """
    keys = sorted(vectors)
    table = np.stack([vectors[key] for key in keys]).astype(np.float16)  # (n, dim)
    facts = {"format": FORMAT, "sha256": sha256, "tag": tag, "dim": table.shape[1], "count": len(keys)}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    tensors = {"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES), "vectors": table}
    # One entry for all facts: safetensors writes several in random order, and a rebuilt file would differ each time.
    aside.write_bytes(save(tensors, {"warm_cache": json.dumps(facts)}))
    os.replace(aside, path)


@lru_cache(maxsize=1)
def warm_vectors(path: Path = WARM_CACHE) -> Mapping[bytes, np.ndarray]:
    """The vectors that come with the package, read once: key → read-only unit vector `(dim,)` float32.

    Raises:
        DataError: the file is missing, cut short or of another format; it is left as it is.

    Example:
        >>> {vector.shape for vector in warm_vectors().values()}
        {(768,)}
    """
    if not path.exists():
        raise DataError(f"warm cache: {path} is missing. {_REMEDY}")
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {}).get("warm_cache", "{}"))
            if facts.get("format") != FORMAT:
                raise DataError(
                    f"warm cache: {path} has format {facts.get('format')}, this cubelib reads {FORMAT}. {_REMEDY}"
                )
            keys, halves = file.get_tensor("keys"), file.get_tensor("vectors")  # (n, 16), (n, dim)
    except SafetensorError as error:
        raise DataError(f"warm cache: {path} is damaged or cut short ({error}). {_REMEDY}") from error
    vectors = halves.astype(np.float32)
    # float16 moved the lengths away from 1. Mended for the whole table at once, so that a text's numbers cannot depend
    # on the batch it is asked for in.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors.flags.writeable = False
    return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
