"""The files of a report: report.md to read, report.json to work with, pictures to show.

Every file is written beside its place and renamed; one that is there already is never replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubelib.data.text import bullet, counted, escape, paragraph
from cubelib.errors import CheckpointError
from cubelib.evaluation.baselines import MeanTarget
from cubelib.evaluation.report.curves import curve_sentences, curves_markdown
from cubelib.evaluation.report.errors import examples_markdown, hubs_markdown
from cubelib.evaluation.report.figures import CUBE, LABELS
from cubelib.evaluation.report.table import TaskReport
from cubelib.training.trainer import CubeTrainer
from cubelib.views import plots

CURVE_HEIGHT = 5.0  # inches, of the learning curve above a table


def save_report(reports: Sequence[TaskReport], trainer: CubeTrainer, folder: str | Path) -> list[str]:
    """Writes report.md, report.json, report.png, curves.png, and for each task a histogram and a learning curve.

    Args:
        reports: what `build_report` gave.
        trainer: the cube of the reports.
        folder: where to; made if it is not there.

    Returns:
        The names of the files.

    Raises:
        CheckpointError: one of the files is there already, or the folder cannot be written.
    """
    folder = Path(folder)
    pictures = {"report.png": _tables(reports, trainer)}
    if any(report.curves for report in reports):
        pictures["curves.png"] = _curves(reports)
    for report in reports:
        pictures[f"similarity_histogram_{report.task}.png"] = _histogram(report).figure
        if trainer.training_history:
            pictures[f"learning_curve_{report.task}.png"] = _learning_curve(report, trainer).figure
    markdown = _markdown(reports, trainer, pictures)
    plain = json.dumps([report.to_dict() for report in reports], indent=1, allow_nan=False, ensure_ascii=False)
    contents = {"report.md": f"{markdown}\n".encode(), "report.json": f"{plain}\n".encode()}
    for name, figure in pictures.items():
        drawn = BytesIO()
        figure.savefig(drawn, format="png", dpi=150, facecolor="white")
        contents[name] = drawn.getvalue()
    there = [name for name in contents if (folder / name).exists()]
    if there:
        raise CheckpointError(f"Saving the report in {folder}: {there[0]} is there already. Choose a new folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            aside = folder / f".{name}.part"
            aside.write_bytes(content)
            os.replace(aside, folder / name)
    except OSError as error:
        raise CheckpointError(
            f"Saving the report in {folder}: {error.strerror}. Choose a folder that you may write to, with room in it."
        ) from None
    return list(contents)


def check_free(folder: str | Path) -> None:
    """Says before anything is measured that a folder is neither new nor empty.

    Raises:
        CheckpointError: something is in it, or it is no folder.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "it is not empty" if folder.is_dir() else "that is a file"
        raise CheckpointError(f"Saving the report in {folder}: {what}. Choose a new or empty folder.")


def _markdown(reports: Sequence[TaskReport], trainer: CubeTrainer, pictures: Collection[str]) -> str:
    parts = [f"# Report of a run in {trainer.config.mode} mode", _setup(trainer)]
    for report in reports:
        before, after = (report.value(model, "cosine_similarity") for model in (report.before, CUBE))
        curve, histogram = (f"{name}_{report.task}.png" for name in ("learning_curve", "similarity_histogram"))
        parts += [
            f"## {report.task.capitalize()}: {counted(len(report.groups), 'held-out item')}",
            *([f"```text\n{report.learning_curve()}\n```"] if report.learning_curve() else []),
            report.to_markdown(),
            "### Every figure with its 95 % interval, and what each model costs",
            report.table(all_intervals=True),
            paragraph(report.size_note()),
            *(["### Narrower codes and dead cells", *_curves_section(report)] if report.curves else []),
            "### Items that say most",
            examples_markdown(report),
            *(["### Answers to everything", hubs_markdown(report.hubs)] if report.hubs else []),
            "### Pictures",
            f"![Histogram of the cosines of {len(report.groups):,} test items with their targets: their mean was "
            f"{before:.3f} before training and is {after:.3f} after it]({histogram})",
        ]
        if curve in pictures:
            parts.append(
                f"![{LABELS[report.primary_metric]} of the cube on validation items over {trainer.current_epoch} "
                f"epochs, with baselines as lines]({curve})"
            )
        parts += ["### Split", paragraph(f"{escape(report.split.report())}.")]
    return "\n\n".join(parts)


