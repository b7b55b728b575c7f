"""Cells that die: the masks that are made, and those that training draws by itself."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch
from small_cubes import small, vectors

from cubelib import AutoencoderDataset, CubeTrainer
from cubelib.lattice import CubicCore, ball_damage, damage_from_tick, hole_damage, make_damage, random_damage
from cubelib.lattice.reference import reference_states

SIZE = (4, 3, 2)


def cubes(count: int, *face: int) -> torch.Tensor:
    return torch.randn(count, *face, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def drawn(core: CubicCore, cube: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What training gives for a seed, and the cells that are silent at every tick for every item of the batch."""
    torch.manual_seed(seed)
    output, states = core.train()(cube, return_states=True)
    return output, (states == 0).all(-1).all(1).all(0)


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.01, 1), (0.05, 5), (0.5, 48), (1, 96)])
def test_a_mask_has_the_share_of_dead_cells_that_was_asked_for(share, count):
    damage = random_damage((6, 4, 4), share)
    assert damage.dtype == torch.bool and damage.shape == (6, 4, 4) and int(damage.sum()) == count


def test_with_one_seed_a_larger_share_kills_the_same_cells_and_more():
    growing = [random_damage((8, 8, 8), share, seed=3) for share in (0.05, 0.1, 0.4)]
    assert all(bool((less <= more).all()) for less, more in pairwise(growing))
    assert torch.equal(growing[0], random_damage((8, 8, 8), 0.05, seed=3))
    assert not torch.equal(growing[0], random_damage((8, 8, 8), 0.05, seed=4))


def test_cells_of_all_planes_rows_and_columns_can_die():
    often = sum(random_damage((4, 3, 2), 0.25, seed=seed).int() for seed in range(400))
    # 400 masks with 6 of 24 cells each: 100 deaths a cell, five standard deviations are 43.
    assert bool(((often > 57) & (often < 143)).all())


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_its_range(share):
    with pytest.raises(ValueError, match=rf"random_damage: share is the part .* dead, 0 … 1; got {share}"):
        random_damage((8, 8, 8), share)


def test_lesions_by_name_have_about_the_share_that_was_asked_for():
    for share in (0.0, 0.002, 0.03, 0.1):
        for shape in ("scattered", "ball", "hole"):
            damage = make_damage(shape, (12, 12, 12), share, plane=6, seed=1)
            dead = 12**3 * share
            # A square has at most 144 cells. A ball has its middle, and the cells on its rim count whole or not at all.
            expected = min(dead, 144) if shape == "hole" else dead
            assert abs(int(damage.sum()) - expected) <= 0.25 * expected + 2, (shape, share)
            if shape == "hole":
                assert set(damage.nonzero()[:, 0].tolist()) <= {6}
    assert torch.equal(make_damage("scattered", SIZE, 0.5, seed=3), random_damage(SIZE, 0.5, seed=3))
    with pytest.raises(ValueError, match=r"shape 'cross' is not known\. Use one of scattered, ball, hole"):
        make_damage("cross", SIZE, 0.1)


def test_a_ball_holds_the_cells_within_its_radius():
    damage = ball_damage((7, 8, 9), 1.5, center=(3, 0, 8))
    inside = [
        (z, row, column)
        for z, row, column in product(range(7), range(8), range(9))
        if math.dist((z, row, column), (3, 0, 8)) <= 1.5
    ]
    assert [tuple(cell) for cell in damage.nonzero().tolist()] == inside


def test_a_hole_is_a_rectangle_of_one_plane():
    damage = hole_damage((4, 5, 6), (2, 3), plane=1, corner=(3, 3))
    assert damage.nonzero().tolist() == [[1, row, column] for row in (3, 4) for column in (3, 4, 5)]


def test_a_cell_that_dies_once_the_signal_has_passed_costs_nothing():
    core, cube = CubicCore(), torch.randn(2, 8, 8, 12, generator=torch.Generator().manual_seed(0))
    damage = hole_damage(core.lattice_size, plane=3)
    for tick in range(8):
        masks = damage_from_tick(damage, tick, steps=7)
        whole = torch.equal(core(cube, damage=masks), cube)
        assert whole == (tick > 3)  # untrained, plane 3 holds the signal at tick 3
    assert torch.equal(core(cube, damage=damage_from_tick(damage, 0, steps=7)), core(cube, damage=damage))


