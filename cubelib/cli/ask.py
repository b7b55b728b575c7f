"""What `python -m cubelib ask` does: questions to a trained cube, in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cubelib.cli.options import options_for_settings
from cubelib.cli.runs import find_data
from cubelib.data.text import counted, normalize_text, shorten
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError, UserError
from cubelib.inference.answers import AnswerBank
from cubelib.inference.ask import Reply, ask, plain
from cubelib.training.sources import content_of, load_splits
from cubelib.training.trainer import CubeTrainer

PROMPT = "question> "

TrainingAnswers = dict[str, dict[str, str]]  # normalized question → normalized answer → answer, in the training data


def ask_in_terminal(
    run: str,
    questions: Sequence[str],
    bank_file: str | None,
    column: str,
    k: int,
    device: str,
    files: Sequence[str] | None = None,
    teacher: str | None = None,
) -> None:
    """Prints the reply to each question; without questions, asks for them until an empty line.

    Args:
        run: folder of a run, or of a checkpoint.
        questions: texts.
        bank_file: answers to choose from, or None for all answers of the run's data.
        column: of the file, where it is a table.
        k: how many answers to show.
        device: of the cube.
        files: where the run's data are now; None: where they were.
        teacher: the encoder of the questions; None: that of the run. A run on vectors has none: then questions are .npy
            files with a vector in each.

    Raises:
        ConfigError: there is no question.
        CheckpointError: the run cannot be loaded.
        DataError: a question is empty, or the data or the file of answers cannot be used.
    """
    if not questions and not sys.stdin.isatty():
        raise ConfigError('there is no question. Write one in quotation marks: "How are you today?".')
    trainer = CubeTrainer.load(run, device=device)
    if teacher is not None:
        trainer.encoder = TeacherEncoder(teacher, cache_dir=trainer.config.data.cache_dir)
    known: TrainingAnswers = {}
    if bank_file is None:
        find_data(trainer, files, f"Asking {run}")
        bank, known, description = _bank_of_run(trainer, run)
    else:
        if Path(bank_file).is_dir():
            bank = AnswerBank.load(bank_file)
        else:
            with options_for_settings({"text_column": "column"}, "Give a .txt file in UTF-8, an answer on each line."):
                bank = AnswerBank.from_file(bank_file, trainer.encoder, column)
        description = f"Bank: {_count(bank, 'answer')} of {bank_file}."
    if bank_file is None and teacher is None and content_of(trainer.config.data) == "vectors":
        asked: list[str | Tensor] = [_vector(question, run) for question in questions or [""]]
    else:
        asked = list(questions)
    if asked:
        replies = [with_provenance(ask(trainer, question, bank, k), known) for question in asked]
        print("\n\n".join([description, *replies]))
        return
    print(f"{description} An empty line ends.\n")
    for question in _typed_questions():
        try:
            print(f"\n{with_provenance(ask(trainer, question, bank, k), known)}\n")
        except UserError as error:
            print(f"\n{error}\n")


def _vector(question: str, run: str) -> Tensor:
    """The vector in a .npy file."""
    if not question.endswith(".npy"):
        raise DataError(
            f"Asking {run}: it was trained on vectors, and which encoder made them is not known. Name it with "
            "--teacher MODEL, or give as question a .npy file with its vector."
        )
    try:
        return torch.from_numpy(np.load(question).astype(np.float32))
    except (OSError, ValueError) as error:
        raise DataError(f"Asking {run}: {question} is no vector ({error}). Give one that np.save wrote.") from None


def _typed_questions() -> Iterator[str]:
    try:
        while question := input(PROMPT).strip():
            yield question
    except EOFError:
        return


def _bank_of_run(trainer: CubeTrainer, run: str) -> tuple[AnswerBank, TrainingAnswers, str]:
    """All answers of a run's data, those of its training data by question, and a sentence about both."""
    splits = load_splits(trainer.config, trainer.encoder, progress=True)
    task, noun = ("dialogue", "answer") if "dialogue" in splits else ("autoencoder", "sentence")
    train = splits[task].train
    if train.target_texts is None:
        raise DataError(
            f"Asking {run}: it was trained on vectors without texts, so none of its answers can be read. Give texts "
            "with --bank FILE; its teacher must be the encoder that made the vectors (data.teacher)."
        )
    bank = AnswerBank.from_dataset(train, splits[task].validation, splits[task].test)
    if trainer.trained_on.get(task) != train.fingerprint():
        changed = f"The data have changed since the cube was trained, so which {noun}s it has seen is not known."
        return bank, {}, f"Bank: {_count(bank, noun)}. {changed}"
    known: TrainingAnswers = {}
    for question, answer in zip(train.input_texts or [], train.target_texts, strict=True):
        known.setdefault(normalize_text(question), {}).setdefault(normalize_text(answer), answer)
    seen = len({normalize_text(text) for text in train.target_texts})
    return bank, known, f"Bank: {_count(bank, noun)}, {seen:,} of them in the training data."


def _count(bank: AnswerBank, noun: str) -> str:
    return counted(len(bank), f"different {noun}")


def with_provenance(reply: Reply, known: TrainingAnswers) -> str:
    """The reply, and whether the cube was trained on this very question.

    Example:
        >>> from cubelib.inference.answers import Answer
        >>> reply = Reply("Tea?", [Answer("Yes.", 0.5, 0)], [Answer("Yes.", 0.5, 0)])
        >>> print(with_provenance(reply, {"tea?": {"yes.": "Yes.", "no.": "No."}}).splitlines()[-1])
        This very question is in the training data, answered with “Yes.” and 1 more.
    """
    answers = known.get(normalize_text(reply.question))
    if not answers:
        return str(reply)
    if list(answers) == [normalize_text(reply.question)]:
        return f"{reply}\nThis very sentence is in the training data."
    first = shorten(plain(next(iter(answers.values()))), 40)
    more = f" and {len(answers) - 1:,} more" if len(answers) > 1 else ""
    return f"{reply}\nThis very question is in the training data, answered with {first}{more}."
