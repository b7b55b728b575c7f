"""Splits that keep copies together, and say how close their sides come."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from cubelib.data.datasets import AutoencoderDataset, EmbeddingDataset
from cubelib.data.filters import FilterReport
from cubelib.data.near_copies import NearCopySearch, join, search_for
from cubelib.data.text import counted, normalize_text, shorten
from cubelib.data.vectors import Array, VectorFile, first_equals
from cubelib.errors import DataError

SIDES = ("training", "validation", "test")
KINDS = ("new_answers", "new_questions")


@dataclass(frozen=True)
class Border:
    """The closest two vectors on two sides of a split.

    Attributes:
        sides: their names.
        cosine: of the two vectors.
        texts: what they were encoded from, if that is known.
    """

    sides: tuple[str, str]
    cosine: float
    texts: tuple[str, str] | None

    def __str__(self) -> str:
        if self.texts is None:
            return f"{self.cosine:.4f}"
        one, other = self.texts
        return f"{self.cosine:.4f} ({shorten(one)} / {shorten(other)})"


@dataclass(frozen=True)
class Split:
    """Training, validation and test items without a copy on two sides.

    Attributes:
        train, validation, test: the three parts.
        groups: how many groups of copies, or of items that belong together, there are; a group is never divided.
        largest_group: items in the largest of them.
        near_copy: the cosine from which two vectors count as copies.
        kind: "new_answers", or "new_questions" if known answers are tested with new questions: then copies and borders
            are those of questions alone.
        borders: the closest pair across each border: training–test, training–validation, validation–test. Below
            near_copy by construction, and measured all the same.
        filtered: what filters removed before the split, if there were any.
        notes: what was said of the data while they were read, encoded and divided; the report repeats it.
        test_groups: which group each test item belongs to, `(n,)`; intervals resample whole groups. None if not known.
        approximate: whether copies were looked for with an approximate index, which may miss a few.
    """

    train: EmbeddingDataset
    validation: EmbeddingDataset
    test: EmbeddingDataset
    groups: int
    largest_group: int
    near_copy: float
    borders: tuple[Border, Border, Border]
    filtered: FilterReport | None = None
    notes: tuple[str, ...] = ()
    test_groups: Array | None = field(default=None, compare=False)
    approximate: bool = False
    kind: str = "new_answers"

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
        texts = "questions" if self.kind == "new_questions" else "texts"
        copies = f"{texts} with a cosine of {self.near_copy:g} or more" if self.near_copy < 1 else "equal vectors"
        if self.approximate:
            copies += ", looked for with an approximate index (faiss), which may miss a few"
        together = "" if self.train.groups is None else " and of items that belong together"
        train_test, train_validation, validation_test = self.borders
        known = ", and every answer is trained on," if self.kind == "new_questions" else ""
        sizes = f"{len(self.train):,} training, {len(self.validation):,} validation and {len(self.test):,} test items"
        return (
            f"{sizes}{known} in {self.groups:,} groups of copies{together} (largest {self.largest_group:,}); "
            f"copies are {copies}; the closest training and test {texts} have {train_test}, training and validation "
            f"{train_validation}, validation and test {validation_test}"
        )


def copy_groups(dataset: EmbeddingDataset, near_copy: float, *, progress: bool = False) -> Array:
    """A group number for each item, `(n,)`: items joined by copies, also through a chain of copies, share one.

    Two items are joined when a text of one, question or answer, is a copy of a text of the other: their vectors have a
    cosine of at least near_copy, or the texts differ in case and white space only; and when they are in the same of the
    dataset's own `groups`. The order of the items makes no difference.

    Args:
        dataset: the items.
        near_copy: above 0. With 1 only equal vectors and equal texts are copies, found in linear time.
        progress: show a bar.

    Raises:
        ModuleNotFoundError: more than 100,000 different vectors, and faiss is not installed.
    """
    return _groups(dataset, near_copy, search_for(_comparable_sides(dataset), progress=progress))


def _comparable_sides(dataset: EmbeddingDataset) -> tuple[Tensor | VectorFile, ...]:
    """The sides in one space. Vectors of two encoders get axes of their own there, so that their cosine is 0."""
    if dataset.dim == dataset.target_dim:
        return dataset.sides
    return pad(dataset.input[:], (0, dataset.target_dim)), pad(dataset.target[:], (dataset.dim, 0))


def _groups(dataset: EmbeddingDataset, near_copy: float, search: NearCopySearch) -> Array:
    count = len(dataset)
    texts = (normalize_text(text) for side in dataset.texts if side is not None for text in side)
    labels: Array = np.arange(count)
    for same_as in (search.same_as, _first_equal(texts), _first_equal(dataset.groups or [])):
        labels = join(labels, np.arange(len(same_as)) % count, same_as % count)
    if near_copy < 1:
        item_of = search.positions % count
        for one, other in search.near_pairs(near_copy):
            labels = join(labels, item_of[one], item_of[other])
    return labels


def _first_equal(values: Iterable[Hashable]) -> Array:
    """For each value the position of the first that equals it, `(n,)`."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(value, position) for position, value in enumerate(values)], np.int64)


