"""What `python -m cubelib ask` does: questions to a trained cube, in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cubelib.cli.runs import find_data
from cubelib.data.text import counted, normalize_text, shorten
from cubelib.errors import ConfigError, DataError, UserError
from cubelib.inference.answers import AnswerBank
from cubelib.inference.ask import Reply, ask, plain
from cubelib.training.sources import load_splits
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

    Raises:
        ConfigError: there is no question.
        CheckpointError: the run cannot be loaded.
        DataError: a question is empty, or the data or the file of answers cannot be used.
    """
    if not questions and not sys.stdin.isatty():
        raise ConfigError('there is no question. Write one in quotation marks: "How are you today?".')
    trainer = CubeTrainer.load(run, device=device)
    known: TrainingAnswers = {}
    if bank_file is None:
        find_data(trainer, files, f"Asking {run}")
        bank, known, description = _bank_of_run(trainer, run)
    else:
        if Path(bank_file).is_dir():
            bank = AnswerBank.load(bank_file)
        else:
            bank = AnswerBank.from_file(bank_file, trainer.encoder, column)
        description = f"Bank: {_count(bank, 'answer')} of {bank_file}."
    if questions:
        replies = [with_provenance(ask(trainer, question, bank, k), known) for question in questions]
        print("\n\n".join([description, *replies]))
        return
    print(f"{description} An empty line ends.\n")
    for question in _typed_questions():
        try:
            print(f"\n{with_provenance(ask(trainer, question, bank, k), known)}\n")
        except UserError as error:
            print(f"\n{error}\n")


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
