"""The core as a whole: identity, batches, damage, dropout, checkpointing, number types, devices, compilation."""

from __future__ import annotations

import shutil

import pytest
import torch

from cubelib.lattice import CubicCore
from cubelib.lattice.rule import RULES


def cubes(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


# --- untrained --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("neighborhood", ["von_neumann", "moore"])
@pytest.mark.parametrize("boundary", ["zero", "reflect", "periodic"])
def test_an_untrained_conducting_core_is_the_identity(rule, neighborhood, boundary):
    core = CubicCore((4, 3, 5), 3, rule=rule, neighborhood=neighborhood, boundary=boundary)
    cube = cubes(6, 3, 5, 3, dtype=torch.float32)
    assert torch.equal(core(cube), cube)
    assert torch.equal(core(cube, return_states=True)[0], cube)


def test_an_untrained_core_with_a_bottleneck_keeps_the_first_channels_and_no_other():
    cube = cubes(2, 8, 8, 12, dtype=torch.float32)
    expected = cube.clone()
    expected[..., 4:] = 0
    assert torch.equal(CubicCore(bottleneck=4)(cube), expected)


@pytest.mark.parametrize(("depth", "middle"), [(1, 0), (2, 0), (3, 1), (7, 3), (8, 3)])
def test_the_bottleneck_is_at_the_middle_plane(depth, middle):
    core = CubicCore((depth, 1, 1), 2, state_channels=2, hidden=1, bottleneck=1)
    assert core.bottleneck_plane == middle
    _, states = core(torch.ones(1, 1, 1, 2), return_states=True)
    second_channel = states[0, range(depth), range(depth), 0, 0, 1]  # plane t at tick t
    assert second_channel.tolist() == [1.0] * middle + [0.0] * (depth - middle)


def test_an_untrained_core_still_learns():
    """W_out is zero but its gradient is not: training can leave the identity."""
    core = CubicCore((3, 2, 2), 2)
    core(cubes(4, 2, 2, 2, dtype=torch.float32)).square().sum().backward()
    assert core.rule.out[0].grad.abs().max() > 0


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_items_of_a_batch_do_not_know_of_each_other(random_core, rule):
    core = random_core(rule=rule, steps=5)
    batch = cubes(7, 3, 2, 2)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    with torch.no_grad():
        whole = core(batch)
        torch.testing.assert_close(core(batch[order]), whole[order], atol=1e-12, rtol=0)
        for item in range(7):
            torch.testing.assert_close(core(batch[item : item + 1]), whole[item : item + 1], atol=1e-12, rtol=0)
    assert (whole[0] - whole[1]).abs().max() > 1e-3  # different inputs, different outputs


def test_one_item_influences_only_itself(random_core):
    core = random_core(steps=5)
    batch = cubes(4, 3, 2, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(core(batch)[2].sum(), batch)
    assert [bool((gradient[item] != 0).any()) for item in range(4)] == [False, False, True, False]


def test_an_empty_batch_gives_an_empty_batch(random_core):
    assert random_core()(torch.zeros(0, 3, 2, 2, dtype=torch.float64)).shape == (0, 3, 2, 2)


@pytest.mark.parametrize("rule", RULES)
def test_large_batches_give_the_same_numbers_as_small_ones(random_core, rule):
    """Enough items that any splitting into blocks takes place."""
    core = random_core((3, 4, 4), 3, state_channels=16, hidden=32, rule=rule)
    batch = cubes(700, 4, 4, 3)
    with torch.no_grad():
        apart = torch.cat([core(part) for part in batch.split(9)])
        torch.testing.assert_close(core(batch), apart, atol=1e-10, rtol=0)


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conduction", [True, False])
def test_a_dead_cell_is_silent_at_every_tick_and_others_are_not(random_core, conduction):
    core = random_core(steps=6, hidden=16, conduction=conduction)
    damage = torch.zeros(4, 3, 2, dtype=torch.bool)
    damage[0, 1, 1] = damage[2, 0, 0] = True
    with torch.no_grad():
        _, states = core(cubes(20, 3, 2, 2), damage=damage, return_states=True)
    assert (states[:, :, damage] == 0).all()
    assert (states[:, -1, ~damage] != 0).any(-1).any(0).all()


def test_damage_takes_an_untrained_column_away():
    damage = torch.zeros(8, 8, 8, dtype=torch.bool)
    damage[5, 2, 3] = True
    cube = cubes(2, 8, 8, 12, dtype=torch.float32)
    expected = cube.clone()
    expected[:, 2, 3] = 0
    assert torch.equal(CubicCore()(cube, damage=damage), expected)


def test_damage_changes_the_output_only_where_it_is_heard(random_core):
    """A cell of the plane before the last: its neighbors on the back face notice, the others do not."""
    core = random_core((4, 5, 5), rule="genome", hidden=16)
    damage = torch.zeros(4, 5, 5, dtype=torch.bool)
    damage[2, 1, 1] = True
    cube = cubes(8, 5, 5, 2)
    with torch.no_grad():
        changed = (core(cube) != core(cube, damage=damage)).any(-1).any(0)
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[:3, :3] = True
    assert torch.equal(changed, expected)


# --- cell dropout -----------------------------------------------------------------------------------------------------


def test_cell_dropout_acts_only_in_training_and_repeats_with_its_seed(random_core):
    quiet, core = random_core(), random_core(cell_dropout=0.5)
    cube = cubes(5, 3, 2, 2)
    with torch.no_grad():
        assert torch.equal(core.eval()(cube), quiet(cube))
        core.train()
        outputs = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            outputs.append(core(cube))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_cell_dropout_skips_whole_cells_and_keeps_the_expected_change(random_core):
    """One tick from plane 0 to plane 1: each change is either nothing or the full one divided by 1 − p."""
    core = random_core((2, 3, 2), cell_dropout=0.25)
    cube = cubes(1, 3, 2, 2).expand(4000, 3, 2, 2)
    torch.manual_seed(3)
    with torch.no_grad():
        change = core(cube) - cube
        full = core.eval()(cube) - cube
    kept = (change.abs() > 1e-12).all(-1)  # (items, rows, columns)
    assert torch.equal(kept, (change.abs() > 1e-12).any(-1))
    torch.testing.assert_close(change[kept], (full / 0.75)[kept], atol=1e-12, rtol=0)
    # 24,000 draws: the share kept is within 5 standard errors (0.0028 each) of 0.75.
    assert abs(kept.double().mean().item() - 0.75) < 0.014
    assert kept.double().mean((1, 2)).std() > 0.1  # drawn for every item and cell anew


# --- gradient checkpointing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_dropout", [0.0, 0.3])
def test_gradient_checkpointing_changes_neither_output_nor_gradients(random_core, cell_dropout):
    results = []
    for gradient_checkpointing in (False, True):
        core = random_core(steps=6, cell_dropout=cell_dropout, gradient_checkpointing=gradient_checkpointing)
        cube = cubes(3, 3, 2, 2).requires_grad_()
        torch.manual_seed(4)
        output = core(cube)
        output.square().sum().backward()
        results.append([output, cube.grad, *(p.grad for p in core.parameters() if p.requires_grad)])
    for plain, recomputed in zip(*results, strict=True):
        assert plain.abs().max() > 0
        assert torch.equal(plain, recomputed)


def test_gradient_checkpointing_remembers_less(random_core):
    """Numbers kept for the backward pass: at most a quarter of what they are without."""
    kept = []
    for gradient_checkpointing in (False, True):
        core = random_core((6, 4, 4), steps=12, gradient_checkpointing=gradient_checkpointing, hidden=16)
        parameters = {parameter.data_ptr() for parameter in core.parameters()}
        numbers = {}

        def note(tensor, parameters=parameters, numbers=numbers):
            if tensor.data_ptr() not in parameters:
                numbers[tensor.untyped_storage().data_ptr()] = (tensor.untyped_storage().nbytes(), tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            core(cubes(16, 4, 4, 2))
        kept.append(sum(size for size, _ in numbers.values()))
    assert 0 < kept[1] < kept[0] / 4


# --- number types and devices -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.1)], ids=str
)
@pytest.mark.parametrize("rule", RULES)
def test_every_number_type_gives_the_float64_answer_to_its_precision(random_core, rule, dtype, tolerance):
    cube = cubes(4, 3, 2, 2)
    expected = random_core(rule=rule, steps=5)(cube)
    core = random_core(rule=rule, steps=5, dtype=dtype)
    output = core(cube.to(dtype))
    assert output.dtype == dtype
    scale = expected.abs().max()
    assert (output.double() - expected).abs().max() < tolerance * scale
    output.float().sum().backward()
    assert all(p.grad.dtype == dtype and p.grad.isfinite().all() for p in core.parameters() if p.requires_grad)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch finds none here")
@pytest.mark.parametrize("rule", RULES)
def test_cuda_gives_the_cpu_answer_forward_and_backward(random_core, rule):
    damage = torch.zeros(4, 3, 2, dtype=torch.bool)
    damage[1, 1, 1] = True
    results = []
    for device in ("cpu", "cuda"):
        core = random_core(rule=rule, steps=5, bottleneck=2).to(device)
        output = core(cubes(4, 3, 2, 2).to(device), damage=damage)
        output.square().sum().backward()
        results.append([output.cpu(), *(p.grad.cpu() for p in core.parameters() if p.requires_grad)])
    for on_cpu, on_cuda in zip(*results, strict=True):
        torch.testing.assert_close(on_cuda, on_cpu, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("rule", ["genome", "local"])
def test_one_graph_without_a_break_gives_the_same_numbers_and_gradients(random_core, rule):
    """torch.compile's capture and differentiation, without the wait for a C++ compiler."""
    core = random_core((3, 2, 1), 2, steps=3, bottleneck=2, rule=rule)
    results = []
    for run in (core, torch.compile(core, fullgraph=True, backend="aot_eager")):
        core.zero_grad()
        output = run(cubes(3, 2, 1, 2))
        output.square().sum().backward()
        results.append([output, *(p.grad.clone() for p in core.parameters() if p.requires_grad)])
    for eager, captured in zip(*results, strict=True):
        torch.testing.assert_close(captured, eager, atol=1e-10, rtol=1e-10)


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "cl"))), reason="torch.compile needs a C++ compiler")
def test_compiled_gives_the_same_numbers(random_core):
    core = random_core((2, 2, 1), 2)
    cube = cubes(3, 2, 1, 2)
    with torch.no_grad():
        compiled = torch.compile(core, fullgraph=True)(cube)
        torch.testing.assert_close(compiled, core(cube), atol=1e-10, rtol=1e-10)


