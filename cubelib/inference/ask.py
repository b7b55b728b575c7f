"""Ask a trained cube: a question, sent through it, and the answers nearest to what comes out.

    question ─teacher→ vector ─────────→ nearest answers without the cube
                          └──── cube ──→ nearest answers after the cube

Side by side they show what training changed.

Taught in notebook 05.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from torch import Tensor

from cubelib.data.text import escape, shorten, table
from cubelib.errors import DataError
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.training.trainer import CubeTrainer

WIDTH = 100  # columns of a printed reply


@dataclass(frozen=True)
class Reply:
    """The answers found for a question, with and without the cube.

    Attributes:
        question: as it was asked.
        before: the answers nearest to the question's own vector, without the cube, the best first; empty if questions
            and answers have vectors of two widths, which nothing but the cube brings together.
        after: those nearest to the cube's output for it.

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
        rank_width = len(str(len(self.after))) + 1
        if not self.before:
            ranked = enumerate(self.after, start=1)
            found = [f"{rank:>{rank_width}}  {answer.score:6.3f}  {plain(answer.text)}" for rank, answer in ranked]
            return "\n".join(_cut(line, WIDTH) for line in [f"“{plain(self.question)}”", *found])
        width = (WIDTH - rank_width) // 2 - 10  # columns of an answer; its score and the space around it take ten
        lines = [
            _cut(f"“{plain(self.question)}”", WIDTH),
            " " * (rank_width + 3) + set_cell_size("without the cube", width + 10) + "after the cube",
        ]
        for rank, (before, after) in enumerate(zip(self.before, self.after, strict=True), start=1):
            left = set_cell_size(_cut(plain(before.text), width), width)
            right = _cut(plain(after.text), width)
            lines.append(f"{rank:>{rank_width}}  {before.score:6.3f}  {left}  {after.score:6.3f}  {right}")
        return "\n".join(lines)

    def _repr_markdown_(self) -> str:
        columns = {"without the cube": self.before, "after the cube": self.after}
        columns = {title: answers for title, answers in columns.items() if answers}
        rows = []
        for rank, ranked in enumerate(zip(*columns.values(), strict=True), start=1):
            cells = [str(rank)]
            for answer in ranked:
                cells += [escape(shorten(answer.text)), f"{answer.score:.3f}"]
            rows.append(cells)
        titles = [cell for title in columns for cell in (title, "cosine")]
        answers = table(["place", *titles], rows)
        return f"{escape(shorten(self.question, 200))}\n\n{answers}"


def ask(trainer: CubeTrainer, question: str | Tensor, bank: AnswerBank, k: int = 5) -> Reply:
    """The answers nearest to a question without the cube, and after it.

    Args:
        trainer: with a cube, trained or not; its teacher encodes the question.
        question: a text, or a vector `(dim,)`, which needs no teacher.
        bank: answers, encoded by the same teacher.
        k: how many to find.

    Raises:
        DataError: an empty question, or a teacher, cube and bank of different widths.
        ModuleNotFoundError: the teacher is needed and not installed; the message has the command.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
        >>> trainer.initialize_components()
        >>> trainer.encoder = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> bank = AnswerBank.from_texts(["Yes.", "No, thank you."], trainer.encoder)
        >>> reply = ask(trainer, "Some more tea?", bank, k=1)  # an untrained cube changes nothing
        >>> reply.before == reply.after, reply.after[0].text
        (True, 'No, thank you.')
    """
    if isinstance(question, Tensor):
        return _nearest(trainer, "a vector", question.reshape(1, -1), bank, k)
    if not isinstance(question, str) or not question.strip():
        raise DataError(f"Asking: the question is {question!r:.40}. Give a text with at least one visible character.")
    encoder, dim = trainer.embedding_loader, trainer.config.embedding_dim
    if encoder is None:
        raise DataError("Asking: this trainer has no cube and no teacher yet. Call initialize_components() first.")
    if encoder.dim != dim:
        raise DataError(
            f"Asking: the cube takes vectors of {dim} numbers, and its teacher {encoder.name} makes {encoder.dim}. It "
            "was trained on vectors of another encoder. Name that one with --teacher (in Python trainer.encoder)."
        )
    return _nearest(trainer, question, trainer.encode([question]), bank, k)


def _nearest(trainer: CubeTrainer, question: str, vector: Tensor, bank: AnswerBank, k: int) -> Reply:
    """The reply to a question's vector, `(1, dim)`."""
    dim = trainer.config.embedding_dim
    if vector.shape[1] != dim:
        raise DataError(f"Asking: the cube takes a vector of {dim} numbers; got {vector.shape[1]}. Encode it alike.")
    (after,) = bank.nearest(trainer.predict(vector), k)
    before = bank.nearest(vector, k)[0] if trainer.config.target_dim == dim else []  # else there is nothing to compare
    return Reply(question, before, after)


def plain(text: str) -> str:
    """A text on one line, without characters that would control a terminal.

    Example:
        >>> plain("two\\nlines \\x1b[31mred")
        'two lines �[31mred'
    """
    visible = [letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text]
    return " ".join("".join(visible).split())


def _cut(text: str, width: int) -> str:
    """The beginning of a text, as much as fits into so many columns of a terminal."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"
