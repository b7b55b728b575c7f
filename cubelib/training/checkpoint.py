"""Checkpoints: one folder with weights in safetensors and everything else as JSON. No pickle.

    weights.safetensors     the core's and the reshaper's tensors
    checkpoint.json         configuration, history, what the run depended on, and the checksums of all files

and, in a state to resume from,

    optimizer.safetensors   the optimizer's memory
    best.safetensors        the core's tensors after the best epoch so far

A run's folder holds

    runs/dialogue-001/checkpoint     the cube after the best epoch: what evaluate, ask and export use
    runs/dialogue-001/epochs/0010    the state after an epoch; the last two are kept

A run may be killed at any time: each folder is whole from the moment it has its name.
"""

from __future__ import annotations

import os
import platform
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cubelib.encoders.models import SCRIPTS_READ
from cubelib.errors import CheckpointError
from cubelib.files import OtherFormat, read_sealed, reason, sha256_of, write_sealed, written_aside

FORMAT = 5
STATE = "checkpoint.json"
TENSORS = {"weights.safetensors": "tensors", "optimizer.safetensors": "optimizer", "best.safetensors": "best"}
PLAIN = ("config", "history", "trained_on", "seconds", "stop_reason", "provenance")  # what checkpoint.json holds
BEST, EPOCHS = "checkpoint", "epochs"  # in the folder of a run
LOCK = ".lock"  # held by the process that trains in the folder of a run
KEPT = 2  # states of a run


class CheckpointWarning(UserWarning):
    """A state of a run could not be saved, or a damaged one was passed over; training goes on."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        tensors: name → tensor of the core and the reshaper.
        config, history: the trainer's.
        trained_on: task → fingerprint of the training items.
        seconds: training time so far.
        stop_reason: why training ended; None while it goes on.
        provenance: versions and machine that the numbers depend on.
        optimizer: name → tensor of the optimizer's memory; None if training cannot be resumed from here.
        best: name → tensor of the core after the best epoch; likewise.
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    history: list[dict[str, Any]]
    trained_on: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    stop_reason: str | None = None
    provenance: dict[str, Any] = field(default_factory=lambda: provenance())
    optimizer: dict[str, Tensor] | None = None
    best: dict[str, Tensor] | None = None


def provenance() -> dict[str, Any]:
    """What the numbers of a run depend on besides its configuration."""
    return {
        "python": platform.python_version(),
        "cubelib": version("cubelib"),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


# --- one checkpoint -------------------------------------------------------------------------------------------------


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; it replaces an older one of the same name once it is complete.

    Raises:
        CheckpointError: the folder cannot be written, or is not a checkpoint; what was there before is still there.
    """
    try:
        if folder.exists() and not (folder.is_dir() and {path.name for path in folder.iterdir()} <= {STATE, *TENSORS}):
            raise CheckpointError(
                f"Saving the checkpoint {folder}: that is not a checkpoint, and would be lost. Choose a new folder."
            )
        with written_aside(folder, replace=True) as aside:
            aside.mkdir()
            checksums = {}
            for name, attribute in TENSORS.items():
                tensors = getattr(checkpoint, attribute)
                if tensors is not None:
                    save_file(
                        {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, aside / name
                    )
                    checksums[name] = sha256_of(aside / name)
            state = {"files": checksums, **{name: getattr(checkpoint, name) for name in PLAIN}}
            state["config"], state["relative_paths"] = _absolute_paths(checkpoint.config, folder)
            write_sealed(aside / STATE, FORMAT, state)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"Saving the checkpoint {folder}: {reason(error)}. Free the disk, or choose another folder."
        ) from error


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Reads a checkpoint folder, or the best cube in the folder of a run.

    Raises:
        CheckpointError: it is missing, cut short, damaged or of another format; nothing in it is changed.
    """
    folder = Path(folder)
    if (folder / BEST / STATE).is_file():
        folder = folder / BEST
    file = STATE
    try:
        state = read_sealed(folder / STATE, FORMAT)
        plain = {name: state[name] for name in PLAIN}
        plain["config"] = _moved_paths(plain["config"], folder, state.get("relative_paths", {}))
        if not isinstance(plain["config"], dict) or not all(isinstance(row, dict) for row in plain["history"]):
            raise TypeError("its entries are not of the kinds that cubelib writes")
        tensors: dict[str, Any] = {}
        for file, checksum in state["files"].items():
            if sha256_of(folder / file) != checksum:
                raise ValueError("its checksum is not that of the file that was saved")
            tensors[TENSORS[file]] = load_file(folder / file)
        return Checkpoint(**tensors, **plain)
    except OtherFormat as error:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: {error}. Train the cube again, or use the version of cubelib that wrote "
            "it."
        ) from None
    except FileNotFoundError:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: there is no {file}. Give a folder that `cubelib train` wrote, such as "
            "runs/autoencoder-001/checkpoint."
        ) from None
    except OSError as error:
        trouble = reason(error)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        trouble = f"{file} is cut short or damaged ({error})"
    raise CheckpointError(f"Loading the checkpoint {folder}: {trouble}. Use another checkpoint, or train again.")


def _absolute_paths(config: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration with absolute paths, and for each of them the way to it from the checkpoint's folder.

    So a run does not depend on the folder that it was started in, and may move together with its data.
    """
    relative: dict[str, str] = {}

    def absolute(path: str) -> str:
        place = str(Path(path).expanduser().absolute())
        with suppress(ValueError):  # on another drive
            relative[place] = os.path.relpath(place, folder.absolute())
        return place

    return _with_paths(config, absolute), relative


