"""Filters for your own data: what they keep, how many items they remove, and examples of those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.text import SCRIPTS, letter_share, normalize_text, shorten
from cubelib.data.vectors import Array, blocks
from cubelib.errors import ConfigError, DataError

Test = Callable[[EmbeddingDataset], Array]  # which items pass, (n,)
Range = tuple[float | None, float | None]

EXAMPLES = 3  # of the items that a filter removed
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
        rows = [("filter", "keeps", "before", "removed", "after")]
        for step in self.steps:
            rows.append((step.name, step.keeps, f"{step.before:,}", f"{step.removed:,}", f"{step.after:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row, examples in zip(rows, [(), *(step.examples for step in self.steps)], strict=True):
            words = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
            counts = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
            lines.append("  ".join(words + counts))
            lines += [f"    removed: {example}" for example in examples]
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True, kw_only=True)
class QualityFilter:
    """Removes items; every filter is off unless it is set, and both texts of an item must pass.

    The filters are applied in the order of the arguments: duplicates come last, so that the item that is kept is one
    that passed the others.

    Args:
        words: fewest and most words of a text, None for no bound: `(2, None)`. White space divides words; a text in a
            script without spaces is one word.
        script: the script of the letters: "latin", "cyrillic", "arabic", "han", … (`SCRIPTS`). A text without letters
            passes.
        script_share: smallest share of a text's letters that must be of the script.
        cosine: lowest and highest cosine between question and answer, None for no bound.
        repeats: most items, or groups if the items have groups, that a text may occur in. Greetings that occur in every
            conversation would join all of them, so that nothing could be split.
        drop_duplicates: keep only the first of the items whose texts differ in nothing but case and white space.

    Raises:
        ConfigError: a range upside down, an unknown script, or a number out of range.

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
            if bounds is not None and not _is_range(bounds):
                raise ConfigError(
                    f"QualityFilter: {name} is (lowest, highest), either of them None for no bound; got {bounds!r}."
                )
        if self.script is not None and self.script not in SCRIPTS:
            raise ConfigError(f"QualityFilter: script {self.script!r} is not known. Use one of {', '.join(SCRIPTS)}.")
        if self.repeats is not None and not self.repeats >= 1:
            raise ConfigError(f"QualityFilter: repeats is a number of items or groups, at least 1; got {self.repeats}.")
        if not 0 < self.script_share <= 1:
            raise ConfigError(f"QualityFilter: script_share must be above 0 and at most 1; got {self.script_share}.")

    def apply(self, dataset: EmbeddingDataset) -> tuple[EmbeddingDataset, FilterReport]:
        """The items that pass, as a dataset of the same kind in the same order, and what was removed.

        Raises:
            DataError: a filter of texts on a dataset without texts, a cosine filter if the input is the target, or
                nothing left.
        """
        steps = []
        for name, keeps, passing in self._filters():
            passes = passing(dataset)  # (n,)
            removed = np.flatnonzero(~passes)
            examples = tuple(_example(dataset, item) for item in removed[:EXAMPLES])
            if len(removed) == len(dataset):
                raise DataError(
                    f"QualityFilter: the filter {name} removed all of the {len(dataset):,} items before it; it keeps "
                    f"{keeps}. Removed, for example: {'; '.join(examples)}. Widen the filter."
                )
            steps.append(FilterStep(name, keeps, len(dataset), len(removed), len(dataset) - len(removed), examples))
            if len(removed):
                dataset = dataset.subset(torch.from_numpy(np.flatnonzero(passes)))
        return dataset, FilterReport(tuple(steps))

    def _filters(self) -> list[tuple[str, str, Test]]:
        """Name, what it keeps in words, and which items pass, for every filter that is set."""
        filters: list[tuple[str, str, Test]] = []
        if self.words is not None:
            filters.append(
                ("words", f"texts of {_in_words(self.words)} words", partial(_have_words, bounds=self.words))
            )
        if self.script is not None:
            keeps = f"texts with at least {self.script_share * 100:g} % {self.script} letters"
            passing = partial(_have_script, script=self.script, share=self.script_share)
            filters.append(("script", keeps, passing))
        if self.cosine is not None:
            keeps = f"a cosine of question and answer of {_in_words(self.cosine)}"
            filters.append(("cosine", keeps, partial(_have_cosine, bounds=self.cosine)))
        if self.repeats is not None:
            keeps = f"texts that occur in at most {self.repeats:,} items, or groups where there are any"
            filters.append(("repeats", keeps, partial(_are_rare, most=self.repeats)))
        if self.drop_duplicates:
            filters.append(("duplicates", "the first of items with the same texts", _are_first))
        return filters