@pytest.mark.parametrize(
    ("lesion", "message"),
    [
        (lambda: ball_damage((8, 8, 8), -1), r"radius is a number of cells, 0 or more; got -1"),
        (
            lambda: ball_damage((8, 8, 8), 2, center=(0, 8, 0)),
            r"\(0, 8, 0\) lies outside .* \(0, 0, 0\) to \(7, 7, 7\)",
        ),
        (lambda: hole_damage((8, 8, 8), plane=8), r"\(8, 0, 0\) lies outside the lattice"),
        (lambda: hole_damage((8, 8, 8), corner=(6, 0)), r"3×3 cells from \(6, 0\) on does not fit into a plane of 8×8"),
        (lambda: hole_damage((8, 8, 8), (0, 3)), r"Use a smaller size, at least \(1, 1\)"),
        (lambda: damage_from_tick(random_damage((8, 8, 8), 0.1), 8, steps=7), r"tick 8 is not among the ticks 0 to 7"),
    ],
)
def test_a_lesion_outside_the_lattice(lesion, message):
    with pytest.raises(ValueError, match=message):
        lesion()


# --- drawn in training ------------------------------------------------------------------------------------------------


def test_evaluation_kills_nothing(random_core):
    whole, core, cube = random_core(), random_core(cell_damage=0.9), cubes(5, 3, 2)
    assert torch.equal(core.eval()(cube), whole(cube))
    assert not torch.equal(core.train()(cube), whole(cube))


def test_a_mask_that_is_given_is_the_only_one(random_core):
    whole, core, cube = random_core(), random_core(cell_damage=0.9), cubes(5, 3, 2)
    for share in (0.0, 0.3):
        damage = random_damage(SIZE, share)
        assert torch.equal(core.train()(cube, damage=damage), whole(cube, damage=damage))


def test_each_call_draws_dead_cells_anew_and_as_many_as_asked_for(random_core):
    core, cube = random_core(steps=4, hidden=16, cell_damage=0.1), cubes(8, 3, 2)
    masks = torch.stack([drawn(core, cube, seed)[1] for seed in range(500)])
    # 12,000 draws: the share is within five standard errors (0.0027 each) of 0.1, in every plane within twice that.
    assert abs(masks.double().mean().item() - 0.1) < 0.014
    assert bool(((masks.double().mean((0, 2, 3)) - 0.1).abs() < 0.028).all())
    assert torch.equal(masks[7], drawn(core, cube, 7)[1])
    assert len({tuple(mask.flatten().tolist()) for mask in masks[:20]}) > 10


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
@pytest.mark.parametrize("steps", [3, 6])
def test_drawn_damage_is_that_of_the_reference_on_both_paths(random_core, steps, gradient_checkpointing):
    options = {"steps": steps, "hidden": 16, "bottleneck": 2, "gradient_checkpointing": gradient_checkpointing}
    core, cube = random_core(cell_damage=0.3, **options), cubes(6, 3, 2)
    dense, dead = drawn(core, cube, seed=1)
    assert 0 < int(dead.sum()) < dead.numel()
    expected = reference_states(core, cube[2], dead)[-1, -1, :, :, :2]
    torch.manual_seed(1)
    fast = core(cube)
    for output in (dense, fast):
        torch.testing.assert_close(output[2], expected, atol=1e-10, rtol=0)


def test_a_persistent_core_in_training_empties_other_cells_at_each_tick(random_core):
    core, cube = random_core(persistent=True, steps=200, cell_damage=0.1, hidden=1), torch.ones(1, 3, 2, 2)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.zero_()
    torch.manual_seed(0)
    _, states = core.train()(cube.double(), return_states=True)
    alive = (states[0] != 0).any(-1).double().mean((1, 2, 3))  # at each tick; nothing refills a cell
    expected = 0.9 ** torch.arange(1, 202, dtype=torch.double)
    assert alive[0] > 0.7 and alive[-1] == 0
    assert bool(((alive - expected).abs() < 0.35).all()) and alive.diff().le(0).all()


