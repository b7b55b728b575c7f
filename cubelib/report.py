"""The report: the cube beside its baselines, on held-out items, with intervals and a plain sentence.

All models see the same training items, all figures come from the same test items, and every difference is paired: the
two models are compared item by item.

Taught in notebook 06.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from cubelib import plots
from cubelib.baselines import PCA, Identity, MeanTarget, Ridge
from cubelib.datasets import Split
from cubelib.metrics import EmbeddingMetrics, Interval, bootstrap_mean
from cubelib.trainer import CubeTrainer

CUBE, BEFORE = "cube", "cube before training"
LEAST_ITEMS = 20  # below it a bootstrap interval covers the truth far less often than it says
COLUMNS = {"cosine": "cosine", "r@1": "R@1", "r@10": "R@10", "mrr": "MRR"}


@dataclass
class Row:
    """One model: its size, and a figure for each test item."""

    model: str
    parameters: int
    code_size: int | None
    per_item: dict[str, Tensor]  # figure → (n,)
    validation_cosine: float

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Each figure's mean with its 95 % interval."""
        return {figure: bootstrap_mean(values) for figure, values in self.per_item.items()}


@dataclass
class TaskReport:
    """All models on one task."""

    task: str
    split: Split
    bank_size: int | None
    rows: list[Row]
    target: float
    sentences: list[str] = field(default_factory=list)

    @property
    def main_figure(self) -> str:
        """The figure that decides: cosine for an autoencoder, mean reciprocal rank for a dialogue."""
        return "cosine" if self.task == "autoencoder" else "mrr"

    def row(self, model: str) -> Row:
        """The row of a model, by name."""
        return next(row for row in self.rows if row.model == model)

    def difference(self, rival: str, figure: str | None = None) -> Interval:
        """Cube minus rival, paired over the test items."""
        figure = figure or self.main_figure
        return bootstrap_mean(self.row(CUBE).per_item[figure] - self.row(rival).per_item[figure])

    def verdict(self, rival: str) -> str:
        """beats, loses to, or cannot be told from: by whether the 95 % interval of the paired difference holds zero.

        With fewer than 20 test items the interval is too narrow to be trusted, and nothing is told from anything.
        """
        found = self.difference(rival)
        if len(self.split.test) < LEAST_ITEMS:
            return "cannot be told from"
        return "beats" if found.low > 0 else "loses to" if found.high < 0 else "cannot be told from"

    def to_markdown(self) -> str:
        """The table and the sentences under it."""
        figures = list(self.rows[0].per_item)
        head = ["model", "parameters", "code", *(f"{COLUMNS[name]} [95 % interval]" for name in figures)]
        best = {name: max(row.intervals[name].mean for row in self.rows) for name in figures}
        lines = [_line(head), _line(["---"] + ["---:"] * (len(head) - 1))]
        for row in self.rows:
            cells = [row.model, f"{row.parameters:,}", f"{row.code_size:,}" if row.code_size else "–"]
            for name in figures:
                shown = str(row.intervals[name])
                cells.append(f"**{shown}**" if row.intervals[name].mean == best[name] else shown)
            lines.append(_line(cells))
        return "\n".join([*lines, "", *(f"- {sentence}" for sentence in self.sentences)])

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "task": self.task,
            "test_items": len(self.split.test),
            "bank_size": self.bank_size,
            "split": self.split.report(),
            "models": [
                {
                    "model": row.model,
                    "parameters": row.parameters,
                    "code_size": row.code_size,
                    **{name: vars(row.intervals[name]) for name in row.per_item},
                }
                for row in self.rows
            ],
            "cube_minus_model": {row.model: vars(self.difference(row.model)) for row in self.rows if row.model != CUBE},
            "sentences": self.sentences,
        }


def build_report(trainer: CubeTrainer, splits: dict[str, Split], *, progress: bool = False) -> list[TaskReport]:
    """Evaluates the trained cube and its baselines on the test items of each task."""
    return [_task_report(trainer, task, split, progress) for task, split in splits.items()]


