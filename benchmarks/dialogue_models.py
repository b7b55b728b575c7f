"""The models of the dialogue study and how they are trained: a plain loop with every option that was tried.

Used by benchmarks/dialogue.py.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from cubelib.lattice import CubicCore
from cubelib.reshaper import EmbeddingReshaper, principal_axes
from cubelib.training.losses import contrastive, cosine

NOISE_FLOOR = 0.1  # of the mean variance, added to each before its root is taken
PATIENCE = 4  # epochs without a better validation MRR


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained. The defaults are the plain cube of the tables."""

    model: str = "cube"  # cube | adapter | mlp | none
    whiten: tuple[float, ...] | None = (
        None  # center the questions and whiten them by one of these powers; None: neither
    )
    lattice_size: tuple[int, int, int] = (8, 8, 8)
    rule: str = "genome"
    hidden: int = 32
    steps: int | None = None
    sizes: tuple[int, ...] = (0,)  # the cube's field, the adapter's rank or the MLP's units, to choose from
    layout: str = "pca"
    scale: float = 1.0
    cell_dropout: float = 0.0
    damage: float = 0.0  # share of inner cells dead, drawn for each batch
    batch: int = 128
    epochs: int = 14
    learning_rate: float = 1e-3
    rule_rate: float = 1.0  # the cells' learning rate, as a share of the field's
    schedule: str = "constant"  # constant | cosine (with a tenth of the steps to warm up)
    weight_decay: float = 0.0
    average: float = 0.0  # decay of the running mean of the weights; 0: none
    noise: float = 0.0  # length of the noise added to a question
    normalize: bool = False  # each parameter's gradient to length 1
    temperature: float = 0.05
    cosine_weight: float = 1.0
    bank: str = "batch"  # wrong answers: the batch's | all of the training pairs'
    hard: int = 0  # only so many of the nearest wrong answers; 0: all
    robust: float = 0.0  # (1 − p^robust) / robust in place of −log p: pairs that cannot be learned weigh less
    symmetric: float = 0.0  # share of the loss that looks for the question of an answer


@dataclass
class Material:
    """A leak-free split as tensors, with every different answer as the bank."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    bank: Tensor  # (m, dim), unit length
    right: dict[str, Tensor]  # side → (n, most answers), entries of the bank, the first repeated to fill
    test_groups: np.ndarray

    def reciprocal_ranks(self, output: Tensor, side: str) -> Tensor:
        """1 / rank of the first right answer of each item, `(n,)`."""
        ranks = []
        for block, right in zip(normalize(output, dim=1).split(512), self.right[side].split(512), strict=True):
            cosines = block @ self.bank.T
            best = cosines.gather(1, right).amax(1, keepdim=True)
            ranks.append(1 + (cosines > best + 1e-6).sum(1))
        return 1 / torch.cat(ranks).double()

    def mrr(self, output: Tensor, target: object = None) -> float:
        """On validation; called as the score of a baseline, which passes targets too."""
        return self.reciprocal_ranks(output, "validation").mean().item()


# --- models -----------------------------------------------------------------------------------------------------------


class Whitening(nn.Module):
    """(e − mean) with every principal axis divided by (variance + floor)^power; fitted on training questions."""

    def __init__(self, vectors: Tensor, power: float) -> None:
        super().__init__()
        mean, axes = principal_axes(vectors)
        variance = ((vectors.double() - mean) @ axes.T).var(0)
        gain = (variance / variance.mean() + NOISE_FLOOR) ** -power
        self.register_buffer("mean", mean.float())
        self.register_buffer("matrix", (axes.T * gain @ axes).float())

    def forward(self, vectors: Tensor) -> Tensor:
        return (vectors - self.mean) @ self.matrix


class Cube(nn.Module):
    def __init__(self, recipe: Recipe, vectors: Tensor, field: int) -> None:
        super().__init__()
        self.damage = recipe.damage
        self.reshaper = EmbeddingReshaper(vectors.shape[1], layout=recipe.layout, scale=recipe.scale).fit(vectors)
        self.core = CubicCore(
            recipe.lattice_size,
            self.reshaper.cube_shape[2],
            rule=recipe.rule,
            linear_path=False,  # as in the tables of docs/dialogue.md
            hidden=recipe.hidden,
            steps=recipe.steps,
            field=field,
            cell_dropout=recipe.cell_dropout,
        )

    def forward(self, vectors: Tensor) -> Tensor:
        dead = None
        if self.training and self.damage:
            dead = torch.rand(self.core.lattice_size) < self.damage
            dead[0] = dead[-1] = False
        return self.reshaper.unfold(self.core(self.reshaper.fold(vectors), damage=dead))


class Residual(nn.Module):
    """e + up(down e), linear as an adapter or with GELU units between as an MLP."""

    def __init__(self, dim: int, width: int, units: bool) -> None:
        super().__init__()
        self.units = units
        self.down, self.up = nn.Linear(dim, width, bias=units), nn.Linear(width, dim, bias=units)
        nn.init.zeros_(self.up.weight)
        if units:
            nn.init.zeros_(self.up.bias)
        else:
            nn.init.normal_(self.down.weight, std=dim**-0.5)

    def forward(self, vectors: Tensor) -> Tensor:
        inner = self.down(vectors)
        return vectors + self.up(gelu(inner) if self.units else inner)


def build(recipe: Recipe, vectors: Tensor, size: int) -> nn.Module:
    if recipe.model == "cube":
        return Cube(recipe, vectors, size)
    if recipe.model == "none":
        return nn.Identity()
    return Residual(vectors.shape[1], size, recipe.model == "mlp")


def parameter_count(model: nn.Module) -> int:
    if isinstance(model, Cube):
        return model.core.parameter_count
    return sum(parameter.numel() for parameter in model.parameters())


# --- training ---------------------------------------------------------------------------------------------------------


def batch_loss(recipe: Recipe, output: Tensor, target: Tensor, bank: Tensor | None) -> Tensor:
    """The library's loss; the variants that only this study has are written out."""
    close = recipe.cosine_weight * cosine(output, target)
    if not (recipe.hard or recipe.robust or recipe.symmetric):
        return contrastive(output, target, recipe.temperature, bank=bank) + close
    output, target = normalize(output, dim=1), normalize(target, dim=1)
    bank = target if bank is None else normalize(bank, dim=1)
    right = (output * target).sum(1, keepdim=True)
    wrong = (output @ bank.T).masked_fill(target @ bank.T > 1 - 1e-4, -torch.inf)
    if recipe.hard:
        wrong = wrong.topk(min(recipe.hard, wrong.shape[1]), 1).values
    surprise = -torch.log_softmax(torch.cat([right, wrong], 1) / recipe.temperature, 1)[:, 0]
    if recipe.robust:
        surprise = (1 - (-recipe.robust * surprise).exp()) / recipe.robust
    found = surprise.mean()
    if recipe.symmetric:
        back = contrastive(target, output, recipe.temperature)
        found = (1 - recipe.symmetric) * found + recipe.symmetric * back
    return found + close


