"""The commands of `python -m cubelib`: what each takes, and what it calls.

Only typer is imported here. A command imports what it needs once its arguments are checked, so that a mistake is
reported, and the help printed, before PyTorch is loaded.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from cubelib.errors import ConfigError

app = typer.Typer(
    help="Teach a 3-D lattice of cells to transform sentence embeddings.",
    epilog="Example: python -m cubelib train config/cube_training.yaml --mode dialogue",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
RESUMABLE = {"epochs", "early_stopping_patience"}  # settings that a resumed run may change: they say only when it ends

Run = Annotated[str, typer.Argument(metavar="RUN", help="folder of a run, or of a checkpoint")]
MovedFiles = Annotated[
    list[str] | None,
    typer.Option("--data.file", metavar="FILE", help="where the run's data are now; twice for two files"),
]


def _option(metavar: str, help: str, **more: Any) -> Any:
    return typer.Option(metavar=metavar, help=help, **more)


class _TrainCommand(TyperCommand):
    """Lists every setting of the YAML file in `train --help`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["CONFIG [--SETTING VALUE]... | --resume RUN"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        from cubelib.cli.options import describe

        super().format_options(ctx, formatter)
        with formatter.section("Settings (the value shown applies where CONFIG does not name the key)"):
            formatter.write_dl(list(describe()), col_max=40)


@app.command(cls=_TrainCommand, context_settings={"ignore_unknown_options": True})
def train(
    words: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    resume: Annotated[str | None, _option("RUN", "continue the run in this folder")] = None,
) -> None:
    """Train, evaluate and save the cube that a YAML file describes.

    Every setting of the file can be given as an option as well. --resume continues a run that was interrupted; with
    --epochs N or --early-stopping-patience N it continues longer, and --data.file FILE says where its data are now.

    Several processes: torchrun --standalone --nproc-per-node 2 -m cubelib train CONFIG
    """
    from cubelib.cli.options import configuration, read_options

    words = words or []
    if resume is None:
        if not words or words[0].startswith("-"):
            raise ConfigError("give one config file, then options; or --resume and the folder of a run.")
        config = configuration(words[0], words[1:])

        from cubelib.cli.runs import train_new

        train_new(config)
        return
    changes = read_options(words)
    files = changes.pop("data.file", None)
    for name, value in changes.items():
        if name not in RESUMABLE or not isinstance(value, int) or value < 1:
            raise ConfigError(
                f"Resuming {resume}: a run continues with its own settings; only --epochs and "
                "--early-stopping-patience can be changed, to whole numbers of at least 1, and --data.file. Got "
                f"--{name} {value}."
            )

    from cubelib.cli.runs import train_further

    train_further(Path(resume), [files] if isinstance(files, str) else files, **changes)


@app.command()
def evaluate(
    run: Run,
    baselines: Annotated[str, _option("WHICH", "default, quick (no gradient descent) or none")] = "default",
    out: Annotated[str | None, _option("FOLDER", "new folder for the files of the report")] = None,
    device: Annotated[str | None, _option("NAME", "cpu, cuda, …; by default as in training")] = None,
    files: MovedFiles = None,
) -> None:
    """Print the report of a saved cube again.

    The cube is measured anew on the same split, beside its baselines.
    """
    from cubelib.cli import runs

    runs.evaluate(run, device, baselines, out, files)


@app.command()
def ask(
    run: Run,
    questions: Annotated[list[str] | None, typer.Argument(metavar="QUESTION", help="in quotation marks")] = None,
    bank: Annotated[str | None, _option("FILE", "answers: .txt, a table, or a folder of AnswerBank.save")] = None,
    column: Annotated[str, _option("NAME", "column of a table")] = "answer",
    k: Annotated[int, _option("N", "answers to show", min=1)] = 5,
    device: Annotated[str, _option("NAME", "cpu, cuda, …")] = "cpu",
    files: MovedFiles = None,
    teacher: Annotated[str | None, _option("MODEL", "the encoder of the questions, for a run on vectors")] = None,
) -> None:
    """Show the answers nearest to a question.

    They are those without the cube and those after it. Without --bank they come from the data that the run was trained
    on. Without a question it asks for them, until an empty line.
    """
    from cubelib.cli.ask import ask_in_terminal

    ask_in_terminal(run, questions or [], bank, column, k, device, files, teacher)


@app.command()
def encode(
    file: Annotated[str, typer.Argument(metavar="FILE", help=".txt, .csv, .tsv, .json, .jsonl or .parquet")],
    columns: Annotated[str, _option("A,B", "columns of a table")] = "",
    out: Annotated[str | None, _option("FILE", ".npy for one column, .safetensors for several")] = None,
    teacher: Annotated[str, _option("MODEL", "the sentence encoder")] = "all-mpnet-base-v2",
    device: Annotated[str, _option("A,B", "cpu, cuda, or cuda:0,cuda:1")] = "cpu",
    processes: Annotated[int | None, _option("N", "each has a copy of the model; by default one per device")] = None,
    batch_size: Annotated[int, _option("N", "texts per batch")] = 32,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file of vectors if it exists")] = False,
    bad_rows: Annotated[
        Literal["error", "skip"], typer.Option(help="a row that cannot be used, in any column")
    ] = "error",
    missing: Annotated[str, _option("A,B", "words that stand for an empty cell, such as nan,n/a")] = "",
    delimiter: Annotated[str | None, _option("NAME", "tab, comma, semicolon, pipe, …; by default it is found")] = None,
    header: Annotated[Literal["auto", "true", "false"], typer.Option(help="first line has names")] = "auto",
    quoting: Annotated[Literal["auto", "standard", "none"], typer.Option(help="none: they are letters")] = "auto",
    encoding: Annotated[str | None, _option("NAME", "utf-8, cp1252, utf-16, …; by default it is found")] = None,
) -> None:
    """Turn the texts of a file into vectors.

    If it is stopped in any way, the same command continues.
    """
    from cubelib.cli.options import options_for_settings
    from cubelib.data.readers import Dialect
    from cubelib.encoders.encode_file import encode_file

    reading = ("bad_rows", "missing", "delimiter", "header", "quoting", "encoding")
    options = dict(zip(reading, reading, strict=True)) | {"text_column": "columns"}
    with options_for_settings(options, "Give a file, or with --columns a column, of sentences."):
        summary = encode_file(
            file,
            out,
            columns=_split(columns),
            teacher=teacher,
            devices=_split(device),
            processes=processes,
            batch_size=batch_size,
            overwrite=overwrite,
            bad_rows=bad_rows,
            dialect=Dialect(delimiter, {"true": True, "false": False}.get(header, "auto"), quoting, encoding),
            missing=_split(missing),
        )
    print(summary)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


@app.command()
def export(
    run: Run,
    to: Annotated[str, _option("NAME", "new folder, or new file NAME.onnx")],
    format: Annotated[
        Literal["sentence-transformers", "onnx"] | None, typer.Option(help="default: as NAME says")
    ] = None,
) -> None:
    """Write a trained cube for use elsewhere.

    With its teacher it becomes a folder for sentence-transformers; alone, vectors in and vectors out, an ONNX file.
    """
    from cubelib.files import check_new

    target = Path(to)
    is_onnx = target.suffix.lower() == ".onnx"
    kind = format or ("onnx" if is_onnx else "sentence-transformers")
    if target.suffix.lower() in (".pt", ".pt2") or is_onnx != (kind == "onnx"):
        raise ConfigError(
            f"Exporting: {to} is no name for the format {kind}. Use a name that ends in .onnx for ONNX, and any other "
            "for a folder of sentence-transformers. Pickles (.pt, .pt2) are not written."
        )
    check_new(target, "Exporting")

    from cubelib.training.trainer import CubeTrainer

    trainer = CubeTrainer.load(run, device="cpu")
    if is_onnx:
        from cubelib.inference.onnx import export_onnx

        print(export_onnx(trainer, target))
        return

    from cubelib.inference.sentence_transformer import save_sentence_transformer

    save_sentence_transformer(trainer, target)
    print(f"Wrote {to}. Its README.md says how to use it: SentenceTransformer({to!r}, trust_remote_code=True).")


@app.command()
def resize(
    run: Run,
    to: Annotated[str, _option("FOLDER", "new folder for the checkpoint")],
    depth: Annotated[int | None, _option("N", "planes; by default as they are", min=1)] = None,
    rows: Annotated[int | None, _option("N", "rows of the face", min=1)] = None,
    columns: Annotated[int | None, _option("N", "columns of the face", min=1)] = None,
) -> None:
    """Put the weights of a shared rule on a lattice of another size.

    The new checkpoint can be evaluated, asked and exported like any other. With another face it takes vectors of
    another width.
    """
    from cubelib.files import check_new

    if depth is None and rows is None and columns is None:
        raise ConfigError("resize: give at least one of --depth, --rows and --columns.")
    check_new(Path(to), "Resizing")

    from cubelib.training.trainer import CubeTrainer

    try:
        resized = CubeTrainer.load(run, device="cpu").resized(depth=depth, rows=rows, columns=columns)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    resized.save(to)
    print(f"Wrote {to}: {resized.core}. It takes vectors of {resized.config.embedding_dim:,} numbers.")


@app.command()
def course(
    out: Annotated[
        str | None, typer.Argument(metavar="OUT", help="new folder for the notebooks, or the slides")
    ] = None,
    student: Annotated[bool, typer.Option("--student", help="leave out solutions, and answers to questions")] = False,
    slides: Annotated[bool, typer.Option("--slides", help="slides instead: one HTML file a notebook, offline")] = False,
    progress: Annotated[bool, typer.Option("--progress", help="show which exercises are solved here")] = False,
    reset: Annotated[bool, typer.Option("--reset-progress", help="forget which exercises are solved here")] = False,
) -> None:
    """Copy the notebooks for a class, or show which exercises are solved.

    Without --student the copies hold the solutions.
    """
    if (out is not None) + progress + reset != 1:
        raise ConfigError("give a new folder OUT, or --progress, or --reset-progress.")
    if out is None and (student or slides):
        raise ConfigError("--student and --slides need a new folder OUT.")
    if student and slides:
        raise ConfigError("give --student or --slides, and each its own folder OUT. Slides never hold solutions.")
    if out is not None:
        from cubelib.cli.course import write_course

        print(write_course(Path(out), student=student, slides=slides))
        return

    from cubelib.exercises.progress import ENROLLED, Progress

    kept = Progress(ENROLLED)
    if reset:
        print(f"Forgot {kept.reset()} solved exercises of {kept.folder}.")
    else:
        print(kept.table())


@app.command()
def corpora() -> None:
    """List the texts that come with the packages."""
    from cubelib.data.corpora import catalog_table

    print(catalog_table())


@app.command()
def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="also load the teacher and encode a sentence")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, for programs")] = False,
) -> None:
    """Say what is missing, and how to install it.

    The exit code is 1 if something is missing that nothing works without.
    """
    from cubelib.cli.doctor import describe, examine, problems

    checks = examine(deep=deep)
    print(json.dumps([asdict(check) for check in checks], indent=1) if as_json else describe(checks))
    if problems(checks):
        raise typer.Exit(1)
