"""AskTheCube: a question, and the known answers nearest to it before and after the cube.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.text import normalize_text
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.inference.ask import Reply, ask
from cubelib.training.trainer import CubeTrainer
from cubelib.views.view3d.colors import ORANGE
from cubelib.views.widgets.board import CELL, WIDE, Board, as_html, sentence_box

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AskTheCube(Board):
    """Answers nearest to a question, without the cube and after it, side by side with their cosines.

    Args:
        trainer: with a cube, trained or not; its teacher encodes the question.
        bank: answers, encoded by the same teacher.
        question: to begin with.
        right: question → its right answers, or a dataset with texts, such as the test pairs: what is to be marked where
            it is found; None for nothing.
        k: how many answers are shown.

    Attributes:
        reply: what `cubelib.inference.ask.ask` returned for the question that is shown.
        question: the line to type in, with a `value`.

    Raises:
        DataError: as in `ask`, for the first question; later ones get a message.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
        >>> trainer.initialize_components()
        >>> trainer.embedding_loader = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> bank = AnswerBank.from_texts(["Yes.", "No, thank you."], trainer.embedding_loader)
        >>> AskTheCube(trainer, bank, "Tea?", right={"Tea?": ["No, thank you."]}, k=2)
        AskTheCube(“Tea?”: without the cube “Yes.”, after it “Yes.”; right answer at 2 → 2)
    """

    def __init__(
        self,
        trainer: CubeTrainer,
        bank: AnswerBank,
        question: str,
        *,
        right: EmbeddingDataset | Mapping[str, Sequence[str]] | None = None,
        k: int = 5,
    ) -> None:
        self.trainer, self.bank, self.k = trainer, bank, k
        self._right = _right_answers(right or {})
        self.reply: Reply = ask(trainer, question, bank, k)
        self.question = sentence_box(question, self._ask, "question")
        self.table = ipywidgets.HTML(layout=WIDE)
        super().__init__(self.question, self.table)
        self._tell()

    def summary(self) -> str:
        first = [answers[0].text for answers in (self.reply.before, self.reply.after)]
        says = f"“{self.reply.question}”: without the cube “{first[0]}”, after it “{first[1]}”"
        if not self._answers:
            return says
        places = [self._place(answers) for answers in (self.reply.before, self.reply.after)]
        return f"{says}; right answer at {places[0]} → {places[1]}"

    def picture(self) -> Figure:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.5, 0.9 + 0.33 * len(self.reply.before)), facecolor="white")
        figure.text(0.02, 0.9, f"“{self.reply.question}”", fontsize=12, weight="bold", va="top", parse_math=False)
        for left, title, answers in (
            (0.02, "without the cube", self.reply.before),
            (0.52, "after the cube", self.reply.after),
        ):
            step = 0.7 / (len(answers) + 1)
            figure.text(left, 0.7, title, fontsize=10, color="#555555", va="top")
            for place, answer in enumerate(answers, start=1):
                right = self._is_right(answer)
                text = f"{place}  {answer.score:.3f}  {_short(answer.text)}{'  (right)' if right else ''}"
                weight = "bold" if right else "normal"
                figure.text(left, 0.7 - step * place, text, fontsize=10, weight=weight, va="top", parse_math=False)
        return figure

    @property
    def _answers(self) -> set[str]:
        return self._right.get(normalize_text(self.reply.question), set())

    def _is_right(self, answer: Answer) -> bool:
        return normalize_text(answer.text) in self._answers

    def _place(self, answers: Sequence[Answer]) -> str:
        places = [str(place) for place, answer in enumerate(answers, start=1) if self._is_right(answer)]
        return places[0] if places else f"none of {len(answers)}"

    def _ask(self) -> None:
        with self.listening("Encoding …"):
            self.reply = ask(self.trainer, self.question.value, self.bank, self.k)
            self._tell()

    def _tell(self) -> None:
        rows = [
            f"<tr><td {CELL}>{place}</td>{self._cells(before)}{self._cells(after)}</tr>"
            for place, (before, after) in enumerate(zip(self.reply.before, self.reply.after, strict=True), start=1)
        ]
        head = f"<tr><th></th><th colspan=2 {CELL}>without the cube</th><th colspan=2 {CELL}>after the cube</th></tr>"
        self.table.value = f"<p>“{as_html(self.reply.question)}”</p><table>{head}{''.join(rows)}</table>"

    def _cells(self, answer: Answer) -> str:
        text = as_html(answer.text)
        if self._is_right(answer):
            text = f"<b style='color:{ORANGE}'>{text} (right)</b>"
        return f"<td {CELL}>{answer.score:.3f}</td><td {CELL}>{text}</td>"


def _right_answers(right: EmbeddingDataset | Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    if isinstance(right, EmbeddingDataset):
        pairs = zip(right.input_texts or [], right.target_texts or [], strict=True)
    else:
        pairs = ((asked, answer) for asked, answers in right.items() for answer in answers)
    found: dict[str, set[str]] = {}
    for asked, answer in pairs:
        found.setdefault(normalize_text(asked), set()).add(normalize_text(answer))
    return found


def _short(text: str, letters: int = 48) -> str:
    text = " ".join(text.split())
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"
