"""Which columns of a table are meant: by their names, other spellings of these, or their numbers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cubelib.data.text import normalize_text

# Names that other programs and data sets give to a text, and to a question and its answer.
TEXT_COLUMNS = (("text",), ("sentence",), ("content",), ("document",), ("passage",), ("body",), ("utterance",))
PAIR_COLUMNS = (
    ("question", "answer"), ("question", "answers"), ("questions", "answers"), ("query", "answer"),
    ("query", "positive"), ("query", "pos"), ("query", "document"), ("query", "passage"), ("query", "response"),
    ("question", "response"), ("question", "positive"), ("anchor", "positive"), ("anchor", "pos"),
    ("sentence1", "sentence2"), ("question1", "question2"), ("text1", "text2"), ("premise", "hypothesis"),
    ("instruction", "output"), ("instruction", "response"), ("prompt", "completion"), ("prompt", "response"),
    ("prompt", "chosen"), ("input", "output"), ("user", "assistant"), ("patterns", "responses"),
)  # fmt: skip
_HINTS = {
    "conversations": {"messages", "conversations", "conversation", "turns", "mapping", "dialog", "dialogue"},
    "vectors": {"embedding", "embeddings", "vector", "vectors"},
}


class MissingColumn(Exception):
    """A column is not among the names of a row; `reason` says which, and `advice` what there is and what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason = reason
        self.advice = advice


@dataclass
class Columns:
    """The columns that a reader asks for.

    Attributes:
        wanted: names, or numbers counted from 0 as text.
        advice: how to name the columns.
        spellings: tuples of names that may stand for the first of the wanted ones; empty unless these are the
            defaults, which nobody asked for.
        content: what is read, as data.content names it.
    """

    wanted: Sequence[str]
    advice: str
    spellings: Sequence[Sequence[str]] = ()
    content: str = "texts"

    @property
    def are_default(self) -> bool:
        """Whether the caller named no column."""
        return bool(self.spellings) and len(self.wanted) == len(self.spellings[0])

    @property
    def are_numbers(self) -> bool:
        """Whether all columns are numbers."""
        return all(name.isdecimal() for name in self.wanted)

    def find(self, names: Sequence[str], *, by_number: bool = True) -> list[str]:
        """The name of each wanted column among those of a row.

        Upper and lower case and white space make no difference where only one name fits.

        Raises:
            MissingColumn: one is not there, or it is not clear which is meant.

        Example:
            >>> Columns(["question", "1"], "").find(["Question ", "Answer"])
            ['Question ', 'Answer']
        """
        found = [self._one(name, names, by_number) for name in self.wanted]
        missing = [name for name, match in zip(self.wanted, found, strict=True) if match is None]
        if not missing:
            return [match for match in found if match is not None]
        if self.spellings and missing[0] in self.wanted[: len(self.spellings[0])]:
            keys = list(map(column_key, names))
            known = {key: name for key, name in zip(keys, names, strict=True) if keys.count(key) == 1}
            fitting = [pair for pair in self.spellings if all(name in known for name in pair)]
            if "instruction" in known:  # Alpaca's input is the second part of the question
                fitting = [pair for pair in fitting if pair[0] != "input"]
            if len(fitting) == 1:
                pair = [known[name] for name in fitting[0]]
                return Columns([*pair, *self.wanted[len(pair) :]], self.advice).find(names, by_number=by_number)
        raise self._missing(missing[0], names)

    def are_named(self, names: Sequence[str]) -> bool:
        """Whether there are any, and `find` finds them all without counting."""
        if not self.wanted:
            return False
        try:
            self.find(names, by_number=False)
        except MissingColumn:
            return False
        return True

    def _one(self, wanted: str, names: Sequence[str], by_number: bool) -> str | None:
        if wanted in names:
            return wanted
        similar = [name for name in names if normalize_text(name) == normalize_text(wanted)]
        if len(similar) == 1:
            return similar[0]
        if by_number and wanted.isdecimal() and int(wanted) < len(names):
            return names[int(wanted)]
        return None

    def _missing(self, wanted: str, names: Sequence[str]) -> MissingColumn:
        matches = difflib.get_close_matches(wanted, names, n=1)
        nearest = f" Did you mean {matches[0]!r}?" if matches else ""
        hints = [
            f" If these are {content}, set content: {content} (data.content)."
            for content in _HINTS
            if content != self.content and any(is_hint(name, content) for name in names)
        ]
        listed = ", ".join(repr(name) if name != name.strip() else name for name in names) or "none"
        advice = f"Columns found: {listed}.{nearest}{''.join(hints)} {self.advice}"
        return MissingColumn(f"there is no column {wanted!r}", advice)


def is_known(name: str) -> bool:
    """Whether a name is one that tables often give to a column of texts, questions or answers."""
    return any(column_key(name) in names for names in (*PAIR_COLUMNS, *TEXT_COLUMNS))


def is_hint(name: str, content: str) -> bool:
    """Whether a column of this name holds "conversations" or "vectors" as a rule."""
    return column_key(name) in _HINTS[content]


def is_alias(wanted: str, name: str) -> bool:
    """Whether a column was found under another name, not only in another case."""
    return normalize_text(wanted) != normalize_text(name)


def column_key(name: str) -> str:
    """A name without case, blanks and marks between words: equal for "Is duplicate" and "is_duplicate"."""
    return re.sub(r"[\s_-]+", "", normalize_text(name))
