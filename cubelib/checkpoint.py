"""Checkpoints: one folder with weights in safetensors and everything else as JSON. No pickle.

    weights.safetensors   the core's and the reshaper's tensors
    checkpoint.json       format version, configuration, history, and what the run depended on

A checkpoint is written beside its place and renamed, so a folder under its final name is always complete.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cubelib.errors import CheckpointError

FORMAT = 1
WEIGHTS, STATE = "weights.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint folder holds."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    history: list[dict[str, Any]]
    trained_on: dict[str, str]  # task → fingerprint of the training items
    provenance: dict[str, Any]


def provenance() -> dict[str, Any]:
    """What the numbers of a run depend on beside its configuration: versions, machine, threads, state of the code."""
    git = None
    here = Path(__file__).resolve().parent
    if shutil.which("git"):
        found = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
        git = found.stdout.strip() or None
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "git": git,
    }


def save_checkpoint(
    folder: Path,
    tensors: dict[str, Tensor],
    config: dict[str, Any],
    history: list[dict[str, Any]],
    trained_on: dict[str, str] | None = None,
) -> None:
    """Writes a checkpoint; an older one of the same name is replaced only once the new one is complete.

    Raises:
        CheckpointError: the folder cannot be written, or is not a checkpoint; what was there before is still there.
    """
    aside = None
    try:
        if folder.exists() and not (folder.is_dir() and {path.name for path in folder.iterdir()} <= {WEIGHTS, STATE}):
            raise CheckpointError(
                f"Saving the checkpoint {folder}: that is not a checkpoint, and would be lost. Choose a new folder."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside / WEIGHTS)
        state = {
            "format": FORMAT,
            "config": config,
            "history": history,
            "trained_on": trained_on or {},
            "provenance": provenance(),
        }
        (aside / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        aside.chmod(0o755)  # mkdtemp and safetensors write for the owner alone
        (aside / WEIGHTS).chmod(0o644)
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
            raise CheckpointError(
                f"Loading the checkpoint {folder}: it has format {state['format']}, this cubelib reads {FORMAT}. "
                "Use the version of cubelib that wrote it."
            )
        parts = [state[name] for name in ("config", "history", "trained_on", "provenance")]
        if [type(part) for part in parts] != [dict, list, dict, dict] or not all(isinstance(r, dict) for r in parts[1]):
            raise TypeError("its entries are not of the kinds that cubelib writes")
        checkpoint = Checkpoint(load_file(folder / WEIGHTS), *parts)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: there is no {Path(error.filename or WEIGHTS).name}. Give a folder that "
            "`python -m cubelib train` wrote, such as runs/autoencoder-001/checkpoint."
        ) from None
    except OSError as error:
        raise CheckpointError(f"Loading the checkpoint {folder}: {error.strerror or error}. {advice}.") from None
    except SafetensorError as error:
        raise CheckpointError(
            f"Loading the checkpoint {folder}: {WEIGHTS} is cut short or damaged ({error}). {advice}."
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
    own = module.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in own.items()}
    if shapes != wanted:
        differences = [
            f"{name}: {shapes.get(name, 'missing')} in the file, {wanted.get(name, 'unknown')} in the model"
            for name in sorted(shapes.keys() | wanted.keys())
            if shapes.get(name) != wanted.get(name)
        ]
        raise CheckpointError(
            f"Loading the checkpoint {origin}: {len(differences)} tensors do not fit the model of its configuration. "
            + "; ".join(differences)
            + ". Restore the checkpoint.json that was written with these weights."
        )
    module.load_state_dict(tensors)
