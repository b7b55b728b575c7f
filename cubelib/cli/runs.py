"""What `train` and `evaluate` do with a run: a folder with a checkpoint, saved states and a report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from cubelib.data.splits import Split
from cubelib.device import peak_memory, rank
from cubelib.errors import DataError
from cubelib.evaluation import TaskReport, build_report, check_baselines
from cubelib.training.checkpoint import new_run_folder
from cubelib.training.config import TrainingConfig
from cubelib.training.run import progress_metrics
from cubelib.training.sources import load_splits
from cubelib.training.trainer import CubeTrainer
from cubelib.views.report_files import check_free, save_report


def train_new(config: TrainingConfig) -> None:
    """Data → training → report → files, in a new folder."""
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    _train(trainer, None)


def find_data(trainer: CubeTrainer, files: Sequence[str] | None, task: str) -> None:
    """Sets the place of a run's data, if they have moved.

    Args:
        trainer: of the run.
        files: the new place; None: the one that the run knows.
        task: what is being done, for the error.

    Raises:
        DataError: the data are not there.
    """
    data = trainer.config.data
    if files:
        data.file = list(files) if len(files) > 1 else files[0]
    for file in data.files:
        if not file.startswith("hub:") and not Path(file).expanduser().exists():
            raise DataError(
                f"{task}: its data are not at {file}. Name the place where they are now with --data.file; a "
                "fingerprint tells whether they are the same."
            )


def train_further(folder: Path, files: Sequence[str] | None = None, **changes: int) -> None:
    """Continues the run in a folder; `files` is where its data are now, `changes` are settings that decide its end."""
    trainer = CubeTrainer.resume(folder, **changes)
    if trainer.stop_reason is not None and not changes and (folder / "report").exists():
        report = folder / "report" / "report.md"
        print(f"There is nothing left to train in {folder}: {trainer.stop_reason}. Its report is {report}.")
        print("To train it longer: --epochs, and --early-stopping-patience if that ended it.")
        return
    find_data(trainer, files, f"Resuming {folder}")
    _train(trainer, folder)


def _train(trainer: CubeTrainer, folder: Path | None) -> None:
    started, config = time.perf_counter(), trainer.config
    _limit_threads(config)
    first_epoch = trainer.current_epoch
    try:
        splits = load_splits(config, trainer.encoder, progress=rank() == 0)
        if rank() == 0:
            folder = folder or new_run_folder(config.checkpoint_dir, config.mode)  # fails here, before any training
            _print_plan(trainer, splits)
            if first_epoch:
                print(f"Resuming: {folder} after epoch {first_epoch}")
        trainer.fit(
            {task: split.train for task, split in splits.items()},
            {task: split.validation for task, split in splits.items()},
            folder=folder if rank() == 0 else None,
            on_epoch_end=_print_epoch,
        )
        if folder is None or rank() > 0:
            return
        print(f"Training: {trainer.stop_reason}")
        reports = build_report(trainer, splits, progress=True)
        report_folder = _report_folder(folder, trainer.current_epoch)
        files = save_report(reports, trainer, report_folder)
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(_what_is_saved(trainer, folder)) from None
    _print_reports(reports)
    print(f"\nSaved in {report_folder}: {', '.join(files)}; the cube: {folder / 'checkpoint'}")
    memory = peak_memory()
    print(f"Took {time.perf_counter() - started:.0f} s" + (f" and {memory:.2f} GB of memory" if memory else ""))


def _report_folder(run: Path, epochs: int) -> Path:
    """`report` in the folder of the run, or another name where a resumed run has a report already."""
    report_folder, number = run / "report", 0
    while report_folder.exists():
        number += 1
        report_folder = run / f"report_{epochs}_epochs{f'_{number}' if number > 1 else ''}"
    return report_folder


def _what_is_saved(trainer: CubeTrainer, folder: Path | None) -> str:
    if folder is None or not trainer.current_epoch or not (folder / "checkpoint").exists():
        return "No epoch was finished, so there is no trained cube to keep. To begin again, repeat the command."
    reason = f" ({trainer.stop_reason})" if trainer.stop_reason else ""
    return (
        f"The best cube so far{reason} is in {folder / 'checkpoint'}. To go on: python -m cubelib train --resume "
        f"{folder}"
    )


def evaluate(
    run: str,
    device: str | None = None,
    baselines: str = "default",
    out: str | None = None,
    files: Sequence[str] | None = None,
) -> None:
    """The report of a saved cube, measured anew on the same split; saved where a folder is given."""
    check_baselines(baselines)
    if out is not None:
        check_free(out)
    trainer = CubeTrainer.load(run, device=device)
    find_data(trainer, files, f"Evaluating {run}")
    _limit_threads(trainer.config)
    print(repr(trainer))
    splits = load_splits(trainer.config, trainer.encoder, progress=True)
    for task, split in splits.items():
        if trainer.trained_on.get(task, "") != split.train.fingerprint():
            raise DataError(
                f"Evaluating {run}: the {task} data have changed since training, so the cube may have seen items of "
                "the test set. Put the data back as they were, or train again."
            )
    reports = build_report(trainer, splits, baselines=baselines, progress=True)
    files = [] if out is None else save_report(reports, trainer, out)
    _print_reports(reports)
    if files:
        print(f"\nSaved in {out}: {', '.join(files)}")


def _limit_threads(config: TrainingConfig) -> None:
    if config.threads is not None:  # torch knows how many the machine, or OMP_NUM_THREADS, allows
        torch.set_num_threads(min(config.threads, torch.get_num_threads()))


def _print_plan(trainer: CubeTrainer, splits: Mapping[str, Split]) -> None:
    print(f"Teacher:  {trainer.encoder!r}")
    for task, split in splits.items():
        print(f"Data:     {task}: {split.report()}")
    filtered = next(iter(splits.values())).filtered
    if filtered is not None and filtered.steps:
        print(f"Filters:\n\n{filtered}\n")
    print(f"Cube:     {trainer.core!r}")


def _print_epoch(trainer: CubeTrainer, log: Mapping[str, Any]) -> None:
    if log["epoch"] == 1:
        tqdm.write(f"Epoch   0: untrained,   {_metrics(trainer.training_history[0])}")
    if log["epoch"] % trainer.config.log_interval == 0:
        tqdm.write(f"Epoch {log['epoch']:3}: loss {log['loss']:.4f}, {_metrics(log)}")


def _metrics(log: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in progress_metrics(log).items())


def _print_reports(reports: Sequence[TaskReport]) -> None:
    for report in reports:
        curve = report.learning_curve()
        if curve:
            print(f"\n{curve}")
        print(f"\n{report.task}, {len(report.split.test):,} held-out items\n")
        print(report.to_markdown())
