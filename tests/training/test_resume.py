"""A run that is killed and resumed ends as if nothing had happened, bit for bit; and what is kept of a run on disk."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small_cubes import small, vectors

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.errors import CheckpointError
from cubelib.training.checkpoint import (
    Checkpoint,
    CheckpointWarning,
    load_checkpoint,
    save_checkpoint,
    saved_states,
)

SETTINGS = {
    "autoencoder": {"core": {"cell_dropout": 0.3, "bottleneck": 2}, "schedule": "one_cycle", "gradient_clipping": 0.5},
    "dialogue": {"optimizer": "adam", "schedule": "cosine", "warmup": 0.2, "gradient_accumulation": 2},
    "mixed": {"mixed": {"plan": "alternating"}, "optimizer": "sgd"},
}
# What the killed processes run: the same data again, a new run or the one there is.
SCRIPT = """
import json, sys, time
import torch
from pathlib import Path
sys.path[:0] = {tests!r}
torch.set_num_threads(1)
from test_resume import data
from cubelib import CubeTrainer
from cubelib.training.checkpoint import saved_states
mode, settings, folder = json.loads(sys.argv[1])
if saved_states(folder):
    trainer = CubeTrainer.resume(folder)
else:
    trainer = CubeTrainer(settings)
    trainer.initialize_components()
