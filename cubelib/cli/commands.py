"""What `python -m cubelib train`, `evaluate` and `corpora` do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from cubelib.cli.options import configuration, describe, read_options
from cubelib.cli.parsing import CommandParser
from cubelib.data import corpora
from cubelib.data.splits import Split
from cubelib.device import peak_memory, rank
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation.report import TaskReport, build_report, check_baselines
from cubelib.training.checkpoint_manager import new_run_folder
from cubelib.training.config import TrainingConfig
from cubelib.training.run import shown
from cubelib.training.sources import load_splits
from cubelib.training.trainer import CubeTrainer
from cubelib.views.report_files import check_free, save_report

CHANGEABLE = ("epochs", "early_stopping_patience")  # of a run that goes on: they say only when it ends


def train_help() -> str:
    """All about `train`, every setting included."""
    return (
        "usage: python -m cubelib train CONFIG [options]\n"
        "       python -m cubelib train --resume RUN [--epochs N --early-stopping-patience N]\n\n"
        "Train, evaluate and save the cube that a YAML file describes. Every setting of the file can be given as an\n"
        "option as well. --resume goes on with a run that was interrupted; with --epochs it goes on longer.\n\n"
        "example: python -m cubelib train config/cube_training.yaml --mode dialogue --core.rule genome\n"
        "         torchrun --standalone --nproc-per-node 2 -m cubelib train config/cube_training.yaml\n\n"
        f"options; the value shown holds where CONFIG does not name the key:\n\n{describe()}"
    )


def train_command(arguments: Sequence[str]) -> None:
    """`train CONFIG [options]`, or `train --resume RUN [--epochs N]`.

    Raises:
        ConfigError: the options cannot be understood.
    """
    if not arguments or (arguments[0].startswith("-") and arguments[0].partition("=")[0] != "--resume"):
        raise ConfigError(
            "give one config file, then options; or --resume and the folder of a run. See python -m cubelib train "
            "--help."
        )
    if arguments[0].partition("=")[0] != "--resume":
        train(CubeTrainer(configuration(arguments[0], list(arguments[1:]))))
        return
    options = dict(read_options(list(arguments)))
    run = options.pop("resume")
    others = sorted(options.keys() - set(CHANGEABLE))
    if others or isinstance(run, list):
        raise ConfigError(
            f"Resuming a run: it goes on with the settings it began with; only --epochs and --early-stopping-patience "
            f"can be changed. Give --resume, the run's folder and these; got {' '.join(arguments)}."
        )
    for name, value in options.items():
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"Resuming {run}: --{name} takes a whole number of at least 1; got {value!r}.")
    trainer, folder = CubeTrainer.resume(str(run), **options), Path(str(run))
    if trainer.stop_reason is not None and not options and (folder / "report.json").exists():
        print(
            f"There is nothing left to train in {folder}: {trainer.stop_reason}. Its report is {folder / 'report.md'}."
        )
        print("To train it longer: --epochs, and --early-stopping-patience if that ended it.")
        return
    train(trainer, folder)


def train(trainer: CubeTrainer, folder: Path | None = None) -> None:
    """Data → training → report → files.

    Args:
        trainer: new, or from `CubeTrainer.resume`.
        folder: of the run that goes on; None makes a new one.
    """
    started, config = time.perf_counter(), trainer.config
    _use_threads(config)
    if trainer.embedding_processor is None:
        trainer.initialize_components()
    epoch = trainer.current_epoch
    splits = load_splits(config, trainer.embedding_loader, progress=rank() == 0)
    hooks: list[Callable[[CubeTrainer, Mapping[str, Any]], None]] = [_say_epoch]
    if rank() == 0:
        # Not writable: said before anything is trained.
        folder = folder or new_run_folder(config.checkpoint_dir, config.mode)
        if config.tensorboard:
            from cubelib.training.tensorboard import TensorBoard

            hooks.append(TensorBoard(folder / "tensorboard"))
        _say_what(trainer, splits)
        if epoch:
            print(f"Resuming: {folder} after epoch {epoch}")
    try:
        trainer.fit(
            {task: split.train for task, split in splits.items()},
            {task: split.validation for task, split in splits.items()},
            folder=folder if rank() == 0 else None,
            on_epoch_end=hooks,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"The best cube so far ({trainer.stop_reason}) is in {folder / 'checkpoint'}. To go on: python -m cubelib "
            f"train --resume {folder}"
        ) from None
    if rank() > 0:
        return
    print(f"Training: {trainer.stop_reason}")
    reports = build_report(trainer, splits, progress=True)
    place, number = folder, 0  # a run that went on has a report already
    while (place / "report.json").exists():
        number += 1
        place = folder / f"report_{trainer.current_epoch}_epochs{f'_{number}' if number > 1 else ''}"
    files = save_report(reports, trainer, place)
    _print_reports(reports)
    memory = peak_memory()
    print(f"\nSaved in {place}: {', '.join(files)}; the cube: {folder / 'checkpoint'}")
    print(f"Took {time.perf_counter() - started:.0f} s" + (f" and {memory:.2f} GB of memory" if memory else ""))


def evaluate_parser() -> CommandParser:
    """The options of `python -m cubelib evaluate`."""
    parser = CommandParser(
        "evaluate",
        "Print the report of a saved cube again, measured anew on the same split: the cube beside its rivals.",
        "example: python -m cubelib evaluate runs/dialogue-001 --baselines quick",
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or of a checkpoint")
    parser.add_argument(
        "--baselines",
        metavar="WHICH",
        default="default",
        help="default, quick (without those trained by gradient descent) or none (default: default)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="a new folder that receives the files of the report")
    parser.add_argument("--device", metavar="NAME", help="of the cube: cpu, cuda, … (default: as it was trained)")
    return parser


def evaluate_command(arguments: Sequence[str]) -> None:
    """`evaluate RUN [options]`."""
    options = evaluate_parser().parse_args(arguments)
    evaluate(options.run, options.device, options.baselines, options.out)


def corpora_parser() -> CommandParser:
    """`python -m cubelib corpora` takes no options."""
    return CommandParser("corpora", "List the texts that come with the installed packages, their sizes and licenses.")


def corpora_command(arguments: Sequence[str]) -> str:
    """`corpora`: the table."""
    corpora_parser().parse_args(arguments)
    return corpora.catalog_table()


def evaluate(checkpoint: str, device: str | None = None, baselines: str = "default", out: str | None = None) -> None:
    """The report of a saved cube, measured anew on the same split; its files where a folder is given."""
    check_baselines(baselines)
    if out is not None:
        check_free(out)
    trainer = CubeTrainer.load(checkpoint, device=device)
    _use_threads(trainer.config)
    print(repr(trainer))
    splits = load_splits(trainer.config, trainer.embedding_loader, progress=True)
    for task, split in splits.items():
        if trainer.trained_on.get(task, "") != split.train.fingerprint():
            raise DataError(
                f"Evaluating {checkpoint}: the data are not those that the cube was trained on, so items it has seen "
                f"could be among the test items ({task}). Put the data back as they were, or train anew."
            )
    reports = build_report(trainer, splits, baselines=baselines, progress=True)
    files = [] if out is None else save_report(reports, trainer, out)
    _print_reports(reports)
    if files:
        print(f"\nSaved in {out}: {', '.join(files)}")


def _use_threads(config: TrainingConfig) -> None:
    if config.threads is not None:  # no more than the machine, or OMP_NUM_THREADS, has for us
        torch.set_num_threads(min(config.threads, torch.get_num_threads()))


def _say_what(trainer: CubeTrainer, splits: Mapping[str, Split]) -> None:
    print(f"Teacher:  {trainer.embedding_loader!r}")
    for task, split in splits.items():
        print(f"Data:     {task}: {split.report()}")
    filtered = next(iter(splits.values())).filtered
    if filtered.steps:
        print(f"Filters:\n\n{filtered}\n")
    print(f"Cube:     {trainer.embedding_processor!r}")


def _say_epoch(trainer: CubeTrainer, row: Mapping[str, Any]) -> None:
    if row["epoch"] == 1:
        untrained = ", ".join(f"{name} {value}" for name, value in shown(trainer.training_history[0]).items())
        tqdm.write(f"Epoch   0: untrained,   {untrained}")
    if row["epoch"] % trainer.config.log_interval == 0:
        figures = ", ".join(f"{name} {value}" for name, value in shown(row).items())
        tqdm.write(f"Epoch {row['epoch']:3}: loss {row['loss']:.4f}, {figures}")


def _print_reports(reports: Sequence[TaskReport]) -> None:
    for report in reports:
        if report.learning_curve():
            print(f"\n{report.learning_curve()}")
        print(f"\n{report.task}, {len(report.split.test):,} held-out items\n")
        print(report.to_markdown())
