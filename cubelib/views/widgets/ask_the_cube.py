"""AskTheCube: a question, and the known answers nearest to it before and after the cube."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import ipywidgets
from matplotlib.figure import Figure

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.text import normalize_text, shorten
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.inference.ask import Reply, ask
from cubelib.training.trainer import CubeTrainer
from cubelib.views.style import GRAY, new_panels
from cubelib.views.widgets.base import BaseWidget, answer_table, sentence_box


class AskTheCube(BaseWidget):
    """Answers nearest to a question, without the cube and after it, with their cosines. Taught in notebook 05.

    Args:
        trainer: with a cube, trained or not; its teacher encodes the question.
        bank: answers, encoded by the same teacher.
        question: to begin with.
        right: a dataset with texts, such as the test pairs; the answers to the question in it are marked as right.
        k: how many answers are shown.

    Attributes:
        reply: what `cubelib.inference.ask.ask` returned for the question that is shown.
        question: the line to type in, with a `value`.

    Raises:
        DataError: as in `ask`, for the first question; later ones get a message.

    Example:
        >>> from cubelib import DialogueDataset, TeacherEncoder
        >>> trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
        >>> trainer.initialize_components()
        >>> trainer.encoder = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> bank = AnswerBank.from_texts(["Yes.", "No, thank you."], trainer.encoder)
        >>> vectors = trainer.encoder.encode(["Tea?", "No, thank you."])
        >>> pairs = DialogueDataset(vectors[:1], vectors[1:], ["Tea?"], ["No, thank you."])
        >>> AskTheCube(trainer, bank, "Tea?", right=pairs, k=2)
        AskTheCube(“Tea?”: without the cube “Yes.”, after it “Yes.”; right answer at 2 → 2)
    """

    def __init__(
        self,
        trainer: CubeTrainer,
        bank: AnswerBank,
        question: str,
        *,
        right: EmbeddingDataset | None = None,
        k: int = 5,
    ) -> None:
        self.trainer, self.bank, self.k = trainer, bank, k
        self._right: dict[str, set[str]] = {}  # question → its right answers, both normalized
        if right is not None:
            for asked, answer in zip(right.input_texts or [], right.target_texts or [], strict=True):
                self._right.setdefault(normalize_text(asked), set()).add(normalize_text(answer))
        self.reply: Reply = ask(trainer, question, bank, k)
        self.question = sentence_box(question, self._ask, "question")
        self.table = ipywidgets.HTML(self._table(), layout={"width": "100%"})
        super().__init__(self.question, self.table)

    def summary(self) -> str:
        before, after = self.reply.before, self.reply.after
        says = f"“{self.reply.question}”: without the cube “{before[0].text}”, after it “{after[0].text}”"
        if normalize_text(self.reply.question) not in self._right:
            return says
        return f"{says}; right answer at {self._rank(before)} → {self._rank(after)}"

    def picture(self) -> Figure:
        figure, all_axes = new_panels(2, 10.5, 0.9 + 0.3 * len(self.reply.before))
        for ax, (title, answers) in zip(all_axes, self._columns().items(), strict=True):
            ax.set(xlim=(-0.03, 1), ylim=(len(answers) + 0.7, -0.3))
            ax.axis("off")
            ax.text(0, 0, title, color=GRAY)
            for rank, answer in enumerate(answers, start=1):
                length, mark, weight = 48, "", "normal"
                if self._is_right(answer):
                    length, mark, weight = 40, "  (right)", "bold"  # bold letters are wider
                text = f"{rank}  {answer.score:.3f}  {shorten(answer.text, length)[1:-1]}{mark}"
                ax.text(0, rank, text, weight=weight, parse_math=False, clip_on=True)  # never into the next column
        figure.suptitle(f"“{self.reply.question}”", x=0.018, ha="left", size=12, weight="bold", parse_math=False)
        return figure

    def _columns(self) -> dict[str, list[Answer]]:
        return {"without the cube": self.reply.before, "after the cube": self.reply.after}

    def _is_right(self, answer: Answer) -> bool:
        return normalize_text(answer.text) in self._right.get(normalize_text(self.reply.question), ())

    def _rank(self, answers: Sequence[Answer]) -> str:
        for rank, answer in enumerate(answers, start=1):
            if self._is_right(answer):
                return str(rank)
        return f"none of {len(answers)}"

    def _ask(self) -> None:
        with self.responding("Encoding …"):
            self.reply = ask(self.trainer, self.question.value, self.bank, self.k)
            self.table.value = self._table()

    def _table(self) -> str:
        shown = [*self.reply.before, *self.reply.after]
        notes = {answer.index: "right" for answer in shown if self._is_right(answer)}
        return f"<p>“{escape(self.reply.question)}”</p>{answer_table(self._columns(), notes)}"
