"""The loop's options: accumulation, clipping, schedules, hooks, plans, precision, odd sizes, stopping when asked to."""

import copy
import math
import random
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_cubes import DIM, small, vectors

from cubelib import AutoencoderDataset, CubeTrainer, CubicCore, DialogueDataset
from cubelib.errors import ConfigError, DataError
from cubelib.training.loop import Loop


def pairs(count: int, seed: int = 1) -> DialogueDataset:
    """Question → answer by one fixed map: the last numbers change their sign."""
    questions = vectors(count, seed)
    sign = torch.ones(DIM)
    sign[-4:] = -1
    return DialogueDataset(questions, questions * sign)


def prepared(train=None, **changes) -> CubeTrainer:
    trainer = CubeTrainer(small(mode="dialogue", **changes))
    trainer.initialize_components()
    trainer.prepare(train or pairs(100), pairs(40, 2))
    return trainer


def weights(trainer: CubeTrainer) -> dict[str, torch.Tensor]:
    return copy.deepcopy(trainer.embedding_processor.state_dict())


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.mark.parametrize("loss", ["contrastive_cosine", "squared_distance"])
@pytest.mark.parametrize("items", [96, 100])
def test_accumulated_batches_are_one_large_batch(loss, items):
    """Also where the last step of an epoch has fewer; wrong answers come from the whole step."""
    ends = []
    for batch, accumulated in ((32, 1), (8, 4)):
        trainer = prepared(
            pairs(items), loss_function=loss, batch_size=batch, gradient_accumulation=accumulated, optimizer="sgd"
        )
        rows = [trainer.train_epoch()["loss"] for _ in range(2)]
        ends.append((rows, weights(trainer)))
    assert ends[0][0] == pytest.approx(ends[1][0], abs=1e-5)
    assert largest_difference(ends[0][1], ends[1][1]) < 1e-5
    assert largest_difference(ends[0][1], weights(prepared())) > 1e-4


def test_clipping_bounds_the_step():
    def step(**changes) -> float:
        trainer = prepared(optimizer="sgd", learning_rate=1.0, batch_size=100, **changes)
        before = weights(trainer)
        trainer.train_epoch()
        return math.sqrt(sum((weights(trainer)[name] - before[name]).square().sum().item() for name in before))

    free = step()
    assert step(gradient_clipping=free / 3) == pytest.approx(free / 3, rel=1e-3)
    assert step(gradient_clipping=free * 3) == pytest.approx(free, rel=1e-5)


def test_the_learning_rate_follows_its_schedule():
    seen = []
    trainer = CubeTrainer(small(mode="dialogue", schedule="cosine", warmup=0.25, epochs=4, learning_rate=0.01))
    trainer.initialize_components()
    trainer.fit(pairs(64), pairs(40, 2), progress=False, on_batch_end=lambda _, row: seen.append(row["learning_rate"]))
    assert len(seen) == 8 and seen[:2] == pytest.approx([0.005, 0.01]) and seen[2] == pytest.approx(0.01)
    assert all(later < earlier for earlier, later in pairwise(seen[2:])) and seen[-1] < 0.001


def test_hooks_are_called_after_every_step_and_epoch_in_their_order():
    calls = []

    def say(name):
        return lambda trainer, row: calls.append((name, row["epoch"], row.get("batch")))

    trainer = CubeTrainer(small(mode="dialogue", epochs=2, batch_size=50))
    trainer.initialize_components()
    trainer.fit(pairs(100), pairs(40, 2), progress=False, on_batch_end=[say("a"), say("b")], on_epoch_end=say("end"))
    one = [("a", 1, 1), ("b", 1, 1), ("a", 1, 2), ("b", 1, 2), ("end", 1, None)]
    assert calls == one + [(name, 2, batch) for name, _, batch in one]


def test_a_loop_of_one_s_own_is_the_one_of_fit():
    fitted = CubeTrainer(small(mode="dialogue", epochs=3))
    fitted.initialize_components()
    fitted.fit(pairs(100), pairs(40, 2), progress=False)
    own = prepared(epochs=3)
    rows = [own.train_epoch() for _ in range(3)]
    assert own.training_history == fitted.training_history and rows == fitted.training_history[1:]
    own.finish()
    assert largest_difference(weights(own), weights(fitted)) == 0.0
    with pytest.raises(ValueError, match=r"CubeTrainer\.train_epoch: there is nothing to train on yet"):
        own.train_epoch()