def _moved_paths(config: dict[str, Any], folder: Path, relative: Mapping[str, str]) -> dict[str, Any]:
    """The configuration; what is no longer at its place, but at the same place relative to the checkpoint, is there."""

    def moved(path: str) -> str:
        place = os.path.normpath(folder.absolute() / relative.get(path, path))
        return place if path in relative and not Path(path).exists() and Path(place).exists() else path

    return _with_paths(config, moved)


def _with_paths(config: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The configuration with each path of its data changed."""
    data = dict(config.get("data") or {})
    if isinstance(data.get("file"), list):
        data["file"] = [change(path) for path in data["file"]]
    for name in ("file", "teacher", "cache_dir"):
        value = data.get(name)
        if isinstance(value, str) and not value.startswith("hub:") and (name != "teacher" or _is_folder(value)):
            data[name] = change(value)
    return {**config, "data": data} if data else config


def _is_folder(teacher: str) -> bool:
    """Whether a teacher is the path of a folder, rather than a name."""
    return teacher not in SCRIPTS_READ and (Path(teacher).is_absolute() or Path(teacher).is_dir())


def load_tensors(module: nn.Module, tensors: dict[str, Tensor], origin: str | Path) -> None:
    """Copies tensors into a module of exactly their names and shapes.

    Raises:
        CheckpointError: tensors are missing, extra or of another shape; all differences are listed.
    """
    check_tensors(tensors, module.state_dict(), origin)
    module.load_state_dict(tensors)


def check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], origin: str | Path) -> None:
    """Compares names, shapes and kinds of numbers.

    Raises:
        CheckpointError: tensors are missing, extra, of another shape or kind, or not finite; all of them are listed.
    """
    in_file = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    in_model = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    differences = [
        f"{name}: {in_file.get(name, 'missing')} in the file, {in_model.get(name, 'unknown')} in the model"
        for name in sorted(in_file.keys() | in_model.keys())
        if in_file.get(name) != in_model.get(name)
    ]
    for name in sorted(in_file.keys() & in_model.keys()):
        given, wanted = tensors[name], expected[name]
        if _kind(given) != _kind(wanted):
            differences.append(f"{name}: {given.dtype} in the file, {wanted.dtype} in the model")
        elif not bool(torch.isfinite(given).all()):
            differences.append(f"{name}: not all of its numbers are finite")
    if differences:
        raise CheckpointError(
            f"Loading the checkpoint {origin}: {len(differences)} tensors do not fit the model of its configuration. "
            f"{'; '.join(differences)}. Restore the checkpoint.json that was written with these weights."
        )


def _kind(tensor: Tensor) -> tuple[bool, bool, bool]:
    """Whether its numbers are decimal, complex or truth values; the precision may be another one."""
    return tensor.is_floating_point(), tensor.is_complex(), tensor.dtype == torch.bool


# --- the folder of a run --------------------------------------------------------------------------------------------


class CheckpointManager:
    """Saves the states of a run and removes all but the last two.

    Args:
        folder: of the run.
        size: approximate bytes of one state.

    Raises:
        CheckpointError: the folder cannot be written, its disk has no room, or another process trains in it; said
            before anything is trained.
    """

    def __init__(self, folder: str | Path, size: int) -> None:
        self.folder = Path(folder)
        self._lock = FileLock(self.folder / LOCK)  # the system takes it back when this process ends, however it ends
        try:
            (self.folder / EPOCHS).mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
            if not os.access(self.folder / EPOCHS, os.W_OK):
                raise PermissionError(13, os.strerror(13))
            free = shutil.disk_usage(self.folder).free
        except Timeout:
            raise CheckpointError(
                f"Saving the run in {self.folder}: another process is training in this folder. Wait until it has "
                "ended, or choose another folder."
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"Saving the run in {self.folder}: {reason(error)}. Choose a folder that you may write to."
            ) from None
        needed = (KEPT + 2) * size  # for a moment one more than is kept, and the best cube
        if free < needed:
            raise CheckpointError(
                f"Saving the run in {self.folder}: its checkpoints need about {needed / 1e6:,.0f} MB, and the disk has "
                f"{free / 1e6:,.0f} MB left. Make room, or choose another folder."
            )
        _remove_leftovers(self.folder, f".{BEST}-*")
        _remove_leftovers(self.folder / EPOCHS, ".*")

    def save_state(self, state: Checkpoint) -> None:
        """Saves the state after an epoch. If that fails, a warning says so and training goes on."""
        epoch = state.history[-1]["epoch"]
        self._save(f"The state after epoch {epoch}", self.folder / EPOCHS / f"{epoch:04d}", state)
        for folder in saved_states(self.folder)[:-KEPT]:
            retired = folder.with_name(f".{folder.name}-old")  # half removed, it must not look like a state
            os.replace(folder, retired)
        _remove_leftovers(self.folder / EPOCHS, ".*")

    def save_best(self, best: Checkpoint) -> None:
        """Saves the best cube so far; likewise."""
        self._save("The best cube so far", self.folder / BEST, best)

    def close(self) -> None:
        """Gives the folder back, for another process to go on."""
        self._lock.release()

    def _save(self, what: str, folder: Path, checkpoint: Checkpoint) -> None:
        try:
            save_checkpoint(folder, checkpoint)
        except CheckpointError as error:
            warnings.warn(f"{what} is not saved; training goes on. {error}", CheckpointWarning, stacklevel=4)


def _remove_leftovers(folder: Path, pattern: str) -> None:
    """Removes what a killed process left half written."""
    for leftover in folder.glob(pattern):
        shutil.rmtree(leftover, ignore_errors=True)


def saved_states(run: str | Path) -> list[Path]:
    """The folders of the states that a run can be resumed from, oldest first."""
    folders = [path for path in (Path(run) / EPOCHS).glob("[0-9]*") if path.name.isdecimal()]
    return sorted(folders, key=lambda path: int(path.name))


def newest_state(run: str | Path) -> Checkpoint:
    """The newest whole state of a run; damaged ones are passed over with a warning.

    Raises:
        CheckpointError: there is none.
    """
    trouble: CheckpointError | None = None
    for folder in reversed(saved_states(run)):
        try:
            state = load_checkpoint(folder)
            if state.optimizer is None or state.best is None:
                raise CheckpointError(f"Resuming {folder}: it holds a cube but no state to resume from.")
        except CheckpointError as error:
            trouble = trouble or error
            continue
        if trouble is not None:
            warnings.warn(f"Resuming from epoch {int(folder.name)}. {trouble}", CheckpointWarning, stacklevel=3)
        return state
    raise trouble or CheckpointError(
        f"Resuming {run}: there is no state to resume from (epochs/…). Give the folder of a run that was trained with "
        "`cubelib train` or fit(…, folder=…)."
    )


def new_run_folder(parent: str | Path, mode: str) -> Path:
    """Makes the first free one of mode-001, mode-002, … so that no run writes over another.

    Raises:
        CheckpointError: nothing can be written there; said before training starts.
    """
    for number in count(1):
        folder = Path(parent) / f"{mode}-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.exists():  # then something on the way to it is not a folder
                raise CheckpointError(f"Saving runs in {parent}: it is not a folder. Set checkpoint_dir.") from None
        except OSError as error:
            raise CheckpointError(
                f"Saving runs in {parent}: {reason(error)}. Set checkpoint_dir to a folder that you may write to."
            ) from None
        else:
            return folder
    raise AssertionError("count has no end")
