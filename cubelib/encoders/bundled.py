"""Bundled embeddings: the teacher's vectors of the built-in corpora, part of the package.

With them a new machine trains at once; the teacher, 405 MB, is needed only for other texts. The file
`bundled_embeddings.npz` contains no texts. It has `keys` (n, 16) uint8, sorted (`cubelib.encoders.cache.embedding_key`
makes them), and for each key a vector in 8 bits per number, with its own scale and offset:

    vector = numbers · scale + offset          numbers (n, 768) uint8, scale and offset (n, 1) float32

The cosine to the original is above 0.9999. `scripts/build_bundled_embeddings.py` builds the file.

Taught in notebook 02.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from cubelib.encoders.cache import KEY_BYTES, Vectors
from cubelib.errors import DataError
from cubelib.files import written_aside

BUNDLED_FILE = Path(__file__).parent / "bundled_embeddings.npz"
FORMAT = 2
# Steps between 8-bit numbers are no finer than this: rounding costs a unit vector of 768 numbers 768 · STEP² / 24 =
# 7e-5 of its cosine, and coarser numbers take less space once they are compressed.
STEP = 0.0015


def write_bundled(path: Path, vectors: Mapping[bytes, Vectors], *, sha256: str, tag: str) -> None:
    """Writes bundled embeddings. The same vectors give the same file, byte for byte.

    Args:
        path: the file, replaced if it exists.
        vectors: key → unit vector `(dim,)`; rounded to 8 bits.
        sha256: SHA-256 of the weights of the model that made the vectors.
        tag: how that model turns a text into a vector.
    """
    keys = sorted(vectors)
    table = np.stack([vectors[key] for key in keys]).astype(np.float32)  # (n, dim)
    offset = table.min(1, keepdims=True)
    scale = np.maximum((table.max(1, keepdims=True) - offset) / 255, np.float32(STEP))
    facts = {"format": FORMAT, "sha256": sha256, "tag": tag, "dim": table.shape[1], "count": len(keys)}
    with written_aside(path, replace=True) as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            facts=np.array(json.dumps(facts)),
            keys=np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY_BYTES),
            numbers=np.rint((table - offset) / scale).astype(np.uint8),
            scale=scale,
            offset=offset,
        )


@lru_cache(maxsize=1)
def bundled_vectors(path: Path = BUNDLED_FILE) -> Mapping[bytes, Vectors]:
    """The vectors that come with the package, read once: key → read-only unit vector `(dim,)` float32.

    Raises:
        DataError: the file is missing, damaged or of another format.

    Example:
        >>> {vector.shape for vector in bundled_vectors().values()}
        {(768,)}
    """
    try:
        with np.load(path, allow_pickle=False) as file:  # compares each array with its checksum
            facts = json.loads(str(file["facts"]))
            if facts["format"] != FORMAT:
                raise ValueError(f"it has format {facts['format']}, this cubelib reads {FORMAT}")
            keys = file["keys"]
            vectors = file["numbers"] * file["scale"] + file["offset"]  # (n, dim) float32
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"Bundled embeddings: {path} is missing or damaged ({error}). Install cubelib again, or rebuild the file "
            "with: python scripts/build_bundled_embeddings.py"
        ) from error
    # Rounding changed the lengths. They are restored for the whole table at once, so that a text's numbers cannot
    # depend on the batch in which it is asked for.
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors.flags.writeable = False
    return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
