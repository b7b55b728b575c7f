"""Rebuild the bundled embeddings of the built-in corpora with the real teacher.

    python scripts/build_bundled_embeddings.py [FILE]

Takes 4 to 12 minutes on a laptop; if it is stopped, it continues where it was. Texts that are already in the user's
cache are not encoded again: for a rebuild from scratch, set CUBELIB_CACHE to an empty folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cubelib.data import corpora
from cubelib.encoders.bundled import BUNDLED_FILE, write_bundled
from cubelib.encoders.cache import embedding_key
from cubelib.encoders.encoder import TeacherEncoder

LARGEST = 16_000_000  # bytes; the file is part of the repository and of every installation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "file", nargs="?", type=Path, default=BUNDLED_FILE, help="where to write it (default: %(default)s)"
    )
    path = parser.parse_args().file

    turns = (text for pair in corpora.dialogues() for text in (pair["question"], pair["answer"]))
    texts = list(dict.fromkeys([*corpora.sentences(), *turns]))
    encoder = TeacherEncoder(bundled=False)
    vectors = encoder.encode(texts).numpy()  # (n, 768)
    keys = [embedding_key(encoder.sha256, encoder.tag, text) for text in texts]
    write_bundled(path, dict(zip(keys, vectors, strict=True)), sha256=encoder.sha256, tag=encoder.tag)

    size = path.stat().st_size
    print(f"{path}: {len(texts):,} vectors, {size / 1e6:.1f} MB ({encoder.misses:,} encoded just now)")
    if size > LARGEST:
        raise SystemExit(f"The file has {size:,} bytes, more than {LARGEST:,}: make the built-in corpora smaller.")


if __name__ == "__main__":
    main()
