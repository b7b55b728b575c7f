"""A cube as an ONNX file: the numbers of the cube for every kind of core, checked before the file gets its name."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cubelib import CubeTrainer
from cubelib.__main__ import main
from cubelib.errors import ConfigError, DataError, UserError
from cubelib.inference import onnx as onnx_module
from cubelib.inference.onnx import export_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def changed_cube(dim: int, mode: str = "dialogue", lattice=(2, 3, 3), **core) -> CubeTrainer:
    """A cube whose weights are no longer the first ones, and whose layout is fitted."""
    core = {"state_channels": 4, "hidden": 8, "cell_dropout": 0.5, **core}
    trainer = CubeTrainer({"mode": mode, "embedding_dim": dim, "lattice_size": list(lattice), "core": core})
    trainer.initialize_components()
    generator = torch.Generator().manual_seed(1)
    trainer.reshaper.fit(torch.randn(99, dim, generator=generator) * torch.linspace(0.1, 1, dim))
    with torch.no_grad():
        for parameter in trainer.core.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    trainer.trained_on = {"dialogue": "0123abcd"}
    return trainer


def units(count: int, dim: int) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(2)), dim=1)


# Each rule, neighborhood, boundary and kind of layout; a bottleneck, padding, more ticks than it takes, a field.
CUBES = [
    (25, {"lattice": (3, 3, 3), "rule": "local", "bottleneck": 2, "layout": "pca"}),
    (17, {"rule": "local", "neighborhood": "von_neumann", "boundary": "reflect", "layout": "row_major"}),
    (18, {"rule": "genome", "neighborhood": "von_neumann", "boundary": "periodic", "steps": 2, "layout": "spectral"}),
    (14, {"rule": "shared", "global_channels": 2, "conduction": False, "layout": "channel_major"}),
]


@pytest.mark.parametrize("dim, core", CUBES, ids=lambda value: value.get("rule") if isinstance(value, dict) else None)
def test_every_kind_of_core_gives_the_same_numbers(tmp_path, dim, core):
    trainer = changed_cube(dim, **core)
    written = export_onnx(trainer, tmp_path / "cube.onnx")
    assert written.difference < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "cube.onnx", providers=["CPUExecutionProvider"])
    vectors = units(301, dim)
    outputs = trainer.predict(vectors)
    assert (outputs - vectors).abs().max() > 0.01, "the cube changes nothing: the comparison shows nothing"
    for count in (1, 5, 301):  # none of them the batch that it was made with
        (found,) = session.run(None, {"vectors": vectors[:count].numpy()})
        assert found.shape == (count, dim) and np.abs(found - outputs[:count].numpy()).max() < 1e-5


ELSEWHERE = """
import sys
import numpy as np
import onnxruntime

sys.modules["cubelib"] = sys.modules["torch"] = None  # importing them is an error
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(answers,) = session.run(["vectors_out"], {"vectors": np.load(sys.argv[2])})
np.save(sys.argv[3], answers)
"""


def test_it_runs_elsewhere_without_cubelib_and_torch(tmp_path, monkeypatch, capsys):
    trainer = changed_cube(13, rule="shared")
    trainer.save(tmp_path / "run" / "checkpoint")
    assert main(["export", str(tmp_path / "run"), "--to", str(tmp_path / "cube.onnx")]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Wrote {tmp_path / 'cube.onnx'}") and "onnxruntime" in told
    np.save(tmp_path / "in.npy", units(7, 13).numpy())
    files = [str(tmp_path / name) for name in ("cube.onnx", "in.npy", "out.npy")]
    subprocess.run([sys.executable, "-I", "-c", ELSEWHERE, *files], cwd=tmp_path, check=True)
    assert np.abs(np.load(tmp_path / "out.npy") - trainer.predict(units(7, 13)).numpy()).max() < 1e-5

    model = onnx.load(tmp_path / "cube.onnx")
    about = {entry.key: entry.value for entry in model.metadata_props}
    # A checkpoint keeps the fingerprint of its training items.
    assert about.pop("trained_on_dialogue") == "0123abcd"
    assert about == {"dim": "13", "dim_out": "13", "mode": "dialogue", "cubelib": "0.1.0"}
    (given,), (made,) = model.graph.input, model.graph.output
    assert (given.name, made.name) == ("vectors", "vectors_out")
    for value in (given, made):
        assert [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim] == ["batch", 13]
    content = (tmp_path / "cube.onnx").read_bytes()
    for path in (onnx_module.__file__.encode(), b"site-packages", b"stack_trace"):
        assert path not in content
    assert {path.name for path in tmp_path.iterdir()} == {"run", "cube.onnx", "in.npy", "out.npy"}

    monkeypatch.setattr(onnx_module, "_trace", None)  # said before any work is done
    with pytest.raises(DataError, match=r"cube\.onnx exists and was left as it is"):
        export_onnx(trainer, tmp_path / "cube.onnx")
    assert (tmp_path / "cube.onnx").read_bytes() == content


@pytest.mark.parametrize(("scale", "difference"), [(1.001, r"\d\.\de-0\d"), (float("nan"), "nan")])
def test_a_file_that_differs_from_the_cube_is_not_written(tmp_path, monkeypatch, scale, difference):
    trainer = changed_cube(9, lattice=(2, 2, 2), rule="genome")
    predict = trainer.predict
    monkeypatch.setattr(trainer, "predict", lambda vectors: predict(vectors) * scale)
    with pytest.raises(UserError, match=rf"differs from the cube's by {difference} .* so it was not written"):
        export_onnx(trainer, tmp_path / "cube.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="there is no cube yet"):
        export_onnx(CubeTrainer({}), tmp_path / "cube.onnx")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModuleNotFoundError, match=r"onnxscript is not installed.*pip install onnx onnxscript"):
        export_onnx(changed_cube(9, lattice=(2, 2, 2)), tmp_path / "cube.onnx")