def leak_free_split(
    dataset: EmbeddingDataset,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    *,
    near_copy: float = 0.95,
    kind: str = "new_answers",
    seed: int = 0,
    progress: bool = False,
) -> Split:
    """Divides a dataset so that no copy of a question or answer is on two sides, nor any of its `groups`.

    Groups of copies are shuffled with the seed and dealt out whole, to test, then to validation, until each has its
    share; a group that would overfill a part goes to training.

    Hard negatives of training items that are copies of answers on the other sides are left out, and a warning counts
    them.

    That asks for answers nobody has seen. A help desk asks something else: known answers to questions in new words.
    With kind "new_questions" no copy of a question is on two sides, while every answer of a test or validation
    item is also the answer of a training item.

    Args:
        dataset: what to divide.
        validation_fraction: fraction of the items, rounded.
        test_fraction: fraction of the items, rounded.
        near_copy: cosine from which two vectors are copies, above 0; 1 for equal vectors only. Texts that differ in
            case and white space only are always copies.
        kind: "new_answers" or "new_questions".
        seed: for the shuffle.
        progress: show bars while copies are looked for.

    Raises:
        DataError: too few independent items for three parts, a fraction or threshold out of range, or new questions
            asked of data without answers.
        ModuleNotFoundError: more than 100,000 different vectors, and faiss is not installed.
    """
    fractions = (validation_fraction, test_fraction)
    if not 0 < near_copy <= 1 or min(fractions) <= 0 or sum(fractions) >= 1:
        raise DataError(
            "leak_free_split: near_copy must be above 0 and at most 1, the two fractions above 0 and together below 1; "
            f"got near_copy={near_copy}, validation_fraction={validation_fraction}, test_fraction={test_fraction}."
        )
    if kind not in KINDS or (kind == "new_questions" and len(dataset.sides) == 1):
        raise DataError(
            f"leak_free_split: kind is {' or '.join(KINDS)}, the second for a DialogueDataset only; got kind={kind!r} "
            f"and a {type(dataset).__name__}."
        )
    compared, answer_of = dataset, None
    if kind == "new_questions":
        compared = AutoencoderDataset(dataset.input, dataset.input_texts, dataset.groups)
        answer_of = _same_answers(dataset)
    search = search_for(_comparable_sides(compared), progress=progress)
    group_of = _groups(compared, near_copy, search)  # (n,)
    sizes = np.bincount(group_of)
    validation_size, test_size = (max(1, round(len(dataset) * fraction)) for fraction in fractions)
    side_of_group = _deal_out(group_of, validation_size, test_size, seed, answer_of)
    if len(np.unique(side_of_group)) < len(SIDES):
        raise DataError(_too_few_groups(compared, sizes, near_copy, validation_size, test_size, kind))
    if sizes.max() > len(dataset) / 2:
        warnings.warn(
            f"{sizes.max():,} of {len(dataset):,} items hang together by copies and must all be trained on, so the "
            f"test items are the few that have nothing in common with them. {_what_joins(compared)} The filter repeats "
            "removes such texts.",
            stacklevel=2,
        )
    side_of = side_of_group[group_of]  # (n,)
    train, validation, test = (dataset.subset(torch.from_numpy(np.flatnonzero(side_of == side))) for side in range(3))
    if kind == "new_answers":
        _drop_held_out_negatives(train, [validation.target, test.target], near_copy)
    train_test, train_validation, validation_test = (
        _border(compared, search, side_of, *sides) for sides in ((0, 2), (0, 1), (1, 2))
    )
    return Split(
        train,
        validation,
        test,
        groups=len(sizes),
        largest_group=int(sizes.max()),
        near_copy=near_copy,
        borders=(train_test, train_validation, validation_test),
        # Items with one answer are no more independent than copies of a question are.
        test_groups=(group_of if answer_of is None else join(group_of, np.arange(len(dataset)), answer_of))[
            side_of == SIDES.index("test")
        ],
        approximate=search.approximate,
        kind=kind,
    )


def _drop_held_out_negatives(train: EmbeddingDataset, held_out: list[Tensor | VectorFile], near_copy: float) -> None:
    """A test answer that is trained on as a wrong one is a leak too."""
    if train.negatives is None or train.negative_rows is None:
        return
    count = sum(map(len, held_out))
    search = search_for([*held_out, train.negatives])
    is_copy = np.arange(len(search.same_as)) < count  # of each position; first those of the answers, which stay
    if near_copy < 1:
        for one, other in search.near_pairs(near_copy):
            pairs = search.positions[np.stack([one, other])]  # (2, pairs)
            across = (pairs < count).any(0)
            is_copy[pairs[:, across]] = True
    leaked = set(np.flatnonzero(is_copy[search.same_as][count:]).tolist())
    before = sum(map(len, train.negative_rows))
    train.negative_rows = [sorted(set(rows) - leaked) for rows in train.negative_rows]
    dropped = before - sum(map(len, train.negative_rows))
    if dropped:
        warnings.warn(
            f"{dropped:,} of {before:,} hard negatives of training questions are answers of validation or test items, "
            "and are left out.",
            stacklevel=3,
        )


