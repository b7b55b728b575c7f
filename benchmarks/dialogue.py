"""Does the cube answer held-out questions better than its rivals? Prints the tables of docs/dialogue.md.

    python benchmarks/dialogue.py --data pairs.csv --seeds 5               every model, test figures, paired tests
    python benchmarks/dialogue.py --data pairs.csv --study "field 8"       a row of what was tried, validation figures
    python benchmarks/dialogue.py --data pairs.csv --curve 2000 5000       the final cube and its rivals on fewer pairs
    python benchmarks/dialogue.py --losses                                 the five losses in two modes, validation

pairs.csv has the columns question and answer; what is not in the cache is encoded first. Without --data the built-in
pairs are taken. Each seed has a split, first weights and batches of its own. All choices (epoch, rank, strength,
whitening) are made by the MRR of validation questions among all answers.
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from cubelib import AutoencoderDataset, DialogueDataset, EmbeddingMetrics, TeacherEncoder, corpora, readers
from cubelib.baselines import Ridge
from cubelib.datasets import leak_free_split
from cubelib.lattice import CubicCore
from cubelib.losses import LOSSES, contrastive, cosine
from cubelib.metrics.intervals import bootstrap_mean, paired_test
from cubelib.report.bank import RightAnswers
from cubelib.reshaper import EmbeddingReshaper, principal_axes

WHITENINGS = (0.0, 0.1, 0.2, 0.3, 0.4)
NOISE_FLOOR = 0.1  # of the mean variance, added to each before its root is taken
PATIENCE = 4  # epochs without a better validation MRR


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained. The defaults are the plain cube of the tables."""

    model: str = "cube"  # cube | adapter | mlp | none
    whiten: tuple[float, ...] | None = None  # centre the questions and whiten them by one of these powers; None: neither
    lattice_size: tuple[int, int, int] = (8, 8, 8)
    rule: str = "genome"
    hidden: int = 32
    steps: int | None = None
    field: int = 0
    layout: str = "pca"
    scale: float = 1.0
    cell_dropout: float = 0.0
    damage: float = 0.0  # share of inner cells dead, drawn for each batch
    ranks: tuple[int, ...] = (8,)  # of the adapter
    units: int = 16  # of the MLP's hidden layer
    batch: int = 128
    epochs: int = 14
    learning_rate: float = 1e-3
    rule_rate: float = 1.0  # the cells' learning rate, as a share of the field's
    schedule: str = "constant"  # constant | cosine (with a tenth of the steps to warm up)
    weight_decay: float = 0.0
    average: float = 0.0  # decay of the running mean of the weights; 0: none
    noise: float = 0.0  # length of the noise added to a question
    normalise: bool = False  # each parameter's gradient to length 1
    temperature: float = 0.05
    cosine_weight: float = 1.0
    bank: str = "batch"  # wrong answers: the batch's | all of the training pairs'
    hard: int = 0  # only so many of the nearest wrong answers; 0: all
    robust: float = 0.0  # (1 − p^robust) / robust in place of −log p: pairs that cannot be learnt weigh less
    symmetric: float = 0.0  # share of the loss that looks for the question of an answer


PLAIN = Recipe()
ADAPTER = Recipe(model="adapter")
WHITE = replace(PLAIN, whiten=(0.25,), batch=512)
STUDY = {
    "plain cube": PLAIN,
    "temperature 0.02": replace(PLAIN, temperature=0.02),
    "temperature 0.1": replace(PLAIN, temperature=0.1),
    "batch 32": replace(PLAIN, batch=32),
    "batch 512": replace(PLAIN, batch=512),
    "learning rate 0.0003": replace(PLAIN, learning_rate=3e-4),
    "learning rate 0.003": replace(PLAIN, learning_rate=3e-3),
    "cosine schedule, 5 epochs": replace(PLAIN, schedule="cosine", epochs=5),
    "contrastive alone": replace(PLAIN, cosine_weight=0.0),
    "32 hard negatives of the batch": replace(PLAIN, hard=32),
    "all training answers as negatives": replace(PLAIN, bank="all", epochs=6),
    "robust loss 0.3": replace(PLAIN, robust=0.3, cosine_weight=0.0),
    "symmetric loss": replace(PLAIN, symmetric=0.5),
    "cell dropout 0.3": replace(PLAIN, cell_dropout=0.3),
    "damage 0.1": replace(PLAIN, damage=0.1),
    "noise 0.3": replace(PLAIN, noise=0.3),
    "weight decay 0.1": replace(PLAIN, weight_decay=0.1),
    "weight averaging 0.98": replace(PLAIN, average=0.98),
    "gradient normalisation": replace(PLAIN, normalise=True, learning_rate=1e-4),
    "layout row_major": replace(PLAIN, layout="row_major"),
    "layout random": replace(PLAIN, layout="random"),
    "layout spectral": replace(PLAIN, layout="spectral"),
    "shared rule": replace(PLAIN, rule="shared"),
    "local rule, hidden 16": replace(PLAIN, rule="local", hidden=16, learning_rate=3e-4),
    "hidden 64": replace(PLAIN, hidden=64),
    "11 ticks": replace(PLAIN, steps=11),
    "depth 4": replace(PLAIN, lattice_size=(4, 8, 8)),
    "numbers scaled by 16": replace(PLAIN, scale=16.0),
    "field 8": replace(PLAIN, field=8),
    "field 32": replace(PLAIN, field=32),
    "field 8, batch 512": replace(PLAIN, field=8, batch=512),
    "field 8, batch 512, cells at a tenth of the rate": replace(PLAIN, field=8, batch=512, rule_rate=0.1),
    "centred and whitened": replace(WHITE, epochs=0),
    "centred and whitened, cube": WHITE,
    "centred and whitened, field 8": replace(WHITE, field=8),
    "centred and whitened, field 8, cells at a tenth of the rate": replace(WHITE, field=8, rule_rate=0.1),
    "the same with weight averaging 0.95": replace(WHITE, field=8, rule_rate=0.1, average=0.95),
    "adapter": ADAPTER,
    "adapter, batch 512": replace(ADAPTER, batch=512),
    "adapter, centred and whitened": replace(ADAPTER, whiten=(0.25,), batch=512),
    "adapter, centred and whitened, weight averaging 0.95": replace(ADAPTER, whiten=(0.25,), batch=512, average=0.95),
}


