"""python -m cubelib train CONFIG | evaluate CHECKPOINT

Exit codes: 0 done; 2 something in the command, configuration or data is to be mended; 1 training failed. One sentence
says what, and what to do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import torch
from tqdm import tqdm

from cubelib.config import TrainingConfig
from cubelib.errors import DataError, UserError
from cubelib.options import configuration, describe
from cubelib.report import TaskReport, build_report, save_report
from cubelib.runs import new_run_folder, peak_memory
from cubelib.sources import load_splits
from cubelib.trainer import CubeTrainer

USAGE = """\
usage: python -m cubelib train CONFIG [--learning-rate 0.002 --core.rule local …]
       python -m cubelib evaluate CHECKPOINT [--device cpu]

  train     train, evaluate and save the cube that a YAML file describes; every setting can be
            given as an option as well (python -m cubelib train --help lists them)
  evaluate  print the report of a saved cube again, measured anew

example: python -m cubelib train config/cube_training.yaml --mode dialogue
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        if name == "train":
            print(f"options of train; the value shown holds where CONFIG does not name the key:\n\n{describe()}")
        return 0
    wrong = None
    if name not in ("train", "evaluate"):
        wrong = f"cubelib: unknown command {name!r}. Use one of train, evaluate.\n\n" if name else ""
    elif name == "train" and (not rest or rest[0].startswith("-")):
        wrong = "cubelib train: give one config file, then options.\n\n"
    elif name == "evaluate" and not (len(rest) == 1 or (len(rest) == 3 and rest[1] == "--device")):
        wrong = "cubelib evaluate: give one checkpoint.\n\n"
    if wrong is not None:
        print(wrong + USAGE, file=sys.stderr)
        return 2
    try:
        if name == "train":
            train(configuration(rest[0], rest[1:]))
        else:
            evaluate(rest[0], device=rest[2] if len(rest) == 3 else None)
    except (UserError, ModuleNotFoundError) as error:
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"cubelib {name}: interrupted.", file=sys.stderr)
        return 130
    return 0


def train(config: TrainingConfig) -> None:
    """Data → training → report → files."""
    started = time.perf_counter()
    _use_threads(config)
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    splits = load_splits(config, trainer.embedding_loader, progress=True)
    folder = new_run_folder(config.checkpoint_dir, config.mode)  # not writable: said before anything is trained
    print(f"Teacher:  {trainer.embedding_loader!r}")
    for task, split in splits.items():
        print(f"Data:     {task}: {split.report()}")
    print(f"Cube:     {trainer.embedding_processor!r}")

    def after_epoch(trainer: CubeTrainer, row: dict[str, Any]) -> None:
        if row["epoch"] % config.log_interval == 0:
            tqdm.write(f"Epoch {row['epoch']:3}: loss {row['loss']:.4f}, validation score {row['score']:.4f}")
        if row["epoch"] % config.save_interval == 0:
            trainer.save(folder / "latest")

    try:
        trainer.fit(
            {task: split.train for task, split in splits.items()},
            {task: split.validation for task, split in splits.items()},
            on_epoch_end=after_epoch,
        )
    finally:
        # Also where training broke down or was interrupted: the best weights so far are in place.
        trainer.save(folder / "checkpoint")
        print(f"Saved in {folder}: checkpoint")
    print(f"Training: {trainer.stop_reason}")
    reports = build_report(trainer, splits, progress=True)
    save_report(reports, trainer, folder)
    _print_reports(reports)
    memory = peak_memory()
    print(f"\nSaved in {folder}: report.md, report.json, learning curve")
    print(f"Took {time.perf_counter() - started:.0f} s" + (f" and {memory:.2f} GB of memory" if memory else ""))


def evaluate(checkpoint: str, device: str | None = None) -> None:
    """The report of a saved cube, measured anew on the same split."""
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
    _print_reports(build_report(trainer, splits, progress=True))


def _use_threads(config: TrainingConfig) -> None:
    if config.threads is not None:
        torch.set_num_threads(config.threads)


def _print_reports(reports: Sequence[TaskReport]) -> None:
    for report in reports:
        print(f"\n{report.task}, {len(report.split.test):,} held-out items\n")
        print(report.to_markdown())


if __name__ == "__main__":
    sys.exit(main())