def _have_words(dataset: EmbeddingDataset, bounds: Range) -> Array:
    counts = [[len(text.split()) for text in item] for item in _items(dataset, "words")]
    inside: Array = np.all(_inside(np.array(counts), bounds), axis=1)
    return inside


def _have_script(dataset: EmbeddingDataset, script: str, share: float) -> Array:
    shares = [min(letter_share(text, script) for text in item) for item in _items(dataset, "script")]
    return np.array(shares) >= share


def _have_cosine(dataset: EmbeddingDataset, bounds: Range) -> Array:
    if dataset.dim != dataset.target_dim:
        raise DataError(
            f"QualityFilter: the filter cosine compares questions with answers, which have {dataset.dim} and "
            f"{dataset.target_dim} numbers. Leave it out."
        )
    if dataset.target is dataset.input:
        raise DataError(
            f"QualityFilter: the filter cosine compares questions with answers, which are the same in {dataset!r}. "
            "Leave the filter out."
        )
    pairs = zip(blocks(dataset.input), blocks(dataset.target), strict=True)
    return _inside(torch.cat([cosine_similarity(*pair) for pair in pairs]).numpy(), bounds)


def _are_rare(dataset: EmbeddingDataset, most: int) -> Array:
    """An item without a group counts as a group of its own."""
    items = _normalized(dataset, "repeats")
    groups_of: dict[str, set[object]] = {}
    for group, item in zip(dataset.groups or range(len(items)), items, strict=True):
        for text in item:
            groups_of.setdefault(text, set()).add(group)
    return np.array([max(len(groups_of[text]) for text in item) <= most for item in items])


def _are_first(dataset: EmbeddingDataset) -> Array:
    first: dict[tuple[str, ...], int] = {}
    items = enumerate(_normalized(dataset, "duplicates"))
    return np.array([first.setdefault(item, position) == position for position, item in items])


def _is_range(bounds: object) -> bool:
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        return False
    numbers = [bound for bound in bounds if bound is not None]
    return bool(numbers) and all(isinstance(bound, Real) for bound in numbers) and sorted(numbers) == numbers


def _in_words(bounds: Range) -> str:
    low, high = bounds
    if high is None:
        return f"{low:g} or more"
    if low is None:
        return f"{high:g} or less"
    return f"{low:g} to {high:g}"


def _inside(values: Array, bounds: Range) -> Array:
    low, high = bounds
    inside: Array = (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
    return inside


def _items(dataset: EmbeddingDataset, name: str) -> list[tuple[str, ...]]:
    """The text, or question and answer, of each item."""
    if None in dataset.texts:
        raise DataError(
            f"QualityFilter: the filter {name} looks at texts, but {dataset!r} does not have a text for every vector. "
            "Give them when you make the dataset, or leave the filter out."
        )
    return list(zip(*dataset.texts, strict=True))


def _normalized(dataset: EmbeddingDataset, name: str) -> list[tuple[str, ...]]:
    return [tuple(map(normalize_text, item)) for item in _items(dataset, name)]


def _example(dataset: EmbeddingDataset, item: int) -> str:
    texts = [shorten(side[item], QUOTED) for side in dataset.texts if side is not None]
    if len(texts) < len(dataset.texts):
        return f"item {item} (counted from 0)"
    return " → ".join(texts)
