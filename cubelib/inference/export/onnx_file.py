"""The cube alone as an ONNX file: vectors in, vectors out, for runtimes without cubelib, PyTorch or Python.

The file is compared with the cube before it gets its name. torch.export's own format is not written, since its files
hold a pickle.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

import cubelib
from cubelib.errors import ConfigError, UserError
from cubelib.inference.export.places import check_new, written_aside
from cubelib.training.trainer import CubeTrainer

if TYPE_CHECKING:
    import onnx

INPUT, OUTPUT = "vectors", "vectors_out"
TOLERANCE = 1e-5
_INSTALL = "python -m pip install onnx onnxscript onnxruntime"
_BATCHES = (1, 2, 33)  # the file is made with one of 2


@dataclass(frozen=True)
class OnnxExport:
    """An ONNX file that was written.

    Attributes:
        path: the file.
        difference: the largest between a number of its output and the cube's, on unit vectors.
        checked_with: what ran the file for that: onnxruntime, or the slow reference of the package onnx.
    """

    path: Path
    difference: float
    checked_with: str

    def __str__(self) -> str:
        size = self.path.stat().st_size / 1e6
        return (
            f"Wrote {self.path}, {size:.1f} MB: {INPUT} (batch, dim) → {OUTPUT} (batch, dim), float32. Compared with "
            f"the cube by {self.checked_with}: no number differs by more than {self.difference:.1e}."
        )


class _Whole(nn.Module):
    """Folding, core and unfolding as one module, with every choice made beforehand that a trace cannot make."""

    def __init__(self, trainer: CubeTrainer) -> None:
        super().__init__()
        self.core = copy.deepcopy(trainer.embedding_processor).cpu()
        self.reshaper = copy.deepcopy(trainer.embedding_reshaper).cpu()
        fitted = bool(self.reshaper.fitted)
        del self.reshaper.fitted  # a tensor, on which a trace cannot branch
        self.reshaper.fitted = fitted
        self.eval()

    def forward(self, vectors: Tensor) -> Tensor:
        return self.reshaper.unfold(self.core(self.reshaper.fold(vectors)))


def export_onnx(trainer: CubeTrainer, path: str | Path) -> OnnxExport:
    """Writes the cube, without the teacher, as an ONNX file, and compares it with the cube.

    Input `vectors` `(batch, dim)` float32 of length 1, any batch; output `vectors_out`, the same shape, what
    `trainer.predict` gives. The output is not of length 1: only its direction is trained by the default losses. Unlike
    the cube the file raises no error at numbers that are not finite.

    Its metadata has dim, mode, the cubelib version and the fingerprints of the training items.

    Args:
        trainer: with the cube.
        path: a new file.

    Raises:
        ConfigError: there is no cube, or the file's folder does not exist.
        DataError: the file exists.
        UserError: it cannot be written, or its output differs from the cube's by more than 1e-5 (of the largest number
            of the output, where that is above 1); then there is no file.
        ModuleNotFoundError: onnx or onnxscript is not installed; the message has the command.
    """
    path = Path(path)
    if trainer.embedding_processor is None:
        raise ConfigError("Exporting: there is no cube yet. Call initialize_components() and fit first.")
    check_new(path)
    model = _traced(trainer)
    serialized = model.SerializeToString()
    run, name = _runner(serialized)
    difference = _difference(run, trainer)
    if not difference <= TOLERANCE:  # not a number is no agreement either
        raise UserError(
            f"Exporting {path}: run by {name}, the file's output differs from the cube's by {difference:.1e} (of the "
            f"largest number, where that is above 1). Up to {TOLERANCE:g} is allowed, so it was not written. Another "
            "version of torch or onnxscript may do better; please report it with the checkpoint."
        )
    with written_aside(path) as place:
        place.write_bytes(serialized)
    return OnnxExport(path, difference, name)


def _traced(trainer: CubeTrainer) -> onnx.ModelProto:
    try:
        import onnx
        import onnxscript  # noqa: F401 (torch needs it)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Exporting to ONNX: {error.name} is not installed. Install it with: {_INSTALL}"
        ) from error
    config = trainer.config
    with _quiet():
        program = torch.onnx.export(
            _Whole(trainer),
            (torch.zeros(_BATCHES[1], config.embedding_dim),),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    model = program.model_proto
    for part in (model.graph, *model.functions):
        for thing in (part, *part.node, *part.value_info):
            del thing.metadata_props[:]  # lines of code, with the paths of this machine
    described = {"dim": config.embedding_dim, "mode": config.mode, "cubelib": cubelib.__version__}
    described |= {f"trained_on_{task}": found for task, found in trainer.trained_on.items()}
    onnx.helper.set_model_props(model, {key: str(value) for key, value in described.items()})
    onnx.checker.check_model(model, full_check=True)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """torch tells of packages that it does not need here, and of its own old habits."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.disable(before)


def _runner(serialized: bytes) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Something that runs the file, and its name."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        import onnx
        from onnx.reference import ReferenceEvaluator

        evaluator, name = ReferenceEvaluator(onnx.load_from_string(serialized)), f"onnx.reference {onnx.__version__}"
    else:
        evaluator = onnxruntime.InferenceSession(serialized, providers=["CPUExecutionProvider"])
        name = f"onnxruntime {onnxruntime.__version__}"
    return lambda vectors: evaluator.run(None, {INPUT: vectors})[0], name


def _difference(run: Callable[[np.ndarray], np.ndarray], trainer: CubeTrainer) -> float:
    """The largest difference between file and cube in batches of several sizes."""
    generator = torch.Generator().manual_seed(0)
    largest = []
    for count in _BATCHES:
        vectors = torch.randn(count, trainer.config.embedding_dim, generator=generator)
        vectors = nn.functional.normalize(vectors, dim=1)
        expected = trainer.predict(vectors).numpy()
        largest.append(np.abs(run(vectors.numpy()) - expected).max() / max(1.0, np.abs(expected).max()))
    return float(np.max(largest))
