"""python -m cubelib train CONFIG | evaluate CHECKPOINT | encode FILE | corpora

Exit codes: 0 done; 2 something in the command, configuration or data is to be mended; 1 training failed. One sentence
says what, and what to do.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from tqdm import tqdm

from cubelib import corpora
from cubelib.config import TrainingConfig
from cubelib.encode import encode_command, encode_parser
from cubelib.errors import DataError, UserError
from cubelib.options import configuration, describe
from cubelib.report import TaskReport, build_report, check_baselines, check_free, save_report
from cubelib.runs import new_run_folder, peak_memory
from cubelib.sources import load_splits
from cubelib.trainer import CubeTrainer

USAGE = """\
usage: python -m cubelib train CONFIG [--learning-rate 0.002 --core.rule local …]
       python -m cubelib evaluate CHECKPOINT [--device cpu --baselines quick --out FOLDER]
       python -m cubelib encode FILE [--columns question,answer --processes 2 …]
       python -m cubelib corpora

  train     train, evaluate and save the cube that a YAML file describes; every setting can be
            given as an option as well (python -m cubelib train --help lists them)
  evaluate  print the report of a saved cube again, measured anew; --out also writes its files.
            --baselines: default, quick (without those trained by gradient descent) or none
  encode    turn the texts of a file into a file of vectors; stopped in any way, the same
            command continues (python -m cubelib encode --help lists the options)
  corpora   list the texts that come with the installed packages

example: python -m cubelib train config/cube_training.yaml --mode dialogue
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if {"-h", "--help"} & set(arguments):
        print(_help(name))
        return 0
    wrong = None
    if name not in COMMANDS:
        wrong = f"cubelib: unknown command {name!r}. Use one of {', '.join(COMMANDS)}.\n\n" if name else ""
    elif name == "train" and (not rest or rest[0].startswith("-")):
        wrong = "cubelib train: give one config file, then options.\n\n"
    elif name == "evaluate" and _evaluate_options(rest) is None:
        wrong = "cubelib evaluate: give one checkpoint, then options out of --device, --baselines and --out.\n\n"
    elif name == "corpora" and rest:
        wrong = "cubelib corpora: takes no arguments.\n\n"
    if wrong is not None:
        print(wrong + USAGE, file=sys.stderr)
        return 2
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            COMMANDS[name](rest)
    except (UserError, ModuleNotFoundError) as error:
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"cubelib {name}: interrupted. {interrupt}".rstrip(), file=sys.stderr)
        return 130
    return 0


def _help(name: str) -> str:
    if name == "train":
        return f"{USAGE}\noptions of train; the value shown holds where CONFIG does not name the key:\n\n{describe()}"
    return encode_parser().format_help() if name == "encode" else USAGE


def _evaluate_options(rest: list[str]) -> dict[str, str] | None:
    """What stands behind the checkpoint, or None where that cannot be understood."""
    words = [part for word in rest[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = words[::2], words[1::2]
    known = len(names) == len(values) == len(set(names)) and set(names) <= {"--device", "--baselines", "--out"}
    if not rest or rest[0].startswith("-") or not known:
        return None
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _show_warning(message: Warning | str, category: type[Warning], *place: object) -> None:
    """A warning for people: what was skipped or cut, without the line of code that noticed."""
    print(
        f"Warning: {message}" if issubclass(category, UserWarning) else f"{category.__name__}: {message}",
        file=sys.stderr,
    )


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
    filtered = next(iter(splits.values())).filtered
    if filtered.steps:
        print(f"Filters:\n\n{filtered}\n")
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
    files = save_report(reports, trainer, folder)
    _print_reports(reports)
    memory = peak_memory()
    print(f"\nSaved in {folder}: {', '.join(files)}")
    print(f"Took {time.perf_counter() - started:.0f} s" + (f" and {memory:.2f} GB of memory" if memory else ""))


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
    if config.threads is not None:
        torch.set_num_threads(config.threads)


def _print_reports(reports: Sequence[TaskReport]) -> None:
    for report in reports:
        print(f"\n{report.task}, {len(report.split.test):,} held-out items\n")
        print(report.to_markdown())


COMMANDS: dict[str, Callable[[list[str]], object]] = {
    "train": lambda rest: train(configuration(rest[0], rest[1:])),
    "evaluate": lambda rest: evaluate(rest[0], **(_evaluate_options(rest) or {})),
    "encode": lambda rest: print(encode_command(rest)),
    "corpora": lambda rest: print(corpora.catalog_table()),
}


if __name__ == "__main__":
    sys.exit(main())
