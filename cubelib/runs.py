"""Where a run computes, where it puts its files, and what it used."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import torch

from cubelib.errors import CheckpointError, ConfigError
from cubelib.training.processes import local_rank


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one. Of several processes each takes a GPU of its own.

    Raises:
        ConfigError: no such device here.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local_rank() is not None:
        name = f"cuda:{local_rank()}"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not known. Use cpu, cuda, cuda:0 or auto.")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ConfigError(f"device {name!r} was asked for, but torch finds {found} CUDA GPUs. Use device: cpu or auto.")
    return device


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