def save_report(reports: Sequence[TaskReport], trainer: CubeTrainer, folder: Path) -> None:
    """Writes report.md, report.json and a learning curve for each task into a folder."""
    parts = [f"# Report of a run in {trainer.config.mode} mode", "", _setup(trainer)]
    for report in reports:
        picture = f"learning_curve_{report.task}.png"
        _learning_curve(report, trainer).figure.savefig(folder / picture, dpi=150, facecolor="white")
        parts += [
            "",
            f"## {report.task.capitalize()}: {len(report.split.test):,} held-out items",
            "",
            report.to_markdown(),
            "",
            f"Split: {report.split.report()}.",
            "",
            f"![Validation figure of the cube over epochs, with baselines as lines]({picture})",
        ]
    (folder / "report.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    (folder / "report.json").write_text(
        json.dumps([report.to_dict() for report in reports], indent=1) + "\n", encoding="utf-8"
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _setup(trainer: CubeTrainer) -> str:
    return (
        f"- {trainer.embedding_processor!r}\n- {trainer.embedding_reshaper!r}\n"
        f"- Training, seed {trainer.config.random_seed}: {trainer.stop_reason or 'loaded from a checkpoint'}.\n"
        "- Intervals are 95 % bootstrap intervals over the test items of this one run; they do not show the spread "
        "over seeds, and they take the items as independent, copies among them too.\n"
        "- Parameters of the cube are those its cells can use. The pca layout holds a fitted mean and rotation as "
        "well, as PCA does."
    )


def _task_report(trainer: CubeTrainer, task: str, split: Split, progress: bool) -> TaskReport:
    train, test = split.train, split.test
    code = trainer.embedding_processor.code_size
    rivals: list[Any] = [MeanTarget()]
    if task == "dialogue":
        rivals = [Identity(), Ridge(), Ridge(residual=True), *rivals]
    elif code is None or code >= train.dim:
        rivals = [Identity(), *rivals]
    else:
        rivals = [PCA(code), *rivals]
    models: list[tuple[str, int, int | None, Any]] = [
        (CUBE, trainer.embedding_processor.parameter_count, code, trainer),
        (BEFORE, trainer.embedding_processor.parameter_count, code, trainer.untrained()),
    ]
    for rival in tqdm(rivals, desc="Fitting baselines", delay=0.5, leave=False, disable=not progress):
        if isinstance(rival, Ridge):
            # Its strength is chosen by what decides here, as the cube's epoch is.
            score = (
                EmbeddingMetrics.calculate_mrr if task == "dialogue" else EmbeddingMetrics.calculate_cosine_similarity
            )
            rival.fit(train.input, train.target, (split.validation.input, split.validation.target), score)
        else:
            rival.fit(train.input, train.target)
        models.append((rival.name, rival.parameter_count, getattr(rival, "components", None), rival))

    bank, right = (None, None) if task == "autoencoder" else _answer_bank(split)
    rows = []
    for name, parameters, code_size, model in tqdm(
        models, desc="Evaluating", delay=0.5, leave=False, disable=not progress
    ):
        output = model.predict(test.input)
        per_item = {"cosine": EmbeddingMetrics.cosine_per_item(output, test.target)}
        if bank is not None:
            ranks = EmbeddingMetrics.retrieval_ranks(output, bank, right).double()
            per_item |= {"r@1": (ranks <= 1).double(), "r@10": (ranks <= 10).double(), "mrr": 1 / ranks}
        on_validation = EmbeddingMetrics.calculate_cosine_similarity(
            model.predict(split.validation.input), split.validation.target
        )
        rows.append(Row(name, parameters, code_size, per_item, on_validation))
    report = TaskReport(task, split, None if bank is None else len(bank), rows, trainer.config.target_similarity)
    report.sentences = _sentences(report)
    return report


def _answer_bank(split: Split) -> tuple[Tensor, Tensor]:
    """Every answer of the data, each once, and where the test items' answers stand among them."""
    answers = torch.cat([split.test.target, split.validation.target, split.train.target])
    bank, where = answers.unique(dim=0, return_inverse=True)
    return bank, where[: len(split.test)]


def _sentences(report: TaskReport) -> list[str]:
    figure, cube = COLUMNS[report.main_figure], report.row(CUBE)
    mean, before = cube.intervals[report.main_figure].mean, report.row(BEFORE).intervals[report.main_figure].mean
    sentences = []
    if len(report.split.test) < LEAST_ITEMS:
        sentences.append(
            f"Only {len(report.split.test)} test items: too few for intervals to be trusted or models to be told apart."
        )
    sentences.append(f"Before training the {figure} was {before:.4f}, after training it is {mean:.4f}.")
    change = report.difference(BEFORE, "cosine").mean
    if report.main_figure != "cosine" and abs(change) >= 0.0001:
        moved = "rose" if change > 0 else "fell"
        sentences.append(
            f"Meanwhile the cosine {moved} by {abs(change):.4f}: to lie nearer to the answer and to find it among "
            "others are two things."
        )
    for rival in (row.model for row in report.rows if row.model not in (CUBE, BEFORE)):
        lead = _signed(report.difference(rival))
        sentences.append(f"In this run the cube {report.verdict(rival)} {rival}: {figure} {lead}, paired.")
    cosine = cube.intervals["cosine"].mean
    reached = "is reached" if cosine >= report.target else "is not reached"
    share = (cube.per_item["cosine"] >= report.target).double().mean()
    sentences.append(
        f"The target cosine of {report.target:.2f} {reached}: {cosine:.4f} on average, {share:.0%} of the items at or "
        "above it."
    )
    if report.bank_size is not None:
        sentences.append(
            f"Answers are looked for among {report.bank_size:,} known ones; picking one at random finds the right one "
            f"{1 / report.bank_size:.2%} of the time."
        )
    return sentences


def _signed(interval: Interval) -> str:
    largest = max(abs(interval.low), abs(interval.high))
    digits = 6 if 0 < largest < 0.0005 else 4  # where four would print a zero that is none
    return f"{interval.mean:+.{digits}f} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"


def _learning_curve(report: TaskReport, trainer: CubeTrainer) -> Any:
    lines = {
        row.model: row.validation_cosine
        for row in report.rows
        if row.model.startswith(("PCA", "no model")) or "ridge" in row.model
    }
    ax = plots.learning_curve(
        trainer.training_history, f"{report.task}_cosine_similarity", lines=lines, least_span=0.02
    )
    ax.set_title(f"{report.task.capitalize()}: cosine on {len(report.split.validation):,} validation items")
    return ax
