"""Training: what can be learned is learned, the best is kept, every run repeats exactly, and chance gains nothing."""

import copy
import re

import pytest
import torch
from small_cubes import DIM, small, vectors

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.errors import DataError
from cubelib.evaluation.baselines import PCA


def pairs(count: int, seed: int) -> DialogueDataset:
    """Question → answer by one fixed map: four numbers change their sign."""
    questions = vectors(count, seed)
    sign = torch.ones(DIM)
    sign[-4:] = -1
    return DialogueDataset(questions, questions * sign)


def bent(count: int, seed: int) -> torch.Tensor:
    """16 free numbers, 16 that are their absolute values, and noise: PCA sees only the first 16."""
    generator = torch.Generator().manual_seed(seed)
    free = torch.randn(count, 16, generator=generator) * torch.linspace(2, 1, 16)
    return torch.cat([free, 0.5 * free.abs(), 0.05 * torch.randn(count, 16, generator=generator)], dim=1) / 8


def trained(settings: dict, train=None, validation=None, **changes) -> CubeTrainer:
    trainer = CubeTrainer({**settings, **changes})
    trainer.initialize_components()
    trainer.fit(train or pairs(300, 1), validation or pairs(60, 2), progress=False)
    return trainer


def weights(trainer: CubeTrainer) -> dict[str, torch.Tensor]:
    return copy.deepcopy(trainer.embedding_processor.state_dict())


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_training_improves_on_new_items_and_loses_where_targets_are_shuffled():
    settings = small(mode="dialogue", loss_function="cosine", epochs=8, core={"rule": "local"})
    new = pairs(200, 3)
    learned = trained(settings)
    before, after = learned.untrained().evaluate(new), learned.evaluate(new)
    assert after["cosine_similarity"] > before["cosine_similarity"] + 0.15
    assert after["mrr"] > max(0.9, before["mrr"] + 0.05)
    train = pairs(300, 1)
    shuffle = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    misled = trained(settings, DialogueDataset(train.input, train.target[shuffle])).evaluate(new)
    assert misled["cosine_similarity"] < before["cosine_similarity"] + 0.02 and misled["mrr"] < before["mrr"] + 0.02


def test_an_autoencoder_without_training_is_pca_and_with_training_is_better():
    train, validation = (AutoencoderDataset(bent(count, seed)) for count, seed in ((300, 1), (60, 2)))
    trainer = trained(
        small(core={"bottleneck": 1, "rule": "local"}, learning_rate=0.01, epochs=12, early_stopping_patience=12),
        train,
        validation,
    )
    twin, pca = trainer.untrained(), PCA(16).fit(train.input, train.target)
    torch.testing.assert_close(twin.predict(validation.input), pca.predict(validation.input), rtol=0, atol=1e-5)
    assert trainer.training_history[0]["score"] == pytest.approx(twin.evaluate(validation)["cosine_similarity"])
    assert trainer.evaluate(validation)["cosine_similarity"] > twin.evaluate(validation)["cosine_similarity"] + 0.01
    assert not same(weights(trainer), weights(twin))


@pytest.mark.parametrize("misled", [False, True])
def test_the_best_epoch_s_weights_are_kept(misled):
    train = pairs(64, 1)
    if misled:  # it learns the opposite, so the best epoch is the first: before any training
        train = DialogueDataset(train.input, -train.target)
    trainer = CubeTrainer(small(mode="dialogue", loss_function="contrastive_cosine", epochs=3))
    trainer.initialize_components()
    snapshots = [weights(trainer)]
    history = trainer.fit(train, pairs(60, 2), progress=False, on_epoch_end=lambda t, row: snapshots.append(weights(t)))
    scores = [row["score"] for row in history]
    best = scores.index(max(scores))
    assert (best == 0) == misled and not same(snapshots[0], snapshots[3])
    assert same(weights(trainer), snapshots[best])
    kept = "the cube as it was before training" if misled else f"the weights of epoch {best}"
    assert trainer.stop_reason.endswith(f"; kept: {kept}")
    assert trainer.evaluate(pairs(60, 2))["mrr"] == scores[best]


def test_an_epoch_is_every_item_once_and_each_has_its_own_order(monkeypatch):
    taken, take = [], DialogueDataset.__getitems__
    monkeypatch.setattr(
        DialogueDataset, "__getitems__", lambda self, indices: taken.extend(indices) or take(self, indices)
    )
    trained(small(mode="dialogue", epochs=2), train=pairs(50, 1))
    first, second = taken[:50], taken[50:]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second and sorted(first) not in (first, second)


