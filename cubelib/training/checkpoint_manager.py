"""What is kept of a run on disk, while it goes on.

    runs/dialogue-001/checkpoint     the best epoch's cube: what evaluate, ask and export use
    runs/dialogue-001/epochs/0005    the state after an epoch, to go on from: weights, best weights, optimizer
    runs/dialogue-001/epochs/0010

Every folder is complete from the moment it has its name, so a run may be killed at any time.
"""

from __future__ import annotations

import os
import shutil
import warnings
from itertools import count
from pathlib import Path

from cubelib.errors import CheckpointError
from cubelib.training.checkpoint import Checkpoint, save_checkpoint

BEST, EPOCHS = "checkpoint", "epochs"


class CheckpointWarning(UserWarning):
    """A state of a run could not be saved; training goes on."""


class CheckpointManager:
    """Saves the states of a run, and removes those that are older than the last few.

    Args:
        folder: of the run.
        last: how many states to keep.
        size: bytes that one state will take, about.

    Raises:
        CheckpointError: the folder cannot be written, or its disk has no room; before anything is trained.
    """

    def __init__(self, folder: str | Path, last: int, size: int) -> None:
        self.folder, self.last = Path(folder), last
        try:
            (self.folder / EPOCHS).mkdir(parents=True, exist_ok=True)
            if not os.access(self.folder / EPOCHS, os.W_OK):
                raise PermissionError(13, os.strerror(13))
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise CheckpointError(
                f"Saving the run in {self.folder}: {error.strerror}. Choose a folder that you may write to."
            ) from None
        needed = (last + 2) * size  # one more than is kept is there for a moment, and the best
        if free < needed:
            raise CheckpointError(
                f"Saving the run in {self.folder}: its checkpoints need about {needed / 1e6:,.0f} MB, and the disk has "
                f"{free / 1e6:,.0f} MB left. Make room, choose another folder (checkpoint_dir), or set "
                f"keep_checkpoints (now {last}) lower."
            )

    def save_state(self, state: Checkpoint) -> None:
        """Saves the state after an epoch; where that fails, a warning says so and training goes on."""
        epoch = state.history[-1]["epoch"]
        self._save(f"The state after epoch {epoch}", self.folder / EPOCHS / name_of(epoch), state)
        for folder in states_of(self.folder)[: -self.last]:
            gone = folder.with_name(f".{folder.name}-old")  # half removed it must not look like a state
            os.replace(folder, gone)
        for leftover in (self.folder / EPOCHS).glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def save_best(self, best: Checkpoint) -> None:
        """Saves the best cube so far; a failure is a warning likewise."""
        self._save("The best cube so far", self.folder / BEST, best)

    def _save(self, what: str, folder: Path, checkpoint: Checkpoint) -> None:
        try:
            save_checkpoint(folder, checkpoint)
        except CheckpointError as error:
            warnings.warn(f"{what} is not saved; training goes on. {error}", CheckpointWarning, stacklevel=4)


def name_of(epoch: int) -> str:
    """The folder of an epoch's state.

    Example:
        >>> name_of(5)
        '0005'
    """
    return f"{epoch:04d}"


def states_of(run: str | Path) -> list[Path]:
    """The folders of the states that a run can go on from, oldest first."""
    return sorted(
        (path for path in (Path(run) / EPOCHS).glob("[0-9]*") if path.name.isdecimal()), key=lambda path: int(path.name)
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
                f"Saving runs in {parent}: {error.strerror}. Set checkpoint_dir to a folder that you may write to."
            ) from None
        else:
            return folder
    raise AssertionError("count has no end")
