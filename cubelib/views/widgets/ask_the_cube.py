"""AskTheCube: a question, and the known answers nearest to it before and after the cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import ipywidgets

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.text import normalize_text, shorten
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.inference.ask import Reply, ask
from cubelib.training.trainer import CubeTrainer
from cubelib.views.style import GRAY, new_panels
from cubelib.views.widgets.base import WIDE, BaseWidget, answer_table, sentence_box

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AskTheCube(BaseWidget):
    """Answers nearest to a question, without the cube and after it, with their cosines. Taught in notebook 05.

    Args:
        trainer: with a cube, trained or not; its teacher encodes the question.
        bank: answers, encoded by the same teacher.
        question: to begin with.
        right: question → its right answers, or a dataset with texts, such as the test pairs; right answers are marked.
            None marks nothing.
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
        >>> trainer.encoder = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> bank = AnswerBank.from_texts(["Yes.", "No, thank you."], trainer.encoder)
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
        self._relevant = _relevant_answers(right or {})
        self.reply: Reply = ask(trainer, question, bank, k)
        self.question = sentence_box(question, self._ask, "question")
        self.table = ipywidgets.HTML(self._table(), layout=WIDE)
        super().__init__(self.question, self.table)

    def summary(self) -> str:
        before, after = self.reply.before, self.reply.after
        says = f"“{self.reply.question}”: without the cube “{before[0].text}”, after it “{after[0].text}”"
        if normalize_text(self.reply.question) not in self._relevant:
            return says
        return f"{says}; right answer at {self._rank(before)} → {self._rank(after)}"

    def picture(self) -> Figure:
        columns = {"without the cube": self.reply.before, "after the cube": self.reply.after}
        figure, all_axes = new_panels(2, 9.5, 0.9 + 0.3 * len(self.reply.before))
        for ax, (title, answers) in zip(all_axes, columns.items(), strict=True):
            ax.set(xlim=(-0.03, 1), ylim=(len(answers) + 0.7, -0.3))
            ax.axis("off")
            ax.text(0, 0, title, color=GRAY)
            for rank, answer in enumerate(answers, start=1):
                right = self._is_right(answer)
                text = f"{rank}  {answer.score:.3f}  {shorten(answer.text, 48)[1:-1]}{'  (right)' if right else ''}"
                weight = "bold" if right else "normal"
                ax.text(0, rank, text, weight=weight, parse_math=False, clip_on=True)  # never into the next column
        figure.suptitle(f"“{self.reply.question}”", x=0.018, ha="left", size=12, weight="bold", parse_math=False)
        return figure

    def _is_right(self, answer: Answer) -> bool:
        return normalize_text(answer.text) in self._relevant.get(normalize_text(self.reply.question), ())

    def _rank(self, answers: Sequence[Answer]) -> str:
        ranks = [str(rank) for rank, answer in enumerate(answers, start=1) if self._is_right(answer)]
        return ranks[0] if ranks else f"none of {len(answers)}"

    def _ask(self) -> None:
        with self.responding("Encoding …"):
            self.reply = ask(self.trainer, self.question.value, self.bank, self.k)
            self.table.value = self._table()

    def _table(self) -> str:
        columns = {"without the cube": self.reply.before, "after the cube": self.reply.after}
        right = {answer.index: "right" for answers in columns.values() for answer in answers if self._is_right(answer)}
        return f"<p>“{escape(self.reply.question)}”</p>{answer_table(columns, right)}"


def _relevant_answers(right: EmbeddingDataset | Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Question → its right answers, both normalized."""
    if isinstance(right, EmbeddingDataset):
        pairs = list(zip(right.input_texts or [], right.target_texts or [], strict=True))
    else:
        pairs = [(question, answer) for question, answers in right.items() for answer in answers]
    relevant: dict[str, set[str]] = {}
    for question, answer in pairs:
        relevant.setdefault(normalize_text(question), set()).add(normalize_text(answer))
    return relevant
