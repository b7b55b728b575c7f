"""What stands beside question and answer: labels, scores and wrong answers, and the input of an instruction."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from cubelib.data.readers.columns import column_key
from cubelib.data.readers.rows import RowLog

_LABELS = re.compile(
    r".*(label|score|similarity|relevance|relatedness|rating|duplicate|correct|relevant|paraphrase|quality|verdict)"
    r"s?(id)?|is(match|answer)"
)
_PERHAPS_LABELS = re.compile(r"target|class|gold|match|y|\d+")  # if they hold nothing else
_NEGATIVES = re.compile(r"(hard)?neg(ative)?s?(passages?|texts?|docs?)?\d*|rejected")
_WRONG = {
    "0", "-1", "0.0", "-1.0", "false", "no", "f", "n", "wrong", "incorrect", "not duplicate", "irrelevant",
    "not relevant", "contradiction", "neutral", "not entailment", "refutes", "refuted", "not enough info", "unrelated",
    "not equivalent", "not similar",
}  # fmt: skip
_INPUTS = ("input", "context")  # of an instruction
_RIGHT = {
    "1", "1.0", "true", "yes", "t", "y", "right", "correct", "duplicate", "relevant", "entailment", "supports",
    "supported", "equivalent", "similar", "paraphrase",
}  # fmt: skip


class UnusedColumns(UserWarning):
    """Columns with labels, scores or wrong answers stand beside the pairs, and no setting uses them.

    Attributes:
        columns: their names.
    """

    def __init__(self, message: str, columns: Sequence[str]) -> None:
        super().__init__(message)
        self.columns = list(columns)


def is_beside(name: str) -> bool:
    """Whether a column of this name says something about a pair, or belongs to its question."""
    key = column_key(name)
    return key in _INPUTS or any(pattern.fullmatch(key) for pattern in (_LABELS, _PERHAPS_LABELS))


class Beside:
    """The columns beside a pair: what belongs to the question, and what nobody uses."""

    def __init__(self, log: RowLog) -> None:
        self._log = log
        self._keys: dict[str, str] = {}  # those of the columns seen so far
        self._wrong: Counter[str] = Counter()
        self._right: Counter[str] = Counter()
        self._example: dict[str, Any] = {}
        self._rows = 0
        self._dropped = 0
        self._labels: list[str] = []
        self._inputs: list[str] = []

    def _update(self) -> None:
        new = list(islice(reversed(self._log.columns), len(self._log.columns) - len(self._keys)))
        self._keys |= {name: column_key(name) for name in reversed(new)}
        self._labels += [name for name in new if is_beside(name) and name not in (*self._log.used, *_INPUTS)]
        keys = self._keys.values()
        if "instruction" in keys and "question" not in keys:
            self._inputs = [name for name, key in self._keys.items() if key in _INPUTS]
        for name in self._inputs:
            self._log.note(f"{name!r} is added to the question")

    def count(self, row: Mapping[str, Any]) -> None:
        """Counts what the unused labels of a row say."""
        if len(self._log.columns) != len(self._keys):
            self._update()
        self._rows += 1
        for name in self._labels[:]:
            if isinstance(row.get(name), list):  # scores of several answers, or what each of several people said
                self._labels.remove(name)
            verdict = is_right(row.get(name), None)
            self._right[name] += verdict is True
            if verdict is False:
                self._wrong[name] += 1
                self._example.setdefault(name, row[name])

    def without_wrong(self, cell: Any) -> Any:
        """A cell without those answers of a list that are marked as wrong there."""
        if not isinstance(cell, list):
            return cell
        kept = [part for part in cell if not (isinstance(part, dict) and _is_marked_wrong(part))]
        self._dropped += len(cell) - len(kept)
        return kept

    def with_input(self, question: str, row: Mapping[str, Any]) -> str:
        """The question of an instruction data set with the input that it is about."""
        parts = [question, *(str(row.get(name) or "").strip() for name in self._inputs)]
        return "\n".join(filter(None, parts))

    def finish(self, total: int) -> None:
        """Warns of labels, scores and wrong answers that no setting uses."""
        told, names = [], []
        if self._dropped:
            told.append(f"Answers left out because their lists mark them as wrong: {self._dropped:,}.")
        for name in self._labels:
            if not _LABELS.fullmatch(column_key(name)):
                counts = (self._wrong[name], self._right[name])
                if sum(counts) < self._rows or 0 in counts:
                    continue
            names.append(name)
            count = self._wrong[name]
            if count:
                told.append(
                    f"{count:,} of {total:,} pairs are marked as wrong (such as {self._example[name]!r}) in the column "
                    f"{name!r}, and count as right all the same. Leave them out: label_column={name!r} "
                    f"(data.label_column: {name})."
                )
            else:
                told.append(
                    f"The column {name!r} is not used. To leave out wrong pairs or low scores, set "
                    f"label_column={name!r} and perhaps min_score (data.label_column: {name}, data.min_score)."
                )
        unused = [name for name in self._log.columns if name not in self._log.used]
        negatives = [name for name in unused if _NEGATIVES.fullmatch(column_key(name))]
        for name in negatives[:1]:
            more = f" (with {len(negatives) - 1} more like it)" if len(negatives) > 1 else ""
            told.append(
                f"The column {name!r}{more} is not used. If it holds wrong answers, negative_column={name!r} "
                f"(data.negative_column: {name}) trains against them."
            )
        if told:
            warnings.warn(
                UnusedColumns(f"Reading {self._log.source}: {' '.join(told)}", names + negatives), stacklevel=3
            )


def is_right(label: Any, min_score: float | None) -> bool | None:
    """Whether a label or score marks a right answer; None if it says neither."""
    text = str(label).strip().lower().replace("_", " ")
    if min_score is None:
        return True if text in _RIGHT else False if text in _WRONG else None
    try:
        score = float(text.replace(",", "."))
    except ValueError:
        return None
    return None if math.isnan(score) else score >= min_score


def _is_marked_wrong(answer: Mapping[str, Any]) -> bool:
    keys = [key for key in answer if _LABELS.fullmatch(column_key(key)) and "score" not in key]  # a score of 0 is low
    return any(is_right(answer[key], None) is False for key in keys)
