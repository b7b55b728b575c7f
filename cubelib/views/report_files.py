"""Writes the files of a report: report.md to read, report.json to work with, and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

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
from cubelib.views.style import new_figure, new_panels
from cubelib.views.view3d.static import png

Pictures = dict[str, tuple[str, Figure]]  # name of a file → what it shows in words, and the figure


def save_report(reports: Sequence[TaskReport], trainer: CubeTrainer, folder: str | Path) -> list[str]:
    """Writes report.md, report.json, and for each task a histogram, a learning curve, and curves of damage and size.

    Args:
        reports: what `build_report` gave.
        trainer: the cube of the reports.
        folder: made if it does not exist.

    Returns:
        The names of the files.

    Raises:
        CheckpointError: one of the files exists already, or the folder cannot be written.
    """
    parts = [f"# Report of a run in {trainer.config.mode} mode", _setup(trainer)]
    files: dict[str, bytes] = {}
    for report in reports:
        pictures = _pictures(report, trainer)
        parts += _sections(report, pictures)
        files |= {name: png(figure, dpi=150) for name, (_, figure) in pictures.items()}
    markdown = "\n\n".join(parts)
    values = json.dumps([report.to_dict() for report in reports], indent=1, allow_nan=False, ensure_ascii=False)
    files = {"report.md": f"{markdown}\n".encode(), "report.json": f"{values}\n".encode()} | files
    for name, content in files.items():
        try:
            with written_aside(Path(folder) / name) as aside:
                aside.write_bytes(content)
        except OSError as error:
            raise CheckpointError(
                f"Saving {name} in {folder}: {reason(error)}. Choose a new folder that you may write to, with room in "
                "it."
            ) from None
    return list(files)


def check_free(folder: str | Path) -> None:
    """Refuses a folder that is neither new nor empty, before anything is measured.

    Raises:
        CheckpointError: the folder holds something, or is a file.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fault = "it is not empty" if folder.is_dir() else "that is a file"
        raise CheckpointError(f"Saving the report in {folder}: {fault}. Choose a new or empty folder.")


def _setup(trainer: CubeTrainer) -> str:
    seconds = "" if trainer.seconds is None else f", {trainer.seconds:.1f} s"
    stopped = trainer.stop_reason or "loaded from a checkpoint"
    lines = [
        f"{trainer.core!r}",
        f"{trainer.reshaper!r}",
        f"Training, seed {trainer.config.random_seed}: {stopped}{seconds}.",
        "Parameters of the cube are those that its cells can use. The pca layout also holds a mean and rotation, as "
        "PCA does.",
        "All numbers: report.json.",
    ]
    return "\n".join(map(bullet, lines))


def _sections(report: TaskReport, pictures: Pictures) -> list[str]:
    """The paragraphs about one task."""
    parts = [f"## {report.task.capitalize()}: {counted(len(report.groups), 'held-out item')}"]
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
        sentences = "\n".join(map(bullet, curve_sentences(report.curves)))
        parts += ["### Narrower codes and dead cells", curves_markdown(report.curves), sentences]
    parts += ["### Items that show most", examples_markdown(report)]
    if report.hubs:
        parts += ["### Answers to everything", hubs_markdown(report.hubs)]
    parts += ["### Pictures", *(f"![{words}]({name})" for name, (words, _) in pictures.items())]
    return [*parts, "### Split", paragraph(f"{escape(report.split.report())}.")]


def _pictures(report: TaskReport, trainer: CubeTrainer) -> Pictures:
    pictures = {f"similarity_histogram_{report.task}.png": _histogram(report)}
    if trainer.training_history:
        pictures[f"learning_curve_{report.task}.png"] = _learning_curve(report, trainer)
    if report.curves:
        pictures[f"curves_{report.task}.png"] = _curves(report)
    return pictures


def _histogram(report: TaskReport) -> tuple[str, Figure]:
    before, after = (report.row(model).per_item["cosine_similarity"] for model in (report.before, CUBE))
    figure = new_figure(7.0, 4.0)
    ax = plots.similarity_histogram(before, after, target=report.target, ax=figure.subplots())
    ax.set_title(f"{report.task.capitalize()}: {len(after):,} test items")
    words = (
        f"Histogram of the cosines of {len(after):,} test items with their targets: their mean was {before.mean():.3f} "
        f"before training and is {after.mean():.3f} after it"
    )
    return words, figure


def _learning_curve(report: TaskReport, trainer: CubeTrainer) -> tuple[str, Figure]:
    label, history = LABELS[report.primary_metric], trainer.training_history
    figure = new_figure(7.0, 4.0)
    ax = figure.subplots()
    plots.learning_curve(history, f"{report.task}_{report.primary_metric}", lines=report.marks, least_span=0.02, ax=ax)
    items = counted(len(report.split.validation), "validation item")
    among = " among the validation answers" if report.task == "dialogue" else ""
    ax.set(title=f"{report.task.capitalize()}: {label} on {items}", ylabel=label + among)
    words = f"{label} of the cube on validation items over {trainer.current_epoch} epochs, with baselines as lines"
    return words, figure


def _curves(report: TaskReport) -> tuple[str, Figure]:
    with_mean = any(row.model == MeanTarget.name for row in report.rows)
    floor = report.value(MeanTarget.name, "cosine_similarity") if with_mean else None
    figure, axes = new_panels(len(report.curves), 5.5 * len(report.curves), 3.6)
    plots.damage_curve(report.curves["damage"], floor=floor, ax=axes[0])
    axes[0].set_title(f"{report.task.capitalize()}: dead cells or hidden units")
    against = "share of dead cells or hidden units"
    if "rate" in report.curves:
        rate = report.curves["rate"]
        models = {"PCA": rate["models"]["PCA"], "cube, its bottleneck cut": rate["models"][CUBE]}
        target = report.target if report.target <= 1 else None
        plots.rate_distortion(rate["latent_dims"], models, target=target, floor=floor, ax=axes[1])
        axes[1].set_title(f"{report.task.capitalize()}: narrower codes")
        axes[1].legend(frameon=False, fontsize=9, loc="center right")
        against += ", and against the numbers in the code"
    return f"Cosine of the {report.task} against the {against}", figure
