"""Which items are copies of one another, and how close two sets come: exact, with far fewer sums than n² · dim.

Every vector gets a short form of k + 1 numbers whose products are never below the cosine, so that only the few pairs
whose bound reaches the threshold are computed in full.

Taught in notebook 04.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from cubelib.data.vectors import BLOCK, VectorFile, blocks

HAIR = 1e-6  # a copy may be this far below the threshold: the same product must not land on both sides of it
PLAIN = 8192  # up to so many vectors, whole products are quicker than making short forms; at least 2 · SAMPLE
SAMPLE = 2048  # vectors that the axes are taken from, and as many others that k is judged by
AXES = (15, 31, 47, 63, 95, 127)  # k to choose from; k + 1 is a multiple of what a processor multiplies at once
PENDING = 8192  # pairs kept before they are computed in full

Wanted = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Groups:
    """Things that belong together, also through others: labels 0, 1, … in the order of their first members.

    Example:
        >>> groups = Groups(5)
        >>> groups.join(np.array([0, 4]), np.array([3, 3]))
        >>> groups.labels().tolist()
        [0, 1, 2, 0, 0]
    """

    def __init__(self, count: int) -> None:
        self.known = np.arange(count)  # the labels as of the last count; pairs joined since are not in them
        self._pending: list[np.ndarray] = []  # (2, pairs) each
        self._waiting = 0

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """Joins each of `one` with the same place's `other`."""
        self._pending.append(self.known[np.stack([one, other])])
        self._waiting += len(one)
        if self._waiting > max(4096, len(self.known) // 8):
            self.labels()

    def join_equal(self, values: Iterable[Hashable]) -> None:
        """Joins things of equal values: one value a thing, or the first values of all, then the second of all."""
        first: dict[Hashable, int] = {}
        same_as = np.fromiter((first.setdefault(value, place) for place, value in enumerate(values)), np.int64)
        self.join(np.arange(len(same_as)) % len(self.known), same_as % len(self.known))

    def labels(self) -> np.ndarray:
        """The label of each thing, `(n,)`."""
        if self._waiting:
            one, other = np.concatenate(self._pending, 1)
            graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(self.known.max() + 1,) * 2)
            self.known = connected_components(graph, directed=False)[1][self.known]
            self._pending, self._waiting = [], 0
        return self.known


