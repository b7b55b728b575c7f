"""What a text looks like that is no sentence: numbers, lines of a chat export, words for a missing value."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from cubelib.errors import DataError

# In lower case.
MISSING_WORDS = frozenset({
    "nan", "n/a", "na", "none", "null", "#n/a", "<na>", "nat", "\\n", "nil", "undefined", "-", "--", "---", "#ref!",
    "#value!", "#name?", "#div/0!", "[deleted]", "[removed]", "no answer present.",
})  # fmt: skip
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_SHOWN = 3  # places named for each look

_ENDS_OF_THESE = set("0123456789.)'\"")


@dataclass(frozen=True)
class Look:
    """A kind of text that is hardly meant to be encoded.

    Attributes:
        name: of many, after "look like".
        remedy: what to do.
        pattern: which texts.
        most: share of the texts from which nothing else can be meant: an error. Above 1: never.
        least: share of the texts up to which it is nothing to tell: "5" may well be an answer.
    """

    name: str
    remedy: str
    pattern: re.Pattern[str]
    most: float = 0.9
    least: float = 0.0


_VECTORS = "If they are embeddings, set content: vectors (data.content)."
LOOKS = [
    Look(
        "lists of numbers",
        _VECTORS,
        re.compile(
            rf"(?:array\()?[\[(]*\s*{_NUMBER}(?:[\s,;]+(?:{_NUMBER}|\.\.\.)){{2,}}\s*[\])]*(?:,\s*dtype=\w+\))?"
        ),
    ),
    Look("a word and its vector", _VECTORS, re.compile(rf"\S+(?:\s+{_NUMBER}){{5,}}")),
    Look(
        "lines of a chat or a log, with date and time",
        "If this is a chat, set content: conversations (data.content).",
        re.compile(r"\W*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}[,T ]\s*\d{1,2}[:.]\d{2}\b.*", re.DOTALL),
        most=0.5,  # a message of several lines has a date on its first only
    ),
    Look(
        "numbers",
        "Name the column that holds sentences.",
        re.compile(r"[-+(]?\d(?:[\d\s.,:/+()%>-]*[\d)%])?"),
        least=0.05,
    ),
    Look(
        "links or identifiers",
        "Name the column that holds sentences.",
        re.compile(r"(?:https?://|www\.)\S+|[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[a-z]+_\d+", re.IGNORECASE),
        least=0.05,
    ),
    Look(
        "lists printed as text",
        "Write one text in each row, or the lists as JSON; decode bytes (b'…') before they are written.",
        re.compile(r"""\[\s*(['"]).*\1\s*,?\s*\]|b(['"]).*\2|\{\s*(['"])\w+\3\s*:.*\}""", re.DOTALL),
    ),
    Look(
        "words for a missing value",
        'If they are, leave the rows out: missing=["nan", "n/a", …] with bad_rows="skip" (data.missing: [nan, n/a] and '
        "data.bad_rows: skip).",
        re.compile("|".join(map(re.escape, sorted(MISSING_WORDS))), re.IGNORECASE),
    ),
]
GARBLED = Look(
    "letters decoded wrongly",
    "Set encoding (data.encoding) to the one the file was written in; if they are so in the file, write it again from "
    "its source.",
    re.compile(
        "\ufffd|\xc3[\x80-\xbf\u0178\u201e\u0153\u0152]|\xe2\u20ac|[\xd0\xd1][\x80-\xbf]{1,2}[\xd0\xd1]|[a-z][\u201a\u201e][a-z]"
    ),
    most=2,
)
ENTITIES = Look(
    "HTML, with entities for letters",
    "Decode them before the file is read; in Python html.unescape(text) does it.",
    re.compile(r"&(?:amp|quot|apos|nbsp|lt|gt|[a-z]+uml|#\d{2,5}|#x[\da-f]{2,5});", re.IGNORECASE),
    most=2,
)
CELLS = Look(
    "cells of a table, divided by tabs",
    "To read one column, give its number, counted from 0, as the column (data.text_column: 0); for pairs of two "
    "columns, use dialogue mode.",
    re.compile(r".*\t.*", re.DOTALL),
    most=2,
)


class SuspectTexts(UserWarning):
    """Some texts look like something else than sentences; they are used all the same.

    Attributes:
        looks: name of a look → how many texts have it.
    """

    def __init__(self, message: str, looks: Mapping[str, int]) -> None:
        super().__init__(message)
        self.looks = dict(looks)


@dataclass
class _Seen:
    example: str
    count: int = 0
    places: list[str] = field(default_factory=list)


class LookLog:
    """Counts the texts that look like something else, column by column.

    Example:
        >>> log = LookLog()
        >>> log.see("nan", "line 3", "answer")
        >>> with warnings.catch_warnings(record=True) as told:
        ...     log.finish("faq.csv", 9)
        >>> str(told[0].message).split(",")[0]
        "Reading faq.csv: 1 of 9 texts in the column 'answer' look like words for a missing value"
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[Look, str], _Seen] = {}

    def see(self, text: str, place: str, column: str) -> None:
        """Notes down what a text looks like.

        Args:
            text: without white space around it.
            place: where it is, such as "line 4".
            column: which it is of; "" for a line of a file without columns, where tabs divide cells.
        """
        look = look_of(text)
        if look is None and not column and "\t" in text:
            look = CELLS
        if look is None:
            return
        seen = self._seen.setdefault((look, column), _Seen(text))
        seen.count += 1
        if len(seen.places) < _SHOWN:
            seen.places.append(place)

    def finish(self, source: str, total: int) -> None:
        """Warns of texts that look like something else.

        Args:
            source: the file.
            total: how many texts each column has.

        Warns:
            SuspectTexts: what they look like, with an example, places and the remedy.

        Raises:
            DataError: nearly all texts of a column look so.
        """
        told: list[str] = []
        counts: dict[str, int] = {}
        for (look, column), seen in self._seen.items():
            if seen.count <= look.least * total:
                continue
            more = f", and {seen.count - _SHOWN:,} more" if seen.count > _SHOWN else ""
            what = f"{total:,} texts in the column {column!r}" if column else f"{total:,} lines"
            message = (
                f"{seen.count:,} of {what} look like {look.name}, such as "
                f"{seen.example!r:.60} ({', '.join(seen.places)}{more}). {look.remedy}"
            )
            if seen.count >= look.most * total:
                raise DataError(f"Reading {source}: {message}")
            told.append(message)
            counts[look.name] = counts.get(look.name, 0) + seen.count
        if told:
            warnings.warn(SuspectTexts(f"Reading {source}: {' '.join(told)}", counts), stacklevel=3)


def look_of(text: str) -> Look | None:
    """What a text looks like, if not like a sentence; without white space around it.

    Example:
        >>> look_of("[0.1, 0.2, 0.3]").name, look_of("[01/05/24, 09:00:00] Ann: Hi").name, look_of("Three.")
        ('lists of numbers', 'lines of a chat or a log, with date and time', None)
    """
    if not text.isascii() and GARBLED.pattern.search(text):
        return GARBLED
    if "&" in text and ENTITIES.pattern.search(text):
        return ENTITIES
    if text[:1].isalpha() and " " in text and text[-1:] not in _ENDS_OF_THESE:
        return None  # the common case, which costs no search
    return next((look for look in LOOKS if look.pattern.fullmatch(text)), None)
