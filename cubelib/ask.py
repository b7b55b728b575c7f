"""Ask a trained cube: a question, sent through it, and the answers nearest to what comes out.

    question ─teacher→ vector ─────────→ nearest answers without the cube
                          └──── cube ──→ nearest answers after the cube

Side by side they show what training changed. The job behind `python -m cubelib ask`.

Taught in notebook 05.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cubelib.answers import Answer, AnswerBank
from cubelib.copies import quote, words
from cubelib.datasets import EmbeddingDataset
from cubelib.errors import ConfigError, DataError, UserError
from cubelib.parsing import CommandParser
from cubelib.sources import load_splits
from cubelib.trainer import CubeTrainer

WIDTH = 100  # of what is shown
PROMPT = "question> "

Known = dict[str, list[str]]


@dataclass(frozen=True)
class Reply:
    """What was found for a question.

    Attributes:
        question: as it was asked.
        before: the answers nearest to the question's own vector, without the cube, the best first.
        after: those nearest to what the cube made of it.

    Example:
        >>> yes, no = Answer("Yes, with milk, please.", 0.25, 0), Answer("No.", 0.5, 1)
        >>> print(Reply("Tea?", before=[no, yes], after=[yes, no]))
        “Tea?”
             without the cube                                 after the cube
         1   0.500  No.                                       0.250  Yes, with milk, please.
         2   0.250  Yes, with milk, please.                   0.500  No.
    """

    question: str
    before: list[Answer]
    after: list[Answer]

    def __str__(self) -> str:
        place = len(str(len(self.after))) + 1
        column = (WIDTH - place) // 2 - 10  # letters of an answer; its score and the space around take ten
        head = " " * (place + 3) + _fitted("without the cube", column + 10) + "after the cube"
        lines = [
            f"{number:>{place}}" + "".join(f"  {answer.score:6.3f}  {_fitted(answer.text, column)}" for answer in both)
            for number, both in enumerate(zip(self.before, self.after, strict=True), start=1)
        ]
        return "\n".join([_cut(f"“{_plain(self.question)}”", WIDTH), head, *(line.rstrip() for line in lines)])

    def _repr_markdown_(self) -> str:
        from cubelib.report.markdown import aligned, quoted

        rows = [
            [str(number), quoted(one.text), f"{one.score:.3f}", quoted(other.text), f"{other.score:.3f}"]
            for number, (one, other) in enumerate(zip(self.before, self.after, strict=True), start=1)
        ]
        table = aligned(["place", "without the cube", "cosine", "after the cube", "cosine"], rows)
        return f"{quoted(self.question, 200)}\n\n{table}"


def ask(trainer: CubeTrainer, question: str, bank: AnswerBank, k: int = 5) -> Reply:
    """The answers nearest to a question without the cube, and after it.

    Args:
        trainer: with a cube, trained or not; its teacher encodes the question.
        question: a text.
        bank: answers, encoded by the same teacher.
        k: how many to find.

    Raises:
        DataError: an empty question, or a teacher, cube and bank of different widths.
        ModuleNotFoundError: the teacher is needed and not installed; the message has the command.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
        >>> trainer.initialize_components()
        >>> trainer.embedding_loader = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> bank = AnswerBank.from_texts(["Yes.", "No, thank you."], trainer.embedding_loader)
        >>> reply = ask(trainer, "Some more tea?", bank, k=1)      # an untrained cube changes nothing
        >>> reply.before == reply.after, reply.after[0].text
        (True, 'No, thank you.')
    """
    if not isinstance(question, str) or not question.strip():
        raise DataError(f"Asking: the question is {question!r:.40}. Give a text with at least one visible character.")
    encoder, dim = trainer.embedding_loader, trainer.config.embedding_dim
    if encoder is None:
        raise DataError("Asking: this trainer has no cube and no teacher yet. Call initialize_components() first.")
    if encoder.dim != dim:
        raise DataError(
            f"Asking: the cube takes vectors of {dim} numbers, and its teacher {encoder.name} makes {encoder.dim}. It "
            "was trained on vectors of another encoder. Set trainer.embedding_loader to TeacherEncoder(that one)."
        )
    vector = encoder.encode([question])  # (1, dim)
    (before,), (after,) = bank.nearest(vector, k), bank.nearest(trainer.predict(vector), k)
    return Reply(question, before, after)


def _plain(text: str) -> str:
    """A text on one line, without letters that would do something to a terminal."""
    shown = "".join(
        letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return " ".join(shown.split())


def _columns(letter: str) -> int:
    """How many places a letter takes in a terminal."""
    return 0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _cut(text: str, columns: int) -> str:
    """The beginning of a text, as much as fits."""
    if sum(map(_columns, text)) <= columns:
        return text
    used = end = 0
    while used + _columns(text[end]) < columns:
        used += _columns(text[end])
        end += 1
    return text[:end].rstrip() + "…"


def _fitted(text: str, columns: int) -> str:
    """A text in just so many columns."""
    shown = _cut(_plain(text), columns)
    return shown + " " * (columns - sum(map(_columns, shown)))


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
        known.setdefault(words(question), []).append(answer)
    seen = len({words(text) for text in train.target_texts})
    return bank, known, f"Bank: {_counted(bank, things)}, {seen:,} of them in the training data."


def _counted(bank: AnswerBank, things: str = "answers") -> str:
    return f"{len(bank):,} different {things if len(bank) != 1 else things.removesuffix('s')}"


def _told(reply: Reply, known: Known) -> str:
    """The reply, and whether the cube was trained on this very question."""
    answers = known.get(words(reply.question))
    if answers is None:
        return str(reply)
    different = list({words(answer): answer for answer in reversed(answers)}.values())[::-1]  # the first of equal ones
    if [words(answer) for answer in different] == [words(reply.question)]:
        return f"{reply}\nThis very sentence is in the training data."
    more = f" and {len(different) - 1:,} more" * (len(different) > 1)
    return (
        f"{reply}\nThis very question is in the training data, answered with {quote(_plain(different[0]), 40)}{more}."
    )