def test_weights_survive_the_way_through_a_state_dict(random_core):
    core, other = random_core(seed=1, steps=5), random_core(seed=2, steps=5)
    cube = cubes(2, 3, 2, 2)
    assert not torch.equal(core(cube), other(cube))
    other.load_state_dict(core.state_dict())
    assert torch.equal(core(cube), other(cube))


def test_states_are_the_whole_film(random_core):
    core = random_core(steps=5)
    cube = cubes(2, 3, 2, 2)
    output, states = core(cube, return_states=True)
    assert states.shape == (2, 6, 4, 3, 2, 3)  # (batch, ticks + 1, depth, rows, columns, channels)
    assert torch.equal(states[:, 0, 0, :, :, :2], cube)
    assert (states[:, 0, 1:] == 0).all()
    assert torch.equal(states[:, -1, -1, :, :, :2], output)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"rule": "local", "steps": 9, "bottleneck": 4},
            "CubicCore(8×8×8 cells, 16 channels, local rule, moore neighborhood, 9 ticks, "
            "bottleneck 4 → 768 numbers, {count:,} parameters)",
        ),
        (
            {"neighborhood": "von_neumann"},
            "CubicCore(8×8×8 cells, 16 channels, genome rule, von_neumann neighborhood, 7 ticks, "
            "no bottleneck, {count:,} parameters)",
        ),
    ],
)
def test_repr_teaches(options, text):
    core = CubicCore(**options)
    assert repr(core) == text.format(count=core.parameter_count)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lattice_size": (1000, 1000, 1000)}, "has 1,000,000,000 cells, and at most 10,000,000 are built"),
        ({"hidden": 3_000_000_000, "rule": "shared"}, "weights would take 5,"),
        ({"steps": 100_000}, "steps is at most 10,000 ticks; got 100,000"),
        ({"lattice_size": (100, 100, 100), "rule": "local", "hidden": 64}, "Use a smaller lattice_size, hidden"),
    ],
)
def test_what_is_far_too_large_is_refused_before_it_is_built(options, message, monkeypatch):
    monkeypatch.setattr("cubelib.lattice.core.Rule", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(ValueError, match=message):
        CubicCore(**options)
