"""What a lattice of neighbors learns that a network which sees everything does not: tables of docs/neighbours.md.

    python -m benchmarks.neighbours                                  # everything, five seeds
    python -m benchmarks.neighbours --parts one_example --seeds 1    # each part takes three minutes a seed at most

one_example   the face moves by one column: what a cube, ridge regression and an MLP make of 1 to 100 pairs
any_size      the weights of a cube trained on 8×8 cells, on larger faces
speed_limit   moves by k columns in T ticks
tick          what the cells around an erased cell know of it, and what cells learn of that

Sentences are the built-in ones, centered; test sentences are never trained on. A rival counts with its best setting on
the test set, the cube with the only one it has.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import torch
from scipy.stats import t as student
from torch import Tensor, nn
from torch.nn.functional import normalize

from cubelib import EmbeddingMetrics, EmbeddingReshaper
from cubelib.data import corpora
from cubelib.data.text import counted, table
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.lattice import CubicCore
from cubelib.training.fit_core import fit_core
from cubelib.training.losses import squared_distance

FACE, CHANNELS = (8, 8), 12
TEST = 150
PAIRS = (1, 2, 3, 10, 30, 100)
SHARED = {"rule": "shared", "boundary": "periodic", "hidden": 64}
Results = Iterator[tuple[tuple[str, ...], float]]  # (names of row and column, value)


def sentences(seed: int) -> Tensor:
    """All built-in sentences in an order of the seed, centered, numbers of size one, `(n, 768)`."""
    vectors = TeacherEncoder().encode(corpora.sentences())
    vectors = vectors[torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))]
    return normalize(vectors - vectors[TEST:].mean(0), dim=1) * vectors.shape[1] ** 0.5


def new_core(seed: int, depth: int = 8, face: tuple[int, int] = FACE, **options: object) -> CubicCore:
    """An untrained core with one rule for all cells."""
    torch.manual_seed(seed)
    return CubicCore((depth, *face), CHANNELS, **{**SHARED, **options})  # type: ignore[arg-type]


@torch.no_grad()
def scores(predict: Callable[[Tensor], Tensor], input: Tensor, target: Tensor) -> tuple[float, float]:
    """MRR of each target among all targets, and the mean cosine."""
    output = predict(input).flatten(1)
    target = target.flatten(1)
    return (
        EmbeddingMetrics.calculate_mrr(output, target),
        EmbeddingMetrics.calculate_cosine_similarity(output, target),
    )


# --- one example ------------------------------------------------------------------------------------------------------


def ridge(input: Tensor, target: Tensor, penalty: float) -> Callable[[Tensor], Tensor]:
    """Ridge regression in its dual form, for fewer pairs than numbers."""
    gram = input @ input.T
    weights = torch.linalg.solve(gram + penalty * gram.trace() / len(gram) * torch.eye(len(gram)), target)
    return lambda new: new @ input.T @ weights


def mlp(input: Tensor, target: Tensor, learning_rate: float, seed: int) -> Callable[[Tensor], Tensor]:
    """768 → 256 → 768 with a relu: 394,240 parameters, 500 steps of AdamW on all pairs."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(768, 256), nn.ReLU(), nn.Linear(256, 768))
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    for _ in range(500):
        loss = squared_distance(network(input), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network


def one_example(seed: int) -> Results:
    """The face moves by one column; then the same with the numbers dealt out to the cells at random."""
    vectors = sentences(seed)
    moved = vectors.view(-1, *FACE, CHANNELS).roll(1, dims=2).flatten(1)
    order = torch.randperm(768, generator=torch.Generator().manual_seed(seed))
    for layout, (input, target) in {
        "": (vectors, moved),
        ", numbers dealt out at random": (vectors[:, order], moved[:, order]),
    }.items():
        test, answers = input[:TEST], target[:TEST]
        for pairs in PAIRS:
            train, wanted = input[TEST : TEST + pairs], target[TEST : TEST + pairs]
            core = new_core(seed)
            folded = [side.view(-1, *FACE, CHANNELS) for side in (train, wanted)]
            fit_core(core, *folded, steps=100, learning_rate=0.01, batch_size=100, seed=seed)
            models = {
                f"cube, {core.parameter_count:,} weights": [
                    lambda new, core=core: core(new.view(-1, *FACE, CHANNELS)),
                ],
                "ridge regression": [ridge(train, wanted, penalty) for penalty in (0.001, 0.01, 0.1, 1.0)],
                "MLP, 394,240 weights": [mlp(train, wanted, rate, seed) for rate in (0.001, 0.003, 0.01)],
            }
            for name, settings in models.items():
                mrr, cosine = max(scores(predict, test, answers) for predict in settings)
                yield ("MRR", name + layout, counted(pairs, "pair")), mrr
                yield ("cosine", name + layout, counted(pairs, "pair")), cosine


# --- any size ---------------------------------------------------------------------------------------------------------


def any_size(seed: int) -> Results:
    """Three pairs on 8×8 cells; then the same weights on random numbers on larger faces."""
    generator = torch.Generator().manual_seed(seed)
    train = torch.randn(3, *FACE, CHANNELS, generator=generator)
    core = new_core(seed)
    fit_core(core, train, train.roll(1, dims=2), learning_rate=0.01, seed=seed)
    for rows, columns in (FACE, (16, 16), (24, 32)):
        test = torch.randn(TEST, rows, columns, CHANNELS, generator=generator)
        column = f"{rows}×{columns} cells, {rows * columns * CHANNELS:,} numbers"
        for name, model in {"trained on 8×8": core, "untrained": new_core(seed)}.items():
            mrr, cosine = scores(model.resized(rows=rows, columns=columns), test, test.roll(1, dims=2))
            yield ("MRR", name, column), mrr
            yield ("cosine", name, column), cosine


# --- speed limit ------------------------------------------------------------------------------------------------------

WIDE = (4, 16)  # on a ring of 16 columns, moves by 1 to 8 columns are all different


def speed_limit(seed: int) -> Results:
    """Moves by k columns in T ticks; where k is near T, the weights start from those for k − 1 (a curriculum)."""
    generator = torch.Generator().manual_seed(seed)
    train, test = (torch.randn(count, *WIDE, CHANNELS, generator=generator) for count in (1_000, TEST))
    for ticks in (2, 4, 6):
        learned = None
        for k in range(1, ticks + 2):
            for name, start in {"from scratch": None, "from the weights for k − 1": learned}.items():
                if name != "from scratch" and k < 2:
                    continue
                core = new_core(seed, depth=ticks + 1, face=WIDE)
                if start is not None:
                    core.load_state_dict(start)
                fit_core(core, train, train.roll(k, dims=2), steps=150, loss=squared_distance, seed=seed)
                mrr, _ = scores(core, test, test.roll(k, dims=2))
                yield ("MRR", f"{ticks} ticks, {name}", f"k = {k}"), mrr
            learned = core.state_dict()


# --- what a tick buys -------------------------------------------------------------------------------------------------


def erased_cell(vectors: Tensor, train: slice, test: slice, radius: int) -> float:
    """Share of a cell's variance that ridge regression on all cells within a radius explains, a mean over cells."""
    cubes = vectors.view(-1, *FACE, CHANNELS)
    unexplained = total = 0.0
    reach = torch.arange(-radius, radius + 1)
    for row in range(FACE[0]):
        for column in range(FACE[1]):
            near = torch.zeros(FACE, dtype=torch.bool)
            near[((row + reach) % FACE[0])[:, None], ((column + reach) % FACE[1])[None]] = True
            near[row, column] = False
            seen, cell = cubes[:, near].flatten(1), cubes[:, row, column]
            gram = seen[train].T @ seen[train]
            penalty = 0.01 * gram.trace() / len(gram) * torch.eye(len(gram))
            weights = torch.linalg.solve(gram + penalty, seen[train].T @ cell[train])
            unexplained += float((cell[test] - seen[test] @ weights).square().sum())
            total += float(cell[test].square().sum())
    return 1 - unexplained / total


def erase(damage: Tensor, cubes: Tensor) -> Tensor:
    """Puts the erased cells of the front face to zero. Each living cell says so in a channel more."""
    cubes = torch.cat([cubes, torch.ones_like(cubes[..., :1])], -1)
    return cubes * ~damage[..., None]


def learned_of_erased_cells(cubes: Tensor, train: slice, test: slice, radius: int, rule: str, seed: int) -> float:
    """Share of an erased cell's variance that a rule explains after as many ticks as the radius."""
    torch.manual_seed(seed)
    hidden = 64 if rule == "shared" else 32  # what one network of all cells needs, and one of a single cell
    core = CubicCore(
        (radius + 1, *FACE), CHANNELS + 1, state_channels=16, rule=rule, hidden=hidden, boundary="periodic"
    )
    whole = erase(torch.zeros(FACE, dtype=torch.bool), cubes)
    generator = torch.Generator().manual_seed(seed)
    erased = torch.rand(len(cubes[train]), *FACE, generator=generator) < 0.1
    fit_core(
        core, erase(erased, cubes[train]), whole[train], steps=800, batch_size=64, loss=squared_distance, seed=seed
    )
    unexplained = total = 0.0
    for row in range(FACE[0]):
        for column in range(FACE[1]):
            damage = torch.zeros(FACE, dtype=torch.bool)
            damage[row, column] = True
            cell = cubes[test][:, row, column]
            with torch.no_grad():
                output = core(erase(damage, cubes[test]))[:, row, column, :CHANNELS]
            unexplained += float((output - cell).square().sum())
            total += float(cell.square().sum())
    return 1 - unexplained / total


def tick(seed: int) -> Results:
    """What cells within radius r know of an erased cell, and what a rule learns of it in r ticks."""
    vectors = sentences(seed)
    train, test = slice(450, None), slice(0, 450)
    for layout in ("row_major", "pca"):
        reshaper = EmbeddingReshaper(768, (*FACE, CHANNELS), layout=layout).fit(vectors[train])
        cubes = reshaper.fold(vectors)
        for radius in (1, 2, 3, 4):
            column = f"r = {radius}"
            explained = erased_cell(cubes.flatten(1), train, test, radius)
            yield ("explained", f"{layout}: ridge regression on all cells within r", column), explained
            if layout == "row_major":
                for rule in ("local", "shared"):
                    explained = learned_of_erased_cells(cubes, train, test, radius, rule, seed)
                    yield ("explained", f"{layout}: {rule} rule in r ticks", column), explained


# --- tables -----------------------------------------------------------------------------------------------------------

PARTS = {"one_example": one_example, "any_size": any_size, "speed_limit": speed_limit, "tick": tick}


def interval(values: list[float], digits: int = 3) -> str:
    """Mean and 95 % confidence interval over seeds (Student's t)."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def print_tables(results: dict[tuple[str, ...], list[float]]) -> None:
    """A table for each metric: rows and columns in the order in which they came."""
    for metric in dict.fromkeys(key[0] for key in results):
        rows = list(dict.fromkeys(row for name, row, _ in results if name == metric))
        columns = list(dict.fromkeys(column for name, _, column in results if name == metric))
        cells = [
            [
                row,
                *(
                    interval(results.get((metric, row, column), [])) if (metric, row, column) in results else "–"
                    for column in columns
                ),
            ]
            for row in rows
        ]
        print(f"{table([metric, *columns], cells)}\n", flush=True)


def print_parts(description: str | None, parts: dict[str, Callable[[int], Results]]) -> None:
    """The command line: the tables of all parts, or of those that are asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=list(parts), metavar="PART")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.parts:
        results: dict[tuple[str, ...], list[float]] = defaultdict(list)
        began = time.process_time()
        for seed in range(options.seeds):
            for key, value in parts[name](seed):
                results[key].append(value)
        seconds = (time.process_time() - began) / options.seeds
        print(f"{name}: mean of {options.seeds} seeds ± 95 % interval; {seconds:.0f} s of CPU a seed\n")
        print_tables(results)


if __name__ == "__main__":
    print_parts(__doc__, PARTS)
