"""Splits that keep copies together, and say how close their sides come.

Taught in notebook 04.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from cubelib.data.near_copies import Directions, Groups, closest, join_near
from cubelib.data.text import normalize_text, shorten
from cubelib.errors import DataError

if TYPE_CHECKING:
    from cubelib.data.datasets import EmbeddingDataset
    from cubelib.data.filters import FilterReport

SIDES = ("training", "validation", "test")


@dataclass(frozen=True)
class Border:
    """The closest two vectors on two sides of a split.

    Attributes:
        sides: their names.
        cosine: of the two vectors.
        texts: what they were encoded from, where that is known.
    """

    sides: tuple[str, str]
    cosine: float
    texts: tuple[str, str] | None

    def __str__(self) -> str:
        quoted = "" if self.texts is None else " ({} / {})".format(*map(shorten, self.texts))
        return f"{self.cosine:.4f}{quoted}"


@dataclass(frozen=True)
class Split:
    """Training, validation and test items without a copy on two sides.

    Attributes:
        train, validation, test: the three parts.
        groups: how many groups of copies, or of items that belong together, there are; a group is never divided.
        largest_group: items in the largest of them.
        near_copy: the cosine from which two vectors count as copies.
        borders: the closest pair across each border: training–test, training–validation, validation–test. Below
            near_copy by construction, and measured all the same.
        filtered: what filters did before the items were divided, where there were any.
        test_groups: which group each test item belongs to, `(n,)`; intervals resample whole groups. None if not known.
    """

    train: EmbeddingDataset
    validation: EmbeddingDataset
    test: EmbeddingDataset
    groups: int
    largest_group: int
    near_copy: float
    borders: tuple[Border, Border, Border]
    filtered: FilterReport | None = None
    test_groups: np.ndarray | None = field(default=None, compare=False)

    @property
    def closest(self) -> float:
        """The largest cosine between a vector of a training item and one of a test item."""
        return self.borders[0].cosine

    def report(self) -> str:
        """A sentence with sizes, groups and the closest pair across every border.

        Example:
            >>> from cubelib import AutoencoderDataset
            >>> leak_free_split(AutoencoderDataset(torch.eye(40)), 0.1, 0.1).report().split(";")[0]
            '32 training, 4 validation and 4 test items in 40 groups of copies (largest 1)'
        """
        copies = f"texts with a cosine of {self.near_copy:g} or more" if self.near_copy < 1 else "equal vectors"
        together = "" if self.train.groups is None else " and of items that belong together"
        first, *others = self.borders
        return (
            f"{len(self.train):,} training, {len(self.validation):,} validation and {len(self.test):,} test items in "
            f"{self.groups:,} groups of copies{together} (largest {self.largest_group:,}); copies are {copies}; the "
            f"closest training and test texts have {first}"
            + "".join(f", {border.sides[0]} and {border.sides[1]} {border}" for border in others)
        )


def copy_groups(dataset: EmbeddingDataset, near_copy: float, *, progress: bool = False) -> np.ndarray:
    """A group number for each item, `(n,)`: items joined by copies, also through a chain of copies, share one.

    Two items are joined when a text of one, question or answer, is a copy of a text of the other: their vectors have a
    cosine of at least near_copy, or the texts differ in case and white space only; and when the dataset's own `groups`
    say so. The order of the items changes nothing about who is with whom.

    Args:
        dataset: the items.
        near_copy: above 0. With 1 only equal vectors and equal texts are copies, found in linear time.
        progress: show a bar.
    """
    return _groups(dataset, near_copy, _directions(dataset, near_copy), progress)


def _directions(dataset: EmbeddingDataset, near_copy: float) -> Directions:
    return Directions(dataset.sides, near_copy)


def _groups(dataset: EmbeddingDataset, near_copy: float, directions: Directions, progress: bool) -> np.ndarray:
    groups = Groups(len(dataset))
    groups.join(np.arange(len(directions.same_as)) % len(dataset), directions.same_as % len(dataset))
    groups.join_equal(normalize_text(text) for texts in dataset.texts if texts is not None for text in texts)
    if dataset.groups is not None:
        groups.join_equal(dataset.groups)
    groups.labels()
    if near_copy < 1:
        join_near(directions, near_copy, groups, progress=progress)
    return groups.labels()


def leak_free_split(
    dataset: EmbeddingDataset,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    *,
    near_copy: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> Split:
    """Divides a dataset so that no question, answer or near-copy of one is on two sides, nor any of its `groups`.

    Groups of copies are shuffled with the seed; groups are dealt out whole to test, then validation, until each has its
    share; a group that would overfill a part goes to training.

    Args:
        dataset: what to divide.
        validation_fraction: share of the items, rounded.
        test_fraction: share of the items, rounded.
        near_copy: cosine from which two vectors are copies, above 0; 1 for equal vectors only. Texts that differ in
            case and white space only are copies whatever their vectors.
        seed: for the shuffle.
        progress: show bars while copies are looked for.

    Returns:
        The three parts, and what there is to know about them.

    Raises:
        DataError: too few independent items for three parts, or shares and thresholds that make no sense.
    """
    if not (
        0 < near_copy <= 1 and min(validation_fraction, test_fraction) > 0 and validation_fraction + test_fraction < 1
    ):
        raise DataError(
            "leak_free_split: near_copy must be above 0 and at most 1, the two fractions above 0 and together below 1; "
            f"got near_copy={near_copy}, validation_fraction={validation_fraction}, test_fraction={test_fraction}."
        )
    directions = _directions(dataset, near_copy)
    group_of = _groups(dataset, near_copy, directions, progress)
    sizes = np.bincount(group_of)
    part_of = np.zeros(len(sizes), np.int64)  # of groups; 0 is training
    room = [0, *(max(1, round(len(dataset) * fraction)) for fraction in (validation_fraction, test_fraction))]
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        part = next((part for part in (2, 1) if sizes[group] <= room[part]), 0)
        part_of[group] = part
        room[part] -= sizes[group]
    if len(np.unique(part_of)) < len(SIDES):
        advice = "Add data, or raise the fractions."
        if sizes.max() > len(dataset) / 2:
            advice = (
                f"{_what_joins(dataset)} Add other data, or remove what joins them, for example with filters: repeats."
            )
        raise DataError(
            "leak_free_split: training, validation and test need a group of copies each. Number of items: "
            f"{len(dataset)}; number of groups (cosine {near_copy:g} or more): {len(sizes)}, the largest of "
            f"{sizes.max()}; room for {round(len(dataset) * validation_fraction)} validation and "
            f"{round(len(dataset) * test_fraction)} test items. {advice}"
        )
    if sizes.max() > len(dataset) / 2:
        warnings.warn(
            f"{sizes.max():,} of {len(dataset):,} items hang together by copies and must all be trained on, so that "
            f"the test items are those with nothing in common with them, an unusual choice. {_what_joins(dataset)} "
            "The filter repeats removes such texts.",
            stacklevel=2,
        )
    side_of = part_of[group_of]  # of items
    parts = [dataset.subset(torch.from_numpy(np.flatnonzero(side_of == side))) for side in range(len(SIDES))]
    borders = tuple(_border(dataset, directions, side_of, *sides, progress) for sides in ((0, 2), (0, 1), (1, 2)))
    return Split(
        *parts, len(sizes), int(sizes.max()), near_copy, borders, test_groups=group_of[side_of == SIDES.index("test")]
    )


def _what_joins(dataset: EmbeddingDataset) -> str:
    """The text that the most items share, for people who wonder what holds them together."""
    texts = Counter(normalize_text(text) for side in dataset.texts if side is not None for text in side)
    if not texts or texts.most_common(1)[0][1] < 3:
        return "Copies, near-copies and groups join items, also in chains."
    text, count = texts.most_common(1)[0]
    return f"Copies and groups join items, also in chains; {shorten(text)} occurs {count:,} times."


def _border(
    dataset: EmbeddingDataset, directions: Directions, side_of: np.ndarray, one: int, other: int, progress: bool
) -> Border:
    count = len(dataset)
    sides = side_of[directions.first % count]
    cosine, *positions = closest(
        directions, np.flatnonzero(sides == one), np.flatnonzero(sides == other), progress=progress
    )
    sources = [dataset.texts[position // count] for position in positions]
    texts = (
        None
        if None in sources
        else tuple(source[position % count] for source, position in zip(sources, positions, strict=True))
    )
    return Border((SIDES[one], SIDES[other]), cosine, texts)
