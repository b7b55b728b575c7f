"""Ask a trained cube: a question, sent through it, and the answers nearest to what comes out.

    question ─teacher→ vector ─────────→ nearest answers without the cube
                          └──── cube ──→ nearest answers after the cube

Side by side they show what training changed. The job behind `python -m cubelib ask`.

Taught in notebook 05.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from cubelib.data.text import escape, shorten, table
from cubelib.errors import DataError
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.training.trainer import CubeTrainer

WIDTH = 100  # of what is shown

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
        return "\n".join([_cut(f"“{plain(self.question)}”", WIDTH), head, *(line.rstrip() for line in lines)])

    def _repr_markdown_(self) -> str:
        rows = [
            [
                str(number),
                escape(shorten(one.text)),
                f"{one.score:.3f}",
                escape(shorten(other.text)),
                f"{other.score:.3f}",
            ]
            for number, (one, other) in enumerate(zip(self.before, self.after, strict=True), start=1)
        ]
        answers = table(["place", "without the cube", "cosine", "after the cube", "cosine"], rows)
        return f"{escape(shorten(self.question, 200))}\n\n{answers}"


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


def plain(text: str) -> str:
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
    shown = _cut(plain(text), columns)
    return shown + " " * (columns - sum(map(_columns, shown)))
