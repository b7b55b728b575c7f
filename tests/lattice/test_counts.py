"""Parameters, code size and FLOPs: the formulas against the real tensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cubelib.lattice import CubicCore
from cubelib.lattice.perceive import BOUNDARIES, NEIGHBORHOODS
from cubelib.lattice.rule import RULES


def entries_that_can_learn(random_core: Callable[..., CubicCore], *arguments: object, **options: object) -> int:
    """Entries of the parameters that receive a gradient for some of many weights and inputs.

    Several draws of the weights, and inputs that are large beside the biases: a hidden unit that happens to be silent
    for all inputs in one draw is not in another.
    """
    support: dict[str, torch.Tensor] = {}
    for seed in range(6):
        core = random_core(*arguments, seed=seed, **options)
        cube = torch.randn(
            30, *core.lattice_size[1:], core.in_channels, dtype=torch.float64,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        core(100.0 * cube).square().sum().backward()
        for name, parameter in core.named_parameters():
            if parameter.grad is not None:
                support[name] = support.get(name, torch.zeros(())) + parameter.grad.abs()
    return sum(int((gradient > 0).sum()) for gradient in support.values())


@pytest.mark.parametrize("linear_path", [True, False], ids=["linear", "relu_only"])
@pytest.mark.parametrize("bottleneck", [None, 1], ids=["no_bottleneck", "bottleneck"])
@pytest.mark.parametrize("steps", [3, 4, 6])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_parameter_count_is_the_number_of_entries_that_can_learn(
    random_core, rule, neighborhood, boundary, steps, bottleneck, linear_path
):
    options = {
        "rule": rule, "neighborhood": neighborhood, "boundary": boundary, "steps": steps, "bottleneck": bottleneck,
        "linear_path": linear_path,
    }  # fmt: skip
    core = random_core((4, 3, 2), 2, **options)
    assert core.parameter_count == entries_that_can_learn(random_core, (4, 3, 2), 2, **options)


@pytest.mark.parametrize("linear_path", [True, False], ids=["linear", "relu_only"])
@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_parameter_count_of_a_persistent_core(random_core, rule, neighborhood, steps, linear_path):
    options = {
        "rule": rule, "neighborhood": neighborhood, "steps": steps, "linear_path": linear_path, "persistent": True,
    }  # fmt: skip
    core = random_core((3, 3, 2), 2, **options)
    assert core.parameter_count == entries_that_can_learn(random_core, (3, 3, 2), 2, **options)


@pytest.mark.parametrize("size", [(1, 2, 2), (2, 1, 3), (3, 1, 1)])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("conduction", [True, False])
def test_parameter_count_of_small_lattices(random_core, size, rule, conduction):
    for steps in range(size[0] - 1, size[0] + 2):
        options = {"rule": rule, "steps": steps, "conduction": conduction}
        core = random_core(size, 2, **options)
        if steps == 0:
            assert core.parameter_count == 0  # one plane and no tick: the output is the input
        else:
            assert core.parameter_count == entries_that_can_learn(random_core, size, 2, **options)


def test_parameter_counts_of_the_default_core():
    """8×8×8, Moore, 7 ticks. Behind: 9 neighbors × 16 channels × (32 hidden + 16 straight) = 6,912; out: 512."""
    network = 9 * 16 * (32 + 16) + 32 * 16
    counts = {rule: CubicCore(rule=rule).parameter_count for rule in RULES}
    assert counts["shared"] == network + 32
    assert counts["genome"] == network + 7 * 64 * 2 * 32
    # Local networks on the rim have no weights that matter for neighbors outside; of 64 · 9 pairs 484 are inside.
    # The first plane that updates reads 12 channels, the input's; the last writes 12, the output's.
    hidden = 32 * (484 * (6 * 16 + 12) + 64 * (7 + 6 * 16 + 12))
    assert counts["local"] == hidden + 484 * (12 * 16 + 5 * 16 * 16 + 16 * 12)


def learning(**options: object) -> set[str]:
    return {name for name, sheet in CubicCore(**options).rule.named_parameters() if sheet.requires_grad}


def test_what_cannot_learn_is_frozen():
    """Genome: the network is shared, gain and bias are each plane's own. The front plane acts from 9 ticks on: at 8 it
    has no time to be heard after its first change."""
    first = {"behind.0", "out.0", *(f"{name}.{z}" for name in ("gain", "bias") for z in range(1, 8))}
    assert learning(steps=7) == first
    assert learning(steps=8) == first | {"level.0", "gain.0", "bias.0"}
    assert learning(steps=9) == learning(steps=8) | {"ahead.0"}


def test_local_networks_that_cannot_learn_are_frozen():
    every = {name: {f"{name}.{z}" for z in range(8)} for name in ("behind", "level", "ahead", "bias", "out")}
    late = {f"{name}.{z}" for name in ("behind", "bias", "out") for z in range(1, 8)}
    assert learning(rule="local", steps=7) == late
    assert learning(rule="local", steps=8) == late | every["level"] | {"bias.0", "out.0"}
    assert learning(rule="local", steps=9) == learning(rule="local", steps=8) | every["ahead"] - {"ahead.7"}


class ProbedCore(CubicCore):
    """A core that adds a zero to all that passes the bottleneck, in order to ask afterwards who heard it."""

    def _apply_masks(self, state, planes, t, alive):
        state = super()._apply_masks(state, planes, t, alive)
        if self.bottleneck_plane in planes:
            at = self.bottleneck_plane - planes.start
            probe = torch.zeros_like(state[at]).requires_grad_()  # (batch, rows, columns, channels)
            self.probes.append((state[at].detach() != 0, probe))
            state = torch.cat([state[:at], (state[at] + probe)[None], state[at + 1 :]])
        return state


@pytest.mark.parametrize("size", [(4, 3, 2), (5, 2, 2), (2, 2, 1), (1, 1, 2)])
@pytest.mark.parametrize("bottleneck", [1, 2, 3])
@pytest.mark.parametrize("conduction", [True, False], ids=["conducting", "still"])
def test_latent_dim_counts_the_numbers_that_pass_the_bottleneck_and_are_heard(size, bottleneck, conduction):
    for steps in range(size[0] - 1, size[0] + 3):
        core = ProbedCore(
            size, 2, state_channels=4, hidden=16, bottleneck=bottleneck, steps=steps, conduction=conduction
        ).double()  # fmt: skip
        torch.manual_seed(8)
        for parameter in core.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        core.probes = []
        core(torch.randn(30, *size[1:], 2, dtype=torch.float64)).square().sum().backward()
        passed = [(nonzero & (probe.grad != 0)).any(0) for nonzero, probe in core.probes]  # (rows, columns, channels)
        assert core.latent_dim == sum(int(numbers.sum()) for numbers in passed)


@pytest.mark.parametrize("bottleneck", [1, 3])
def test_a_bottleneck_is_the_rank_of_the_whole_map(random_core, bottleneck):
    """With depth − 1 ticks the output moves in latent_dim directions and no more, whatever the weights."""
    core = random_core((4, 3, 2), 4, state_channels=5, hidden=16, bottleneck=bottleneck)
    cube = torch.randn(1, 3, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    jacobian = torch.autograd.functional.jacobian(core, cube).reshape(cube.numel(), cube.numel())
    assert core.latent_dim == 3 * 2 * bottleneck == int(torch.linalg.matrix_rank(jacobian))


def test_latent_dim_without_a_bottleneck_is_none():
    assert CubicCore().latent_dim is None


@pytest.mark.parametrize("linear_path", [True, False], ids=["linear", "relu_only"])
@pytest.mark.parametrize("steps", [3, 5, 8])
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
@pytest.mark.parametrize("rule", RULES)
def test_flops_are_those_of_the_products_that_run(random_core, rule, neighborhood, steps, linear_path):
    core = random_core((4, 3, 2), 2, rule=rule, neighborhood=neighborhood, steps=steps, linear_path=linear_path)
    cubes = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    for expected, dense in ((core.flops_per_sample, False), (core.dense_flops_per_sample, True)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            core(cubes, return_states=dense)
        assert counter.get_total_flops() == 5 * expected


def test_at_the_fewest_steps_one_plane_does_the_work_of_eight():
    core = CubicCore()
    per_tick = 64 * (9 * 16 * (32 + 16) + 32 * 16)  # multiply-adds of one plane that looks behind
    assert core.flops_per_sample == 2 * 7 * per_tick
    assert core.dense_flops_per_sample == 2 * 7 * 64 * ((7 + 8 + 7) * 9 * 16 * (32 + 16) + 8 * 32 * 16)
