"""What stands beside question and answer: labels, scores and wrong answers, and the input of an instruction."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cubelib.data.readers.columns import column_key
from cubelib.data.readers.rows import RowLog

_LABELS = {
    "label", "labels", "isduplicate", "score", "scores", "similarity", "similarityscore", "relevance", "goldlabel",
    "iscorrect", "correct", "isrelevant", "rating",
}  # fmt: skip
_NEGATIVES = re.compile(r"(hard)?neg(ative)?s?(passages?|texts?|docs?)?\d*|rejected")
_WRONG = {"0", "-1", "0.0", "-1.0", "false", "no", "f", "n", "wrong", "incorrect", "not_duplicate", "irrelevant"}
_INPUTS = ("input", "context")  # of an instruction
BESIDE = (*_LABELS, *_INPUTS)
_RIGHT = {"1", "1.0", "true", "yes", "t", "y", "right", "correct", "duplicate", "relevant"}


class UnusedColumns(UserWarning):
    """Columns with labels, scores or wrong answers stand beside the pairs, and no setting uses them.

    Attributes:
        columns: their names.
    """

    def __init__(self, message: str, columns: Sequence[str]) -> None:
        super().__init__(message)
        self.columns = list(columns)


class Beside:
    """The columns beside a pair: what belongs to the question, and what nobody uses."""

    def __init__(self, log: RowLog, used: Sequence[str]) -> None:
        self._log = log
        self._used = used
        self._known = 0
        self._wrong: Counter[str] = Counter()
        self._labels: list[str] = []
        self._inputs: list[str] = []

    def _update(self) -> None:
        names = list(self._log.columns)
        self._known = len(names)
        self._labels = [name for name in names if column_key(name) in _LABELS and name not in self._used]
        keys = {column_key(name): name for name in names}
        if "instruction" in keys and "question" not in keys:
            self._inputs = [keys[key] for key in _INPUTS if key in keys]
        for name in self._inputs:
            self._log.note(f"{name!r} is added to the question")

    def count(self, row: Mapping[str, Any]) -> None:
        """Counts what the unused labels of a row say."""
        if len(self._log.columns) != self._known:
            self._update()
        for name in self._labels:
            self._wrong[name] += is_right(row.get(name), None) is False

    def with_input(self, question: str, row: Mapping[str, Any]) -> str:
        """The question of an instruction data set with the input that it is about."""
        parts = [question, *(str(row.get(name) or "").strip() for name in self._inputs)]
        return "\n".join(filter(None, parts))

    def finish(self, total: int) -> None:
        """Warns of labels, scores and wrong answers that no setting uses."""
        told, names = [], []
        for name in self._labels:
            names.append(name)
            count = self._wrong[name]
            if count:
                told.append(
                    f"{count:,} of {total:,} pairs are marked as wrong (0, -1 or false) in the column {name!r}, and "
                    f"count as right all the same. Leave them out: label_column={name!r} (data.label_column: {name})."
                )
            else:
                told.append(
                    f"The column {name!r} is not used. To leave out wrong pairs or low scores, set "
                    f"label_column={name!r} and perhaps min_score (data.label_column: {name}, data.min_score)."
                )
        for name in self._log.columns:
            if _NEGATIVES.fullmatch(column_key(name)) and name not in self._used:
                names.append(name)
                told.append(
                    f"The column {name!r} is not used. If it holds wrong answers, negative_column={name!r} "
                    f"(data.negative_column: {name}) trains against them."
                )
        if told:
            warnings.warn(UnusedColumns(f"Reading {self._log.source}: {' '.join(told)}", names), stacklevel=3)


def is_right(label: Any, min_score: float | None) -> bool | None:
    """Whether a label or score marks a right answer; None if it says neither."""
    text = str(label).strip().lower()
    if min_score is None:
        return True if text in _RIGHT else False if text in _WRONG else None
    try:
        score = float(text.replace(",", "."))
    except ValueError:
        return None
    return None if math.isnan(score) else score >= min_score