def _curves_section(report: TaskReport) -> list[str]:
    what = "numbers in the code, and against the " if "rate" in report.curves else ""
    return [
        curves_markdown(report.curves),
        "\n".join(map(bullet, curve_sentences(report.curves))),
        f"![Cosine of the {report.task} against the {what}share of dead cells or hidden units](curves.png)",
    ]


def _setup(trainer: CubeTrainer) -> str:
    took = "" if trainer.seconds is None else f", {trainer.seconds:.1f} s"
    lines = [
        f"{trainer.embedding_processor!r}",
        f"{trainer.embedding_reshaper!r}",
        f"Training, seed {trainer.config.random_seed}: {trainer.stop_reason or 'loaded from a checkpoint'}{took}.",
        "Parameters of the cube are those its cells can use. The pca layout holds a fitted mean and rotation as well, "
        "as PCA does.",
        "The learning curve and the table as a picture: report.png. All numbers: report.json.",
    ]
    return "\n".join(bullet(line) for line in lines)


def _tables(reports: Sequence[TaskReport], trainer: CubeTrainer) -> Figure:
    """Of each task the learning curve of this run, and below it the table."""
    parts = []
    for report in reports:
        width, height = plots.report_size(report)
        if len(report.learning) > 1:
            parts.append((width, CURVE_HEIGHT, partial(_learning_curve, report, trainer)))
        parts.append((width, height, partial(plots.report_picture, report)))
    heights = [height for _, height, _ in parts]
    size = (max(width for width, _, _ in parts), sum(heights))
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    all_axes = figure.subplots(len(parts), squeeze=False, height_ratios=heights)[:, 0]
    for (*_, draw), ax in zip(parts, all_axes, strict=True):
        draw(ax=ax)
    return figure


def _curves(reports: Sequence[TaskReport]) -> Figure:
    """A row for each task that has curves."""
    shown = [report for report in reports if report.curves]
    columns = max(len(report.curves) for report in shown)
    figure = Figure(figsize=(5.5 * columns, 3.6 * len(shown)), facecolor="white", layout="constrained")
    for row, report in zip(figure.subplots(len(shown), columns, squeeze=False), shown, strict=True):
        floor = None
        means = [model.model for model in report.rows if model.model == MeanTarget.name]
        if means:
            floor = report.value(means[0], "cosine_similarity")
        damage = plots.damage_curve(report.curves["damage"], floor=floor, ax=row[0])
        damage.set_title(f"{report.task.capitalize()}: dead cells or hidden units")
        for ax in row[len(report.curves) :]:
            ax.axis("off")
        if "rate" in report.curves:
            rate = report.curves["rate"]
            models = {"PCA": rate["models"]["PCA"], "cube, its bottleneck cut": rate["models"][CUBE]}
            target = report.target if report.target <= 1 else None
            plots.rate_distortion(rate["latent_dims"], models, target=target, floor=floor, ax=row[1])
            row[1].set_title(f"{report.task.capitalize()}: narrower codes")
            row[1].legend(frameon=False, fontsize=9, loc="center right")
    return figure


def _histogram(report: TaskReport) -> Axes:
    before, after = (report.row(model).per_item["cosine_similarity"] for model in (report.before, CUBE))
    ax = plots.similarity_histogram(before, after, target=report.target)
    ax.set_title(f"{report.task.capitalize()}: {len(after):,} test items")
    return ax


def _learning_curve(report: TaskReport, trainer: CubeTrainer, ax: Axes | None = None) -> Axes:
    figure = f"{report.task}_{report.primary_metric}"
    ax = plots.learning_curve(trainer.training_history, figure, lines=report.marks, least_span=0.02, ax=ax)
    label, items = LABELS[report.primary_metric], counted(len(report.split.validation), "validation item")
    among = " among the validation answers" if report.task == "dialogue" else ""
    ax.set(title=f"{report.task.capitalize()}: {label} on {items}", ylabel=label + among)
    return ax
