"""Checkpoints: one folder with weights in safetensors and everything else as JSON. No pickle.

    weights.safetensors     the core's and the reshaper's tensors
    checkpoint.json         format version, configuration, history, and what the run depended on

and, where a run can go on from it,

    optimizer.safetensors   the optimizer's memory
    best.safetensors        the core's tensors after the best epoch so far

A checkpoint is written beside its place and renamed, so a folder under its final name is always complete.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cubelib.errors import CheckpointError

FORMAT = 3
WEIGHTS, STATE = "weights.safetensors", "checkpoint.json"
OPTIMIZER, BEST_WEIGHTS = "optimizer.safetensors", "best.safetensors"


TENSORS = {WEIGHTS: "tensors", OPTIMIZER: "optimizer", BEST_WEIGHTS: "best"}  # file → attribute
FILES = {STATE, *TENSORS}
PLAIN = {  # attribute → the kinds of value it may hold
    "config": dict,
    "history": list,
    "trained_on": dict,
    "seconds": (float, int, NoneType),
    "stop_reason": (str, NoneType),
    "provenance": dict,
}


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds.

    Attributes:
        tensors: name → tensor of the core and the reshaper.
        config, history: of the trainer.
        trained_on: task → fingerprint of the training items.
        seconds: spent on training so far.
        stop_reason: why training ended, None while it goes on.
        optimizer: name → tensor of the optimizer's memory, None where nothing can go on from here.
        best: name → tensor of the core after the best epoch, likewise.
        provenance: what else the numbers depend on; of `provenance()` where nothing is given.
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    history: list[dict[str, Any]]
    trained_on: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    stop_reason: str | None = None
    optimizer: dict[str, Tensor] | None = None
    best: dict[str, Tensor] | None = None
    provenance: dict[str, Any] = field(default_factory=lambda: provenance())


def provenance() -> dict[str, Any]:
    """What the numbers of a run depend on beside its configuration: versions, machine, threads, state of the code."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "git": _git_state(),
    }


@cache
def _git_state() -> str | None:
    here = Path(__file__).resolve().parent
    if not shutil.which("git"):
        return None
    found = subprocess.run(
        ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; an older one of the same name is replaced only once the new one is complete.

    Raises:
        CheckpointError: the folder cannot be written, or is not a checkpoint; what was there before is still there.
    """
    aside = None
    try:
        if folder.exists() and not (folder.is_dir() and {path.name for path in folder.iterdir()} <= FILES):
            raise CheckpointError(
                f"Saving the checkpoint {folder}: that is not a checkpoint, and would be lost. Choose a new folder."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        parts = {name: getattr(checkpoint, attribute) for name, attribute in TENSORS.items()}
        for name, tensors in parts.items():
            if tensors is not None:
                save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, aside / name)
                (aside / name).chmod(0o644)  # mkdtemp and safetensors write for the owner alone
        aside.chmod(0o755)
        state = {name: getattr(checkpoint, name) for name in PLAIN}
        files = [name for name, tensors in parts.items() if tensors is not None]
        text = json.dumps({"format": FORMAT, "files": files, **state}, indent=1)
        (aside / STATE).write_text(text + "\n", encoding="utf-8")
        if folder.exists():
            # A folder cannot replace another in one step: the old one steps aside first, and is complete there.
            retired = aside.with_name(aside.name + "-old")
            os.replace(folder, retired)
            try:
                os.replace(aside, folder)
            except OSError:
                os.replace(retired, folder)
                raise
            shutil.rmtree(retired)
        else:
            os.replace(aside, folder)
    except (OSError, SafetensorError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise CheckpointError(
            f"Saving the checkpoint {folder}: {reason}. Free the disk, or choose another folder (checkpoint_dir)."
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Reads a checkpoint folder.

    Raises:
        CheckpointError: it is missing, cut short, damaged or of another format; nothing in it is changed.
    """
    folder = Path(folder)
    if (folder / "checkpoint" / STATE).is_file():
        folder = folder / "checkpoint"  # the folder of a run was given
    advice = "Use another checkpoint, or train again"
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if state["format"] != FORMAT:
            why = " (written before cells had a linear path)" if state["format"] in (1, 2) else ""
            raise CheckpointError(
                f"Loading the checkpoint {folder}: it has format {state['format']}{why}, this cubelib reads {FORMAT}. "
                "Train the cube again, or use the version of cubelib that wrote it."
            )
        plain = {name: state[name] for name in PLAIN}
        rows = [state["files"], plain["history"]]
        if not all(isinstance(value, PLAIN[name]) for name, value in plain.items()) or not (
            all(isinstance(file, str) for file in rows[0]) and all(isinstance(row, dict) for row in rows[1])
        ):
            raise TypeError("its entries are not of the kinds that cubelib writes")
        tensors = {}
        for name in state["files"]:
            tensors[TENSORS[name]] = load_file(folder / name)
        checkpoint = Checkpoint(**tensors, **plain)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: there is no {STATE if error.filename else name}. Give a folder that "
            "`python -m cubelib train` wrote, such as runs/autoencoder-001/checkpoint."
        ) from None
    except OSError as error:
        raise CheckpointError(f"Loading the checkpoint {folder}: {error.strerror or error}. {advice}.") from None
    except SafetensorError as error:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: {name} is cut short or damaged ({error}). {advice}."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: {STATE} is cut short or damaged ({error}). {advice}."
        ) from None
    return checkpoint


def load_tensors(module: nn.Module, tensors: dict[str, Tensor], origin: str | Path) -> None:
    """Copies tensors into a module of exactly their names and shapes.

    Raises:
        CheckpointError: tensors are missing, extra or of another shape; all differences are listed.
    """
    check_shapes(tensors, module.state_dict(), origin)
    module.load_state_dict(tensors)


def check_shapes(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str | Path) -> None:
    """Compares names and shapes.

    Raises:
        CheckpointError: tensors are missing, extra or of another shape; all differences are listed.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    right = {name: tuple(tensor.shape) for name, tensor in wanted.items()}
    if shapes != right:
        differences = [
            f"{name}: {shapes.get(name, 'missing')} in the file, {right.get(name, 'unknown')} in the model"
            for name in sorted(shapes.keys() | right.keys())
            if shapes.get(name) != right.get(name)
        ]
        raise CheckpointError(
            f"Loading the checkpoint {origin}: {len(differences)} tensors do not fit the model of its configuration. "
            + "; ".join(differences)
            + ". Restore the checkpoint.json that was written with these weights."
        )
