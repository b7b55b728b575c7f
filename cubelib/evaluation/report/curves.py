"""Two curves of a trained cube beside a rival: how much passes a narrower bottleneck, and what is left when cells die.

Both are measured on the cube that was trained, which is not trained again for a narrower bottleneck or for damage.

Taught in notebook 04.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cubelib.data.datasets import Split
from cubelib.data.text import counted, escape, table
from cubelib.data.vectors import blocks
from cubelib.evaluation.baselines import PCA, Baseline
from cubelib.evaluation.report.figures import CUBE, NO_USE
from cubelib.evaluation.report.markdown import signed
from cubelib.evaluation.report.measure import Predict, draw
from cubelib.lattice import random_damage
from cubelib.metrics import EmbeddingMetrics
from cubelib.training.trainer import CubeTrainer

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)  # of the cells, or hidden units, that are dead
SHOWN = 0.05  # the share that the sentence names
SEEDS = range(4)  # draws of the dead
ITEMS = 64  # test items that the curves are measured on: every point is a run of the cube
WIDTHS = 8  # of the bottleneck, at most
BATCH = 128
Curves = dict[str, Any]


def measure_curves(trainer: CubeTrainer, task: str, split: Split, fitted: Sequence[Any]) -> Curves:
    """The curves that this cube and these baselines have, as plain values.

    Args:
        trainer: the cube.
        task: autoencoder or dialogue.
        split: whose test items they are measured on.
        fitted: baselines; PCA is fitted here if it is not among them, and a network is compared if there is one.

    Returns:
        "damage": cosine at each share of dead cells, and of dead hidden units of the first network, over several draws;
        "rate", of an autoencoder with a bottleneck: cosine at each size of the code, beside PCA.
    """
    rows = torch.from_numpy(draw(len(split.test), ITEMS))
    input, target = split.test.input[rows], split.test.target[rows]
    curves = {"damage": _damage(trainer, fitted, input, target)}
    core = trainer.embedding_processor
    if task == "autoencoder" and core.bottleneck is not None:
        widths = sorted({max(1, round(core.bottleneck * step / WIDTHS)) for step in range(1, WIDTHS + 1)})
        narrowed = {_narrowed(core, width).latent_dim: width for width in widths}
        sizes = [size for size in narrowed if size <= split.test.dim]
        if sizes:
            curves["rate"] = _rate(trainer, {size: narrowed[size] for size in sizes}, split, fitted, input, target)
    return curves


def damaged_cube(trainer: CubeTrainer, share: float, seed: int) -> Predict:
    """`predict` of the cube with a share of all its cells dead: always zero, and nothing makes up for them.

    With the same seed a larger share kills the same cells and more.
    """
    core = trainer.embedding_processor
    damage = random_damage(core.lattice_size, share, seed=seed).to(trainer.device)
    return _through(trainer, lambda cube: core(cube, damage=damage))


def narrowed_cube(trainer: CubeTrainer, width: int) -> Predict:
    """`predict` of the cube with fewer channels of its bottleneck open."""
    return _through(trainer, _narrowed(trainer.embedding_processor, width))


def _narrowed(core: Any, width: int) -> Any:
    narrow = copy.copy(core)  # the same weights
    narrow.bottleneck = width
    return narrow


def _through(trainer: CubeTrainer, core: Callable[[Tensor], Tensor]) -> Predict:
    reshaper = trainer.embedding_reshaper

    @torch.no_grad()
    def predict(vectors: Tensor) -> Tensor:
        parts = (block.to(trainer.device) for block in blocks(vectors, BATCH))
        return torch.cat([reshaper.unfold(core(reshaper.fold(part))).cpu() for part in parts])

    return predict


def _damage(trainer: CubeTrainer, fitted: Sequence[Any], input: Tensor, target: Tensor) -> Curves:
    models = {CUBE: lambda share, seed: damaged_cube(trainer, share, seed)}
    networks = [model for model in fitted if isinstance(model, Baseline) and getattr(model, "hidden", 1)]
    models |= {model.name: model.damaged for model in networks if hasattr(model, "damaged")}
    models = dict(list(models.items())[:2])
    whole = EmbeddingMetrics.damage_curve(models, SHARES[:1], input, target, seeds=SEEDS[:1])
    draws = [EmbeddingMetrics.damage_curve(models, SHARES[1:], input, target, seeds=[seed]) for seed in SEEDS]
    found = {}
    for name in models:
        points = [whole[name] * len(SEEDS), *zip(*(one[name] for one in draws), strict=True)]
        found[name] = {
            "mean": [statistics.fmean(point) for point in points],
            "deviation": [statistics.stdev(point) for point in points],
        }
    return {"shares": list(SHARES), "draws": len(SEEDS), "items": len(input), "models": found}


def _rate(
    trainer: CubeTrainer, widths: dict[int, int], split: Split, fitted: Sequence[Any], input: Tensor, target: Tensor
) -> Curves:
    sizes = list(widths)
    enough = [model for model in fitted if isinstance(model, PCA) and model.components >= sizes[-1]]
    pca = enough[0] if enough else PCA(sizes[-1]).fit(split.train.input, split.train.target)

    def cut(size: int) -> Predict:
        narrow = copy.copy(pca)
        narrow.axes = pca.axes[:size]
        return narrow.predict

    models = {CUBE: lambda size: narrowed_cube(trainer, widths[size]), "PCA": cut}
    found = EmbeddingMetrics.rate_distortion(models, sizes, input, target)
    return {"latent_dims": sizes, "items": len(input), "models": found}


def curve_sentences(curves: Curves) -> list[str]:
    """What the curves show, also where it is the cube that fails."""
    return [*([_rate_sentence(curves["rate"])] if "rate" in curves else []), *map(_damage_sentence, _damages(curves))]


def _damages(curves: Curves) -> list[Curves]:
    return [curves["damage"]] if "damage" in curves else []


def _rate_sentence(rate: Curves) -> str:
    sizes, cube, pca = rate["latent_dims"], *rate["models"].values()
    ahead = [one - other for one, other in zip(cube, pca, strict=True)]
    behind, before = min(ahead), max(ahead)
    if max(-behind, before) < NO_USE:
        says = f"at no size are it and PCA {NO_USE:g} apart"
    elif -behind >= NO_USE and before < NO_USE:
        says = f"PCA of the same size is ahead, by up to {-behind:.4f} (at {sizes[ahead.index(behind)]:,} numbers)"
    elif before >= NO_USE and -behind < NO_USE:
        says = f"it is ahead of PCA of the same size, by up to {before:.4f} (at {sizes[ahead.index(before)]:,} numbers)"
    else:
        says = f"against PCA of the same size it is between {signed(behind)} and {signed(before)}"
    points = ", ".join(f"{value:.3f} with {size:,}" for size, value in zip(sizes, cube, strict=True))
    items = counted(rate["items"], "test item")
    return f"The trained cube's bottleneck, cut afterwards, gives {items} a cosine of {points} numbers; {says}."


def _damage_sentence(damage: Curves) -> str:
    place, (cube, *others) = damage["shares"].index(SHOWN), damage["models"].items()

    def falls(name: str, parts: str, found: Curves) -> str:
        return (
            f"With {SHOWN:.0%} of its {parts} dead the cosine of {name} goes from {found['mean'][0]:.3f} to "
            f"{found['mean'][place]:.3f} ± {found['deviation'][place]:.3f}"
        )

    says = (
        f"{falls('the cube', 'cells', cube[1])} (± between {counted(damage['draws'], 'draw')} of the dead; "
        f"{damage['items']:,} test items)."
    )
    if not others:
        return says
    (name, rival), share = others[0], f"{SHOWN:.0%}"
    says += f" {falls(name, 'hidden units', rival)}. "
    if max(abs(value - rival["mean"][0]) for value in rival["mean"]) < 1e-6:
        return f"{says}Its hidden units have learned nothing that could be lost."
    order = _sooner(damage, cube[1], rival)
    if order > 0:
        return f"{says}The cube breaks sooner, at every share from {damage['shares'][1]:.0%} up."
    if order < 0:
        return f"{says}The cube breaks later, at every share from {damage['shares'][1]:.0%} up."
    return f"{says}Neither breaks sooner at every share; at {share} compare the two above."


def _sooner(damage: Curves, cube: Curves, rival: Curves) -> int:
    """1 where the cube loses more at every share, by more than twice the standard error; −1 where it loses less."""
    signs = set()
    for place in range(1, len(damage["shares"])):
        lost = [found["mean"][0] - found["mean"][place] for found in (cube, rival)]
        error = (sum(found["deviation"][place] ** 2 for found in (cube, rival)) / damage["draws"]) ** 0.5
        apart = lost[0] - lost[1]
        signs.add(0 if abs(apart) <= 2 * error else 1 if apart > 0 else -1)
    return signs.pop() if len(signs) == 1 else 0


def curves_markdown(curves: Curves) -> str:
    """The curves as tables, and how they were measured."""
    parts = []
    if "rate" in curves:
        rate = curves["rate"]
        head = ["numbers in the code", *(f"{size:,}" for size in rate["latent_dims"])]
        rows = [[name, *(f"{value:.4f}" for value in values)] for name, values in rate["models"].items()]
        parts += [f"Cosine of {counted(rate['items'], 'test item')} through narrower codes:", table(head, rows)]
    for damage in _damages(curves):
        head = ["dead cells or hidden units", *(f"{share:.0%}" for share in damage["shares"])]
        rows = [
            [escape(name), f"{found['mean'][0]:.3f}"]
            + [f"{m:.3f} ± {d:.3f}" for m, d in zip(found["mean"][1:], found["deviation"][1:], strict=True)]
            for name, found in damage["models"].items()
        ]
        parts += [
            f"Cosine of {counted(damage['items'], 'test item')} with a share of the parts dead, ± the standard "
            f"deviation between {counted(damage['draws'], 'draw')}:",
            table(head, rows),
        ]
    return "\n\n".join(parts)
