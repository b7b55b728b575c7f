"""Writes the files of a report: report.md to read, report.json to work with, and pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubelib.data.text import bullet, counted, escape, paragraph
from cubelib.errors import CheckpointError
from cubelib.evaluation.baselines import MeanTarget
from cubelib.evaluation.curves import curves_markdown
from cubelib.evaluation.examples import examples_markdown, hubs_markdown
from cubelib.evaluation.sentences import curve_sentences
from cubelib.evaluation.table import CUBE, LABELS, TaskReport
from cubelib.files import reason, written_aside
from cubelib.training.trainer import CubeTrainer
from cubelib.views import plots
from cubelib.views.style import WIDTH, add_panels, new_figure, new_panels
from cubelib.views.view3d.static import png


def save_report(reports: Sequence[TaskReport], trainer: CubeTrainer, folder: str | Path) -> list[str]:
    """Writes report.md, report.json, report.png, curves.png, and for each task a histogram and a learning curve.

    Args:
        reports: what `build_report` gave.
        trainer: the cube of the reports.
        folder: a new one, or an empty one; it gets its name when all files are in it.

    Returns:
        The names of the files.

    Raises:
        CheckpointError: the folder holds something, or cannot be written; then nothing is written.
    """
    check_free(folder)
    folder, pictures = Path(folder), _pictures(reports, trainer)
    markdown = _markdown(reports, trainer, pictures)
    values = json.dumps([report.to_dict() for report in reports], indent=1, allow_nan=False, ensure_ascii=False)
    contents = {"report.md": f"{markdown}\n".encode(), "report.json": f"{values}\n".encode()}
    for name, figure in pictures.items():
        contents[name] = png(figure, dpi=150)
    try:
        with written_aside(folder, replace=True) as aside:
            aside.mkdir()
            for name, content in contents.items():
                (aside / name).write_bytes(content)
    except OSError as error:
        raise CheckpointError(
            f"Saving the report in {folder}: {reason(error)}. Choose a folder that you may write to, with room in it."
        ) from None
    return list(contents)


def check_free(folder: str | Path) -> None:
    """Refuses a folder that is neither new nor empty, before anything is measured.

    Raises:
        CheckpointError: the folder holds something, or is a file.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fault = "it is not empty" if folder.is_dir() else "that is a file"
        raise CheckpointError(f"Saving the report in {folder}: {fault}. Choose a new or empty folder.")


def _markdown(reports: Sequence[TaskReport], trainer: CubeTrainer, pictures: Collection[str]) -> str:
    parts = [f"# Report of a run in {trainer.config.mode} mode", _setup(trainer)]
    for report in reports:
        parts.append(f"## {report.task.capitalize()}: {counted(len(report.groups), 'held-out item')}")
        curve = report.learning_curve()
        if curve:
            parts.append(f"```text\n{curve}\n```")
        parts += [
            report.to_markdown(),
            "### Every metric with its 95 % interval, and what each model costs",
            report.table(all_intervals=True),
            paragraph(report.size_note()),
        ]
        if report.curves:
            parts += ["### Narrower codes and dead cells", *_curves_section(report)]
        parts += ["### Items that show most", examples_markdown(report)]
        if report.hubs:
            parts += ["### Answers to everything", hubs_markdown(report.hubs)]
        parts += ["### Pictures", *_picture_links(report, trainer, pictures)]
        parts += ["### Split", paragraph(f"{escape(report.split.report())}.")]
    return "\n\n".join(parts)


def _setup(trainer: CubeTrainer) -> str:
    seconds = "" if trainer.seconds is None else f", {trainer.seconds:.1f} s"
    stopped = trainer.stop_reason or "loaded from a checkpoint"
    lines = [
        f"{trainer.core!r}",
        f"{trainer.reshaper!r}",
        f"Training, seed {trainer.config.random_seed}: {stopped}{seconds}.",
        "Parameters of the cube are those that its cells can use. The pca layout also holds a mean and rotation, as "
        "PCA does.",
        "The learning curve and the table as one picture: report.png. All numbers: report.json.",
    ]
    return "\n".join(map(bullet, lines))


def _curves_section(report: TaskReport) -> list[str]:
    sizes = "numbers in the code, and against the " if "rate" in report.curves else ""
    return [
        curves_markdown(report.curves),
        "\n".join(map(bullet, curve_sentences(report.curves))),
        f"![Cosine of the {report.task} against the {sizes}share of dead cells or hidden units](curves.png)",
    ]