# --- data -------------------------------------------------------------------------------------------------------------


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


def load(data: str | None, seed: int, limit: int | None = None) -> Material:
    """15 % of the pairs for validation, 20 % for the test."""
    pairs = corpora.dialogues(limit or corpora.DEFAULT_PAIRS) if data is None else readers.read_pairs(data)[:limit]
    split = leak_free_split(DialogueDataset.from_pairs(pairs, TeacherEncoder()), 0.15, 0.2, seed=seed)
    print(f"Seed {seed}: {split.report()}", flush=True)
    tests, items = len(split.test), len(split.test) + len(split.validation)
    answers = RightAnswers(split, np.arange(items))
    most = max(map(len, answers.right))
    right = torch.tensor([[*entries, *[entries[0]] * (most - len(entries))] for entries in answers.right])
    sides = [(part.input[:], part.target[:]) for part in (split.train, split.validation, split.test)]
    bank = normalize(answers.vectors[:], dim=1)
    return Material(*sides, bank, {"test": right[:tests], "validation": right[tests:]}, split.test_groups)


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
    def __init__(self, recipe: Recipe, vectors: Tensor) -> None:
        super().__init__()
        self.damage = recipe.damage
        self.reshaper = EmbeddingReshaper(vectors.shape[1], layout=recipe.layout, scale=recipe.scale).fit(vectors)
        self.core = CubicCore(
            recipe.lattice_size,
            self.reshaper.cube_shape[2],
            rule=recipe.rule,
            hidden=recipe.hidden,
            steps=recipe.steps,
            field=recipe.field,
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


def build(recipe: Recipe, vectors: Tensor, rank: int) -> nn.Module:
    if recipe.model == "cube":
        return Cube(recipe, vectors)
    if recipe.model == "none":
        return nn.Identity()
    return Residual(vectors.shape[1], rank if recipe.model == "adapter" else recipe.units, recipe.model == "mlp")


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


def train(recipe: Recipe, model: nn.Module, pairs: tuple[Tensor, Tensor], look: Callable, seed: int) -> tuple[float, int]:
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
            if recipe.normalise:
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
    """The best by validation over the recipe's whitenings and ranks."""
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
    for rank in recipe.ranks if recipe.model == "adapter" else recipe.ranks[:1]:
        torch.manual_seed(seed)
        model = build(recipe, train_inputs, rank)

        def look(network: nn.Module) -> float:
            with torch.no_grad():
                return material.mrr(network(validation_inputs))

        mrr, epoch = train(recipe, model.train(), (train_inputs, material.train[1]), look, seed)
        found.append((mrr, f"{note}rank {rank}, " if recipe.model == "adapter" else note, epoch, model.eval()))
    mrr, note, epoch, model = max(found, key=lambda each: each[0])

    return Fitted(
        lambda inputs: model(pre(inputs)),
        mrr,
        parameter_count(model),
        time.perf_counter() - started,
        f"{note}epoch {epoch}",
    )


# --- tables -----------------------------------------------------------------------------------------------------------

FINAL = replace(WHITE, whiten=WHITENINGS, field=8, rule_rate=0.1)
RANKS, UNITS = (8, 2, 32), 30  # 30 units are 46,878 parameters, the final cube has 46,080
MODELS: dict[str, Recipe | Ridge] = {
    "cube, centred and whitened, field 8": FINAL,
    "no model": Recipe(model="none"),
    "ridge regression": Ridge(),
    "residual ridge regression": Ridge(residual=True),
    "low-rank residual adapter": replace(ADAPTER, ranks=RANKS, batch=512),
    "residual MLP": Recipe(model="mlp", units=UNITS, batch=512),
    "plain cube": replace(PLAIN, batch=512),
    "cube with field 8": replace(PLAIN, field=8, batch=512),
    "centred and whitened": replace(FINAL, model="none"),
    "low-rank residual adapter, centred and whitened": replace(FINAL, model="adapter", ranks=RANKS),
    "residual MLP, centred and whitened": replace(FINAL, model="mlp", units=UNITS),
}
FIGURES: dict[str, Callable[[Tensor], Tensor]] = {
    "MRR": lambda reciprocal: reciprocal,
    "R@1": lambda reciprocal: (reciprocal > 0.99).double(),
    "R@10": lambda reciprocal: (reciprocal > 0.0999).double(),
}


def measure(name: str, recipe: Recipe | Ridge, material: Material, seed: int) -> tuple[Fitted, Tensor]:
    """A fitted model, and the reciprocal rank of each test question."""
    if isinstance(recipe, Ridge):
        ridge = Ridge(recipe.residual).fit(*material.train, material.validation, material.mrr)
        mrr = material.mrr(ridge.predict(material.validation[0]))
        fitted = Fitted(ridge.predict, mrr, ridge.parameter_count, ridge.seconds, f"strength {ridge.strength:g}")
    else:
        fitted = fit(recipe, material, seed)
    with torch.no_grad():
        reciprocal = material.reciprocal_ranks(fitted.predict(material.test[0]), "test")
    print(
        f"  {name}: validation MRR {fitted.validation_mrr:.4f} ({fitted.note}, {fitted.seconds:.0f} s), test MRR "
        f"{reciprocal.mean():.4f}",
        flush=True,
    )
    return fitted, reciprocal


def spread(values: list[float], signed: bool = False) -> str:
    """Mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):{'+' if signed else ''}.4f} ± {deviation:.4f}"


def compare(data: str | None, seeds: int, names: list[str]) -> None:
    """All models on the same splits: figures over seeds, and the first model's lead, paired by test question."""
    runs: dict[str, list[tuple[Fitted, Tensor]]] = {name: [] for name in names}
    groups: list[np.ndarray] = []
    for seed in range(seeds):
        material = load(data, seed)
        groups.append(material.test_groups + (groups[-1].max() + 1 if groups else 0))
        for name in names:
            runs[name].append(measure(name, MODELS[name], material, seed))
    print(f"\n| model | parameters | {' | '.join(FIGURES)} | seconds |\n|---|---:|{'---:|' * len(FIGURES)}---:|")
    for name, found in runs.items():
        figures = [spread([figure(reciprocal).mean().item() for _, reciprocal in found]) for figure in FIGURES.values()]
        seconds = statistics.mean(fitted.seconds for fitted, _ in found)
        print(f"| {name} | {found[0][0].parameters:,} | {' | '.join(figures)} | {seconds:.0f} |")
    first = names[0]
    print(f"\nLead of {first}, all seeds' test questions together, with 95 % interval; p by sign flips of groups;")
    print("and the lead in MRR of each seed.\n")
    print(f"| rival | {' | '.join(f'{figure} | p' for figure in FIGURES)} | MRR by seed |")
    print(f"|---|{'---:|---:|' * len(FIGURES)}---|")
    for name in names[1:]:
        cells, pairs = [], list(zip(runs[first], runs[name], strict=True))
        for figure in FIGURES.values():
            ours, theirs = (torch.cat([figure(run[side][1]) for run in pairs]).numpy() for side in (0, 1))
            test = paired_test(ours, theirs, groups=np.concatenate(groups))
            cells += [f"{test.difference.mean:+.4f} [{test.difference.low:+.4f}, {test.difference.high:+.4f}]"]
            cells += [f"{test.p_value:.4f}"]
        leads = ", ".join(f"{(ours[1] - theirs[1]).mean():+.4f}" for ours, theirs in pairs)
        print(f"| {name} | {' | '.join(cells)} | {leads} |")


def study(data: str | None, seeds: int, names: list[str]) -> None:
    """Validation MRR of recipes, beside no model on the same questions."""
    print("| change | parameters | validation MRR | over no model | seconds |\n|---|---:|---:|---:|---:|")
    materials = [load(data, seed) for seed in range(seeds)]
    for name in names:
        found = [fit(STUDY[name], material, seed) for seed, material in enumerate(materials)]
        over = [
            one.validation_mrr - material.mrr(material.validation[0])
            for one, material in zip(found, materials, strict=True)
        ]
        print(
            f"| {name} | {found[0].parameters:,} | {spread([one.validation_mrr for one in found])} | "
            f"{spread(over, signed=True)} | {statistics.mean(one.seconds for one in found):.0f} |",
            flush=True,
        )
