"""A folder for each run, and what a run used."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from cubelib.errors import CheckpointError


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


def peak_memory() -> float | None:
    """The most memory this process has held, in GB, or None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
