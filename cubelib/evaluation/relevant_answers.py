"""The answers that a dialogue's outputs are looked for among, and which of them are right.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubelib.data.splits import Split
from cubelib.data.vectors import ConcatSubset, first_equals
from cubelib.metrics.retrieval import SAME
from cubelib.metrics.rows import similarity_rows


class RelevantAnswers:
    """Every different answer of a split once, and the relevant (right) ones for some of its items.

    Relevant are the answers of all items that ask the same question, and every answer equal to one of them.

    Args:
        split: of a DialogueDataset.
        items: indices of the items, counted through test, validation and training.

    Attributes:
        vectors: `(m, dim)`.
        relevant: for each of the items, in order, the indices of its right answers.
        unseen: indices of the answers that no training item has, ascending.
        chance: how likely a random answer is right, on average over the items.

    Example:
        >>> import torch
        >>> from cubelib import DialogueDataset
        >>> from cubelib.data.splits import leak_free_split
        >>> vectors = torch.eye(32)
        >>> dataset = DialogueDataset(vectors[:24], vectors[24 + torch.arange(24) // 3])     # each answer three times
        >>> RelevantAnswers(leak_free_split(dataset, 0.2, 0.2), [0])
        RelevantAnswers(8 different answers, 1.0 right for a question)
    """

    def __init__(self, split: Split, items: Sequence[int] | NDArray[Any]) -> None:
        self._parts = (split.test, split.validation, split.train)
        targets = [part.target for part in self._parts]
        answer_of = first_equals(targets)  # (all items,): the first item with an equal answer
        self._firsts = np.flatnonzero(answer_of == np.arange(len(answer_of)))  # (m,)
        entry_of = np.searchsorted(self._firsts, answer_of)  # (all items,): the index of its answer
        self.vectors = ConcatSubset(targets, self._firsts)
        question_of = first_equals([part.input for part in self._parts])
        entries_of: dict[int, set[int]] = {}  # question → its answers
        for question, entry in zip(question_of.tolist(), entry_of.tolist(), strict=True):
            entries_of.setdefault(question, set()).add(entry)
        exact = [sorted(entries_of[question]) for question in question_of[items].tolist()]
        equal = self._equal_entries(np.unique(np.concatenate(exact)))
        self.relevant = [np.unique(np.concatenate([equal[entry] for entry in entries])) for entries in exact]
        # Answers of no training item. A model that avoids the others gains among all answers and not among these.
        self.unseen = np.setdiff1d(entry_of, entry_of[len(split.test) + len(split.validation) :])
        self.chance = float(np.mean([len(entries) for entries in self.relevant])) / len(self)

    def _equal_entries(self, entries: NDArray[Any]) -> dict[int, NDArray[Any]]:
        """Entry → all entries of the same direction but for rounding, itself included."""
        equal = {}
        for start, cosines in similarity_rows(self.vectors.take(entries), self.vectors):
            block = entries[start : start + len(cosines)].tolist()
            for entry, row in zip(block, cosines, strict=True):
                equal[entry] = np.union1d(np.flatnonzero(row > SAME), [entry])
        return equal

    def text(self, entry: int) -> str | None:
        """The text of an answer, None if it is not known."""
        index = int(self._firsts[entry])
        for part in self._parts:
            if index < len(part):
                return None if part.target_texts is None else part.target_texts[index]
            index -= len(part)
        raise IndexError(f"RelevantAnswers: there is no entry {entry} among {len(self)}.")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"RelevantAnswers({len(self):,} different answers, {self.chance * len(self):.1f} right for a question)"