print("training", flush=True)
trainer.fit(*data(mode), folder=folder, progress=False, on_batch_end=lambda *_: time.sleep(0.002))
print("ended", flush=True)
"""


def data(mode: str) -> tuple:
    """Training and validation data of a mode."""
    pairs = [
        DialogueDataset(vectors(count, seed), vectors(count, seed).roll(1, 1)) for count, seed in ((60, 1), (30, 2))
    ]
    texts = [AutoencoderDataset(vectors(count, seed)) for count, seed in ((75, 3), (30, 4))]
    if mode == "mixed":
        return tuple({"autoencoder": text, "dialogue": pair} for text, pair in zip(texts, pairs, strict=True))
    return tuple(pairs if mode == "dialogue" else texts)


def settings_of(mode: str, **changes) -> dict:
    general = {"epochs": 6, "save_interval": 1, "early_stopping_patience": 50, "batch_size": 16}
    return small(mode=mode, **{**general, **SETTINGS[mode], **changes})


def trained(mode: str, folder: Path | None = None, **changes) -> CubeTrainer:
    trainer = CubeTrainer(settings_of(mode, **changes))
    trainer.initialize_components()
    trainer.fit(*data(mode), folder=folder, progress=False)
    return trainer


def same_weights(one: CubeTrainer, other: CubeTrainer) -> bool:
    mine, others = one.state_dict(), other.state_dict()
    return mine.keys() == others.keys() and all(torch.equal(mine[name], others[name]) for name in mine)


@pytest.mark.parametrize("mode", SETTINGS)
def test_a_run_killed_at_any_moment_ends_like_one_that_was_not(tmp_path, mode):
    whole, folder, chance = trained(mode), tmp_path / "run", random.Random(mode)
    arguments = [sys.executable, "-c", SCRIPT.format(tests=[str(folder) for folder in Path(__file__).parents[:2]])]
    arguments.append(json.dumps([mode, settings_of(mode), str(folder)]))
    kills, ended = 0, False
    while not ended:
        assert kills < 40
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "training\n"
        if kills < 3:
            time.sleep(chance.uniform(0.02, 0.45))
            process.send_signal(signal.SIGKILL)
            kills += 1
        ended = process.stdout.read() == "ended\n"
        process.wait()
        for state in saved_states(folder):
            load_checkpoint(state)  # under its own name every state is whole
    resumed = CubeTrainer.load(folder)
    assert kills and resumed.training_history == whole.training_history
    assert same_weights(resumed, whole) and resumed.stop_reason == whole.stop_reason.split("; kept")[0]


@pytest.mark.parametrize("mode", SETTINGS)
@pytest.mark.parametrize("epoch", [0, 2, 5, 6])
def test_from_every_state_the_end_is_the_same(tmp_path, mode, epoch, monkeypatch):
    monkeypatch.setattr("cubelib.training.checkpoint.KEPT", 9)
    whole = trained(mode, tmp_path / "run")
    shutil.copytree(tmp_path / "run" / "epochs" / f"{epoch:04d}", tmp_path / "other" / "epochs" / f"{epoch:04d}")
    resumed = CubeTrainer.resume(tmp_path / "other")
    assert resumed.current_epoch == epoch
    resumed.fit(*data(mode), folder=tmp_path / "other", progress=False)
    assert resumed.training_history == whole.training_history and resumed.stop_reason == whole.stop_reason
    assert same_weights(resumed, whole)


def test_a_stop_for_good_is_known_after_resuming(tmp_path):
    whole = trained("dialogue", tmp_path, learning_rate=1e-9, early_stopping_patience=2)
    assert whole.stop_reason.startswith("early_stopping_patience: 2 epochs did not raise the validation score")
    resumed = CubeTrainer.resume(tmp_path)
    resumed.fit(*data("dialogue"), folder=tmp_path, progress=False)
    assert (resumed.current_epoch, resumed.stop_reason) == (2, whole.stop_reason)
    longer = CubeTrainer.resume(tmp_path, early_stopping_patience=4)
    longer.fit(*data("dialogue"), folder=tmp_path, progress=False)
    assert (longer.current_epoch, longer.stop_reason[:24]) == (4, "early_stopping_patience:")


def test_a_run_can_be_made_longer(tmp_path):
    changes = {"schedule": "constant", "warmup": None}
    whole = trained("dialogue", epochs=6, **changes)
    trained("dialogue", tmp_path, epochs=3, **changes)
    longer = CubeTrainer.resume(tmp_path, epochs=6)
    longer.fit(*data("dialogue"), folder=tmp_path, progress=False)
    assert longer.training_history == whole.training_history and same_weights(longer, whole)
    assert longer.stop_reason.startswith("epochs: all 6 are trained")


def test_the_last_states_and_the_best_cube_are_kept(tmp_path):
    trainer = trained("dialogue", tmp_path, epochs=7, save_interval=2)
    assert [path.name for path in saved_states(tmp_path)] == ["0006", "0007"]
    assert [path.name for path in tmp_path.rglob(".*")] == [".lock"]
    assert same_weights(CubeTrainer.load(tmp_path), trainer)
    scores = [row["score"] for row in trainer.training_history]
    best = load_checkpoint(tmp_path / "epochs" / "0007").best
    kept = trainer.embedding_processor.state_dict()
    assert all(torch.equal(best[name], kept[name]) for name in kept)
    assert f"the weights of epoch {scores.index(max(scores))}" in trainer.stop_reason
    found = load_checkpoint(tmp_path).provenance
    assert {"python", "torch", "numpy", "machine", "threads", "cubelib", "device", "processes"} <= found.keys()


def test_other_data_another_run_and_no_state_are_refused(tmp_path):
    trained("dialogue", tmp_path / "run", epochs=2)
    resumed = CubeTrainer.resume(tmp_path / "run")
    train, validation = data("dialogue")
    with pytest.raises(CheckpointError, match="was trained on other items"):
        resumed.fit(train.subset(torch.arange(50)), validation, progress=False)
    with pytest.raises(CheckpointError, match=r"it holds epochs of another run \(0001, 0002\)\. Choose a new folder"):
        trained("dialogue", tmp_path / "run")
    for place in ("run/checkpoint", "run/epochs/0002", "nowhere"):
        with pytest.raises(CheckpointError, match="there is no state to resume from"):
            CubeTrainer.resume(tmp_path / place)
    with pytest.raises(CheckpointError, match="it has 2 epochs already"):
        CubeTrainer.resume(tmp_path / "run", epochs=1)
    with pytest.raises(CheckpointError, match="that is a checkpoint, not the folder of a run"):
        trained("dialogue", tmp_path / "run" / "epochs" / "0001")


def test_a_damaged_state_is_passed_over_for_the_one_before(tmp_path):
    whole = trained("dialogue", tmp_path)
    state = tmp_path / "epochs" / "0006" / "optimizer.safetensors"
    state.write_bytes(b"")  # what a power failure leaves
    with pytest.warns(CheckpointWarning, match=r"Resuming from epoch 5\. .*0006: optimizer.safetensors is cut short"):
        resumed = CubeTrainer.resume(tmp_path)
    resumed.fit(*data("dialogue"), progress=False)
    assert resumed.training_history == whole.training_history and same_weights(resumed, whole)
    (tmp_path / "epochs" / "0005" / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"0006: optimizer.safetensors is cut short"):
        CubeTrainer.resume(tmp_path)


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    trained("dialogue", tmp_path, epochs=1)
    for leftover in (tmp_path / ".checkpoint-x1", tmp_path / "epochs" / ".0001-old"):
        leftover.mkdir()
    CubeTrainer.resume(tmp_path, epochs=2).fit(*data("dialogue"), folder=tmp_path, progress=False)
    assert [path.name for path in tmp_path.rglob(".*")] == [".lock"]


def test_a_memory_of_other_parameters_is_refused(tmp_path):
    trained("dialogue", tmp_path, epochs=1)
    checkpoint = load_checkpoint(tmp_path / "epochs" / "0001")
    extra = {**checkpoint.optimizer, "rule.unknown/step": torch.tensor(1.0)}
    for change in ({"optimizer": extra}, {"optimizer": {}}, {"best": {}}):
        save_checkpoint(tmp_path / "epochs" / "0001", Checkpoint(**{**vars(checkpoint), **change}))
        with pytest.raises(CheckpointError, match="do not fit the model of its configuration"):
            CubeTrainer.resume(tmp_path, epochs=3).fit(*data("dialogue"), progress=False)


def test_a_disk_without_room_is_named_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 100, 0))
    with pytest.raises(CheckpointError, match=r"need about \d+ MB, and the disk has 0 MB left\. Make room"):
        trained("dialogue", tmp_path / "run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_must_not_be_written_is_named_before_training(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match=r"Permission denied\. Choose a folder that you may write to"):
        trained("dialogue", tmp_path)


def test_a_file_in_the_way_is_named_before_training(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(CheckpointError, match=r"Saving the run in .*run: .*\. Choose a folder that you may write to"):
        trained("dialogue", tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_save_that_fails_on_the_way_is_said_and_training_goes_on(tmp_path, monkeypatch):
    replace, failing = os.replace, []

    def full(source, target):
        if str(target).endswith("0003"):
            failing.append(target)
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(
        CheckpointWarning, match=r"The state after epoch 3 is not saved; training goes on\. Saving .*No space left"
    ):
        trainer = trained("dialogue", tmp_path)
    assert failing and trainer.current_epoch == 6
    assert [path.name for path in saved_states(tmp_path)] == ["0005", "0006"]
    assert same_weights(trainer, trained("dialogue"))
