"""Two curves of a trained cube beside a baseline: its cosine through narrower codes, and with dead cells.

The cube is not trained again for a narrower code or for damage.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubelib.data.splits import Split
from cubelib.data.text import counted, escape, table
from cubelib.evaluation.baselines import PCA, Baseline
from cubelib.evaluation.networks import Trained
from cubelib.evaluation.table import CUBE
from cubelib.lattice import random_damage
from cubelib.metrics.vectors import calculate_cosine_similarity as cosine
from cubelib.training.trainer import CubeTrainer

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)  # of the cells, or hidden units, that are dead
SEEDS = range(4)  # of the draws of dead parts
ITEMS = 64  # test items that the curves are measured on: every point is a run of the cube
WIDTHS = 8  # of the bottleneck, at most
SAMPLE_SEED = 0  # the same items whatever the seed of the run
Curves = dict[str, Any]


def draw_sample(count: int, most: int) -> NDArray[Any]:
    """Indices of all of `count` items, or of `most` drawn at random; ascending.

    Example:
        >>> draw_sample(3, 5), len(set(draw_sample(1000, 5).tolist()))
        (array([0, 1, 2]), 5)
    """
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(SAMPLE_SEED).choice(count, most, replace=False))


def measure_curves(trainer: CubeTrainer, task: str, split: Split, fitted: Sequence[Baseline]) -> Curves:
    """Measures the curves that this cube and these baselines have, as plain values.

    Args:
        trainer: the cube.
        task: autoencoder or dialogue.
        split: whose test items are used.
        fitted: baselines; PCA is fitted here if it is not among them.

    Returns:
        "damage": cosine at each share of dead cells, and of dead hidden units of the first network, over several draws;
        "rate", for an autoencoder with a bottleneck: cosine at each size of the code, beside PCA.
    """
    rows = torch.from_numpy(draw_sample(len(split.test), ITEMS))
    input, target = split.test.input[rows], split.test.target[rows]
    curves = {"damage": _damage(trainer, fitted, input, target)}
    bottleneck = trainer.core.bottleneck
    if task == "autoencoder" and bottleneck is not None:
        cube = _narrowed_cosines(trainer, bottleneck, split.test.dim, input, target)
        if cube:
            pca = _pca_cosines(list(cube), split, fitted, input, target)
            models = {CUBE: list(cube.values()), "PCA": pca}
            curves["rate"] = {"latent_dims": list(cube), "items": len(input), "models": models}
    return curves


def _damage(trainer: CubeTrainer, fitted: Sequence[Baseline], input: Tensor, target: Tensor) -> Curves:
    def damaged_cube(share: float, seed: int) -> Callable[[Tensor], Tensor]:
        return partial(trainer.predict, damage=random_damage(trainer.core.lattice_size, share, seed=seed))

    damaged = {CUBE: damaged_cube}
    networks = [model for model in fitted if isinstance(model, Trained) and model.hidden_layers]
    if networks:
        damaged[networks[0].name] = networks[0].damaged
    models = {}
    for name, damage in damaged.items():
        draws = [[cosine(damage(share, seed)(input), target) for seed in SEEDS] for share in SHARES[1:]]
        draws.insert(0, [cosine(damage(0.0, SEEDS[0])(input), target)] * len(SEEDS))
        models[name] = {
            "mean": [statistics.fmean(cosines) for cosines in draws],
            "deviation": [statistics.stdev(cosines) for cosines in draws],
        }
    return {"shares": list(SHARES), "draws": len(SEEDS), "items": len(input), "models": models}


def _narrowed_cosines(
    trainer: CubeTrainer, bottleneck: int, dim: int, input: Tensor, target: Tensor
) -> dict[int, float]:
    """Numbers in the code → cosine, for up to 8 widths of the bottleneck: so many of its channels are open."""
    core, cosines = trainer.core, {}
    try:
        for width in sorted({max(1, round(bottleneck * step / WIDTHS)) for step in range(1, WIDTHS + 1)}):
            core.bottleneck = width
            if core.latent_dim is not None and core.latent_dim <= dim:
                cosines[core.latent_dim] = cosine(trainer.predict(input), target)
    finally:
        core.bottleneck = bottleneck
    return cosines


def _pca_cosines(
    sizes: list[int], split: Split, fitted: Sequence[Baseline], input: Tensor, target: Tensor
) -> list[float]:
    pca = next((model for model in fitted if isinstance(model, PCA) and model.components >= sizes[-1]), None)
    if pca is None:
        pca = PCA(sizes[-1])
        pca.fit(split.train.input, split.train.target)
    narrow, cosines = copy.copy(pca), []
    for size in sizes:
        narrow.axes = pca.axes[:size]
        cosines.append(cosine(narrow.predict(input), target))
    return cosines


def curves_markdown(curves: Curves) -> str:
    """The curves as tables, and how they were measured."""
    parts = []
    if "rate" in curves:
        rate = curves["rate"]
        head = ["numbers in the code", *(f"{size:,}" for size in rate["latent_dims"])]
        rows = [[name, *(f"{value:.4f}" for value in values)] for name, values in rate["models"].items()]
        parts += [f"Cosine of {counted(rate['items'], 'test item')} through narrower codes:", table(head, rows)]
    damage = curves["damage"]
    head = ["dead cells or hidden units", *(f"{share:.0%}" for share in damage["shares"])]
    rows = []
    for name, model in damage["models"].items():
        points = zip(model["mean"][1:], model["deviation"][1:], strict=True)
        cells = [f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in points]
        rows.append([escape(name), f"{model['mean'][0]:.3f}", *cells])
    parts += [
        f"Cosine of {counted(damage['items'], 'test item')} with a share of the parts dead, ± the standard deviation "
        f"between {counted(damage['draws'], 'draw')}:",
        table(head, rows),
    ]
    return "\n\n".join(parts)
