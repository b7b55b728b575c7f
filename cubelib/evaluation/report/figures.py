"""Figures of all models on the same test items: their intervals, and which of them can be told apart.

Taught in notebook 06.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from cubelib.data.datasets import Split
from cubelib.errors import ConfigError
from cubelib.metrics import EmbeddingMetrics, Interval
from cubelib.metrics.intervals import PairedTest
from cubelib.training.run import PRIMARY_METRICS

CUBE, BEFORE = "cube", "cube before training"
LEAST_UNITS = 20  # test items or groups of copies; below it an interval covers the truth far less often than it says
NO_USE = 0.001  # a difference in cosine or MRR that nobody would notice, however certain it is
NEIGHBORS = 10
HALVES = 50  # of the sample, for the interval of a figure of all its items together
LABELS = {
    "mrr": "MRR",
    "r@1": "R@1",
    "r@5": "R@5",
    "r@10": "R@10",
    "ndcg@10": "nDCG@10",
    "cosine_similarity": "cosine",
    "at_target": "≥ target",
    "overlap@10": "overlap@10",
    "spearman": "Spearman",
}


def overlap(output: Tensor, target: Tensor) -> float:
    """Share of the ten nearest neighbors that are the same, 0 … 1."""
    return EmbeddingMetrics.neighbor_overlap(output, target, k=NEIGHBORS)


# Of all items together, on the sample: they cost the square of the items.
STRUCTURE: dict[str, Callable[[Tensor, Tensor], float]] = {
    "overlap@10": overlap,
    "spearman": EmbeddingMetrics.similarity_spearman,
}


@dataclass
class ModelResult:
    """One model: its size, and what it did with the test items.

    Attributes:
        model: its name.
        parameters: numbers that it keeps.
        latent_dim: numbers that pass its bottleneck, or None.
        seconds: to train it, or None where that is not known.
        per_item: figure → a value for each test item.
        sample: its outputs for the sample of the test items, where figures of who is near whom are wanted.
    """

    model: str
    parameters: int
    latent_dim: int | None
    seconds: float | None
    per_item: dict[str, Tensor]
    sample: Tensor | None = None


@dataclass(repr=False)
class Figures:
    """All models on one task.

    Attributes:
        task: autoencoder or dialogue.
        split: the items.
        rows: the models, the cube first.
        target: cosine to reach.
        groups: which group of copies each test item belongs to, `(n,)`: groups are resampled whole.
        sample: which test items the figures of who is near whom are measured on.
    """

    task: str
    split: Split
    rows: list[ModelResult]
    target: float
    groups: np.ndarray
    sample: np.ndarray
    _tests: dict[tuple[str, str, str], PairedTest] = field(default_factory=dict, init=False)

    @property
    def primary_metric(self) -> str:
        """The figure that decides: the one by which the cube's best epoch was chosen."""
        return PRIMARY_METRICS[self.task]

    @property
    def figures(self) -> list[str]:
        """All figures, the primary_metric one first."""
        return [name for name in LABELS if name in self.rows[0].per_item or name in self._together[CUBE]]

    @property
    def units(self) -> int:
        """How many independent test items there are: groups of copies count once."""
        return len(np.unique(self.groups))

    def row(self, model: str) -> ModelResult:
        """The row of a model, by name.

        Raises:
            ConfigError: there is no such model; the message names those there are.
        """
        for row in self.rows:
            if row.model == model:
                return row
        raise ConfigError(
            f"TaskReport: there is no model {model!r}. Use one of {'; '.join(row.model for row in self.rows)}."
        )

    def value(self, model: str, figure: str | None = None) -> float:
        """A figure (the primary_metric one) of a model over all its items."""
        figure, row = figure or self.primary_metric, self.row(model)
        return row.per_item[figure].double().mean().item() if figure in row.per_item else self._together[model][figure]

    @cached_property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """Model → figure → its mean with its 95 % interval. There is none of Spearman, which is too dear.

        Of neighbor overlap it comes from halves of the items, which may need more items than there are.
        """
        return {
            row.model: {
                **EmbeddingMetrics.bootstrap_means(row.per_item, groups=self.groups),
                **({"overlap@10": self._halved(overlap, row)} if self._can_be_halved else {}),
            }
            for row in self.rows
        }

    @cached_property
    def best(self) -> dict[str, set[str]]:
        """Figure → the best model, and all that a paired 95 % interval cannot tell from it.

        Nothing with fewer than 20 independent test items. Of a figure without interval: all that show the same number.
        """
        if self.units < LEAST_UNITS:
            return {name: set() for name in self.figures}
        top = {name: max(self.rows, key=lambda row: self.value(row.model, name)) for name in self.figures}
        found: dict[str, set[str]] = {name: {row.model} for name, row in top.items()}
        for row in self.rows:
            behind = EmbeddingMetrics.bootstrap_means(
                {name: top[name].per_item[name] - values for name, values in row.per_item.items()}, groups=self.groups
            )
            for name in self._together[row.model]:
                if name == "overlap@10" and self._can_be_halved:
                    behind[name] = self._halved(_overlap_ahead, top[name], row)
                else:
                    apart = round(self.value(top[name].model, name) - self.value(row.model, name), 3)
                    behind[name] = Interval(apart, apart, apart)
            for name, interval in behind.items():
                if interval.low <= 0:
                    found[name].add(row.model)
        return found

    def paired(self, rival: str, figure: str | None = None, *, model: str = CUBE) -> PairedTest:
        """A model (the cube) against a rival on the same test items; worked out once.

        Args:
            rival: the other's name.
            figure: one with a value for each item; the primary_metric one by default.
            model: whose difference from the rival it is.

        Raises:
            ConfigError: no such model, or no such figure of single items.
        """
        figure = figure or self.primary_metric
        rows = [self.row(name) for name in (model, rival)]
        if figure not in rows[0].per_item:
            raise ConfigError(
                f"TaskReport: models are compared by figures of single items: {', '.join(rows[0].per_item)}; got "
                f"{figure!r}."
            )
        key = (model, rival, figure)
        if key not in self._tests:
            left, right = (row.per_item[figure] for row in rows)
            self._tests[key] = EmbeddingMetrics.paired_test(left, right, groups=self.groups)
        return self._tests[key]

    def difference(self, rival: str, figure: str | None = None) -> Interval:
        """Cube minus rival, paired over the test items, with its 95 % interval."""
        return self.paired(rival, figure).difference

    def verdict(self, rival: str) -> str:
        """beats, loses to, or cannot be told from: by whether the 95 % interval of the paired difference holds zero.

        With fewer than 20 independent test items the interval is too narrow to be trusted, and nothing is told from
        anything.
        """
        if self.units < LEAST_UNITS:
            return "cannot be told from"
        found = self.difference(rival)
        return "beats" if found.low > 0 else "loses to" if found.high < 0 else "cannot be told from"

    @cached_property
    def _together(self) -> dict[str, dict[str, float]]:
        """Model → figure of all items of the sample together → its value; nothing where they are too few."""
        return {
            row.model: {name: measure(row.sample, self._targets) for name, measure in STRUCTURE.items()}
            if row.sample is not None and len(row.sample) > NEIGHBORS
            else {}
            for row in self.rows
        }

    @cached_property
    def _targets(self) -> Tensor:
        return self.split.test.target[torch.from_numpy(self.sample)]

    @property
    def _can_be_halved(self) -> bool:
        """Whether each half of the sample has neighbors enough."""
        return bool(self._together[CUBE]) and len(np.unique(self.groups[self.sample])) // 2 > NEIGHBORS

    def _halved(self, figure: Callable[..., float], *rows: ModelResult) -> Interval:
        """A figure of some models' outputs and the targets, with its interval from the same halves for all."""
        outputs = [row.sample for row in rows]
        groups = self.groups[self.sample]
        return EmbeddingMetrics.figure_interval(figure, *outputs, self._targets, groups=groups, halves=HALVES)


def _overlap_ahead(one: Tensor, other: Tensor, target: Tensor) -> float:
    return overlap(one, target) - overlap(other, target)