def _same_answers(dataset: EmbeddingDataset) -> Array:
    """For each item the first with the same answer, by text or by vector, `(n,)`."""
    same = join(np.arange(len(dataset)), np.arange(len(dataset)), first_equals([dataset.target]))
    if dataset.target_texts is not None:
        texts = (normalize_text(text) for text in dataset.target_texts)
        same = join(same, np.arange(len(dataset)), _first_equal(texts))
    return _first_equal(same.tolist())


def _deal_out(group_of: Array, validation_size: int, test_size: int, seed: int, answer_of: Array | None) -> Array:
    """The side of each group, `(groups,)`: 0 training, 1 validation, 2 test.

    With `answer_of`, a group whose answers would be left without a training item stays in training.
    """
    sizes = np.bincount(group_of)
    items_of_group = np.split(np.argsort(group_of, kind="stable"), np.cumsum(sizes)[:-1])
    trained_on = None if answer_of is None else np.bincount(answer_of, minlength=len(answer_of))
    side_of_group = np.zeros(len(sizes), np.int64)
    room = [0, validation_size, test_size]
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if answer_of is not None and trained_on is not None:
            answers, uses = np.unique(answer_of[items_of_group[group]], return_counts=True)
            if (trained_on[answers] <= uses).any():
                continue
        # Few groups may qualify if answers must stay known: then validation and test take turns.
        for side in (2, 1) if answer_of is None or room[2] >= room[1] else (1, 2):
            if sizes[group] <= room[side]:
                side_of_group[group] = side
                room[side] -= sizes[group]
                if trained_on is not None:
                    trained_on[answers] -= uses
                break
    return side_of_group


def _too_few_groups(
    dataset: EmbeddingDataset, sizes: Array, near_copy: float, validation_size: int, test_size: int, kind: str
) -> str:
    if kind == "new_answers" and len(dataset.sides) > 1:
        answers = len(np.unique(_same_answers(dataset)))
        if answers <= len(dataset) / 2:
            return (
                f"leak_free_split: {len(dataset):,} pairs share {counted(answers, 'answer')}, and an answer stays with "
                f"all its questions on one side, so nothing is left for {validation_size} validation and {test_size} "
                "test items. To test known answers with new questions instead, set data.split: new_questions (in "
                'Python kind="new_questions").'
            )
    advice = "Add data, or raise the fractions."
    if kind == "new_questions":
        advice = (
            "Only answers that are given to different questions can be tested with one of them. Add questions in other "
            "words, or use the kind new_answers."
        )
    if sizes.max() > len(dataset) / 2:
        advice = f"{_what_joins(dataset)} Add other data, or remove what joins them, for example with filters: repeats."
    if dataset.groups is not None and len(set(dataset.groups)) < 2 * len(SIDES):
        advice = (
            f"The items are of {counted(len(set(dataset.groups)), 'conversation')}, and each stays on one side. Divide "
            "them at shorter pauses with data.pause_hours (in Python read_turns(…, pause_hours=1)) if the file has the "
            "times, or add others."
        )
    return (
        f"leak_free_split: training, validation and test need a group of copies each. Number of items: {len(dataset)}; "
        f"number of groups (cosine {near_copy:g} or more): {len(sizes)}, the largest of {sizes.max()}; room for "
        f"{validation_size} validation and {test_size} test items. {advice}"
    )


def _what_joins(dataset: EmbeddingDataset) -> str:
    """The text that most items share, to explain what holds them together."""
    texts = Counter(normalize_text(text) for side in dataset.texts if side is not None for text in side)
    for text, count in texts.most_common(1):
        if count >= 3:
            return f"Copies and groups join items, also in chains; {shorten(text)} occurs {count:,} times."
    return "Copies, near-copies and groups join items, also in chains."


def _border(dataset: EmbeddingDataset, search: NearCopySearch, side_of: Array, one: int, other: int) -> Border:
    side = side_of[search.positions % len(dataset)]  # of each different vector
    cosine, *pair = search.closest(np.flatnonzero(side == one), np.flatnonzero(side == other))
    texts = []
    for position in search.positions[pair].tolist():
        side_texts = dataset.texts[position // len(dataset)]
        if side_texts is not None:
            texts.append(side_texts[position % len(dataset)])
    return Border((SIDES[one], SIDES[other]), cosine, (texts[0], texts[1]) if len(texts) == 2 else None)
