"""Datasets of embeddings, and splits that keep copies together.

    AutoencoderDataset    input = target
    DialogueDataset       question → answer

Both are `torch.utils.data.Dataset`s of `{"input", "target"}` and keep the texts, so that a report can quote them.

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from cubelib.errors import DataError

if TYPE_CHECKING:
    from cubelib.encoder import TeacherEncoder

BLOCK = 1024  # rows of a similarity matrix held in memory at a time


def check_vectors(vectors: Tensor, origin: str) -> Tensor:
    """Vectors as float32 `(n, dim)`, or a sentence that says what is wrong with them.

    Raises:
        DataError: not two-dimensional, empty, NaN, infinite or zero vectors.
    """
    if vectors.ndim != 2 or not len(vectors):
        raise DataError(f"{origin}: vectors must be (n, dim) with n at least 1; got shape {tuple(vectors.shape)}.")
    vectors = vectors.float()
    lengths = vectors.norm(dim=1)
    for what, bad in (
        ("NaN or infinite numbers", ~torch.isfinite(vectors).all(1)),
        ("nothing but zeros", (vectors == 0).all(1)),
        ("numbers too small or too large to work with", (lengths < 1e-6) | (lengths > 1e6)),
    ):
        if bad.any():
            raise DataError(
                f"{origin}: {int(bad.sum())} of {len(vectors)} vectors hold {what}, the first is number "
                f"{int(bad.nonzero()[0])} (counted from 0). Such a vector has no direction; remove or re-encode it."
            )
    return vectors


class EmbeddingDataset(Dataset):
    """Pairs of vectors, with their texts where there are any.

    Args:
        input: `(n, dim)`.
        target: `(n, dim)`.
        input_texts: n texts, or None.
        target_texts: n texts, or None.
    """

    def __init__(
        self,
        input: Tensor,
        target: Tensor,
        input_texts: Sequence[str] | None = None,
        target_texts: Sequence[str] | None = None,
    ) -> None:
        name = type(self).__name__
        self.input = check_vectors(input, f"{name} input")
        self.target = self.input if target is input else check_vectors(target, f"{name} target")
        if self.input.shape != self.target.shape:
            raise DataError(
                f"{name}: as many targets as inputs, and as wide; got {tuple(self.input.shape)} and "
                f"{tuple(self.target.shape)}."
            )
        for texts in (input_texts, target_texts):
            if texts is not None and len(texts) != len(self.input):
                raise DataError(f"{name}: {len(self.input)} vectors but {len(texts)} texts; one text for each vector.")
        self.input_texts = None if input_texts is None else list(input_texts)
        self.target_texts = None if target_texts is None else list(target_texts)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.input.shape[1]

    def __len__(self) -> int:
        return len(self.input)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input": self.input[index], "target": self.target[index]}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """A whole batch at once: what DataLoader asks for where it can, and many times faster than one by one."""
        chosen = torch.as_tensor(indices)
        return {"input": self.input[chosen], "target": self.target[chosen]}

    def fingerprint(self) -> str:
        """SHA-256 over all vectors: the same items in the same order, or another fingerprint."""
        vectors = _all_vectors(self).contiguous()
        return hashlib.sha256(f"{tuple(vectors.shape)}".encode() + vectors.numpy().tobytes()).hexdigest()

    def subset(self, indices: Tensor) -> EmbeddingDataset:
        """The items at `indices`, as a dataset of the same kind."""
        part = object.__new__(type(self))
        part.input = self.input[indices]
        part.target = part.input if self.target is self.input else self.target[indices]
        chosen = indices.tolist()
        part.input_texts = None if self.input_texts is None else [self.input_texts[i] for i in chosen]
        part.target_texts = None if self.target_texts is None else [self.target_texts[i] for i in chosen]
        return part

    def __repr__(self) -> str:
        texts = "with texts" if self.input_texts else "without texts"
        return f"{type(self).__name__}({len(self):,} items of {self.dim} numbers, {texts})"


class AutoencoderDataset(EmbeddingDataset):
    """Vectors that are their own target.

    Args:
        vectors: `(n, dim)`.
        texts: what they were encoded from, or None.

    Example:
        >>> dataset = AutoencoderDataset(torch.eye(3))
        >>> dataset, bool((dataset[0]["input"] == dataset[0]["target"]).all())
        (AutoencoderDataset(3 items of 3 numbers, without texts), True)
    """

    def __init__(self, vectors: Tensor, texts: Sequence[str] | None = None) -> None:
        super().__init__(vectors, vectors, texts, texts)

    @classmethod
    def from_texts(cls, texts: Sequence[str], encoder: TeacherEncoder) -> AutoencoderDataset:
        """Encodes texts (or finds them in the cache)."""
        return cls(encoder.encode(texts), texts)


class DialogueDataset(EmbeddingDataset):
    """Questions and their answers.

    Args:
        questions: `(n, dim)`.
        answers: `(n, dim)`.
        question_texts: n texts, or None.
        answer_texts: n texts, or None.

    Example:
        >>> DialogueDataset(torch.eye(3), torch.eye(3).flip(0))
        DialogueDataset(3 items of 3 numbers, without texts)
    """

    def __init__(
        self,
        questions: Tensor,
        answers: Tensor,
        question_texts: Sequence[str] | None = None,
        answer_texts: Sequence[str] | None = None,
    ) -> None:
        super().__init__(questions, answers, question_texts, answer_texts)

    @classmethod
    def from_pairs(cls, pairs: Sequence[Mapping[str, str]], encoder: TeacherEncoder) -> DialogueDataset:
        """Encodes `{"question", "answer"}` pairs (or finds them in the cache)."""
        questions, answers = ([pair[side] for pair in pairs] for side in ("question", "answer"))
        vectors = encoder.encode([*questions, *answers])
        return cls(vectors[: len(pairs)], vectors[len(pairs) :], questions, answers)


@dataclass(frozen=True)
class Split:
    """Training, validation and test items without a copy on two sides.

    Attributes:
        train, validation, test: the three parts.
        groups: how many groups of copies there are; a group is never divided.
        largest_group: items in the largest of them.
        near_copy: the cosine from which two vectors count as copies.
        closest: the largest cosine between any vector of a training item and any of a test item; below near_copy by
            construction, and measured all the same.
    """

    train: EmbeddingDataset
    validation: EmbeddingDataset
    test: EmbeddingDataset
    groups: int
    largest_group: int
    near_copy: float
    closest: float

    def report(self) -> str:
        """One sentence with sizes, groups and the closest pair across the border.

        Example:
            >>> leak_free_split(AutoencoderDataset(torch.eye(40)), 0.1, 0.1).report().split(";")[0]
            '32 training, 4 validation and 4 test items in 40 groups of copies (largest 1)'
        """
        return (
            f"{len(self.train):,} training, {len(self.validation):,} validation and {len(self.test):,} test items in "
            f"{self.groups:,} groups of copies (largest {self.largest_group}); copies are texts with a cosine of "
            f"{self.near_copy:g} or more; the closest training and test texts have {self.closest:.4f}"
        )


def _copies(vectors: Tensor, near_copy: float, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index pairs of vectors with a cosine of at least near_copy."""
    unit = torch.nn.functional.normalize(vectors, dim=1)
    rows, columns = [], []
    blocks = range(0, len(unit), BLOCK)
    for start in tqdm(blocks, desc="Looking for copies", delay=0.5, leave=False, disable=not progress):
        # A hair below the threshold: the same product summed in another order must not land on the other side of it.
        found = ((unit[start : start + BLOCK] @ unit.T) >= near_copy - 1e-6).nonzero()
        rows.append(found[:, 0] + start)
        columns.append(found[:, 1])
    return torch.cat(rows).numpy(), torch.cat(columns).numpy()


