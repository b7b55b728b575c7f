"""The cube alone as an ONNX file: vectors in, vectors out, for runtimes without cubelib, PyTorch or Python.

The file is compared with the cube before it gets its name. torch.export's own format is not offered, since its files
hold a pickle. How to, and what is not exported: docs/export.md.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import normalize

import cubelib
from cubelib.errors import ConfigError, UserError
from cubelib.files import check_new, new_target
from cubelib.reshaper import EmbeddingReshaper
from cubelib.training.cube import Cube
from cubelib.training.trainer import CubeTrainer

if TYPE_CHECKING:
    import onnx
    import onnxruntime

INPUT, OUTPUT = "vectors", "vectors_out"
TOLERANCE = 1e-5
_BATCH_SIZES = (1, 2, 33)  # the file is traced with 2


@dataclass(frozen=True)
class OnnxExport:
    """An ONNX file that was written.

    Attributes:
        path: the file.
        difference: the largest between a number of its output and the cube's, on unit vectors.
        checked_with: what ran the file, with its version.
    """

    path: Path
    difference: float
    checked_with: str

    def __str__(self) -> str:
        size = self.path.stat().st_size / 1e6
        return (
            f"Wrote {self.path}, {size:.1f} MB: {INPUT} (batch, dim) → {OUTPUT} (batch, dim_out), float32. "
            f"Compared with the cube by {self.checked_with}: no number differs by more than {self.difference:.1e}."
        )


def export_onnx(trainer: CubeTrainer, path: str | Path) -> OnnxExport:
    """Writes the cube, without the teacher, as an ONNX file, and compares it with the cube.

    Input `vectors` `(batch, dim)` float32 of length 1, any batch; output `vectors_out` `(batch, dim_out)`, what
    `trainer.predict` gives. The output is not normalized: the default losses train its direction only. Unlike the
    cube, the file raises no error if numbers are not finite. Its metadata holds dim, dim_out, mode, the cubelib version
    and the fingerprints of the training items.

    Args:
        trainer: with the cube.
        path: a new file.

    Raises:
        ConfigError: there is no cube.
        DataError: the file exists.
        UserError: it cannot be written, or its output differs from the cube's by more than 1e-5 (of the largest number
            of the output, if that is above 1); no file is written then.
        ModuleNotFoundError: onnx, onnxscript or onnxruntime is not installed; the message has the command.
    """
    path = Path(path)
    if not trainer.initialized:
        raise ConfigError("Exporting: there is no cube yet. Call initialize_components() and fit first.")
    check_new(path, "Exporting")
    try:
        import onnx  # noqa: F401 (torch needs it and the next)
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Exporting to ONNX: {error.name} is not installed. Install it with: "
            "python -m pip install onnx onnxscript onnxruntime"
        ) from error
    serialized = _trace(trainer).SerializeToString()
    session = onnxruntime.InferenceSession(serialized, providers=["CPUExecutionProvider"])
    difference = _difference(session, trainer)
    if not difference <= TOLERANCE:  # also refuses NaN
        raise UserError(
            f"Exporting {path}: the file's output differs from the cube's by {difference:.1e} (of the largest number, "
            f"if that is above 1); up to {TOLERANCE:g} is allowed, so it was not written. Another version of torch or "
            "onnxscript may do better; please report it with the checkpoint."
        )
    with new_target(path, "Exporting") as aside:
        aside.write_bytes(serialized)
    return OnnxExport(path, difference, f"onnxruntime {onnxruntime.__version__}")


def _trace(trainer: CubeTrainer) -> onnx.ModelProto:
    import onnx

    config = trainer.config
    with _silenced():
        program = torch.onnx.export(
            _traceable(trainer),
            (torch.zeros(_BATCH_SIZES[1], config.embedding_dim),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    model: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]  # None only without dynamo
    for part in (model.graph, *model.functions):
        for element in (part, *part.node, *part.value_info):
            del element.metadata_props[:]  # lines of code, with paths of this machine
    properties = {"dim": str(config.embedding_dim), "dim_out": str(config.target_dim), "mode": config.mode}
    properties["cubelib"] = cubelib.__version__
    for task, fingerprint in trainer.trained_on.items():
        properties[f"trained_on_{task}"] = fingerprint
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    return model


def _traceable(trainer: CubeTrainer) -> Cube:
    """A copy of the cube on the CPU, without the one tensor that its code branches on, which a trace cannot."""
    cube = Cube(trainer.config, device="cpu")
    for part, module in trainer.named_children():
        setattr(cube, part, copy.deepcopy(module))
        if isinstance(module, EmbeddingReshaper):
            reshaper = getattr(cube, part)
            del reshaper.fitted
            reshaper.fitted = bool(module.fitted)
    return cube.cpu().eval()


@contextmanager
def _silenced() -> Iterator[None]:
    """Without torch's notes on packages that it does not need here, and on its own deprecations."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _difference(session: onnxruntime.InferenceSession, trainer: CubeTrainer) -> float:
    """The largest difference between file and cube in batches of several sizes."""
    generator = torch.Generator().manual_seed(0)
    differences = []
    for size in _BATCH_SIZES:
        vectors = normalize(torch.randn(size, trainer.config.embedding_dim, generator=generator), dim=1)
        expected = trainer.predict(vectors).numpy()
        (output,) = session.run([OUTPUT], {INPUT: vectors.numpy()})
        differences.append(np.abs(output - expected).max() / max(1.0, np.abs(expected).max()))
    return float(np.max(differences))
