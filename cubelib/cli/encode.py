"""`cubelib encode`: turn a file of texts into a file of vectors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cubelib.cli.parsing import CommandParser
from cubelib.encoders import teacher as default_teacher
from cubelib.encoders.encode_file import EncodeSummary, encode_file


def encode_parser() -> argparse.ArgumentParser:
    """The options of `python -m cubelib encode`."""
    parser = CommandParser(
        "encode",
        "Turn the texts of a file into vectors. Stopped in any way, the same command continues.",
        epilog="example: python -m cubelib encode faq.csv --columns question,answer --processes 2",
    )
    parser.add_argument(
        "file", metavar="FILE", help=".txt with a text on each line, or .csv .tsv .json .jsonl .parquet"
    )
    parser.add_argument("--columns", metavar="A,B", type=_words, help="columns of a table (default: text)")
    parser.add_argument(
        "--out", metavar="FILE", help=".npy for one column, .safetensors for several (default: as FILE)"
    )
    parser.add_argument("--teacher", metavar="MODEL", default=default_teacher.NAME, help="(default: %(default)s)")
    parser.add_argument(
        "--device", metavar="A,B", type=_words, default=["cpu"], help="cpu, cuda, or cuda:0,cuda:1 (default: cpu)"
    )
    parser.add_argument(
        "--processes", metavar="N", type=int, help="each with a copy of the model (default: 1 a device)"
    )
    parser.add_argument(
        "--batch-size", metavar="N", type=int, default=32, help="texts at a time (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file of vectors if it exists")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def encode_command(arguments: Sequence[str]) -> EncodeSummary:
    """What `python -m cubelib encode` does with the words after it.

    Raises:
        ConfigError: an option is missing, unknown or no number; and what `encode_file` raises.

    Example:
        >>> from cubelib.errors import ConfigError
        >>> try:
        ...     encode_command(["faq.csv", "--column", "question"])
        ... except ConfigError as error:
        ...     print(error)
        unrecognized arguments: --column question. See python -m cubelib encode --help.
    """
    options = vars(encode_parser().parse_args(arguments))
    return encode_file(options.pop("file"), options.pop("out"), devices=options.pop("device"), **options)
