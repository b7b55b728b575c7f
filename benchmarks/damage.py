"""What training for damage buys, and what it costs: the tables of docs/damage.md.

    python -m benchmarks.damage                              # all lines; some ten minutes on a quiet core
    python -m benchmarks.damage --seeds 1 --lines untrained "cell damage 0.05"
    python -m benchmarks.damage --picture docs/damage.png

Autoencoder on 4,500 built-in sentences, a cube that starts as PCA (`CORE` below), other settings those of
config/cube_training.yaml except where a line says otherwise. Dead cells are drawn among all 512; which ones follows
from the draw's number, so all lines lose the same. Of a run the last epoch's weights are judged, so that lines with and
without damage are compared after as many steps.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cubelib import CubeTrainer, EmbeddingMetrics, TeacherEncoder, TrainingConfig
from cubelib.data.splits import Split
from cubelib.data.text import table
from cubelib.evaluation.baselines import PCA
from cubelib.evaluation.networks import AutoencoderMLP
from cubelib.lattice import random_damage
from cubelib.training.sources import load_splits
from cubelib.views import plots

# The cubes of this study start as PCA and have no linear path, so that what damage costs is known before training.
CORE = {"layout": "pca", "boundary": "zero", "hidden": 16, "linear_path": False, "cell_dropout": 0.3}
CONFIG = TrainingConfig(core=CORE, data={"limit": 4_500}).to_dict()
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
DRAWS = range(8)  # of the dead
SHARED = {"rule": "genome", "cell_dropout": 0.0}  # of all lines but the default run
Predict = Callable[[Tensor], Tensor]
cosine = EmbeddingMetrics.calculate_cosine_similarity


@dataclass
class Line:
    """A cube of the table: settings of its core, how long it is trained, and whether all seeds are run."""

    core: dict[str, Any]
    epochs: int = 10
    learning_rate: float = 0.003
    final: bool = False


@dataclass
class Found:
    """Cosine at each share for each seed, parameters, and cosine with 5 of 64 cells of one plane dead."""

    parameters: int
    curves: list[list[float]] = field(default_factory=list)
    planes: list[list[float]] = field(default_factory=list)


LINES = {
    "untrained": Line(SHARED, epochs=0),
    "local rule, cell dropout 0.3": Line({}, epochs=5, learning_rate=0.001),
    "cell dropout 0.3": Line(SHARED | {"cell_dropout": 0.3}),
    "cell damage 0.02": Line(SHARED | {"cell_damage": 0.02}),
    "cell damage 0.05": Line(SHARED | {"cell_damage": 0.05}, final=True),
    "cell damage 0.1": Line(SHARED | {"cell_damage": 0.1}),
    "cell damage 0.2": Line(SHARED | {"cell_damage": 0.2}),
    "cell damage 0.05, 24 channels": Line(SHARED | {"cell_damage": 0.05, "state_channels": 24}, final=True),
    "cell damage 0.05, 12 channels": Line(SHARED | {"cell_damage": 0.05, "state_channels": 12}),
    "cell damage 0.05, local rule": Line(SHARED | {"cell_damage": 0.05, "rule": "local"}),
    "cell damage 0.05, 11 ticks": Line(SHARED | {"cell_damage": 0.05, "steps": 11}),
    "no bottleneck, untrained": Line(SHARED | {"bottleneck": None}, epochs=0),
    "no bottleneck, cell damage 0.05": Line(SHARED | {"bottleneck": None, "cell_damage": 0.05}, final=True),
}
PICTURE = {
    "cube, trained for it, 24 channels": "cell damage 0.05, 24 channels",
    "cube, trained for it": "cell damage 0.05",
    "cube, cell dropout instead (control)": "cell dropout 0.3",
    "MLP autoencoder": "MLP autoencoder",
    "bound: only the dead of three planes": "untrained, only the dead of planes 0, 3 and 7",
}


class HardenedMLP(AutoencoderMLP):
    """Its hidden units die in training as the cube's cells do: drawn for a batch, and nothing is scaled up."""

    def _network(self, *arguments: Any) -> nn.Module:
        def kill(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            return output * (torch.rand(output.shape[1]) >= 0.05) if torch.is_grad_enabled() else output

        network = super()._network(*arguments)
        for layer in network:
            layer.into.register_forward_hook(kill)  # GELU of zero is zero
        return network


def build(line: Line, split: Split, seed: int) -> CubeTrainer:
    """The cube of a line before training."""
    run = {"epochs": line.epochs, "learning_rate": line.learning_rate, "random_seed": seed}
    trainer = CubeTrainer({**CONFIG, **run, "core": {**CONFIG["core"], **line.core}})
    trainer.initialize_components()
    trainer.embedding_reshaper.fit(split.train.input)
    return trainer


def trained(line: Line, split: Split, seed: int) -> CubeTrainer:
    """The cube of a line with the weights of its last epoch."""
    trainer = build(line, split, seed)
    core = trainer.embedding_processor
    if line.epochs:
        trainer.prepare(split.train, split.validation)
        for _ in range(line.epochs):
            trainer.train_epoch()
        last = copy.deepcopy(core.state_dict())
        trainer.finish()
        core.load_state_dict(last)
    return trainer


def score(trainer: CubeTrainer, test: Tensor, damage: Tensor) -> float:
    """Mean cosine on the test sentences with these cells dead."""
    return cosine(trainer.predict(test, damage=damage), test)


def curve(trainer: CubeTrainer, test: Tensor, planes: tuple[int, ...] = tuple(range(8))) -> list[float]:
    """Cosine at each share, a mean over draws; only the dead of these planes count."""

    def mask(share: float, seed: int) -> Tensor:
        damage = random_damage((8, 8, 8), share, seed=seed)
        return damage & torch.isin(torch.arange(8), torch.tensor(planes))[:, None, None]

    return [statistics.fmean(score(trainer, test, mask(share, seed)) for seed in DRAWS) for share in SHARES]


def plane_by_plane(trainer: CubeTrainer, test: Tensor) -> list[float]:
    """Cosine with 5 of the 64 cells of one plane dead, the same places in each plane; a mean over draws."""
    found = []
    for plane in range(8):
        masks = [torch.zeros(8, 8, 8, dtype=torch.bool) for _ in DRAWS]
        for seed, mask in zip(DRAWS, masks, strict=True):
            mask[plane] = random_damage((1, 8, 8), 5 / 64, seed=seed)[0]
        found.append(statistics.fmean(score(trainer, test, mask) for mask in masks))
    return found


def baselines(split: Split) -> Iterator[tuple[str, Found]]:
    """PCA with dead numbers in its code, MLPs with dead hidden units, and what no cube can make up for."""
    train, test, checked = split.train.input, split.test.input, split.validation.input
    for bottleneck, planes, words in ((4, (0, 3, 7), "planes 0, 3 and 7"), (None, (0, 7), "planes 0 and 7")):
        cube = build(Line(SHARED | {"bottleneck": bottleneck}, epochs=0), split, 0)
        name = f"{'' if bottleneck else 'no bottleneck, '}untrained, only the dead of {words}"
        yield name, Found(cube.embedding_processor.parameter_count, [curve(cube, test, planes)])
    pca = PCA(256).fit(train, train)

    def with_dead_numbers(share: float, seed: int) -> Predict:
        lame = copy.copy(pca)
        lame.axes = pca.axes * ~random_damage((1, 1, 256), share, seed=seed)[0, 0, :, None]
        return lame.predict

    networks = {
        "MLP autoencoder": AutoencoderMLP(256).fit(train, train, (checked, checked)),
        "MLP autoencoder, hidden damage 0.05": HardenedMLP(256).fit(train, train),
    }
    models = {"PCA, its 256 numbers dead": with_dead_numbers} | {name: net.damaged for name, net in networks.items()}
    sizes = [pca.parameter_count, *(network.parameter_count for network in networks.values())]
    for (name, damaged), parameters in zip(models.items(), sizes, strict=True):
        points = [statistics.fmean(cosine(damaged(share, seed)(test), test) for seed in DRAWS) for share in SHARES]
        yield name, Found(parameters, [points])


def spread(values: tuple[float, ...], digits: int = 4) -> str:
    """Mean, and the standard deviation between seeds where there are several."""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{deviation}"


def damage_table(found: dict[str, Found]) -> str:
    """Cosine of every line at every share."""
    head = ["line", "parameters", *(f"{share:.0%} dead" for share in SHARES)]
    rows = [[name, f"{one.parameters:,}", *map(spread, zip(*one.curves, strict=True))] for name, one in found.items()]
    return table(head, rows)


def plane_table(found: dict[str, Found]) -> str:
    """Cosine with 5 dead cells in one plane."""
    rows = [[name, *map(spread, zip(*one.planes, strict=True))] for name, one in found.items() if one.planes]
    return table(["5 of 64 cells dead in plane", *map(str, range(8))], rows)


def over_seeds(found: Found) -> dict[str, list[float]]:
    """Mean and standard deviation between seeds at each share, for the picture."""
    points = list(zip(*found.curves, strict=True))
    deviation = [statistics.stdev(at) if len(at) > 1 else 0.0 for at in points]
    return {"mean": [statistics.fmean(at) for at in points], "deviation": deviation}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="of the lines that are run with several")
    parser.add_argument("--lines", nargs="+", default=list(LINES), choices=list(LINES), metavar="LINE")
    parser.add_argument("--picture", type=Path, help="file for the curves; needs all lines")
    options = parser.parse_args()
    torch.set_num_threads(1)
    began = time.perf_counter()
    split = load_splits(TrainingConfig.from_dict(CONFIG), TeacherEncoder())["autoencoder"]
    found: dict[str, Found] = {}
    for name in options.lines:
        for seed in range(options.seeds if LINES[name].final else 1):
            trainer = trained(LINES[name], split, seed)
            one = found.setdefault(name, Found(trainer.embedding_processor.parameter_count))
            one.curves.append(curve(trainer, split.test.input))
            one.planes.append(plane_by_plane(trainer, split.test.input))
            points = ", ".join(f"{value:.4f}" for value in one.curves[-1])
            print(f"{name}, seed {seed}: {points} after {time.perf_counter() - began:.0f} s", flush=True)
    found.update(baselines(split))
    sentences = f"{len(split.train):,} training and {len(split.test)} held-out sentences"
    print(f"\n{sentences}, {len(DRAWS)} draws of the dead, ± between seeds\n")
    print(f"{damage_table(found)}\n\n{plane_table(found)}")
    print(f"\ntorch {torch.__version__}, one thread, {time.perf_counter() - began:.0f} s")
    if options.picture:
        models = {name: over_seeds(found[line]) for name, line in PICTURE.items()}
        ax = plots.damage_curve({"shares": SHARES, "models": models})
        ax.set_title("Cubes with dead cells, 450 held-out sentences")
        ax.figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
