"""The job behind `python -m cubelib export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cubelib.cli.parsing import CommandParser
from cubelib.errors import ConfigError
from cubelib.inference.export.onnx_file import export_onnx
from cubelib.inference.export.places import check_new
from cubelib.inference.export.sentence_transformer import save_sentence_transformer
from cubelib.training.trainer import CubeTrainer

FORMATS = ("sentence-transformers", "onnx")


def export_parser() -> argparse.ArgumentParser:
    """The options of `python -m cubelib export`."""
    parser = CommandParser(
        "export",
        "Write a trained cube for others to use: with its teacher as a folder for sentence-transformers, "
        "or alone, vectors in and vectors out, as an ONNX file.",
        epilog="example: python -m cubelib export runs/dialogue-001 --to my-model",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, or of a checkpoint")
    parser.add_argument("--to", metavar="NAME", required=True, help="a new folder, or a new file NAME.onnx")
    parser.add_argument("--format", choices=FORMATS, help="(default: onnx for a name that ends so, else the first)")
    return parser


def export_command(arguments: Sequence[str]) -> str:
    """What `python -m cubelib export` does with the words after it; returns what to tell about it.

    Raises:
        ConfigError: an option is missing, unknown or contradicts the name; and what `save_sentence_transformer` or
            `export_onnx` raises.
        CheckpointError: there is no run, or it cannot be read.

    Example:
        >>> try:
        ...     export_command(["runs/dialogue-001"])
        ... except ConfigError as error:
        ...     print(error)
        the following arguments are required: --to. See python -m cubelib export --help.
    """
    options = export_parser().parse_args(arguments)
    to = Path(options.to)
    kind = options.format or ("onnx" if to.suffix.lower() == ".onnx" else "sentence-transformers")
    if to.suffix.lower() in (".pt", ".pt2") or (to.suffix.lower() == ".onnx") != (kind == "onnx"):
        raise ConfigError(
            f"Exporting: {to} is no name for the format {kind}. Use a name that ends in .onnx for ONNX, and any other "
            "for a folder of sentence-transformers. Pickles (.pt, .pt2) are not written."
        )
    check_new(to)
    trainer = CubeTrainer.load(options.run, device="cpu")
    if kind == "onnx":
        return str(export_onnx(trainer, to))
    save_sentence_transformer(trainer, to)
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file()) / 1e6
    use = (
        "encode" if trainer.config.mode == "autoencoder" else "encode_query for questions, encode_document for answers"
    )
    return (
        f"Wrote {to}, {size:,.0f} MB. In Python, with cubelib installed: SentenceTransformer({options.to!r}, "
        f"trust_remote_code=True); {use}."
    )
