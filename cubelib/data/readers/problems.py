"""What became of the rows of a file: kept, refused at the first bad one, or left out and reported once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from cubelib.errors import DataError

BadRows = Literal["error", "skip"]
_SHOWN = 3  # places named for each reason


class SkippedRows(UserWarning):
    """Rows were left out because their reader was told bad_rows="skip".

    Attributes:
        count: rows left out.
        total: rows in the file.
        reasons: reason → the places of its rows, such as "line 4".

    Example:
        >>> print(SkippedRows("faq.csv", 100, {"the column 'answer' is empty": ["line 4", "line 9"]}))
        Reading faq.csv: 2 of 100 rows are left out: the column 'answer' is empty (line 4, line 9).
    """

    what = "rows"

    def __init__(self, source: object, total: int, reasons: Mapping[str, Sequence[str]]) -> None:
        self.count = sum(map(len, reasons.values()))
        self.total = total
        self.reasons = {reason: list(places) for reason, places in reasons.items()}
        told = "; ".join(f"{reason} ({_some(places)})" for reason, places in self.reasons.items())
        super().__init__(f"Reading {source}: {self.count:,} of {total:,} {self.what} are left out: {told}.")


class SkippedTurns(SkippedRows):
    """Turns of conversations were left out: instructions to a model, which nobody said to anybody.

    The attributes are those of SkippedRows, counted in turns.
    """

    what = "turns"


def _some(places: Sequence[str]) -> str:
    more = f", and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else ""
    return ", ".join(places[:_SHOWN]) + more


class RowLog:
    """Counts the rows of a file, and raises at a bad one or notes it down.

    Args:
        paths: the files of one table; `path` is the one being read.
        bad_rows: "error" raises at the first bad row; "skip" leaves it out.

    Raises:
        DataError: no files, or another value of `bad_rows`.
    """

    def __init__(self, paths: Sequence[Path], bad_rows: BadRows) -> None:
        if not paths:
            raise DataError("Reading a table: the list of files is empty. Give the path of at least one.")
        if bad_rows not in ("error", "skip"):
            raise DataError(f"Reading {paths[0]}: bad_rows is 'error' or 'skip'; got {bad_rows!r}.")
        self.paths, self.path = paths, paths[0]
        self.total = 0
        self.reasons: dict[str, list[str]] = {}
        self._skip = bad_rows == "skip"
        self._first: DataError | None = None

    @property
    def source(self) -> str:
        """The file, or the first of several."""
        return str(self.paths[0]) + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")

    def bad(self, place: str, reason: str, advice: str) -> None:
        """A row that cannot be used.

        Args:
            place: where it begins, such as "line 4".
            reason: what is wrong, in words that are the same for all rows of which it is true.
            advice: what was found there and what to do.
        """
        error = DataError(f"Reading {self.path}, {place}: {reason}. {advice}")
        if not self._skip:
            raise DataError(
                f'{error} Or leave such rows out with bad_rows="skip" (data.bad_rows: skip in a configuration).'
            )
        self._first = self._first or error
        prefix = f"{self.path.name}, " if len(self.paths) > 1 else ""
        self.reasons.setdefault(reason, []).append(prefix + place)

    def finish(self, kept: int, what: str, advice: str) -> None:
        """Warns of what was left out.

        Raises:
            DataError: nothing remains.
        """
        if not kept and self._first is None:
            raise DataError(f"Reading {self.source}: the file holds no {what}. {advice}")
        if not kept:
            raise DataError(
                f"Reading {self.source}: none of its {self.total:,} rows can be used. The first: {self._first}"
            )
        if self.reasons:
            warnings.warn(SkippedRows(self.source, self.total, self.reasons), stacklevel=3)
