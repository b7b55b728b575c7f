"""Dead cells, and rules that heal: tables of docs/neighbours.md.

    python -m benchmarks.repair                              # everything, five seeds
    python -m benchmarks.repair --parts memory --seeds 1

lesions   sentences through lattices of depth 8, 16 and 32 with 5 % of all cells dead, and through one with a hole of
          3×3 cells. One rule for all cells is trained at depth 8 with such deaths (15,424 weights, 4,000 steps, two
          minutes); the rivals see the whole plane at every tick and are trained with the same deaths.
linear    the same rule, trained with the linear path that cells have by default
memory    a persistent lattice in which 8 % of the cells were emptied at every tick of its training, for 16 ticks on
          4×4 cells; then 5 % at every tick, for up to 500 ticks on 8×8 cells

"Of the way" is where a model is between the untrained lattice and the bound: a lattice in which only the dead of the
first and the last plane count, since nothing can make up for these.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.neighbours import CHANNELS, FACE, Results, print_parts, scores, sentences
from cubelib.evaluation.whole_plane import WholePlane
from cubelib.lattice import CubicCore, hole_damage, random_damage
from cubelib.lattice.perceive import AHEAD, BEHIND, LEVEL, NEIGHBORHOODS
from cubelib.training.fit_core import fit_core

DEAD = 0.05
DEPTHS = (8, 16, 32)
TEST = 450
STATE = 24  # channels of a cell: its own numbers, and as many to spare for copies of a neighbor's
Model = Callable[[Tensor, Tensor], Tensor]  # (cubes, damage) → cubes

# --- the lattice ------------------------------------------------------------------------------------------------------


def untrained(depth: int) -> CubicCore:
    """Passes everything on, straight through the lattice."""
    return CubicCore((depth, *FACE), CHANNELS, rule="shared", boundary="periodic")


def trained(cubes: Tensor, seed: int, *, linear_path: bool = False) -> CubicCore:
    """One rule for all cells, trained at depth 8 with new deaths in every batch."""
    torch.manual_seed(seed)
    core = CubicCore(
        (8, *FACE), CHANNELS, state_channels=STATE, hidden=64, rule="shared", boundary="periodic",
        linear_path=linear_path, cell_damage=DEAD,
    )  # fmt: skip
    fit_core(core, cubes, cubes, steps=4_000, seed=seed)
    return core


def by_hand(depth: int) -> CubicCore:
    """A rule written down, to see what is possible.

    A cell holds 12 numbers, a copy of those of its right neighbor, and a 1 that says that it is alive. If the cell
    behind it is dead, it takes its numbers from the copy that its left neighbor's predecessor held, and makes the copy
    anew.
    """
    core = CubicCore(
        (depth, *FACE), CHANNELS, state_channels=2 * CHANNELS + 1, hidden=4 * CHANNELS + 1, rule="shared",
        boundary="periodic", linear_path=False,
    )  # fmt: skip
    behind = NEIGHBORHOODS["moore"][BEHIND]
    straight, left, right = (behind.index(offset) * core.state_channels for offset in ((0, 0), (0, -1), (0, 1)))
    flag = 2 * CHANNELS
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.zero_()
        weights, bias, out = core.rule.behind[0][0], core.rule.bias[0][0], core.rule.out[0][0]
        unit = 0
        for source, target in ((left + CHANNELS, 0), (right, CHANNELS)):  # the copy → own numbers; own → the copy
            for number in range(CHANNELS):
                for sign in (1.0, -1.0):  # x = relu(x) − relu(−x)
                    weights[source + number, unit] = sign
                    weights[straight + flag, unit] = -1_000.0  # silent where the cell behind is alive
                    out[unit, target + number] = sign
                    unit += 1
        weights[straight + flag, unit], bias[unit], out[unit, flag] = -1.0, 1.0, 1.0
    return core


# --- rivals: stages that see the whole plane --------------------------------------------------------------------------


def trained_stages(
    cubes: Tensor, hidden: int, *, tied: bool, learning_rate: float, steps: int, seed: int
) -> WholePlane:
    """Trained as the lattice is: the same optimizer, schedule, batches, loss and deaths.

    With `tied` all ticks share one stage, as all planes of the lattice share one rule; else each of the seven ticks of
    depth 8 has its own, and there are none for other depths.
    """
    torch.manual_seed(seed)
    stages = WholePlane(FACE, CHANNELS, state_channels=STATE, hidden=hidden, stages=1 if tied else 7)

    def damage(generator: torch.Generator) -> Tensor:
        return torch.rand((8, *FACE), generator=generator) < DEAD

    fit_core(stages, cubes, cubes, steps=steps, learning_rate=learning_rate, damage=damage, seed=seed)
    return stages


# --- lesions ----------------------------------------------------------------------------------------------------------

DRAWS = range(8)
RATES = (0.0001, 0.0003, 0.001)
# hidden width, tied, steps: as many steps as two minutes allow
RIVALS = {"narrow, tied": (128, True, 4_000), "wide, tied": (768, True, 2_000), "narrow, untied": (128, False, 4_000)}


def scattered(depth: int) -> list[Tensor]:
    """Draws of dead cells, the same for all models and seeds."""
    return [random_damage((depth, *FACE), DEAD, seed=1_000 + draw) for draw in DRAWS]


def holes() -> list[Tensor]:
    """A hole of 3×3 cells at nine places of plane 4."""
    corners = [(row, column) for row in (0, 2, 5) for column in (0, 2, 5)]
    return [hole_damage((8, *FACE), (3, 3), plane=4, corner=corner) for corner in corners]


def only_ends(damage: Tensor) -> Tensor:
    """The dead of the first and the last plane."""
    ends = torch.zeros_like(damage)
    ends[0], ends[-1] = damage[0], damage[-1]
    return ends


def mean_cosine(model: Model, test: Tensor, masks: list[Tensor]) -> float:
    """Of outputs and inputs, over all masks."""
    return sum(scores(lambda cubes, mask=mask: model(cubes, mask), test, test)[1] for mask in masks) / len(masks)


def resized(core: CubicCore) -> Model:
    """The core on a lattice as deep as the mask."""
    return lambda cubes, damage: core.resized(depth=len(damage)).eval()(cubes, damage=damage)


def calls(rival: WholePlane) -> Model:
    """The rival as the tables call models."""
    return lambda cubes, damage: rival(cubes, damage=damage)


def lesions(seed: int) -> Results:
    """All models with scattered deaths at three depths, and with a hole."""
    cubes = sentences(seed).view(-1, *FACE, CHANNELS)
    test, train = cubes[:TEST], cubes[TEST:]
    core = trained(train, seed)
    straight, lattice = resized(untrained(8)), f"trained at depth 8, {core.parameter_count:,} weights"
    models: dict[str, Model] = {
        "untrained": straight,
        lattice: resized(core),
        "rule written by hand": resized(by_hand(8)),
        "bound": lambda cubes, damage: straight(cubes, only_ends(damage)),
    }
    rates = {
        name: {
            rate: trained_stages(train, width, tied=tied, learning_rate=rate, steps=steps, seed=seed) for rate in RATES
        }
        for name, (width, tied, steps) in RIVALS.items()
    }
    for name, stages in rates.items():
        called = [calls(model) for model in stages.values()]
        best = max(called, key=lambda model: mean_cosine(model, test, scattered(8)))
        weights = next(iter(stages.values())).parameter_count
        models[f"whole plane, {name}, {weights:,} weights"] = best
    for name, model in models.items():
        for depth in DEPTHS:
            if depth == 8 or "untied" not in name:
                yield ("cosine, 5 % dead", name, f"depth {depth}"), mean_cosine(model, test, scattered(depth))
        yield ("cosine, 5 % dead", name, "hole of 3×3"), mean_cosine(model, test, holes())
        yield (
            ("cosine, 5 % dead", name, "unharmed"),
            mean_cosine(model, test, [torch.zeros(8, *FACE, dtype=torch.bool)]),
        )
    for depth in DEPTHS:
        low, high, reached = (
            mean_cosine(models[name], test, scattered(depth)) for name in ("untrained", "bound", lattice)
        )
        yield ("of the way to the bound", lattice, f"depth {depth}"), (reached - low) / (high - low)


def linear(seed: int) -> Results:
    """How far a rule with a linear path gets."""
    cubes = sentences(seed).view(-1, *FACE, CHANNELS)
    test, train = cubes[:TEST], cubes[TEST:]
    straight = resized(untrained(8))
    models: list[Model] = [
        straight,
        lambda cubes, damage: straight(cubes, only_ends(damage)),
        resized(trained(train, seed, linear_path=True)),
    ]
    low, high, reached = (mean_cosine(model, test, scattered(8)) for model in models)
    yield (
        ("of the way to the bound", "trained at depth 8, with a linear path", "depth 8"),
        (reached - low) / (high - low),
    )


# --- memory -----------------------------------------------------------------------------------------------------------


def memory_by_hand() -> CubicCore:
    """A rule written down: an emptied cell takes the numbers of the cell behind it, or else of the one ahead.

    A 1 in the last channel says that a cell holds something. It is set where no neighbor has it, at the first tick.
    """
    core = CubicCore(
        (8, *FACE), CHANNELS, state_channels=CHANNELS + 1, hidden=4 * CHANNELS + 3, rule="shared",
        neighborhood="von_neumann", boundary="periodic", linear_path=False, persistent=True,
    )  # fmt: skip
    flag, width = CHANNELS, CHANNELS + 1
    own = NEIGHBORHOODS["von_neumann"][LEVEL].index((0, 0)) * width
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.zero_()
        weights = {offset: core.rule.first_layer(offset)[0][0] for offset in (BEHIND, LEVEL, AHEAD)}
        bias, out = core.rule.bias[0][0], core.rule.out[0][0]
        unit = 0
        for source in (BEHIND, AHEAD):
            for sign, number in [(sign, number) for sign in (1.0, -1.0) for number in range(CHANNELS)] + [(1.0, flag)]:
                weights[source][number, unit] = sign
                out[unit, number] = sign
                weights[LEVEL][own + flag, unit] = -1_000.0  # silent where the cell itself holds something
                if source == AHEAD:
                    weights[BEHIND][flag, unit] = -1_000.0  # or where the cell behind it does
                unit += 1
        for offset in (BEHIND, LEVEL, AHEAD):
            weights[offset][flag::width, unit] = -1.0
        bias[unit], out[unit, flag] = 1.0, 1.0
    return core


def trained_memory(seed: int) -> CubicCore:
    """Trained on random numbers and a quarter of the face, for 16 ticks: the rule does not know where it will live."""
    torch.manual_seed(seed)
    core = CubicCore(
        (8, 4, 4), CHANNELS, state_channels=16, hidden=48, rule="shared", neighborhood="von_neumann",
        boundary="periodic", linear_path=False, persistent=True, steps=16, cell_damage=0.08,
    )  # fmt: skip
    cubes = torch.randn(2_000, 4, 4, CHANNELS, generator=torch.Generator().manual_seed(seed))
    fit_core(core, cubes, cubes, steps=4_500, batch_size=2, seed=seed)
    return core


def memory(seed: int) -> Results:
    """Fifty sentences, each written once; 5 % of the cells are emptied at every tick."""
    test = sentences(seed)[:50].view(-1, *FACE, CHANNELS)
    core = trained_memory(seed)
    models = {
        "untrained": memory_by_hand().resized(),
        f"trained, {core.parameter_count:,} weights": core,
        "rule written by hand": memory_by_hand(),
    }
    for parameter in models["untrained"].parameters():
        nn.init.zeros_(parameter)
    for ticks in (16, 50, 100, 200, 500):
        emptied = torch.rand(ticks + 1, 8, *FACE, generator=torch.Generator().manual_seed(seed)) < DEAD
        emptied[0] = False  # the sentence is written whole
        for name, model in models.items():
            living = model.resized(rows=FACE[0], columns=FACE[1], steps=ticks).eval()
            cosine = scores(lambda cubes, living=living, mask=emptied: living(cubes, damage=mask), test, test)[1]
            yield ("cosine, 5 % emptied at every tick", name, f"{ticks} ticks"), cosine


PARTS = {"lesions": lesions, "linear": linear, "memory": memory}


if __name__ == "__main__":
    print_parts(__doc__, PARTS)