class Directions:
    """The different vectors of a dataset, each once, and short forms that bound their cosines from above.

    For unit vectors x, y and k orthonormal axes P: cos(x, y) = Px·Py + x̃·ỹ ≤ Px·Py + |x̃||ỹ| by Cauchy and Schwarz,
    where x̃ is what the axes leave over: a product of k + 1 numbers. The axes are the principal ones (not centered) of a
    sample, and k is what costs least on it: more axes make longer products, fewer let more pairs through. Whatever the
    axes, no pair is missed.

    Args:
        parts: `(n, dim)` each; positions count through all of them.
        near: the cosine that will be looked for, roughly.

    Attributes:
        same_as: for each position the first one with an equal vector.
        first: the positions that are their own first, ascending. The methods' indices count through these.
        short: `(len(first), k + 1)`, or None where whole products cost least.
    """

    def __init__(self, parts: Sequence[Tensor | VectorFile], near: float) -> None:
        self.parts, self.dim = parts, parts[0].shape[1]
        self.same_as = first_equals(parts)
        self.first = np.flatnonzero(self.same_as == np.arange(len(self.same_as)))
        self.short = self._short_forms(near) if len(self.first) > PLAIN else None

    def pairs(
        self, rows: np.ndarray, columns: np.ndarray, least: float, wanted: Wanted
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The wanted pairs of a block with a cosine of `least` or more, and some that only may have it.

        Returns:
            The pairs' indices, and their cosines to within `slack(dim)`, or −∞ where only the bound was looked at.
        """
        if self.short is not None:
            r, c, _ = _reaching(self.short[rows], self.short[columns], least)
            chosen = np.flatnonzero(wanted(rows[r], columns[c]))
            if len(chosen) <= len(rows) * len(columns) // 256:  # else whole products cost less than single pairs
                return rows[r[chosen]], columns[c[chosen]], np.full(len(chosen), -np.inf)
        r, c, cosine = _reaching(self._unit(rows), self._unit(columns), least)
        chosen = np.flatnonzero(wanted(rows[r], columns[c]))
        return rows[r[chosen]], columns[c[chosen]], cosine[chosen]

    def cosines(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Cosines of pairs, in double precision: the same whatever stands beside them."""
        found = np.empty(len(one))
        for start in range(0, len(one), 1024):
            chosen = slice(start, start + 1024)
            left, right = (self._unit(which[chosen], torch.float64) for which in (one, other))
            found[chosen] = (left * right).sum(1).numpy()
        return found

    def _unit(self, which: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
        positions, places = np.unique(self.first[which], return_inverse=True)  # a file is read in its own order
        ends = np.cumsum([len(part) for part in self.parts])
        inside = np.split(positions, np.searchsorted(positions, ends[:-1]))
        rows = [
            part[torch.from_numpy(chosen - end + len(part))]
            for part, chosen, end in zip(self.parts, inside, ends, strict=True)
        ]
        return normalize(torch.cat(rows).to(dtype), dim=1)[torch.from_numpy(places)]

    def _short_forms(self, near: float) -> Tensor | None:
        count = len(self.first)
        places = np.linspace(0, count - 1, 2 * SAMPLE).astype(np.int64)
        # Axes fit the vectors they are taken from better than others: k is judged by others.
        sample, others = (self._unit(places[start::2], torch.float64) for start in (0, 1))
        axes = torch.linalg.eigh(sample.T @ sample).eigenvectors.flip(1)  # a column an axis, the strongest first
        cost, chosen = float(self.dim), None
        for k in (k for k in AXES if k + 1 < self.dim):
            short = _short(others, axes[:, :k])
            reach = ((short @ short.T) >= near - HAIR - slack(k + 1)).double().mean().item() - 1 / SAMPLE
            # In numbers multiplied a pair: a pair that is read and computed by itself costs 300 times its share of a
            # block, and comparing costs as much as 6 numbers.
            estimate = k + 1 + 6 + min(reach * 300, 1) * self.dim
            if estimate < cost:
                cost, chosen = estimate, k
        if chosen is None:
            return None
        short = torch.empty(count, chosen + 1)
        for rows in _blocks_of(np.arange(count)):
            short[rows] = _short(self._unit(rows, torch.float64), axes[:, :chosen])
        return short

    def __repr__(self) -> str:
        form = "whole products" if self.short is None else f"short forms of {self.short.shape[1]} numbers"
        return f"Directions({len(self.first):,} different ones of {len(self.same_as):,} vectors, {form})"


def slack(count: int) -> float:
    """The most by which a float32 product of two unit vectors of `count` numbers can be wrong."""
    return (count + 4) * 2.0**-23


def join_near(directions: Directions, near_copy: float, groups: Groups, *, progress: bool = False) -> None:
    """Joins the things that have vectors with a cosine of near_copy or more.

    Things that are together already are not looked at again: a thousand copies cost a thousand joins, not a million.

    Args:
        directions: of all vectors: one for each thing, or the first vectors of all, then the second vectors of all.
        near_copy: the threshold.
        groups: of the things; changed.
        progress: show a bar.
    """
    least = near_copy - HAIR
    things = directions.first % len(groups.known)

    def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one < other) & (groups.known[things[one]] != groups.known[things[other]])

    def settle(doubtful: list[np.ndarray]) -> None:
        one, other = np.concatenate(doubtful, 1)
        found = directions.cosines(one, other) >= least
        groups.join(things[one[found]], things[other[found]])

    every = _blocks_of(np.arange(len(things)))
    total = len(every) * (len(every) + 1) // 2
    with tqdm(total=total, desc="Looking for copies", delay=0.5, leave=False, disable=not progress) as bar:
        for number, rows in enumerate(every):
            doubtful, waiting = [np.empty((2, 0), np.int64)], 0
            for columns in every[number:]:
                bar.update()
                label = groups.known[things[rows[0]]]
                if all((groups.known[things[which]] == label).all() for which in (columns, rows)):
                    continue
                one, other, cosine = directions.pairs(rows, columns, least, apart)
                if not len(one):
                    continue
                sure = cosine >= least + slack(directions.dim)
                groups.join(things[one[sure]], things[other[sure]])
                doubtful.append(np.stack([one[~sure], other[~sure]]))
                waiting += doubtful[-1].shape[1]
                if waiting > PENDING:
                    settle(doubtful)
                    doubtful, waiting = doubtful[:1], 0
            settle(doubtful)


def closest(
    directions: Directions, left: np.ndarray, right: np.ndarray, *, progress: bool = False
) -> tuple[float, int, int]:
    """The largest cosine between two sets of vectors, and the positions of such a pair.

    Args:
        directions: of all vectors.
        left: indices of one set, counted through the different vectors.
        right: of the other.
        progress: show a bar.
    """
    best, pair = -2.0, (-1, -1)

    def all_of_them(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.ones(len(one), bool)

    right_blocks = _blocks_of(right)
    for rows in tqdm(_blocks_of(left), desc="Looking across the borders", delay=0.5, leave=False, disable=not progress):
        for columns in right_blocks:
            one, other, cosine = directions.pairs(rows, columns, best, all_of_them)
            if not len(one):
                continue
            highest = cosine >= cosine.max() - 2 * slack(directions.dim)  # all of them where only bounds are known
            one, other = one[highest], other[highest]
            exact = directions.cosines(one, other)
            if exact.max() > best:
                place = exact.argmax()
                best, pair = (
                    float(exact[place]),
                    (int(directions.first[one[place]]), int(directions.first[other[place]])),
                )
    return best, *pair


def _blocks_of(indices: np.ndarray) -> list[np.ndarray]:
    return [indices[start : start + BLOCK] for start in range(0, len(indices), BLOCK)]


def _short(unit: Tensor, axes: Tensor) -> Tensor:
    """Coordinates on the axes and the length of the rest, `(n, k + 1)`; float64 in, float32 out."""
    coordinates = unit @ axes
    rest = (1 - coordinates.square().sum(1, keepdim=True)).clamp_min(0).sqrt()
    return torch.cat([coordinates, rest], 1).float()


def _reaching(left: Tensor, right: Tensor, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and products that may be `least` or more."""
    least -= slack(left.shape[1])
    products = left @ right.T
    hit = (products.amax(1) >= least).nonzero()[:, 0]  # most blocks end here, and most rows of the others
    products = products[hit]
    r, c = (products >= least).nonzero(as_tuple=True)
    return hit[r].numpy(), c.numpy(), products[r, c].numpy()


def first_equals(parts: Sequence[Tensor | VectorFile]) -> np.ndarray:
    """For each vector the position of the first that equals it number for number, `(n,)`; in linear time.

    Example:
        >>> first_equals([torch.eye(2), torch.eye(2)]).tolist()
        [0, 1, 0, 1]
    """
    keys, place = np.empty((sum(map(len, parts)), 2), np.uint64), 0
    for part in parts:
        for block in blocks(part):
            rows = (block + 0.0).contiguous().numpy()  # −0 becomes 0
            digests = b"".join(hashlib.blake2b(row.data, digest_size=16).digest() for row in rows)
            keys[place : place + len(rows)] = np.frombuffer(digests, np.uint64).reshape(-1, 2)
            place += len(rows)
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first[which.reshape(-1)]
