"""Filters for a user's own data: what they keep, how much they remove, and examples of it.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from cubelib.data.text import SCRIPTS, letter_share, normalize_text, shorten
from cubelib.data.vectors import blocks
from cubelib.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cubelib.data.datasets import EmbeddingDataset

Range = tuple[float | None, float | None]
Test = Callable[["EmbeddingDataset"], np.ndarray]

# script → how the Unicode names of its letters begin
EXAMPLES = 3  # of what a filter removed
QUOTED = 40  # letters of a text in an example


@dataclass(frozen=True)
class FilterStep:
    """What one filter did.

    Attributes:
        name: of the filter.
        keeps: which items stay, in words.
        before, removed, after: numbers of items.
        examples: up to three of the removed ones.
    """

    name: str
    keeps: str
    before: int
    removed: int
    after: int
    examples: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class FilterReport:
    """What a QualityFilter did, filter by filter, in the order in which they were applied."""

    steps: tuple[FilterStep, ...]

    def __str__(self) -> str:
        if not self.steps:
            return "No filter is set: every item stays."
        head = ("filter", "keeps", "before", "removed", "after")
        rows = [(s.name, s.keeps, f"{s.before:,}", f"{s.removed:,}", f"{s.after:,}") for s in self.steps]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = []
        for row, examples in zip([head, *rows], [(), *(s.examples for s in self.steps)], strict=True):
            cells = [
                f"{c:<{w}}" if place < 2 else f"{c:>{w}}" for place, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            lines += ["  ".join(cells), *(f"    removed: {example}" for example in examples)]
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True, kw_only=True)
class QualityFilter:
    """Sorts items out; every filter is off unless it is set, and both texts of an item must pass.

    The order is words, script, cosine, repeats, duplicates. The first three look at an item by itself, so their order
    makes no difference; duplicates come last, so that the one that is kept is one that passed.

    Args:
        words: fewest and most words of a text, None for no bound: `(2, None)`. Words are what stands between white
            space; a text in a script without spaces is one word.
        script: the script of the letters: "latin", "cyrillic", "arabic", "han", … (`SCRIPTS`). A text without letters
            passes.
        script_share: least share of a text's letters that must be of the script.
        cosine: lowest and highest cosine between question and answer, None for no bound.
        repeats: a text that occurs in more items than this goes; where the items have groups, in more groups. Greetings
            that stand in every conversation would join all of them, so that nothing could be split.
        drop_duplicates: keep the first of the items whose texts are equal but for case and white space.

    Raises:
        ConfigError: a range upside down or a script that is not known.

    Example:
        >>> from cubelib import DialogueDataset
        >>> questions, answers = ["How are you?", "how are  you?", "Как дела?"], ["Fine.", "fine.", "Fine."]
        >>> dataset = DialogueDataset(torch.eye(3), torch.eye(3), questions, answers)
        >>> kept, report = QualityFilter(script="latin", drop_duplicates=True).apply(dataset)
        >>> kept.input_texts
        ['How are you?']
        >>> print(report)
        filter      keeps                                   before  removed  after
        script      texts with at least 50 % latin letters       3        1      2
            removed: “Как дела?” → “Fine.”
        duplicates  the first of items with the same texts       2        1      1
            removed: “how are you?” → “fine.”
    """

    words: Range | None = None
    script: str | None = None
    script_share: float = 0.5
    cosine: Range | None = None
    repeats: int | None = None
    drop_duplicates: bool = False

    def __post_init__(self) -> None:
        for name in ("words", "cosine"):
            bounds = getattr(self, name)
            if bounds is not None and not _sound(bounds):
                raise ConfigError(
                    f"QualityFilter: {name} is (lowest, highest), either of them None for no bound; got {bounds!r}."
                )
        if self.script is not None and self.script not in SCRIPTS:
            raise ConfigError(
                f"QualityFilter: script {self.script!r} is not known. Use one of {', '.join(sorted(SCRIPTS))}."
            )
        if self.repeats is not None and not self.repeats >= 1:
            raise ConfigError(f"QualityFilter: repeats is a number of items or groups, at least 1; got {self.repeats}.")
        if not 0 < self.script_share <= 1:
            raise ConfigError(
                f"QualityFilter: script_share is a share of letters, above 0 and at most 1; got {self.script_share}."
            )

    def apply(self, dataset: EmbeddingDataset) -> tuple[EmbeddingDataset, FilterReport]:
        """The items that pass, as a dataset of the same kind in the same order, and what was removed.

        Raises:
            DataError: a filter of texts on a dataset without texts, a cosine filter where the input is the target, or
                nothing left.
        """
        steps = []
        for name, keeps, test in self._filters():
            passes = test(dataset)
            gone = np.flatnonzero(~passes)
            examples = tuple(_example(dataset, item) for item in gone[:EXAMPLES])
            if len(gone) == len(dataset):
                raise DataError(
                    f"QualityFilter: the filter {name} removed all of the {len(dataset):,} items before it; it keeps "
                    f"{keeps}. Removed, for example: {'; '.join(examples)}. Widen the filter."
                )
            steps.append(FilterStep(name, keeps, len(dataset), len(gone), len(dataset) - len(gone), examples))
            if len(gone):
                dataset = dataset.subset(torch.from_numpy(np.flatnonzero(passes)))
        return dataset, FilterReport(tuple(steps))

    def _filters(self) -> Iterator[tuple[str, str, Test]]:
        if self.words is not None:
            yield (
                "words",
                f"texts of {_range(self.words)} words",
                lambda dataset: _each(dataset, "words", lambda text: _inside(len(text.split()), self.words)),
            )
        if self.script is not None:
            yield (
                "script",
                f"texts with at least {self.script_share * 100:g} % {self.script} letters",
                lambda dataset: _each(
                    dataset, "script", lambda text: letter_share(text, self.script) >= self.script_share
                ),
            )
        if self.cosine is not None:
            yield (
                "cosine",
                f"a cosine of question and answer of {_range(self.cosine)}",
                lambda dataset: _inside(_cosines(dataset), self.cosine),
            )
        if self.repeats is not None:
            yield (
                "repeats",
                f"texts that occur in at most {self.repeats:,} items, or groups where there are any",
                lambda dataset: _rare(dataset, self.repeats),
            )
        if self.drop_duplicates:
            yield "duplicates", "the first of items with the same texts", _firsts


def _sound(bounds: object) -> bool:
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        return False
    numbers = [bound for bound in bounds if bound is not None]
    return bool(numbers) and all(isinstance(bound, Real) for bound in numbers) and sorted(numbers) == numbers


def _range(bounds: Range) -> str:
    low, high = bounds
    if high is None:
        return f"{low:g} or more"
    return f"{high:g} or less" if low is None else f"{low:g} to {high:g}"


def _inside(value: int | np.ndarray, bounds: Range) -> bool | np.ndarray:
    low, high = bounds
    return (value >= (-np.inf if low is None else low)) & (value <= (np.inf if high is None else high))


def _texts(dataset: EmbeddingDataset, name: str) -> Iterator[tuple[str, ...]]:
    """The text, or question and answer, of each item."""
    if None in dataset.texts:
        raise DataError(
            f"QualityFilter: the filter {name} looks at texts, but {dataset!r} does not have a text for every vector. "
            "Give them when the dataset is made, or leave the filter out."
        )
    return zip(*dataset.texts, strict=True)


def _each(dataset: EmbeddingDataset, name: str, passes: Callable[[str], bool]) -> np.ndarray:
    return np.array([all(map(passes, item)) for item in _texts(dataset, name)])


def _rare(dataset: EmbeddingDataset, most: int) -> np.ndarray:
    """Whether each item's texts occur in no more than `most` groups; an item without one is a group of its own."""
    items = [tuple(map(normalize_text, item)) for item in _texts(dataset, "repeats")]
    places: dict[str, set[object]] = {}
    for group, item in zip(dataset.groups or range(len(items)), items, strict=True):
        for text in item:
            places.setdefault(text, set()).add(group)
    return np.array([max(len(places[text]) for text in item) <= most for item in items])


def _firsts(dataset: EmbeddingDataset) -> np.ndarray:
    seen: dict[tuple[str, ...], int] = {}
    items = enumerate(_texts(dataset, "duplicates"))
    return np.array([seen.setdefault(tuple(map(normalize_text, item)), place) == place for place, item in items])


def _cosines(dataset: EmbeddingDataset) -> np.ndarray:
    if dataset.target is dataset.input:
        raise DataError(
            f"QualityFilter: the filter cosine compares questions with answers, and in {dataset!r} they are the same. "
            "Leave the filter out."
        )
    pairs = zip(blocks(dataset.input), blocks(dataset.target), strict=True)
    return torch.cat([cosine_similarity(question, answer) for question, answer in pairs]).numpy()


def _example(dataset: EmbeddingDataset, item: int) -> str:
    if None in dataset.texts:
        return f"item {item} (counted from 0)"
    return " → ".join(shorten(texts[item], QUOTED) for texts in dataset.texts)
