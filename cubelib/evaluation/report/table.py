"""TaskReport: the table of one task, and all else that there is to say about it.

Taught in notebook 06.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from cubelib.data.text import bullet, counted, escape, paragraph, table
from cubelib.evaluation.report.figures import BEFORE, CUBE, LABELS, LEAST_UNITS, NEIGHBORS, Figures, ModelResult
from cubelib.evaluation.report.markdown import short
from cubelib.evaluation.report.text_curve import text_curve
from cubelib.metrics import EmbeddingMetrics, Interval

LEFT_TO_THE_FULL_TABLE = {"r@5"}  # so that the table is read in 100 columns


@dataclass(repr=False)
class TaskReport(Figures):
    """All models on one task, as a table and in words.

    Attributes (beside those of `Figures`):
        before: the model that is the cube before training: a row of its own, or one with the same outputs.
        changed: whether the cube's outputs are others than before training.
        bank_size, chance: answers that the right ones are looked for among, and how likely one at random is right.
        training: the primary metric of the cube on some training items, "before" and "after" training, `(k,)` each.
        left_out: a sentence for each model that has no row.
        examples: kind → test items that say most; see `cubelib.evaluation.report.errors`.
        hubs: answers that are found for everything, "before" and "after" training.
        learning: primary metric on the validation items after each epoch, the untrained cube first.
        validation: baseline → the same figure, for the learning curve.
        curves: cosine against code size and against share of damage; see `cubelib.evaluation.report.curves`.
        provenance: seeds, versions and what else the figures depend on.
        sentences: what is to be said about all this; see `cubelib.evaluation.report.verdicts`.
    """

    before: str = BEFORE
    changed: bool = True
    bank_size: int | None = None
    chance: float | None = None
    training: dict[str, Tensor] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    hubs: dict[str, Any] = field(default_factory=dict)
    learning: list[float] = field(default_factory=list)
    validation: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    def to_rows(self) -> list[dict[str, Any]]:
        """A plain dict for each model, for a table of one's own: `pandas.DataFrame(report.to_rows())`."""
        rows = []
        for row in self.rows:
            plain = {
                "model": row.model,
                "parameters": row.parameters,
                "latent_dim": row.latent_dim,
                "seconds": row.seconds,
            }
            for name in self.figures:
                plain[name] = self.value(row.model, name)
                interval = self.intervals[row.model].get(name)
                if interval is not None:
                    plain |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
            rows.append(plain)
        return rows

    def cells(self, *, all_intervals: bool = False) -> tuple[list[str], list[list[tuple[str, bool]]]]:
        """The table as texts, each with whether it is the best of its column: head, and a list for each model.

        Args:
            all_intervals: of all figures; if not, of the primary_metric one only.
        """
        with_interval = [name for name in self.figures if all_intervals or name == self.primary_metric]
        head = ["model", *(self._label(name) + " [95 % interval]" * (name in with_interval) for name in self.figures)]
        with_code = any(row.latent_dim for row in self.rows)
        head += ["params", *["code"] * with_code, "sec"]
        rows = []
        for row in self.rows:
            cells = [(row.model, False)]
            for name in self.figures:
                interval = self.intervals[row.model].get(name) if name in with_interval else None
                spread = "" if interval is None else f" [{interval.low:.3f}, {interval.high:.3f}]"
                cells.append((f"{self.value(row.model, name):.3f}{spread}", row.model in self.best[name]))
            size = [f"{row.latent_dim:,}" if row.latent_dim else "–"] * with_code
            seconds = "–" if row.seconds is None else f"{row.seconds:.1f}"
            cells += [(text, False) for text in (short(row.parameters), *size, seconds)]
            rows.append(cells)
        return head, rows

    def table(self, *, all_intervals: bool = False) -> str:
        """The table in Markdown: what decides with half its interval and the other figures, in 100 columns.

        Args:
            all_intervals: every figure with its interval, and the models' sizes; as wide as it gets.
        """
        if all_intervals:
            head, rows = self.cells(all_intervals=True)
            return table(head, [[escape(model), *map(_bold, cells)] for (model, _), *cells in rows])
        names = [name for name in self.figures if name not in LEFT_TO_THE_FULL_TABLE]
        head = ["model", *(self._label(name) + " ± 95 %" * (name == self.primary_metric) for name in names)]
        rows = []
        for row in self.rows:
            cells = []
            for name in names:
                interval = self.intervals[row.model][name] if name == self.primary_metric else None
                half = "" if interval is None else f" ± {(interval.high - interval.low) / 2:.3f}"
                cells.append(_bold((f"{self.value(row.model, name):.3f}{half}", row.model in self.best[name])))
            rows.append([escape(row.model), *cells])
        return table(head, rows)

    def note(self) -> str:
        """What the bold type, the ± and the columns of the table mean."""
        copies = "" if self.units == len(self.groups) else f", resampled in {self.units:,} groups of copies"
        bold = (
            "" if self.units < LEAST_UNITS else "**Bold**: the best of a column and all that cannot be told from it. "
        )
        parts = [
            f"{bold}±: half of the 95 % interval over the {counted(len(self.groups), 'test item')}{copies}; it does "
            "not show the spread over training seeds."
        ]
        if "at_target" in self.figures:
            parts.append(f"≥ {self.target:.2f}: share of items with such a cosine.")
        if "overlap@10" in self.figures:
            items = "" if len(self.sample) == len(self.groups) else f", on {len(self.sample):,} of the test items"
            parts.append(
                f"overlap@10: share of the {NEIGHBORS} nearest neighbors kept (by chance "
                f"{NEIGHBORS / (len(self.sample) - 1):.3f}); Spearman: of all pairs' similarities, no interval{items}."
            )
        if self.bank_size is not None:
            parts.append(f"MRR, R@k, nDCG@10: the right answer's place among {self.bank_size:,} answers.")
        return " ".join(parts)

    def size_note(self) -> str:
        """What the last columns of the full table mean."""
        code = "code: numbers that pass the bottleneck; " if any(row.latent_dim for row in self.rows) else ""
        return f"params: numbers that a model keeps; {code}sec: seconds to train, here."

    def learning_curve(self) -> str:
        """The primary metric on validation items over the epochs, in letters; empty for a cube that was not trained.

        The target and the baselines of `validation` are marked.
        """
        if len(self.learning) < 2:
            return ""
        marks = {name: value for name, value in self.marks.items() if abs(value) <= 1}
        head = f"{LABELS[self.primary_metric]} on {counted(len(self.split.validation), 'validation item')}"
        return f"{head}\n\n{text_curve(self.learning, marks)}"

    @property
    def marks(self) -> dict[str, float]:
        """What a learning curve is seen against: the baselines on the same items, and the target of a cosine."""
        target = {"target": self.target} if self.primary_metric == "cosine_similarity" else {}
        return {**self.validation, **target}

    def to_markdown(self) -> str:
        """The table, what its columns mean, and the sentences under it."""
        bullets = "\n".join(bullet(sentence) for sentence in self.sentences)
        return "\n\n".join([self.table(), paragraph(self.note()), bullets])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for a JSON file, always in the same order."""

        def plain(interval: Interval) -> dict[str, float]:
            return {"mean": interval.mean, "low": interval.low, "high": interval.high}

        def against(model: str, rival: str) -> dict[str, Any]:
            found = self.paired(rival, model=model)
            return {**plain(found.difference), "p_value": found.p_value, "exact": found.exact, "units": found.units}

        def measured(row: ModelResult) -> dict[str, Any]:
            intervals = self.intervals[row.model]
            figures = {
                name: plain(intervals[name]) if name in intervals else {"mean": self.value(row.model, name)}
                for name in self.figures
            }
            best = [name for name in self.figures if row.model in self.best[name]]
            size = {name: getattr(row, name) for name in ("model", "parameters", "latent_dim", "seconds")}
            return {**size, **figures, "best": best}

        rivals = [row.model for row in self.rows if row.model != CUBE]
        return {
            "task": self.task,
            "deciding_figure": self.primary_metric,
            "test_items": len(self.groups),
            "test_groups": self.units,
            "training_items": len(self.split.train),
            "validation_items": len(self.split.validation),
            "items_for_structure": len(self.sample),
            "bank_size": self.bank_size,
            "chance": self.chance,
            "target_similarity": self.target,
            "split": self.split.report(),
            "models": [measured(row) for row in self.rows],
            "cube_before_training": self.before,
            "changed_by_training": self.changed,
            "cube_minus_model": {rival: {**against(CUBE, rival), "verdict": self.verdict(rival)} for rival in rivals},
            "before_training_minus_model": {
                rival: against(self.before, rival) for rival in rivals if rival != self.before
            },
            "training_sample": {
                when: {"items": len(values), **plain(EmbeddingMetrics.bootstrap_mean(values))}
                for when, values in self.training.items()
            },
            "left_out": self.left_out,
            "sentences": self.sentences,
            "examples": self.examples,
            "hubs": self.hubs,
            "learning": self.learning,
            "validation": self.validation,
            "curves": self.curves,
            "provenance": self.provenance,
        }

    def _repr_markdown_(self) -> str:
        return f"**{self.task.capitalize()}, {counted(len(self.groups), 'held-out item')}**\n\n{self.to_markdown()}"

    def __repr__(self) -> str:
        label, value = LABELS[self.primary_metric], self.value(CUBE)
        return (
            f"TaskReport({self.task}, {counted(len(self.groups), 'test item')}, {counted(len(self.rows), 'model')}, "
            f"{label} of the cube {value:.4f})"
        )

    def _label(self, figure: str) -> str:
        return f"≥ {self.target:.2f}" if figure == "at_target" else LABELS[figure]


def _bold(cell: tuple[str, bool]) -> str:
    text, best = cell
    return f"**{text}**" if best else text
