"""TaskReport: all models on the same test items, with intervals, paired tests and verdicts, as a table and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubelib.data.splits import Split
from cubelib.data.text import bullet, counted, escape, paragraph, table
from cubelib.errors import ConfigError
from cubelib.evaluation.text import compact, text_curve
from cubelib.metrics import EmbeddingMetrics, Interval
from cubelib.metrics.intervals import PairedTest
from cubelib.training.run import PRIMARY_METRICS

CUBE, BEFORE = "cube", "cube before training"
NOT_DIFFERENT = "is not significantly different from"
LEAST_UNITS = 20  # test items or groups of copies below which intervals are unreliable
NEIGHBORS = 10
HALVES = 50  # of the sample, for the interval of neighbor overlap
LABELS = {
    "mrr": "MRR",
    "r@1": "R@1",
    "r@5": "R@5",
    "r@10": "R@10",
    "ndcg@10": "nDCG@10",
    "mrr_unseen": "new MRR",
    "cosine_similarity": "cosine",
    "at_target": "≥ target",
    "overlap@10": "overlap@10",
    "spearman": "Spearman",
}
PLAIN = ("left_out", "sentences", "examples", "hubs", "learning", "validation", "curves", "provenance")  # as they are
FULL_TABLE_ONLY = {"r@5", "ndcg@10"}  # so that the short table fits 100 columns


@dataclass
class ModelResult:
    """One model: its size, and what it did on the test items.

    Attributes:
        model: its name.
        parameters: numbers that it keeps.
        latent_dim: numbers that pass its bottleneck, or None.
        seconds: to train it, or None if not known.
        per_item: metric → a value for each test item.
        sample: its outputs for the sample of the test items, `(k, dim)`.
    """

    model: str
    parameters: int
    latent_dim: int | None
    seconds: float | None
    per_item: dict[str, Tensor] = field(default_factory=dict)
    sample: Tensor = field(default_factory=lambda: torch.empty(0))


@dataclass(repr=False)
class TaskReport:
    """All models on one task.

    Attributes:
        task: autoencoder or dialogue.
        split: the items.
        rows: the models, the cube first.
        target: the cosine to reach.
        groups: the group of copies of each test item, `(n,)`; groups are resampled whole.
        sample: the test items that structure (who is near whom) is measured on.
        before: the model that is the cube before training: a row of its own, or one with the same outputs.
        changed: whether training changed the cube's outputs.
        bank_size, chance: number of known answers, and how likely a random one is right.
        unseen_size: number of answers that no training item has.
        training: the primary metric of the cube on some training items, "before" and "after" training, `(k,)` each.
        left_out: a sentence for each model that could not be trained.
        examples: kind → test items that show most; see `cubelib.evaluation.examples`.
        hubs: answers found for everything, "before" and "after" training.
        learning: the primary metric on the validation items after each epoch, the untrained cube first.
        validation: baseline → the same metric, for the learning curve.
        curves: cosine against code size and share of damage; see `cubelib.evaluation.curves`.
        provenance: seeds, versions and everything else that the numbers depend on.
        sentences: the conclusions; see `cubelib.evaluation.sentences`.
    """

    task: str
    split: Split
    rows: list[ModelResult]
    target: float
    groups: NDArray[Any]
    sample: NDArray[Any]
    before: str = BEFORE
    changed: bool = True
    bank_size: int | None = None
    chance: float | None = None
    unseen_size: int | None = None
    training: dict[str, Tensor] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    hubs: dict[str, Any] = field(default_factory=dict)
    learning: list[float] = field(default_factory=list)
    validation: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)
    _tests: dict[tuple[str, str], PairedTest] = field(default_factory=dict, init=False)

    @property
    def primary_metric(self) -> str:
        """The metric that decides: the one by which the cube's best epoch was chosen."""
        return PRIMARY_METRICS[self.task]

    @property
    def metrics(self) -> list[str]:
        """All metrics, the primary one first."""
        return [name for name in LABELS if name in self.rows[0].per_item or name in self._structure[CUBE]]

    @property
    def units(self) -> int:
        """Number of independent test items: a group of copies counts once."""
        return len(np.unique(self.groups))

    def row(self, model: str) -> ModelResult:
        """The result of a model, by name.

        Raises:
            ConfigError: there is no such model.
        """
        rows = {row.model: row for row in self.rows}
        if model not in rows:
            raise ConfigError(f"TaskReport: there is no model {model!r}. Use one of {'; '.join(rows)}.")
        return rows[model]

    def value(self, model: str, metric: str | None = None) -> float:
        """A metric of a model over all its items; by default the primary metric."""
        metric, row = metric or self.primary_metric, self.row(model)
        if metric in row.per_item:
            return row.per_item[metric].double().mean().item()
        return self._structure[model][metric]

    @cached_property
    def intervals(self) -> dict[str, dict[str, Interval]]:
        """Model → metric → mean with 95 % interval. Spearman has none: it would be too expensive.

        That of neighbor overlap comes from halves of the items, and is missing if these are too few.
        """
        intervals = {}
        for row in self.rows:
            intervals[row.model] = EmbeddingMetrics.bootstrap_means(row.per_item, groups=self.groups)
            if self._can_halve:
                intervals[row.model]["overlap@10"] = self._halved(_overlap, row)
        return intervals

    @cached_property
    def best(self) -> dict[str, set[str]]:
        """Metric → the best model, and all not significantly different from it by a paired 95 % interval.

        Empty with fewer than 20 independent test items. Without an interval: all that show the same three decimals.
        """
        if self.units < LEAST_UNITS:
            return {name: set() for name in self.metrics}
        top = {name: max(self.rows, key=lambda row: self.value(row.model, name)) for name in self.metrics}
        best = {name: {row.model} for name, row in top.items()}
        for row in self.rows:
            differences = {name: top[name].per_item[name] - values for name, values in row.per_item.items()}
            behind = EmbeddingMetrics.bootstrap_means(differences, groups=self.groups)
            least = {name: interval.low for name, interval in behind.items()}
            for name, value in self._structure[row.model].items():
                if name == "overlap@10" and self._can_halve:
                    least[name] = self._halved(_overlap_lead, top[name], row).low
                else:
                    least[name] = round(self.value(top[name].model, name) - value, 3)
            for name, low in least.items():
                if low <= 0:
                    best[name].add(row.model)
        return best

    def paired(self, baseline: str, *, model: str = CUBE) -> PairedTest:
        """Tests a model (the cube) against another by the primary metric on the same test items; computed once.

        Args:
            baseline: the other model's name.
            model: whose difference from the baseline it is.

        Raises:
            ConfigError: there is no such model.
        """
        if (model, baseline) not in self._tests:
            left, right = (self.row(name).per_item[self.primary_metric] for name in (model, baseline))
            self._tests[model, baseline] = EmbeddingMetrics.paired_test(left, right, groups=self.groups)
        return self._tests[model, baseline]

    def difference(self, baseline: str) -> Interval:
        """Cube minus baseline, paired over the test items, with its 95 % interval."""
        return self.paired(baseline).difference

    def verdict(self, baseline: str) -> str:
        """The cube "beats", "loses to" or "is not significantly different from" it: does the interval contain zero?

        With fewer than 20 independent test items intervals are unreliable, and no difference counts as significant.
        """
        difference = self.difference(baseline)
        if self.units < LEAST_UNITS or difference.low <= 0 <= difference.high:
            return NOT_DIFFERENT
        return "beats" if difference.low > 0 else "loses to"

    # --- the table and its words ------------------------------------------------------------------------------------

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat dict for each model: `pandas.DataFrame(report.to_rows())`."""
        rows = []
        for row in self.rows:
            flat = {name: getattr(row, name) for name in ("model", "parameters", "latent_dim", "seconds")}
            for name in self.metrics:
                flat[name] = self.value(row.model, name)
                interval = self.intervals[row.model].get(name)
                if interval is not None:
                    flat |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
            rows.append(flat)
        return rows

    def table(self, *, all_intervals: bool = False) -> str:
        """The table in Markdown: the primary metric ± half its interval and the other metrics, in 100 columns.

        Args:
            all_intervals: every metric with its interval, and the models' sizes; as wide as necessary.
        """
        with_code = any(row.latent_dim for row in self.rows)
        metrics = [name for name in self.metrics if all_intervals or name not in FULL_TABLE_ONLY]
        head = ["model", *(self._heading(name, all_intervals) for name in metrics)]
        if all_intervals:
            head += ["params", "code", "sec"] if with_code else ["params", "sec"]
        rows = []
        for row in self.rows:
            cells = [escape(row.model), *(self._cell(row.model, name, all_intervals) for name in metrics)]
            if all_intervals:
                cells.append(compact(row.parameters))
                if with_code:
                    cells.append(f"{row.latent_dim:,}" if row.latent_dim else "–")
                cells.append("–" if row.seconds is None else f"{row.seconds:.1f}")
            rows.append(cells)
        return table(head, rows)

    def note(self) -> str:
        """What the bold type, the ± and the columns of the table mean."""
        tests = counted(len(self.groups), "test item")
        copies = "" if self.units == len(self.groups) else f", resampled in {self.units:,} groups of copies"
        parts = [f"±: half of the 95 % interval over the {tests}{copies}; it excludes the spread over training seeds."]
        if self.units >= LEAST_UNITS:
            parts.insert(0, "**Bold**: the best of each column and all not significantly different from it.")
        if "at_target" in self.metrics:
            parts.append(f"≥ {self.target:.2f}: share of items with such a cosine.")
        if "overlap@10" in self.metrics:
            items = "" if len(self.sample) == len(self.groups) else f", on {len(self.sample):,} of the test items"
            parts.append(
                f"overlap@10: share of the {NEIGHBORS} nearest neighbors kept (by chance "
                f"{NEIGHBORS / (len(self.sample) - 1):.3f}); Spearman: of all pairs' similarities, no interval{items}."
            )
        if self.bank_size is not None:
            parts.append(f"MRR, R@k, nDCG@10: the right answer's place among {self.bank_size:,} answers.")
        if "mrr_unseen" in self.metrics:
            parts.append(
                f"new MRR: its place among the {self.unseen_size:,} answers that were not trained on; a model that "
                "only avoids the others gains little there."
            )
        return " ".join(parts)

    def size_note(self) -> str:
        """What the last columns of the full table mean."""
        code = "code: numbers that pass the bottleneck; " if any(row.latent_dim for row in self.rows) else ""
        return f"params: numbers that a model keeps; {code}sec: seconds to train, here."

    @property
    def marks(self) -> dict[str, float]:
        """Lines to compare a learning curve with: baselines on the same items, and the target of a cosine."""
        target = {"target": self.target} if self.primary_metric == "cosine_similarity" else {}
        return {**self.validation, **target}

    def learning_curve(self) -> str:
        """The primary metric on validation items over the epochs as text; empty for a cube that was not trained."""
        if len(self.learning) < 2:
            return ""
        marks = {name: value for name, value in self.marks.items() if abs(value) <= 1}
        head = f"{LABELS[self.primary_metric]} on {counted(len(self.split.validation), 'validation item')}"
        return f"{head}\n\n{text_curve(self.learning, marks)}"

    def to_markdown(self) -> str:
        """The table, what its columns mean, and the sentences."""
        return "\n\n".join([self.table(), paragraph(self.note()), "\n".join(map(bullet, self.sentences))])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for a JSON file, always in the same order."""
        baselines = [row.model for row in self.rows if row.model != CUBE]
        return {
            "task": self.task,
            "primary_metric": self.primary_metric,
            "test_items": len(self.groups),
            "test_groups": self.units,
            "training_items": len(self.split.train),
            "validation_items": len(self.split.validation),
            "items_for_structure": len(self.sample),
            "bank_size": self.bank_size,
            "unseen_size": self.unseen_size,
            "chance": self.chance,
            "target_similarity": self.target,
            "split": self.split.report(),
            "data_notes": list(self.split.notes),
            "models": self.to_rows(),
            "best": {name: sorted(models) for name, models in self.best.items()},
            "cube_before_training": self.before,
            "changed_by_training": self.changed,
            "cube_minus_model": {
                name: {**_plain(self.paired(name)), "verdict": self.verdict(name)} for name in baselines
            },
            "before_training_minus_model": {
                name: _plain(self.paired(name, model=self.before)) for name in baselines if name != self.before
            },
            "training_sample": {
                when: {"items": len(values), **vars(EmbeddingMetrics.bootstrap_mean(values))}
                for when, values in self.training.items()
            },
            **{name: getattr(self, name) for name in PLAIN},
        }

    def _repr_markdown_(self) -> str:
        return f"**{self.task.capitalize()}, {counted(len(self.groups), 'held-out item')}**\n\n{self.to_markdown()}"

    def __repr__(self) -> str:
        label, value = LABELS[self.primary_metric], self.value(CUBE)
        return (
            f"TaskReport({self.task}, {counted(len(self.groups), 'test item')}, {counted(len(self.rows), 'model')}, "
            f"{label} of the cube {value:.4f})"
        )

    def _heading(self, metric: str, all_intervals: bool) -> str:
        label = f"≥ {self.target:.2f}" if metric == "at_target" else LABELS[metric]
        if all_intervals:
            return f"{label} [95 % interval]"
        return f"{label} ± 95 %" if metric == self.primary_metric else label

    def _cell(self, model: str, metric: str, all_intervals: bool) -> str:
        text, interval = f"{self.value(model, metric):.3f}", self.intervals[model].get(metric)
        if all_intervals and interval is not None:
            text += f" [{interval.low:.3f}, {interval.high:.3f}]"
        elif metric == self.primary_metric and interval is not None:
            text += f" ± {(interval.high - interval.low) / 2:.3f}"
        return f"**{text}**" if model in self.best[metric] else text

    @cached_property
    def _structure(self) -> dict[str, dict[str, float]]:
        """Model → metrics of all items of the sample together, for an autoencoder with enough items."""
        if self.task != "autoencoder" or len(self.rows[0].sample) <= NEIGHBORS:
            return {row.model: {} for row in self.rows}
        return {
            row.model: {
                "overlap@10": _overlap(row.sample, self._targets),
                "spearman": EmbeddingMetrics.similarity_spearman(row.sample, self._targets),
            }
            for row in self.rows
        }

    @cached_property
    def _targets(self) -> Tensor:
        return self.split.test.target[torch.from_numpy(self.sample)]

    @property
    def _can_halve(self) -> bool:
        """Whether each half of the sample has enough neighbors."""
        return bool(self._structure[CUBE]) and len(np.unique(self.groups[self.sample])) // 2 > NEIGHBORS

    def _halved(self, metric: Callable[..., float], *rows: ModelResult) -> Interval:
        """The interval of a metric of some models' outputs and the targets, from the same halves for all models."""
        outputs, groups = [row.sample for row in rows], self.groups[self.sample]
        return EmbeddingMetrics.figure_interval(metric, *outputs, self._targets, groups=groups, halves=HALVES)


def _overlap(output: Tensor, target: Tensor) -> float:
    return EmbeddingMetrics.neighbor_overlap(output, target, k=NEIGHBORS)


def _overlap_lead(one: Tensor, other: Tensor, target: Tensor) -> float:
    return _overlap(one, target) - _overlap(other, target)


def _plain(test: PairedTest) -> dict[str, Any]:
    return {**vars(test.difference), "p_value": test.p_value, "exact": test.exact, "units": test.units}