def _picture_links(report: TaskReport, trainer: CubeTrainer, pictures: Collection[str]) -> list[str]:
    before, after = (report.value(model, "cosine_similarity") for model in (report.before, CUBE))
    links = [
        f"![Histogram of the cosines of {len(report.groups):,} test items with their targets: their mean was "
        f"{before:.3f} before training and is {after:.3f} after it](similarity_histogram_{report.task}.png)"
    ]
    curve = f"learning_curve_{report.task}.png"
    if curve in pictures:
        links.append(
            f"![{LABELS[report.primary_metric]} of the cube on validation items over {trainer.current_epoch} epochs, "
            f"with baselines as lines]({curve})"
        )
    return links


def _pictures(reports: Sequence[TaskReport], trainer: CubeTrainer) -> dict[str, Figure]:
    """File name → figure."""
    pictures = {"report.png": _overview(reports, trainer)}
    if any(report.curves for report in reports):
        pictures["curves.png"] = _curves(reports)
    for report in reports:
        pictures[f"similarity_histogram_{report.task}.png"] = _histogram(report)
        if trainer.training_history:
            pictures[f"learning_curve_{report.task}.png"] = _learning_curve(report, trainer)
    return pictures


def _curves(reports: Sequence[TaskReport]) -> Figure:
    """One row for each task that has curves."""
    shown = [report for report in reports if report.curves]
    columns = max(len(report.curves) for report in shown)
    figure = new_figure(WIDTH, 4.0 * len(shown))
    for axes, report in zip(add_panels(figure, len(shown), columns), shown, strict=True):
        with_mean = any(row.model == MeanTarget.name for row in report.rows)
        floor = report.value(MeanTarget.name, "cosine_similarity") if with_mean else None
        plots.damage_curve(report.curves["damage"], floor=floor, ax=axes[0])
        axes[0].set_title(f"{report.task.capitalize()}: dead cells or hidden units")
        if "rate" in report.curves:
            rate = report.curves["rate"]
            models = {"PCA": rate["models"]["PCA"], "cube, its bottleneck cut": rate["models"][CUBE]}
            target = report.target if report.target <= 1 else None
            plots.rate_distortion(rate["latent_dims"], models, target=target, floor=floor, ax=axes[1])
            axes[1].set_title(f"{report.task.capitalize()}: narrower codes")
        elif columns == 2:
            axes[1].axis("off")
    return figure


def _histogram(report: TaskReport) -> Figure:
    before, after = (report.row(model).per_item["cosine_similarity"] for model in (report.before, CUBE))
    figure, (ax,) = new_panels(1)
    plots.similarity_histogram(before, after, target=report.target, ax=ax)
    ax.set_title(f"{report.task.capitalize()}: {len(after):,} test items")
    return figure


def _overview(reports: Sequence[TaskReport], trainer: CubeTrainer) -> Figure:
    """For each task the learning curve and below it the table, for a slide."""
    tables = [_plain_table(report) for report in reports]
    heights = [0.2 * len(table.splitlines()) for table in tables]  # inches
    figure = new_figure(WIDTH, sum(heights) + 4.5 * len(reports))
    parts = figure.subfigures(len(reports), squeeze=False, height_ratios=[height + 4.5 for height in heights])[:, 0]
    for report, part, table, height in zip(reports, parts, tables, heights, strict=True):
        (curve,), (text,) = add_panels(part, 2, 1, height_ratios=[4.5, height])
        if trainer.training_history:
            _draw_learning_curve(report, trainer, curve)
        curve.set_visible(bool(trainer.training_history))
        text.text(0, 1, table, family="monospace", fontsize=9, va="top")
        text.axis("off")
    return figure


def _plain_table(report: TaskReport) -> str:
    """The table without markup: a star for bold type."""
    head, _, *rows = re.sub(r"\*\*(.+?)\*\*", r"  \1 *", report.table()).splitlines()
    lines = [line.replace("|", " ").strip() for line in (head, *rows)]
    return "\n".join(
        [lines[0], "", *lines[1:], "", "* the best of a column and all not significantly different from it"]
    )


def _learning_curve(report: TaskReport, trainer: CubeTrainer) -> Figure:
    figure, (ax,) = new_panels(1)
    _draw_learning_curve(report, trainer, ax)
    return figure


def _draw_learning_curve(report: TaskReport, trainer: CubeTrainer, ax: Axes) -> None:
    metric, label = f"{report.task}_{report.primary_metric}", LABELS[report.primary_metric]
    plots.learning_curve(trainer.training_history, metric, lines=report.marks, least_span=0.02, ax=ax)
    items = counted(len(report.split.validation), "validation item")
    among = " among the validation answers" if report.task == "dialogue" else ""
    ax.set(title=f"{report.task.capitalize()}: {label} on {items}", ylabel=label + among)
