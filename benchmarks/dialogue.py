"""Does the cube answer held-out questions better than its baselines? Prints the tables of docs/dialogue.md.

    python benchmarks/dialogue.py --limit 12000 --seeds 5  all models, test figures, tests
    python benchmarks/dialogue.py --limit 12000 --seeds 2 --study "cube, field 8"  a row of what was tried
    python benchmarks/dialogue.py --seeds 2 --curve 3000 6000 12000  validation figures with fewer pairs
    python benchmarks/dialogue.py --seeds 2 --losses  five losses in two modes, validation

The pairs are the built-in ones, or --data pairs.csv with the columns question and answer; what is not in the cache is
encoded first (a quarter of an hour for 12,000 pairs). Each seed has a split, first weights and batches of its own. All
choices (epoch, size, strength, whitening) are made by the MRR of validation questions among all answers.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from dialogue_models import Fitted, Material, Recipe, fit
from torch import Tensor
from torch.nn.functional import normalize

from cubelib import CubeTrainer, DialogueDataset, TeacherEncoder, TrainingConfig
from cubelib.data import corpora, readers
from cubelib.data.splits import leak_free_split
from cubelib.evaluation.baselines import Ridge
from cubelib.evaluation.relevant_answers import RelevantAnswers
from cubelib.metrics.intervals import paired_test
from cubelib.training.losses import LOSSES
from cubelib.training.sources import load_splits

CONFIG = Path(__file__).parents[1] / "config" / "cube_training.yaml"
WHITENINGS = (0.0, 0.1, 0.2, 0.3, 0.4)

PLAIN = Recipe()
ADAPTER = Recipe(model="adapter", sizes=(8,))
LARGE = replace(ADAPTER, batch=512)
WHITE = replace(PLAIN, whiten=(0.25,), batch=512)
WHITE_FIELD = replace(WHITE, sizes=(8,), scale=16.0, rule_rate=0.03)
WHITE_ADAPTER = replace(WHITE, model="adapter", sizes=(8,))
STUDY = {
    "cube": PLAIN,
    "cube, batch 512": replace(PLAIN, batch=512),
    "cube, learning rate 0.0003": replace(PLAIN, learning_rate=3e-4),
    "cube, field 8": replace(PLAIN, sizes=(8,)),
    "cube, cell dropout 0.3": replace(PLAIN, cell_dropout=0.3),
    "cube, a tenth of the inner cells dead": replace(PLAIN, damage=0.1),
    "cube, noise of length 0.3": replace(PLAIN, noise=0.3),
    "cube, weight decay 0.1": replace(PLAIN, weight_decay=0.1),
    "cube, weight averaging 0.98": replace(PLAIN, average=0.98),
    "cube, gradient normalization": replace(PLAIN, normalize=True, learning_rate=1e-4),
    "cube, cosine schedule, 5 epochs": replace(PLAIN, schedule="cosine", epochs=5),
    "cube, 32 hard negatives": replace(PLAIN, hard=32),
    "cube, layout row_major": replace(PLAIN, layout="row_major"),
    "cube, layout spectral": replace(PLAIN, layout="spectral"),
    "cube, layout random": replace(PLAIN, layout="random"),
    "cube, shared rule": replace(PLAIN, rule="shared"),
    "cube, local rule, hidden 16": replace(PLAIN, rule="local", hidden=16, learning_rate=3e-4),
    "cube, 11 ticks": replace(PLAIN, steps=11),
    "cube, depth 4": replace(PLAIN, lattice_size=(4, 8, 8)),
    "adapter": ADAPTER,
    **{
        f"adapter, temperature {value:g}": replace(ADAPTER, temperature=value)
        for value in (0.02, 0.03, 0.07, 0.1, 0.15)
    },
    **{f"adapter, learning rate {value:g}": replace(ADAPTER, learning_rate=value) for value in (0.0003, 0.003)},
    **{f"adapter, rank {rank}": replace(ADAPTER, sizes=(rank,)) for rank in (2, 32, 128)},
    "adapter, contrastive alone": replace(ADAPTER, cosine_weight=0.0),
    "adapter, symmetric loss": replace(ADAPTER, symmetric=0.5),
    "adapter, all training answers as negatives": replace(ADAPTER, bank="all", epochs=6),
    "adapter, batch 32": replace(ADAPTER, batch=32),
    "adapter, batch 512": LARGE,
    **{
        f"adapter, batch 512, robust loss {value:g}": replace(LARGE, robust=value, cosine_weight=0.0)
        for value in (0.3, 0.7, 1.0)
    },
    "centered": replace(WHITE, model="none", whiten=(0.0,)),
    "whitened": replace(WHITE, model="none"),
    "whitened, adapter": WHITE_ADAPTER,
    "whitened, adapter, learning rate 0.0003": replace(WHITE_ADAPTER, learning_rate=3e-4),
    "whitened, adapter, robust loss 0.3": replace(WHITE_ADAPTER, robust=0.3, cosine_weight=0.0),
    "whitened, adapter, robust loss 0.7": replace(WHITE_ADAPTER, robust=0.7, cosine_weight=0.0),
    "whitened, adapter, robust loss 0.3, weight averaging 0.95": replace(
        WHITE_ADAPTER, robust=0.3, cosine_weight=0.0, average=0.95
    ),
    "whitened, cube, learning rate 0.0001": replace(WHITE, learning_rate=1e-4),
    "whitened, cube, learning rate 0.0003": replace(WHITE, learning_rate=3e-4),
    "whitened, cube, shared rule, learning rate 0.0001": replace(WHITE, rule="shared", learning_rate=1e-4),
    "whitened, cube, field 8": replace(WHITE, sizes=(8,)),
    "whitened, cube, field 8, cells' rate 0.01": replace(WHITE, sizes=(8,), rule_rate=0.01),
    "whitened, cube, field 8, cells' rate 0.03, scale 16": WHITE_FIELD,
    "whitened, cube, field 8, cells' rate 0.3, scale 16": replace(WHITE_FIELD, rule_rate=0.3),
    "whitened, cube, field 32, cells' rate 0.03, scale 16": replace(WHITE_FIELD, sizes=(32,)),
}


def load(data: str | None, seed: int, limit: int | None = None) -> Material:
    """15 % of the pairs for validation, 20 % for the test."""
    pairs = corpora.dialogues(limit or corpora.DEFAULT_PAIRS) if data is None else readers.read_pairs(data)[:limit]
    split = leak_free_split(DialogueDataset.from_pairs(pairs, TeacherEncoder()), 0.15, 0.2, seed=seed)
    print(f"Seed {seed}: {split.report()}", flush=True)
    tests, items = len(split.test), len(split.test) + len(split.validation)
    answers = RelevantAnswers(split, np.arange(items))
    most = max(map(len, answers.relevant))
    right = torch.tensor([[*entries, *[entries[0]] * (most - len(entries))] for entries in answers.relevant])
    sides = [(part.input[:], part.target[:]) for part in (split.train, split.validation, split.test)]
    bank = normalize(answers.vectors[:], dim=1)
    return Material(*sides, bank, {"test": right[:tests], "validation": right[tests:]}, split.test_groups)


FINAL = replace(WHITE_FIELD, whiten=WHITENINGS, sizes=(8, 32))
RANKS = (8, 32)
UNITS = (30, 54)  # 46,878 and 83,766 parameters; the final cube has 46,080 with a field of 8, 82,944 with one of 32
MODELS: dict[str, Recipe | Ridge] = {
    "cube, centered and whitened, with a field": FINAL,
    "no model": Recipe(model="none"),
    "ridge regression": Ridge(),
    "residual ridge regression": Ridge(residual=True),
    "low-rank residual adapter": replace(ADAPTER, sizes=RANKS, batch=512),
    "residual MLP": Recipe(model="mlp", sizes=UNITS, batch=512),
    "plain cube": replace(PLAIN, batch=512),
    "cube with a field": replace(PLAIN, sizes=(8,), batch=512),
    "centered and whitened": replace(FINAL, model="none", sizes=(0,)),
    "low-rank residual adapter, centered and whitened": replace(FINAL, model="adapter", sizes=RANKS),
    "residual MLP, centered and whitened": replace(FINAL, model="mlp", sizes=UNITS),
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


Runs = dict[str, list[tuple[Fitted, Tensor]]]  # model → for each seed what was fitted, and its reciprocal ranks


def compare(data: str | None, limit: int | None, seeds: int, names: list[str]) -> None:
    """All models on the same splits, first the one whose lead is told."""
    runs: Runs = {name: [] for name in names}
    groups = []
    for seed in range(seeds):
        material = load(data, seed, limit)
        groups.append(material.test_groups)
        for name in names:
            runs[name].append(measure(name, MODELS[name], material, seed))
    show_figures(runs)
    show_leads(runs, groups)


def show_figures(runs: Runs) -> None:
    print(f"\n| model | parameters | {' | '.join(FIGURES)} | seconds |\n|---|---:|{'---:|' * len(FIGURES)}---:|")
    for name, found in runs.items():
        sizes = sorted({fitted.parameters for fitted, _ in found})
        figures = [spread([figure(reciprocal).mean().item() for _, reciprocal in found]) for figure in FIGURES.values()]
        seconds = statistics.mean(fitted.seconds for fitted, _ in found)
        print(f"| {name} | {' or '.join(f'{size:,}' for size in sizes)} | {' | '.join(figures)} | {seconds:.0f} |")


def show_leads(runs: Runs, groups: list[np.ndarray]) -> None:
    """Leads of the first model, paired by test question. A group of copies is one unit, also across seeds."""
    first, *others = runs
    print(f"\nLead of {first}: all seeds together, 95 % interval, p by sign flips of groups; then MRR seed by seed.\n")
    print(f"| baseline | {' | '.join(f'{figure} | p' for figure in FIGURES)} | MRR by seed (p) |")
    print(f"|---|{'---:|---:|' * len(FIGURES)}---|")
    for name in others:
        pairs, cells = [(one[1], other[1]) for one, other in zip(runs[first], runs[name], strict=True)], []
        for figure in FIGURES.values():
            ours, theirs = (torch.cat([figure(pair[side]) for pair in pairs]) for side in (0, 1))
            test = paired_test(ours, theirs, groups=np.concatenate(groups))
            lead = test.difference
            cells += [f"{lead.mean:+.4f} [{lead.low:+.4f}, {lead.high:+.4f}]", f"{test.p_value:.4f}"]
        tests = [paired_test(*pair, groups=group) for pair, group in zip(pairs, groups, strict=True)]
        cells.append(", ".join(f"{test.difference.mean:+.4f} ({test.p_value:.2f})" for test in tests))
        print(f"| {name} | {' | '.join(cells)} |")


def study(data: str | None, limit: int | None, seeds: int, names: list[str]) -> None:
    """Validation MRR of recipes, beside no model on the same questions."""
    print("| change | parameters | validation MRR | over no model | seconds |\n|---|---:|---:|---:|---:|")
    materials = [load(data, seed, limit) for seed in range(seeds)]
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


def curve(data: str | None, seeds: int, limits: list[int]) -> None:
    """Validation MRR against the number of pairs."""
    names = [
        "no model",
        "centered and whitened",
        "low-rank residual adapter",
        "cube with a field",
        "cube, centered and whitened, with a field",
    ]
    print(f"| pairs | training pairs | {' | '.join(names)} |\n|---:|---:|{'---:|' * len(names)}")
    for limit in limits:
        materials = [load(data, seed, limit) for seed in range(seeds)]
        cells = [
            spread([fit(MODELS[name], material, seed).validation_mrr for seed, material in enumerate(materials)])
            for name in names
        ]
        print(f"| {limit:,} | {len(materials[0].train[0]):,} | {' | '.join(cells)} |", flush=True)


def losses(seeds: int, epochs: int) -> None:
    """The default configuration with each loss: best validation score of a trained epoch, and over the untrained."""
    print("| loss | mode | validation score | over untrained | seconds |\n|---|---|---:|---:|---:|")
    settings = TrainingConfig.from_yaml(CONFIG).to_dict()
    for mode in ("autoencoder", "dialogue"):
        for name in LOSSES:
            scores, rises, seconds = [], [], []
            for seed in range(seeds):
                change = {"mode": mode, "loss_function": name, "random_seed": seed, "epochs": epochs}
                trainer = CubeTrainer(TrainingConfig.from_dict({**settings, **change}))
                trainer.initialize_components()
                split = load_splits(trainer.config, trainer.embedding_loader)[mode]
                started = time.perf_counter()
                history = trainer.fit(split.train, split.validation, progress=False)
                seconds.append(time.perf_counter() - started)
                scores.append(max(row["score"] for row in history[1:]))
                rises.append(scores[-1] - history[0]["score"])
            cells = [name, mode, spread(scores), spread(rises, signed=True), f"{statistics.mean(seconds):.0f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a file of pairs with the columns question and answer; else the built-in pairs")
    parser.add_argument("--limit", type=int, metavar="PAIRS", help="so many pairs; of the built-in ones else 2,500")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="NAME", help="only these, the first leads")
    parser.add_argument("--study", nargs="+", metavar="NAME", help="rows of what was tried, or all")
    parser.add_argument("--curve", nargs="+", type=int, metavar="PAIRS", help="validation MRR with so many pairs")
    parser.add_argument("--losses", action="store_true", help="the five losses in two modes")
    parser.add_argument("--epochs", type=int, default=5, help="of --losses")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.study:
        names = list(STUDY) if arguments.study == ["all"] else arguments.study
        unknown = [name for name in names if name not in STUDY]
        if unknown:
            parser.error(f"--study: no row {', '.join(unknown)}. Use all, or one of: {'; '.join(STUDY)}.")
        study(arguments.data, arguments.limit, arguments.seeds, names)
    elif arguments.curve:
        curve(arguments.data, arguments.seeds, arguments.curve)
    elif arguments.losses:
        losses(arguments.seeds, arguments.epochs)
    else:
        compare(arguments.data, arguments.limit, arguments.seeds, arguments.models or list(MODELS))


if __name__ == "__main__":
    main()
