"""The device that a cube computes on, this process among others, and the memory it used."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cubelib.errors import ConfigError

if TYPE_CHECKING:
    import torch


def rank() -> int:
    """The number of this process among all that share the work, 0 where it is alone."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int | None:
    """The number of this process among those on this machine, None where it is alone."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one. Of several processes each takes a GPU of its own.

    Raises:
        ConfigError: no such device here.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    import torch

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


def peak_memory() -> float | None:
    """The most memory this process has held, in GB, or None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1e9 if sys.platform == "darwin" else 1e6  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