def train(
    recipe: Recipe, model: nn.Module, pairs: tuple[Tensor, Tensor], look: Callable, seed: int
) -> tuple[float, int]:
    """Trains, puts the weights of the best validation MRR back, and returns it with its epoch; 0 is untrained."""
    inputs, targets = pairs
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    cells = {id(p) for p in model.core.rule.parameters()} if isinstance(model, Cube) else set()
    groups = [
        {"params": [p for p in learning if id(p) not in cells]},
        {"params": [p for p in learning if id(p) in cells], "lr": recipe.learning_rate * recipe.rule_rate},
    ]
    best, kept = (look(model), 0), copy.deepcopy(model.state_dict())
    if not learning:
        return best
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    total = recipe.epochs * math.ceil(len(inputs) / recipe.batch)

    def rate(step: int) -> float:
        rise = min(1.0, 10 * (step + 1) / total)
        return rise * (1 + math.cos(math.pi * min(1.0, step / total))) / 2 if recipe.schedule == "cosine" else 1.0

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    mean = copy.deepcopy(model) if recipe.average else model
    bank = targets if recipe.bank == "all" else None
    shuffler, step = torch.Generator().manual_seed(seed), 0
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        for rows in torch.randperm(len(inputs), generator=shuffler).split(recipe.batch):
            asked = inputs[rows]
            if recipe.noise:
                asked = asked + recipe.noise * torch.randn_like(asked) / asked.shape[1] ** 0.5
            optimizer.zero_grad()
            batch_loss(recipe, model(asked), targets[rows], bank).backward()
            if recipe.normalize:
                for parameter in learning:
                    parameter.grad.div_(parameter.grad.norm() + 1e-12)
            optimizer.step()
            schedule.step()
            step += 1
            if recipe.average:
                share = 1 - min(recipe.average, (1 + step) / (10 + step))  # young means forget quickly
                for slow, quick in zip(mean.parameters(), model.parameters(), strict=True):
                    slow.data.lerp_(quick.data, share)
        found = look(mean.eval())
        if found > best[0]:
            best, kept = (found, epoch), copy.deepcopy(mean.state_dict())
        elif epoch - best[1] >= PATIENCE:
            break
    model.load_state_dict(kept)
    return best


@dataclass
class Fitted:
    """What validation chose, and what it says to any question."""

    predict: Callable[[Tensor], Tensor]
    validation_mrr: float
    parameters: int
    seconds: float
    note: str


def fit(recipe: Recipe, material: Material, seed: int) -> Fitted:
    """The best by validation over the recipe's whitenings and sizes."""
    started, found = time.perf_counter(), []
    pre: nn.Module = nn.Identity()
    note = ""
    with torch.no_grad():
        if recipe.whiten is not None:
            each = [Whitening(material.train[0], power) for power in recipe.whiten]
            scores = [material.mrr(whitening(material.validation[0])) for whitening in each]
            chosen = scores.index(max(scores))
            pre, note = each[chosen], f"power {recipe.whiten[chosen]:g}, "
        train_inputs, validation_inputs = pre(material.train[0]), pre(material.validation[0])
    for size in recipe.sizes:
        torch.manual_seed(seed)
        model = build(recipe, train_inputs, size)

        def look(network: nn.Module) -> float:
            with torch.no_grad():
                return material.mrr(network(validation_inputs))

        mrr, epoch = train(recipe, model.train(), (train_inputs, material.train[1]), look, seed)
        found.append((mrr, f"{note}size {size}, " if size else note, epoch, model.eval()))
    mrr, note, epoch, model = max(found, key=lambda each: each[0])

    return Fitted(
        lambda inputs: model(pre(inputs)),
        mrr,
        parameter_count(model),
        time.perf_counter() - started,
        f"{note}epoch {epoch}",
    )