def test_training_stops_where_it_has_converged_and_says_so():
    settings = small(mode="dialogue", learning_rate=1e-9, epochs=50, early_stopping_patience=3)
    trainer = trained(settings)
    assert trainer.current_epoch == 3
    assert "early_stopping_patience: 3 epochs did not raise the validation score;" in trainer.stop_reason
    assert "epochs: all 2 are trained;" in trained(settings, epochs=2).stop_reason
    untouched = trained(settings, epochs=0)
    assert len(untouched.training_history) == 1 and untouched.current_epoch == 0


@pytest.mark.parametrize("changes", [{}, {"core": {"cell_dropout": 0.3}}, {"core": {"layout": "random"}}])
def test_the_same_seed_gives_the_same_run_bit_for_bit_and_leaves_the_global_one_alone(changes):
    settings = small(mode="dialogue", epochs=2, **changes)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = trained(settings)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = trained(settings), trained(settings, random_seed=5)
    assert first.training_history == again.training_history != other.training_history
    assert same(weights(first), weights(again)) and not same(weights(first), weights(other))


def test_validation_items_are_never_trained_on():
    poisoned = DialogueDataset(vectors(60, 8), vectors(60, 9))
    ends = []
    for validation in (pairs(60, 2), poisoned):
        trainer = CubeTrainer(small(mode="dialogue", epochs=3))
        trainer.initialize_components()
        trainer.fit(pairs(100, 1), validation, progress=False, on_epoch_end=lambda t, row: ends.append(weights(t)))
    assert all(same(honest, other) for honest, other in zip(ends[:3], ends[3:], strict=True))


def test_mixed_mode_trains_both_tasks_by_their_weights_and_needs_both():
    data = {"dialogue": pairs(100, 1), "autoencoder": AutoencoderDataset(vectors(150, 4))}
    settings = small(mode="mixed", loss_function="squared_distance", epochs=3)

    def history(share: float, **changes) -> list[dict]:
        return trained(settings, data, data, mixed={"autoencoder_weight": share}, **changes).training_history

    # Steps too small to change a weight: the loss of a balance is the balance of the losses.
    between = history(0.25, learning_rate=1e-12)[1]
    dialogue, autoencoder = between["dialogue_loss"], between["autoencoder_loss"]
    assert between["loss"] == pytest.approx(0.75 * dialogue + 0.25 * autoencoder, rel=1e-5)
    assert dialogue > 2 * autoencoder
    assert history(1.0, learning_rate=1e-12)[1]["loss"] == pytest.approx(autoencoder, rel=0.05)
    for figure in ("autoencoder_cosine_similarity", "dialogue_cosine_similarity"):
        ends = {share: history(share)[-1][figure] for share in (0.0, 1.0)}
        assert (ends[1.0] > ends[0.0]) == figure.startswith("autoencoder")
    last = history(0.5)[-1]
    assert last["score"] == pytest.approx((last["autoencoder_cosine_similarity"] + last["dialogue_mrr"]) / 2)
    for bad in (data["dialogue"], {"dialogue": data["dialogue"]}):
        with pytest.raises(DataError, match="mode mixed takes train data for autoencoder and dialogue; got"):
            trained(settings, bad, data)


@pytest.mark.parametrize(
    ("learning_rate", "items", "batch"),
    [
        (9.9, 300, r"batch \d+ of 10"),
        (3.5, 300, r"batch \d+ of 10"),
        (1e30, 300, "batch 2 of 10"),
        (1e30, 32, "its last"),
    ],
)
def test_a_loss_that_explodes_is_named_with_its_place_and_the_best_weights_come_back(learning_rate, items, batch):
    trainer = CubeTrainer(
        small(mode="dialogue", loss_function="squared_distance", optimizer="sgd", learning_rate=learning_rate)
    )
    trainer.initialize_components()
    before = weights(trainer)
    rate = re.escape(f"{learning_rate:g}")
    place = rf"in epoch 1 at {batch}.*, with learning_rate {rate}\. The weights of epoch 0 are back"
    with pytest.raises(FloatingPointError, match=place):
        trainer.fit(pairs(items, 1), pairs(60, 2), progress=False)
    assert same(weights(trainer), before)
    assert trainer.stop_reason == "broke down in epoch 1; kept: the cube as it was before training"
    assert trainer.predict(vectors(2, 0)).isfinite().all()
