"""Checkpoints come back as they were written, or one sentence says what is wrong with them."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from cubelib.errors import CheckpointError
from cubelib.training.checkpoint import (
    STATE,
    Checkpoint,
    CheckpointManager,
    load_checkpoint,
    load_tensors,
    save_checkpoint,
)

WEIGHTS, OPTIMIZER, BEST_WEIGHTS = "weights.safetensors", "optimizer.safetensors", "best.safetensors"
TENSORS = {
    "core.weight": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
    "half": torch.ones(2).half(),
    "order": torch.arange(5),
    "on": torch.tensor(True),
    "turned": torch.arange(6.0).view(2, 3).T,
}
CONFIG, HISTORY = (
    {"mode": "dialogue", "data": {"file": str(Path("ä.csv").absolute())}},
    [{"epoch": 0, "loss": None, "score": 0.1}],
)


@pytest.fixture
def saved(tmp_path) -> Path:
    save_checkpoint(tmp_path / "made on the way" / "checkpoint", Checkpoint(TENSORS, CONFIG, HISTORY))
    return tmp_path / "made on the way" / "checkpoint"


def test_everything_comes_back(saved):
    found = load_checkpoint(saved)
    assert (found.config, found.history) == (CONFIG, HISTORY)
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(found.tensors[name], tensor) and found.tensors[name].dtype == tensor.dtype
    assert (found.optimizer, found.best, found.stop_reason, found.seconds) == (None, None, None, None)
    assert found.provenance["torch"] == torch.__version__ and found.provenance["threads"] == torch.get_num_threads()


def test_a_checkpoint_is_two_files_and_neither_is_a_pickle(saved):
    assert sorted(path.name for path in saved.iterdir()) == [STATE, WEIGHTS]
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]  # nothing is left beside it
    assert not any(b"\x80\x02" in path.read_bytes()[:2] or b"PK" in path.read_bytes()[:2] for path in saved.iterdir())
    assert json.loads((saved / STATE).read_text(encoding="utf-8"))["format"] == 5


def test_a_state_to_go_on_from_comes_back_with_it(tmp_path):
    parts = {"optimizer": {"a/step": torch.tensor(3.0)}, "best": {"a": torch.ones(2)}}
    save_checkpoint(tmp_path / "0005", Checkpoint(TENSORS, CONFIG, HISTORY, {"dialogue": "ab"}, 1.5, "why", **parts))
    found = load_checkpoint(tmp_path / "0005")
    assert (found.trained_on, found.seconds, found.stop_reason) == ({"dialogue": "ab"}, 1.5, "why")
    assert torch.equal(found.optimizer["a/step"], torch.tensor(3.0)) and torch.equal(found.best["a"], torch.ones(2))
    for name in (OPTIMIZER, BEST_WEIGHTS):
        whole = (tmp_path / "0005" / name).read_bytes()
        (tmp_path / "0005" / name).write_bytes(whole[:-1])
        with pytest.raises(CheckpointError, match=f"0005: {name} is cut short or damaged"):
            load_checkpoint(tmp_path / "0005")
        (tmp_path / "0005" / name).unlink()
        with pytest.raises(CheckpointError, match=rf"there is no {name}\. Give a folder that"):
            load_checkpoint(tmp_path / "0005")
        (tmp_path / "0005" / name).write_bytes(whole)


def test_a_later_save_takes_the_place_of_an_earlier_one(saved):
    save_checkpoint(saved, Checkpoint({"core.weight": torch.zeros(2)}, CONFIG, HISTORY * 2))
    found = load_checkpoint(saved)
    assert (list(found.tensors), len(found.history)) == (["core.weight"], 2)
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("failing_step", [1, 2])
def test_a_save_that_fails_leaves_the_earlier_checkpoint(saved, monkeypatch, failing_step):
    steps, rename = [], os.replace

    def fail(source, target):
        steps.append(target)
        if len(steps) == failing_step:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(
        CheckpointError, match=re.escape(f"Saving the checkpoint {saved}: No space left on device. Free")
    ):
        save_checkpoint(saved, Checkpoint({}, {}, []))
    assert load_checkpoint(saved).history == HISTORY
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]


def test_what_is_no_checkpoint_is_never_replaced(saved):
    (saved / "notes.txt").write_text("mine")
    for place in (saved, saved.parent, saved / "notes.txt"):
        with pytest.raises(CheckpointError, match="that is not a checkpoint, and would be lost"):
            save_checkpoint(place, Checkpoint({}, {}, []))
    assert (saved / "notes.txt").read_text() == "mine" and load_checkpoint(saved).history == HISTORY


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        CheckpointError, match=r"Saving the checkpoint .*: .+\. Free the disk, or choose another folder"
    ):
        save_checkpoint(tmp_path / "file" / "checkpoint", Checkpoint(TENSORS, CONFIG, HISTORY))
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("length", [0, 1, 7, 8, 60, -1])
def test_weights_that_are_cut_short_are_named_and_left_as_they_are(saved, length):
    short = (saved / WEIGHTS).read_bytes()[:length]
    (saved / WEIGHTS).write_bytes(short)
    with pytest.raises(
        CheckpointError, match=re.escape(f"Loading the checkpoint {saved}: {WEIGHTS} is cut short or dam")
    ):
        load_checkpoint(saved)
    assert (saved / WEIGHTS).read_bytes() == short


@pytest.mark.parametrize("name", [STATE, WEIGHTS])
def test_one_changed_bit_is_noticed_wherever_it_is(saved, name):
    whole = (saved / name).read_bytes()
    bits = torch.randint(8 * len(whole), (60,), generator=torch.Generator().manual_seed(0))
    for bit in bits.tolist():
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        (saved / name).write_bytes(changed)
        with pytest.raises(CheckpointError, match=rf"^Loading the checkpoint .*({name} is cut short|it has format)"):
            load_checkpoint(saved)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(saved):
    (saved / STATE).unlink()
    os.mkfifo(saved / STATE)
    with pytest.raises(CheckpointError, match="it is a device or a pipe, not a file"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (torch.full((3, 2), torch.nan), "weight: not all of its numbers are finite"),
        (torch.ones(3, 2, dtype=torch.int64), "weight: torch.int64 in the file, torch.float32 in the model"),
        (torch.ones(3, 2, dtype=torch.bool), "weight: torch.bool in the file"),
        (torch.ones(3, 2, dtype=torch.complex64), "weight: torch.complex64 in the file"),
    ],
)
def test_weights_of_another_kind_are_refused(value, fault):
    with pytest.raises(CheckpointError, match=re.escape(fault)):
        load_tensors(nn.Linear(2, 3), {"weight": value, "bias": torch.zeros(3)}, "runs/x")
    load_tensors(nn.Linear(2, 3), {"weight": torch.ones(3, 2).half(), "bias": torch.zeros(3)}, "runs/x")


def test_one_process_at_a_time_trains_in_a_folder(tmp_path):
    first = CheckpointManager(tmp_path, 1)
    with pytest.raises(CheckpointError, match="another process is training in this folder"):
        CheckpointManager(tmp_path, 1)
    first.close()
    CheckpointManager(tmp_path, 1).close()


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format": 5', b'{"format": 5}', b"[1]", b"null", b'{"format": "\xe9"}']
)
def test_a_damaged_description_is_named(saved, content):
    (saved / STATE).write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(f"{saved}: {STATE} is cut short or damaged (")):
        load_checkpoint(saved)


def test_another_format_is_named(saved):
    (saved / STATE).write_text('{"format": 1}')
    reason = re.escape("it has format 1, this cubelib reads 5")
    with pytest.raises(CheckpointError, match=reason):
        load_checkpoint(saved)


@pytest.mark.parametrize("missing", [STATE, WEIGHTS])
def test_a_missing_file_is_named(saved, missing):
    (saved / missing).unlink()
    with pytest.raises(CheckpointError, match=rf"there is no {missing}. Give a folder that `cubelib train`"):
        load_checkpoint(saved)


@pytest.mark.parametrize("where", ["nowhere", f"checkpoint/{STATE}"])
def test_a_place_that_is_no_folder_is_named(saved, where):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint.json\. Give|Not a directory\. Use another"):
        load_checkpoint(saved.parent / where)


def test_tensors_that_do_not_fit_are_all_listed():
    module = nn.Linear(2, 3)
    before = module.weight.clone()
    with pytest.raises(CheckpointError) as raised:
        load_tensors(module, {"weight": torch.ones(3, 4), "extra": torch.ones(1)}, "runs/x")
    assert str(raised.value) == (
        "Loading the checkpoint runs/x: 3 tensors do not fit the model of its configuration. "
        "bias: missing in the file, (3,) in the model; extra: (1,) in the file, unknown in the model; "
        "weight: (3, 4) in the file, (3, 2) in the model. "
        "Restore the checkpoint.json that was written with these weights."
    )
    with pytest.raises(CheckpointError, match="1 tensors do not fit"):
        load_tensors(module, {"weight": torch.ones(3, 2), "bias": torch.ones(1)}, "runs/x")
    assert torch.equal(module.weight, before)
    load_tensors(module, {"weight": torch.ones(3, 2), "bias": torch.ones(3)}, "runs/x")
    assert module.weight.unique().tolist() == [1.0]
