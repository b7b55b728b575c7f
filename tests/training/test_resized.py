"""A trained cube on a lattice of another size, in memory and through a checkpoint."""

from __future__ import annotations

import pytest
import torch
from small_cubes import small, vectors

from cubelib import AutoencoderDataset, CubeTrainer
from cubelib.errors import ConfigError


def trained(**core: object) -> CubeTrainer:
    trainer = CubeTrainer(small(epochs=2, core={"rule": "shared", "bottleneck": 2, **core}))
    trainer.initialize_components()
    trainer.fit(AutoencoderDataset(vectors(60, 1)), AutoencoderDataset(vectors(30, 2)), progress=False)
    return trainer


@pytest.mark.parametrize("layout", ["row_major", "pca", "spectral", "random"])
def test_another_depth_takes_the_same_vectors(tmp_path, layout):
    trainer = trained(layout=layout)
    depth = trainer.config.lattice_size[0] + 3
    deeper = trainer.resized(depth=depth)
    assert deeper.training_history == trainer.training_history and deeper.trained_on == trainer.trained_on
    assert deeper.config.lattice_size[0] == depth
    given = vectors(5, 3)
    expected = deeper.reshaper.unfold(trainer.core.resized(depth=depth)(trainer.reshaper.fold(given)))
    assert torch.equal(deeper.predict(given), expected)
    deeper.save(tmp_path / "deeper")
    assert torch.equal(CubeTrainer.load(tmp_path / "deeper").predict(given), expected)


def test_a_larger_face_takes_longer_vectors(tmp_path):
    trainer = trained(layout="row_major")
    _, rows, columns = trainer.config.lattice_size
    larger = trainer.resized(rows=2 * rows, columns=3 * columns)
    dim = 6 * rows * columns * trainer.core.in_channels
    assert larger.config.embedding_dim == dim
    given = torch.randn(4, dim, generator=torch.Generator().manual_seed(0))
    assert larger.predict(given).shape == given.shape
    larger.save(tmp_path / "larger")
    assert torch.equal(CubeTrainer.load(tmp_path / "larger").predict(given), larger.predict(given))


def test_ticks_of_the_configuration_follow_the_depth():
    trainer = trained(steps=9)
    deeper = trainer.resized(depth=trainer.config.lattice_size[0] + 2)
    assert deeper.config.core.steps == deeper.core.steps == 11


def test_a_fitted_layout_stays_on_its_face():
    with pytest.raises(ConfigError, match=r"layout pca was fitted on vectors of \d+ numbers.*Change the depth alone"):
        trained(layout="pca").resized(rows=9)


def test_before_there_is_a_cube():
    with pytest.raises(ValueError, match=r"no cube yet. Call initialize_components\(\) first"):
        CubeTrainer(small()).resized(depth=9)
