"""Which vectors are near-copies of one another, and how close two sets of vectors come.

Up to `EXACT` different vectors, every pair is compared, block by block. Beyond that, an approximate index of the
library faiss proposes pairs; their cosines are exact, but it may miss a few.

Taught in notebook 04.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from cubelib.data.progress import tqdm
from cubelib.data.vectors import BLOCK, COSINE_TOLERANCE, Array, ConcatSubset, VectorFile, blocks, first_equals

EXACT = 100_000  # up to this many different vectors all pairs are compared: minutes on one core

_TILE = 2048  # vectors on either side of a product
_PROBES = 16  # parts of the approximate index that are searched for each vector
_QUERIES = 64  # at a time: if all vectors are near-copies, each of them finds all others
_MARGIN = 0.02  # by which the index may misjudge a cosine: it stores a number in one byte

Pairs = Iterator[tuple[Array, Array]]


def search_for(parts: Sequence[Tensor | VectorFile], *, progress: bool = False) -> NearCopySearch:
    """The search that suits the number of vectors.

    Args:
        parts: `(n, dim)` each; positions count through all of them.
        progress: show a bar.

    Raises:
        ModuleNotFoundError: more than `EXACT` different vectors, and faiss is not installed.
    """
    same_as = first_equals(parts)
    kind = ExactSearch if np.count_nonzero(same_as == np.arange(len(same_as))) <= EXACT else ApproximateSearch
    return kind(parts, same_as, progress)


class NearCopySearch(ABC):
    """Compares the different vectors of several sets, each of them once.

    Args:
        parts: `(n, dim)` each.
        same_as: for each position the first one with an equal vector, `(n,)`.
        progress: show a bar.

    Attributes:
        positions: of the different vectors, `(m,)`, ascending. The methods' indices count through these.
        approximate: whether pairs may be missed.
    """

    approximate = False

    def __init__(self, parts: Sequence[Tensor | VectorFile], same_as: Array, progress: bool) -> None:
        self.same_as = same_as
        self.positions = np.flatnonzero(same_as == np.arange(len(same_as)))
        self.vectors = ConcatSubset(parts, self.positions)
        self._progress = progress

    @abstractmethod
    def near_pairs(self, cosine: float) -> Pairs:
        """Indices of pairs with a cosine of at least `cosine` (less `COSINE_TOLERANCE`), a block of them at a time."""

    @abstractmethod
    def closest(self, left: Array, right: Array) -> tuple[float, int, int]:
        """The largest cosine between two sets, given by their indices, and the indices of such a pair."""

    def cosines(self, one: Array, other: Array) -> Array:
        """The cosine of each pair in double precision, `(pairs,)`."""
        return cosine_similarity(self.vectors[one].double(), self.vectors[other].double(), dim=1).numpy()

    def _bar(self, starts: range, what: str) -> Any:
        return tqdm(starts, desc=what, delay=0.5, leave=False, disable=not self._progress)


class ExactSearch(NearCopySearch):
    """Compares every pair; all vectors are held in memory, as float32."""

    def __init__(self, parts: Sequence[Tensor | VectorFile], same_as: Array, progress: bool) -> None:
        super().__init__(parts, same_as, progress)
        self._unit = torch.cat([normalize(block, dim=1) for block in blocks(self.vectors)])  # (m, dim)

    def near_pairs(self, cosine: float) -> Pairs:
        """Indices of pairs with a cosine of at least `cosine`, a block of them at a time; each pair once."""
        least = cosine - COSINE_TOLERANCE
        for start in self._bar(range(0, len(self._unit), _TILE), "Looking for copies"):
            for column in range(start, len(self._unit), _TILE):
                products = self._unit[start : start + _TILE] @ self._unit[column : column + _TILE].T
                if products.amax() < least:
                    continue
                one, other = (products >= least).nonzero().T.numpy()
                yield one + start, other + column

    def closest(self, left: Array, right: Array) -> tuple[float, int, int]:
        """The largest cosine between two sets, given by their indices, and the indices of such a pair."""
        best, pair = -2.0, (-1, -1)
        for start in self._bar(range(0, len(left), _TILE), "Looking across the borders"):
            rows = self._unit[left[start : start + _TILE]]
            for column in range(0, len(right), _TILE):
                highest, where = (rows @ self._unit[right[column : column + _TILE]].T).max(1)
                row = int(highest.argmax())
                if highest[row] > best:
                    best, pair = float(highest[row]), (int(left[start + row]), int(right[column + int(where[row])]))
        return float(self.cosines(np.array(pair[:1]), np.array(pair[1:]))[0]), *pair


class ApproximateSearch(NearCopySearch):
    """Compares the pairs that an index of faiss proposes; the index holds a byte for each number."""

    approximate = True

    def __init__(self, parts: Sequence[Tensor | VectorFile], same_as: Array, progress: bool) -> None:
        super().__init__(parts, same_as, progress)
        try:
            faiss: Any = import_module("faiss")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"leak_free_split: near-copies among {len(self.positions):,} different vectors (above {EXACT:,}) need "
                "faiss. Install it with: python -m pip install faiss-cpu"
            ) from error
        self._faiss = faiss
        cells = int(4 * len(self.vectors) ** 0.5)
        self._index = faiss.index_factory(self.vectors.shape[1], f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(0).permutation(len(self.vectors))[: 40 * cells]
        self._index.train(self._unit(np.sort(sample)))
        for start in self._bar(range(0, len(self.vectors), BLOCK), "Indexing"):
            self._index.add(self._unit(slice(start, start + BLOCK)))
        self._index.nprobe = _PROBES

    def near_pairs(self, cosine: float) -> Pairs:
        """Indices of pairs with a cosine of at least `cosine`, a block of them at a time."""
        for start in self._bar(range(0, len(self.vectors), _QUERIES), "Looking for copies"):
            queries = self._unit(slice(start, start + _QUERIES))
            ends, _, other = self._index.range_search(queries, cosine - _MARGIN)
            one = start + np.repeat(np.arange(len(queries)), np.diff(ends.astype(np.int64)))
            one, other = one[one != other], other[one != other]
            near = self.cosines(one, other) >= cosine - COSINE_TOLERANCE
            yield one[near], other[near]

    def closest(self, left: Array, right: Array) -> tuple[float, int, int]:
        """About the largest cosine between two sets, given by their indices, and the indices of such a pair."""
        small, large = sorted([left, right], key=len)
        inside = np.zeros(len(self.vectors), bool)
        inside[large] = True
        selector = self._faiss.IDSelectorBitmap(np.packbits(inside, bitorder="little"))
        options = self._faiss.SearchParametersIVF(sel=selector, nprobe=_PROBES)
        scores, nearest = np.empty(len(small), np.float32), np.empty(len(small), np.int64)
        for start in self._bar(range(0, len(small), BLOCK), "Looking across the borders"):
            block = slice(start, start + BLOCK)
            found = self._index.search(self._unit(small[block]), 1, params=options)
            scores[block], nearest[block] = found[0][:, 0], found[1][:, 0]
        top = np.argsort(-np.where(nearest < 0, -2, scores), kind="stable")[:BLOCK]  # −1: nothing in the parts searched
        top = top[nearest[top] >= 0]
        exact = self.cosines(small[top], nearest[top])
        pair = int(small[top[exact.argmax()]]), int(nearest[top[exact.argmax()]])
        return float(exact.max()), *(pair if small is left else reversed(pair))

    def _unit(self, rows: slice | Array) -> Array:
        return normalize(self.vectors[rows], dim=1).numpy()


def join(labels: Array, one: Array, other: Array) -> Array:
    """Group labels `(n,)` after each item of `one` was joined with the item of `other` at the same place.

    Groups are numbered 0, 1, … in the order of their first items.

    Example:
        >>> join(np.arange(5), np.array([0, 4]), np.array([3, 3])).tolist()
        [0, 1, 2, 0, 0]
    """
    one, other = labels[one], labels[other]
    apart = one != other
    if not apart.any():
        return labels
    count = labels.max() + 1
    graph = coo_array((np.ones(apart.sum(), np.int8), (one[apart], other[apart])), shape=(count, count))
    components: Array = connected_components(graph, directed=False)[1]
    return components[labels]
