"""The plan: every item once an epoch, tasks in their shares, and nothing that depends on more than seed and epoch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cubelib import TrainingConfig
from cubelib.training.batches import BatchSchedule, derived_seed, shuffled


def plan(sizes: dict[str, int], **settings) -> BatchSchedule:
    return BatchSchedule(TrainingConfig(mode="mixed" if len(sizes) > 1 else next(iter(sizes)), **settings), sizes)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 3))
def test_an_epoch_holds_every_item_once(items, size, epoch):
    planned = plan({"autoencoder": items}, batch_size=size)
    batches = [batch["autoencoder"] for batch in planned.batches(epoch)]
    assert len(batches) == planned.batch_count(epoch) and all(len(batch) <= size for batch in batches)
    assert torch.cat(batches).sort().values.tolist() == list(range(items))


def test_epochs_tasks_and_seeds_have_orders_of_their_own_and_each_comes_again():
    def order(task: str, epoch: int, seed: int = 0) -> list[int]:
        planned = plan({"autoencoder": 30, "dialogue": 30}, random_seed=seed, batch_size=7)
        return torch.cat([batch[task] for batch in planned.batches(epoch)]).tolist()

    orders = [order("dialogue", 1), order("dialogue", 2), order("autoencoder", 1), order("dialogue", 1, seed=1)]
    assert len({tuple(each) for each in orders}) == 4
    assert order("dialogue", 1) == orders[0]


def test_the_shorter_task_starts_again_in_another_order():
    planned = plan({"autoencoder": 10, "dialogue": 4}, batch_size=4)
    batches = [batch["dialogue"].tolist() for batch in planned.batches(1)]
    assert len(batches) == 3 and all(sorted(batch) == [0, 1, 2, 3] for batch in batches)
    assert len({tuple(batch) for batch in batches}) > 1


@pytest.mark.parametrize(("share", "epochs"), [(0.7, 10), (0.5, 6), (0.25, 8), (1.0, 5), (0.0, 5), (0.9, 30)])
def test_alternating_gives_each_task_its_share_of_the_epochs(share, epochs):
    mixed = {"plan": "alternating", "autoencoder_weight": share}
    planned = plan({"autoencoder": 20, "dialogue": 10}, epochs=epochs, batch_size=4, mixed=mixed)
    trained = [planned.weights(epoch) for epoch in range(1, epochs + 1)]
    assert all(list(weights.values()) == [1.0] for weights in trained)
    assert sum("autoencoder" in weights for weights in trained) == round(share * epochs)
    assert planned.steps_before(epochs + 1) == sum(5 if "autoencoder" in weights else 3 for weights in trained)


def test_a_curriculum_goes_from_one_task_to_the_other():
    planned = plan({"autoencoder": 8, "dialogue": 8}, epochs=5, mixed={"plan": "curriculum"})
    weights = [planned.weights(epoch) for epoch in range(1, 6)]
    assert [each.get("autoencoder", 0.0) for each in weights] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert [each.get("dialogue", 0.0) for each in weights] == [0.0, 0.25, 0.5, 0.75, 1.0]
    single = plan({"autoencoder": 8, "dialogue": 8}, epochs=1, mixed={"plan": "curriculum"})
    assert single.weights(1) == {"autoencoder": 1.0}


def test_accumulated_batches_make_fewer_steps():
    planned = plan({"dialogue": 10}, batch_size=2, gradient_accumulation=3)
    assert (planned.batch_count(1), planned.step_count(1), planned.steps_before(4)) == (5, 2, 6)


@pytest.mark.parametrize(("items", "accumulated"), [(3_200, 8), (1_000, 4), (100, 1), (1, 1)])
def test_a_dialogue_adds_up_to_eight_batches_and_leaves_eight_steps(items, accumulated):
    assert plan({"dialogue": items}).accumulation == accumulated
    assert plan({"autoencoder": items}).accumulation == 1
    assert plan({"autoencoder": items, "dialogue": items}).accumulation == 1
    assert plan({"dialogue": items}, gradient_accumulation=5).accumulation == 5


def test_seeds_of_different_parts_differ_and_are_fit_for_torch():
    seeds = {derived_seed(seed, *path) for seed in (0, 1) for path in [(), (1,), (2,), (1, 0), (1, 1), (0, 1)]}
    assert len(seeds) == 12 and all(0 <= seed < 2**63 for seed in seeds)
    torch.Generator().manual_seed(max(seeds))


def test_a_round_is_not_cut_off_by_the_next():
    batches = shuffled(5, 3, torch.Generator().manual_seed(0))
    found = [next(batches).tolist() for _ in range(4)]
    assert [len(batch) for batch in found] == [3, 2, 3, 2]
    assert sorted(found[0] + found[1]) == sorted(found[2] + found[3]) == list(range(5))