def copy_groups(dataset: EmbeddingDataset, near_copy: float, *, progress: bool = False) -> np.ndarray:
    """A group number for each item, `(n,)`: items joined by copies, also through a chain of copies, share one.

    Two items are joined when a text of one, question or answer, is a copy of a text of the other.
    """
    rows, columns = (index % len(dataset) for index in _copies(_all_vectors(dataset), near_copy, progress))
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(dataset), len(dataset)))
    return connected_components(graph, directed=False)[1]


def _all_vectors(dataset: EmbeddingDataset) -> Tensor:
    """Every vector of a dataset: the inputs, and the targets where they differ."""
    return dataset.input if dataset.target is dataset.input else torch.cat([dataset.input, dataset.target])


def _closest(one: EmbeddingDataset, other: EmbeddingDataset) -> float:
    left, right = (torch.nn.functional.normalize(_all_vectors(part), dim=1) for part in (one, other))
    return max(float((left[start : start + BLOCK] @ right.T).max()) for start in range(0, len(left), BLOCK))


def leak_free_split(
    dataset: EmbeddingDataset,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    *,
    near_copy: float = 0.95,
    seed: int = 0,
    progress: bool = False,
) -> Split:
    """Divides a dataset so that no question, answer or near-copy of one is on two sides.

    Groups of copies are shuffled with the seed; groups are dealt out whole to test, then validation, until each has its
    share; a group that would overfill a part goes to training.

    Args:
        dataset: what to divide.
        validation_fraction: share of the items, rounded.
        test_fraction: share of the items, rounded.
        near_copy: cosine from which two vectors are copies.
        seed: for the shuffle.
        progress: show a bar while copies are looked for.

    Returns:
        The three parts, and what there is to know about them.

    Raises:
        DataError: too few independent items for three parts.
    """
    group_of = copy_groups(dataset, near_copy, progress=progress)
    members = [np.flatnonzero(group_of == group) for group in range(group_of.max() + 1)]
    order = np.random.default_rng(seed).permutation(len(members))
    parts: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    room = {
        "test": max(1, round(len(dataset) * test_fraction)),
        "validation": max(1, round(len(dataset) * validation_fraction)),
    }
    for group in order:
        size = len(members[group])
        part = next((name for name in ("test", "validation") if size <= room[name]), "train")
        parts[part].append(members[group])
        if part != "train":
            room[part] -= size
    if not all(parts.values()):
        raise DataError(
            "leak_free_split: training, validation and test need a group of copies each. Number of items: "
            f"{len(dataset)}; number of groups (cosine {near_copy:g} or more): {len(members)}, the largest of "
            f"{max(map(len, members))}. Add data."
        )
    train, validation, test = (
        dataset.subset(torch.from_numpy(np.sort(np.concatenate(parts[name]))))
        for name in ("train", "validation", "test")
    )
    return Split(train, validation, test, len(members), max(map(len, members)), near_copy, _closest(train, test))
