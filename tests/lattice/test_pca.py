"""Training with a bottleneck starts from the best linear code: PCA."""

from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA

from cubelib.lattice import CubicCore
from cubelib.reshaper import EmbeddingReshaper


@pytest.fixture(scope="module")
def vectors() -> torch.Tensor:
    """900 vectors of 768 correlated numbers about a mean, of length near 1."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(768, 768, generator=generator) * torch.linspace(1.0, 0.05, 768)[:, None]
    raw = torch.randn(900, 768, generator=generator) @ mix + torch.randn(768, generator=generator)
    return raw / raw.norm(dim=1).mean()


@pytest.mark.parametrize("rule", ["shared", "local"])
@pytest.mark.parametrize("bottleneck", [1, 2, 7])
def test_an_untrained_core_with_a_bottleneck_is_pca(vectors, bottleneck, rule):
    training, held_out = vectors[:700], vectors[700:]
    reshaper = EmbeddingReshaper(768, layout="pca").fit(training)
    core = CubicCore(bottleneck=bottleneck, rule=rule)
    pca = PCA(n_components=64 * bottleneck, svd_solver="full").fit(training.double().numpy())
    assert core.latent_dim == 64 * bottleneck
    for some in (training, held_out):
        with torch.no_grad():
            output = reshaper.unfold(core(reshaper.fold(some)))
        expected = torch.from_numpy(pca.inverse_transform(pca.transform(some.double().numpy()))).float()
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=0)
        assert (output - some).abs().max() > 1e-2  # something is lost: the equality is not the identity's
