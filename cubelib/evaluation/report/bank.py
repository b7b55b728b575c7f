"""The answers that a dialogue's outputs are looked for among, and which of them are right.

    bank     every different answer of the data, each once: test, then validation, then training
    right    the answers of all items that ask the same question, and every entry equal to one of them

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree

from cubelib.data.near_copies import first_equals
from cubelib.data.splits import Split
from cubelib.data.vectors import Picked, blocks
from cubelib.metrics.retrieval import COPY
from cubelib.metrics.rows import unit

AXES = 8  # coordinates that copies are looked for by


class RelevantAnswers:
    """Every different answer of a split once, and the right ones for some of its items.

    Args:
        split: of a DialogueDataset.
        items: the items whose right answers are wanted, counted through test, validation and training.

    Attributes:
        vectors: `(m, dim)`.
        right: for each of the items, in order, the entries that are right.
        chance: how likely an entry picked at random is right, on average over the items.

    Example:
        >>> from cubelib import DialogueDataset
        >>> from cubelib.data.datasets import leak_free_split
        >>> vectors = torch.eye(32)
        >>> dataset = DialogueDataset(vectors[:24], vectors[24 + torch.arange(24) // 3])     # each answer three times
        >>> RelevantAnswers(leak_free_split(dataset, 0.2, 0.2), [0])
        RelevantAnswers(8 different answers, 1.0 right for a question)
    """

    def __init__(self, split: Split, items: Sequence[int] | np.ndarray) -> None:
        self._parts = (split.test, split.validation, split.train)
        answer_of = first_equals([part.target for part in self._parts])
        firsts = np.flatnonzero(answer_of == np.arange(len(answer_of)))
        entry_of = np.searchsorted(firsts, answer_of)  # of each item
        self._firsts = firsts
        self.vectors = Picked([part.target for part in self._parts], firsts)
        question_of = first_equals([part.input for part in self._parts])
        by_question = np.argsort(question_of, kind="stable")
        ends = np.searchsorted(question_of[by_question], question_of[items], side="right")
        starts = np.searchsorted(question_of[by_question], question_of[items], side="left")
        exact = [np.unique(entry_of[by_question[start:end]]) for start, end in zip(starts, ends, strict=True)]
        equal = self._equal(np.unique(np.concatenate(exact)))
        self.right = [np.unique(np.concatenate([equal[entry] for entry in entries])) for entries in exact]
        self.chance = float(np.mean([len(entries) for entries in self.right])) / len(self)

    def _equal(self, entries: np.ndarray) -> dict[int, np.ndarray]:
        """Entry → all entries of the same direction, itself among them: rounding makes no other answer.

        Looked for by their coordinates on a few orthonormal axes: there no two are farther apart than they are.
        """
        dim, generator = self.vectors.shape[1], torch.Generator().manual_seed(0)
        axes = torch.linalg.qr(torch.randn(dim, min(dim, AXES), generator=generator)).Q
        places = torch.cat([unit(block) @ axes for block in blocks(self.vectors)]).numpy()  # (m, axes)
        apart = (2 * (1 - COPY)) ** 0.5 + 1e-4  # with room for rounding
        equal = {}
        for entry, others in zip(
            entries.tolist(), cKDTree(places).query_ball_point(places[entries], apart), strict=True
        ):
            if len(others) > 1:
                cosines = unit(self.vectors[others]) @ unit(self.vectors[[entry]])[0]
                others = np.asarray(others)[(cosines > COPY).numpy()]
            equal[entry] = np.union1d(others, [entry])
        return equal

    def text(self, entry: int) -> str | None:
        """What an entry was encoded from, or None where that is not known."""
        place = int(self._firsts[entry])
        for part in self._parts:
            if place < len(part):
                return None if part.target_texts is None else part.target_texts[place]
            place -= len(part)
        raise IndexError(f"RelevantAnswers: there is no entry {entry} among {len(self)}.")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"RelevantAnswers({len(self):,} different answers, {self.chance * len(self):.1f} right for a question)"
