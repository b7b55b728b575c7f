"""Rebuild the warm cache of the default corpora with the real teacher.

    python scripts/build_warm_cache.py [FILE]

Takes 4 to 12 minutes on a laptop; stopped, it continues where it was. The texts that are already in the user's cache
are not encoded again: for a rebuild from nothing, point CUBELIB_CACHE at an empty folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cubelib.data import corpora
from cubelib.encoders.bundled import WARM_CACHE, write_warm_cache
from cubelib.encoders.cache import embedding_key
from cubelib.encoders.encoder import TeacherEncoder

LARGEST = 16_000_000  # bytes; it is part of the repository and of every installation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "file", nargs="?", type=Path, default=WARM_CACHE, help="where to write it (default: %(default)s)"
    )
    path = parser.parse_args().file

    turns = (text for pair in corpora.dialogues() for text in (pair["question"], pair["answer"]))
    texts = list(dict.fromkeys([*corpora.sentences(), *turns]))
    encoder = TeacherEncoder(warm=False)
    vectors = encoder.encode(texts).numpy()  # (n, 768)
    keys = [embedding_key(encoder.sha256, encoder.tag, text) for text in texts]
    write_warm_cache(path, dict(zip(keys, vectors, strict=True)), sha256=encoder.sha256, tag=encoder.tag)

    size = path.stat().st_size
    print(f"{path}: {len(texts):,} vectors, {size / 1e6:.1f} MB ({encoder.misses:,} encoded just now)")
    if size > LARGEST:
        raise SystemExit(f"The warm cache is {size:,} bytes, more than {LARGEST:,}: make the default corpora smaller.")


if __name__ == "__main__":
    main()