def test_gradient_checkpointing_recomputes_with_the_same_dead_cells(random_core):
    gradients = []
    for gradient_checkpointing in (False, True):
        core = random_core(steps=6, cell_damage=0.3, cell_dropout=0.3, gradient_checkpointing=gradient_checkpointing)
        torch.manual_seed(4)
        core.train()(cubes(3, 3, 2)).square().sum().backward()
        gradients.append([parameter.grad for parameter in core.parameters() if parameter.requires_grad])
    assert any(gradient.abs().max() > 0 for gradient in gradients[0])
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("cell_dropout", [0.0, 0.4])
def test_shares_of_a_batch_have_the_same_dead_cells(random_core, cell_dropout):
    """What several processes do, one after the other."""
    core, cube = random_core(cell_damage=0.3, cell_dropout=cell_dropout).train(), cubes(8, 3, 2)

    def output(rows: slice, share: tuple[slice, int] | None) -> torch.Tensor:
        core.batch_shard = share
        torch.manual_seed(0)
        return core(cube[rows])

    whole = output(slice(None), None)
    for rows in (slice(0, 3), slice(3, 8)):
        torch.testing.assert_close(output(rows, (rows, 8)), whole[rows], rtol=0, atol=1e-12)
    core.cell_damage = 0.0
    assert not torch.allclose(output(slice(None), None), whole)


def test_an_untrained_cube_in_training_loses_whole_columns():
    """A column lives if all its cells do: (1 − p)⁸ of them."""
    core, cube = CubicCore(cell_damage=0.05).train(), torch.ones(1, 8, 8, 12)
    torch.manual_seed(0)
    columns = torch.cat([core(cube) for _ in range(100)])[..., 0]
    assert set(columns.unique().tolist()) == {0.0, 1.0}
    assert abs(columns.mean().item() - 0.95**8) < 0.03  # five standard errors of 6,400 columns


def test_a_resumed_run_draws_the_dead_cells_of_one_that_was_not_interrupted(tmp_path):
    data = AutoencoderDataset(vectors(60, 1)), AutoencoderDataset(vectors(30, 2))
    settings = small(
        epochs=4,
        early_stopping_patience=4,
        save_interval=1,
        core={"bottleneck": 2, "cell_damage": 0.2, "cell_dropout": 0.2},
    )

    def trained(trainer: CubeTrainer, **run: object) -> list[dict[str, float]]:
        trainer.fit(*data, progress=False, **run)
        return trainer.training_history

    trainer = CubeTrainer(settings)
    trainer.initialize_components()
    straight = trained(trainer)
    first = CubeTrainer({**settings, "epochs": 2})
    first.initialize_components()
    trained(first, folder=tmp_path)
    resumed = CubeTrainer.resume(tmp_path, epochs=4)
    assert trained(resumed, folder=tmp_path) == straight
    assert resumed.config.core.cell_damage == 0.2
    assert len({row["loss"] for row in straight}) == 5


# --- choosing the epoch ----------------------------------------------------------------------------------------------


def test_the_epoch_is_chosen_by_how_it_withstands_damage():
    train, validation = (AutoencoderDataset(vectors(count, seed)) for count, seed in ((200, 1), (60, 2)))
    settings = small(epochs=6, core={"cell_damage": 0.2, "rule": "genome", "bottleneck": None}, learning_rate=0.003)
    trainer = CubeTrainer({**settings, "early_stopping_patience": 6})
    trainer.initialize_components()
    history = trainer.fit(train, validation, progress=False)
    masks = [random_damage(trainer.embedding_processor.lattice_size, 0.2, seed=seed) for seed in range(4)]
    damaged = [trainer.evaluate(validation, damage=mask)["cosine_similarity"] for mask in masks]
    best = max(history, key=lambda row: row["score"])
    assert best["score"] == pytest.approx(sum(damaged) / 4, abs=1e-6)
    whole = trainer.evaluate(validation)["cosine_similarity"]
    assert best["autoencoder_cosine_similarity"] == pytest.approx(whole, abs=1e-6)
    # Whole, a cube without a bottleneck is best before training; the score sees what the damage does.
    assert history[0]["autoencoder_cosine_similarity"] > 0.9999 and history[0]["score"] < 0.95
    assert best["epoch"] > 0


def test_predictions_with_dead_cells_are_those_of_the_core():
    trainer = CubeTrainer(small(mode="dialogue"))
    trainer.initialize_components()
    core, reshaper = trainer.embedding_processor, trainer.embedding_reshaper
    given, mask = vectors(300, 1), random_damage(core.lattice_size, 0.3)
    expected = reshaper.unfold(core(reshaper.fold(given), damage=mask))
    torch.testing.assert_close(trainer.predict(given, damage=mask), expected)
    assert torch.equal(trainer.forward(given[0], damage=mask), trainer.forward(given[:1], damage=mask)[0])
    assert not torch.allclose(trainer.predict(given), expected)