def test_stop_ends_after_the_batch_with_the_best_weights():
    seen, trainer = [], CubeTrainer(small(mode="dialogue", epochs=9, batch_size=10))
    trainer.initialize_components()

    def stop_in_the_third(trainer: CubeTrainer, row: dict) -> None:
        seen.append((row["epoch"], row["batch"]))
        if seen[-1] == (3, 4):
            trainer.stop()

    ends = []
    history = trainer.fit(
        pairs(100),
        pairs(40, 2),
        progress=False,
        on_batch_end=stop_in_the_third,
        on_epoch_end=lambda trainer, _: ends.append(weights(trainer)),
    )
    assert seen[-1] == (3, 4) and len(history) == 3
    assert trainer.stop_reason.startswith("stopped in epoch 3; kept: the weights of epoch")
    best = max(range(3), key=lambda epoch: history[epoch]["score"])
    assert best and largest_difference(weights(trainer), ends[best - 1]) == 0.0


def test_stop_after_an_epoch_begins_no_other_and_keeps_its_state(tmp_path):
    trainer = CubeTrainer(small(mode="dialogue", epochs=9))
    trainer.initialize_components()
    trainer.fit(pairs(100), pairs(40, 2), folder=tmp_path, progress=False, on_epoch_end=lambda t, row: t.stop())
    assert trainer.current_epoch == 1 and trainer.stop_reason.startswith("stopped after epoch 1; kept:")
    assert CubeTrainer.resume(tmp_path).current_epoch == 1


def test_a_mode_is_not_changed_while_training_goes_on():
    trainer = prepared()
    with pytest.raises(ConfigError, match=r"training is going on. Call finish\(\) first"):
        trainer.set_mode("autoencoder")
    trainer.train_epoch()
    trainer.finish()
    assert trainer.stop_reason.startswith("finished after epoch 1; kept:")
    trainer.set_mode("autoencoder")
    assert trainer.config.mode == "autoencoder"


def test_what_is_no_dataset_and_a_batch_without_wrong_answers_are_refused():
    trainer = CubeTrainer(small(mode="dialogue"))
    trainer.initialize_components()
    for wrong in (vectors(5, 1), "x", None):
        with pytest.raises(DataError, match="are an AutoencoderDataset or a DialogueDataset; got"):
            trainer.fit(wrong, pairs(20), progress=False)
    with pytest.raises(ConfigError, match="with 1 there are none to learn from"):
        CubeTrainer(small(mode="dialogue", batch_size=1))
    CubeTrainer(small(mode="dialogue", batch_size=1, gradient_accumulation=2))


def test_the_target_can_end_training():
    settings = small(
        mode="dialogue", loss_function="cosine", epochs=30, target_similarity=0.9, early_stopping_patience=30
    )
    ends = []
    for stop in (False, True):
        trainer = CubeTrainer({**settings, "stop_at_target": stop})
        trainer.initialize_components()
        trainer.fit(pairs(300), pairs(60, 2), progress=False)
        ends.append(trainer)
    cosines = [row["dialogue_cosine_similarity"] for row in ends[1].training_history]
    assert cosines[-1] >= 0.9 > max(cosines[:-1]) and ends[0].current_epoch == 30
    assert ends[1].stop_reason.startswith("target_similarity: the validation cosine reached 0.9;")
    there = CubeTrainer({**settings, "stop_at_target": True, "target_similarity": 0.1})
    there.initialize_components()
    there.fit(pairs(300), pairs(60, 2), progress=False)
    assert there.current_epoch == 0 and there.stop_reason.endswith("kept: the cube as it was before training")


@pytest.mark.parametrize("name", ["alternating", "curriculum"])
def test_the_plans_of_mixed_mode_train_both_tasks(name):
    data = {"dialogue": pairs(60), "autoencoder": AutoencoderDataset(vectors(80, 4))}
    trainer = CubeTrainer(small(mode="mixed", epochs=5, early_stopping_patience=9, mixed={"plan": name}))
    trainer.initialize_components()
    history = trainer.fit(data, data, progress=False)
    trained = [
        "".join(t[0] for t in ("autoencoder", "dialogue") if row[f"{t}_loss"] is not None) for row in history[1:]
    ]
    assert trained == (["a", "d", "a", "a", "a"] if name == "alternating" else ["a", "ad", "ad", "ad", "d"])
    assert {"autoencoder_cosine_similarity", "dialogue_mrr"} <= history[-1].keys()
    assert list(history[-1])[:5] == ["epoch", "loss", "autoencoder_loss", "dialogue_loss", "score"]


