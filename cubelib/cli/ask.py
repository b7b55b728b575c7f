"""`cubelib ask`: send questions through a trained cube."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cubelib.cli.parsing import CommandParser
from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.text import normalize_text, shorten
from cubelib.errors import ConfigError, DataError, UserError
from cubelib.inference.answers import AnswerBank
from cubelib.inference.ask import Known, Reply, ask, plain
from cubelib.training.sources import load_splits
from cubelib.training.trainer import CubeTrainer

PROMPT = "question> "


def ask_parser() -> argparse.ArgumentParser:
    """The options of `python -m cubelib ask`."""
    parser = CommandParser(
        "ask",
        "Send questions through a trained cube and show the nearest answers: without the cube, and after "
        "it. Without a question it asks for them, until an empty line.",
        epilog='example: python -m cubelib ask runs/dialogue-001 "How are you today?"',
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or of a checkpoint")
    parser.add_argument("questions", metavar="QUESTION", nargs="*", help="in quotation marks; several may follow")
    parser.add_argument(
        "--bank",
        metavar="FILE",
        help="answers to choose from: .txt with one on each line, a table, or a folder written by AnswerBank.save "
        "(default: all answers of the data that the run was trained on)",
    )
    parser.add_argument("--column", metavar="NAME", default="answer", help="of a table (default: %(default)s)")
    parser.add_argument("--k", metavar="N", type=int, default=5, help="answers to show (default: %(default)s)")
    parser.add_argument("--device", metavar="NAME", default="cpu", help="of the cube: cpu, cuda, … (default: cpu)")
    return parser


def ask_command(arguments: Sequence[str]) -> str:
    """What `python -m cubelib ask` does with the words after it; the text to print.

    Without a question, on a terminal, it asks for them and prints as it goes.

    Raises:
        ConfigError: an option is missing, unknown or no number.
        CheckpointError: the run cannot be loaded.
        DataError: a question, the data or the file of answers cannot be used.

    Example:
        >>> try:
        ...     ask_command(["runs/dialogue-001", "Why?", "--k", "many"])
        ... except ConfigError as error:
        ...     print(error)
        argument --k: invalid int value: 'many'. See python -m cubelib ask --help.
    """
    options = ask_parser().parse_intermixed_args(arguments)
    if options.k < 1:
        raise ConfigError(f"--k is how many answers to show, at least 1; got {options.k}.")
    empty = [question for question in options.questions if not question.strip()]
    if empty or not (options.questions or sys.stdin.isatty()):
        given = f"a question is empty: {empty[0]!r}" if empty else "there is no question, and no terminal to ask at"
        raise ConfigError(f'{given}. Write one in quotation marks, such as "How are you today?".')
    trainer = CubeTrainer.load(options.run, device=options.device)
    if options.bank is None:
        bank, known, about = _trained_bank(trainer, options.run)
    else:
        bank, known = _given_bank(trainer, options.bank, options.column), {}
        about = f"Bank: {_counted(bank)} of {options.bank}."
    if options.questions:
        replies = [_told(ask(trainer, question, bank, options.k), known) for question in options.questions]
        return "\n\n".join([about, *replies])
    print(f"{about} An empty line ends.\n")
    while question := _line():
        try:
            print(f"\n{_told(ask(trainer, question, bank, options.k), known)}\n")
        except UserError as error:
            print(f"\n{error}\n")
    return ""


def _line() -> str:
    try:
        return input(PROMPT).strip()
    except EOFError:
        return ""


def _given_bank(trainer: CubeTrainer, path: str, column: str) -> AnswerBank:
    if Path(path).is_dir():
        return AnswerBank.load(path)
    return AnswerBank.from_file(path, trainer.embedding_loader, column)


def _trained_bank(trainer: CubeTrainer, run: str) -> tuple[AnswerBank, Known, str]:
    """Every answer of the data of a run, what the training data answer to each question, and a line about both."""
    splits = load_splits(trainer.config, trainer.embedding_loader, progress=True)
    task = "dialogue" if "dialogue" in splits else "autoencoder"
    parts: list[EmbeddingDataset] = [getattr(splits[task], name) for name in ("train", "validation", "test")]
    train = parts[0]
    if train.target_texts is None:
        raise DataError(
            f"Asking {run}: it was trained on vectors without texts, so none of its answers can be read. Give texts "
            "with --bank FILE; its teacher must be the encoder that made the vectors (data.teacher)."
        )
    bank = AnswerBank.from_dataset(*parts)
    things = "answers" if task == "dialogue" else "sentences"
    if trainer.trained_on.get(task) != train.fingerprint():
        about = f"The data have changed since the cube was trained, so which {things} it has seen is not known."
        return bank, {}, f"Bank: {_counted(bank, things)}. {about}"
    known: Known = {}
    for question, answer in zip(train.input_texts or [], train.target_texts, strict=True):
        known.setdefault(normalize_text(question), []).append(answer)
    seen = len({normalize_text(text) for text in train.target_texts})
    return bank, known, f"Bank: {_counted(bank, things)}, {seen:,} of them in the training data."


def _counted(bank: AnswerBank, things: str = "answers") -> str:
    return f"{len(bank):,} different {things if len(bank) != 1 else things.removesuffix('s')}"


def _told(reply: Reply, known: Known) -> str:
    """The reply, and whether the cube was trained on this very question."""
    answers = known.get(normalize_text(reply.question))
    if answers is None:
        return str(reply)
    different = list({normalize_text(answer): answer for answer in reversed(answers)}.values())[
        ::-1
    ]  # the first of equal ones
    if [normalize_text(answer) for answer in different] == [normalize_text(reply.question)]:
        return f"{reply}\nThis very sentence is in the training data."
    more = f" and {len(different) - 1:,} more" * (len(different) > 1)
    return (
        f"{reply}\nThis very question is in the training data, answered with {shorten(plain(different[0]), 40)}{more}."
    )