@pytest.mark.parametrize("rule", ["shared", "genome", "local"])
def test_bf16_is_close_to_float32_and_leaves_the_weights_float32(rule):
    losses = {}
    for precision in ("float32", "bf16", "auto"):
        trainer = prepared(precision=precision, core={"rule": rule, "cell_dropout": 0.1}, learning_rate=0.05)
        losses[precision] = [trainer.train_epoch()["loss"] for _ in range(2)][1]
        assert all(tensor.dtype == torch.float32 for tensor in weights(trainer).values())
        trainer.finish()
        assert trainer.embedding_processor.forward.__func__ is CubicCore.forward  # as it was before training
    assert losses["auto"] == losses["float32"] != losses["bf16"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_of_one_and_batches_larger_than_the_data_work(size):
    trainer = prepared(pairs(20), batch_size=size, loss_function="contrastive_cosine")
    row = trainer.train_epoch()
    assert math.isfinite(row["loss"])
    trainer.finish()


def test_an_empty_validation_set_is_refused_before_training():
    trainer = CubeTrainer(small(mode="dialogue"))
    trainer.initialize_components()
    empty = pairs(20).subset(torch.arange(0))
    for train, validation, which in ((pairs(20), empty, "validation"), (empty, pairs(20), "train")):
        with pytest.raises(DataError, match=f"CubeTrainer.fit: the {which} data are empty"):
            trainer.fit(train, validation, progress=False)


def test_training_draws_from_its_own_generator_and_changes_no_other():
    """Also while it goes on: somebody else draws between two batches, and neither notices the other."""
    logs = []
    for hook in (None, lambda _: torch.rand(3)):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
        run = prepared(core={"cell_dropout": 0.4, "cell_damage": 0.1})._run
        logs.append(run.epoch(hook))
        after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
        assert after[:2] == before[:2] and torch.equal(after[2], before[2]) == (hook is None)
    assert logs[0] == logs[1]


def test_two_trainings_at_once_are_those_of_each_alone():
    def trained(log):
        trainer = prepared(core={"cell_dropout": 0.4})
        log += [trainer.train_epoch() for _ in range(3)]

    alone, together = [], ([], [])
    trained(alone)
    threads = [threading.Thread(target=trained, args=(log,)) for log in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == (alone, alone)


def test_tensorboard_gets_every_figure_of_every_epoch(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from cubelib.training.tensorboard import TensorBoard

    trainer = CubeTrainer(small(mode="dialogue", epochs=2))
    trainer.initialize_components()
    trainer.fit(pairs(60), pairs(40, 2), progress=False, on_epoch_end=TensorBoard(tmp_path))
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    found = {event.step: event.value for event in events.Scalars("dialogue_mrr")}
    assert found == pytest.approx({row["epoch"]: row["dialogue_mrr"] for row in trainer.training_history})
    assert [event.step for event in events.Scalars("loss")] == [1, 2]


def test_a_step_on_a_loss_that_is_no_number_is_not_made(monkeypatch):
    trainer = prepared()
    before = weights(trainer)
    monkeypatch.setattr(Loop, "_loss", lambda *_: trainer.embedding_processor.rule.out[0].sum() * float("nan"))
    with pytest.raises(
        FloatingPointError,
        match=r"in epoch 1 at batch 1 of 4, with learning_rate 0\.01\. The weights of epoch 0 .* the loss became nan",
    ):
        trainer.train_epoch()
    assert largest_difference(weights(trainer), before) == 0.0


@pytest.mark.parametrize("shares", [[slice(0, None, 2), slice(1, None, 2)], [slice(0, 3), slice(3, 8)]])
def test_shares_of_a_batch_drop_the_cells_that_the_whole_drops(shares):
    """What several processes do, one after the other."""
    core = CubicCore((3, 2, 2), 4, state_channels=4, hidden=4, cell_dropout=0.5)
    with torch.no_grad():
        core.rule.out[0].normal_()
    cubes = torch.randn(8, 2, 2, 4, generator=torch.Generator().manual_seed(1))

    def output(rows: slice, share: tuple | None) -> torch.Tensor:
        core.batch_shard = share
        torch.manual_seed(0)
        return core(cubes[rows])

    whole = output(slice(None), None)
    for rows in shares:
        torch.testing.assert_close(output(rows, (rows, 8)), whole[rows], rtol=0, atol=1e-6)
    assert not torch.allclose(output(shares[1], None), whole[shares[1]], atol=1e-3)
