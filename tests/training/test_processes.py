"""Two processes are one process: the same losses and weights, one report, and no process left behind.

Run as a program under torchrun this file is a process's part of the first tests: it trains every case and saves what
came out of it.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from small_cubes import DIM, small, vectors

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.__main__ import main
from cubelib.device import rank

PROJECT = Path(__file__).parents[2]
SECONDS = 120  # after which a process that hangs is a failure
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs POSIX signals to end processes")

LOCAL = {"rule": "local", "bottleneck": 2}
CASES = {
    "autoencoder": small(batch_size=32, core={"bottleneck": 2}),
    "dialogue": small(mode="dialogue", batch_size=32),
    # Short steps: Adam makes whole steps of gradients that are mere rounding, which differs between processors.
    "mixed": small(mode="mixed", batch_size=32, learning_rate=0.003, core=LOCAL),
    "dropout": small(mode="mixed", batch_size=32, learning_rate=0.003, core={"cell_dropout": 0.3, **LOCAL}),
    "uneven": small(mode="dialogue", batch_size=13, learning_rate=0.003),  # shares of 7 and 6; the last batch has 5
    "empty": small(mode="dialogue", batch_size=19, core={"rule": "local", "cell_dropout": 0.3}),  # the last has 1
    "steps": small(
        mode="dialogue",
        batch_size=8,
        gradient_accumulation=3,
        gradient_clipping=0.1,
        schedule="one_cycle",
        core={"rule": "shared"},
    ),
}


def data(mode: str, items: int, seed: int) -> AutoencoderDataset | DialogueDataset | dict:
    """Vectors, and answers that a fixed map tells, every fourth of them an answer to two questions."""
    if mode == "mixed":
        return {task: data(task, items - number, seed) for number, task in enumerate(("autoencoder", "dialogue"))}
    if mode == "autoencoder":
        return AutoencoderDataset(vectors(items, seed))
    questions = vectors(items, seed)
    answers = questions * torch.cat([torch.ones(DIM - 8), -torch.ones(8)])
    answers[1::4] = answers[0::4][: len(answers[1::4])]
    return DialogueDataset(questions, answers)


def train(case: str) -> CubeTrainer:
    """A trainer after its epochs, with the weights of the last one."""
    config = CASES[case]
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    run = trainer.prepare(data(trainer.config.mode, 96, 0), data(trainer.config.mode, 20, 1))
    for _ in range(config["epochs"]):
        trainer.train_epoch()
    trainer.training_history = list(run.history)
    return trainer


def weights(trainer: CubeTrainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.embedding_processor.state_dict().items()}


def train_all(folder: Path) -> None:
    """What each of the two processes does."""
    for case in CASES:
        trainer = train(case)
        save_file(weights(trainer), folder / f"{case}-{rank()}.safetensors")
        rows = json.dumps([trainer._run.engine.processes, trainer.training_history])
        (folder / f"{case}-{rank()}.json").write_text(rows, encoding="utf-8")
    torch.distributed.barrier()  # neither leaves while the other still talks to it
    torch.distributed.destroy_process_group()
    os._exit(0)  # the models keep gloo's threads, which now and then abort a process that ends by itself


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


def losses(history: list[dict]) -> list[float]:
    """Of every epoch, in mixed mode each task's too."""
    return [value for row in history[1:] for name, value in row.items() if "loss" in name and "mse" not in name]


def launched(command: list[object], **options: object) -> subprocess.CompletedProcess:
    """A command in a process of its own, as a user starts it."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        cwd=PROJECT,
        check=False,
        **options,
    )


# --- the same figures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    """What two processes made of every case."""
    folder = tmp_path_factory.mktemp("two")
    done = launched([*TORCHRUN, __file__, folder], env={**os.environ, "PYTHONPATH": str(PROJECT / "tests")})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("case", CASES)
def test_two_processes_do_what_one_does(case, pair):
    alone = train(case)
    ends = [load_file(pair / f"{case}-{rank}.safetensors") for rank in (0, 1)]
    found = [json.loads((pair / f"{case}-{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]
    assert [count for count, _ in found] == [2, 2]
    assert found[0] == found[1]  # both know the same
    history = found[0][1]
    assert len(losses(history)) >= CASES[case]["epochs"]
    assert losses(history) == pytest.approx(losses(alone.training_history), abs=1e-5)
    scores = [[row["score"] for row in rows] for rows in (history, alone.training_history)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert largest_difference(ends[0], weights(alone)) < 1e-5
    assert largest_difference(weights(alone), weights(alone.untrained())) > 1e-3


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """The configuration of a tiny job, beside its vectors."""
    folder = tmp_path_factory.mktemp("job")
    np.save(folder / "vectors.npy", vectors(120, 0).numpy())
    settings = small(
        batch_size=16,
        early_stopping_patience=4,
        core={"bottleneck": 2, "cell_dropout": 0.2, "rule": "local"},
        data={"file": str(folder / "vectors.npy")},
        save_interval=1,
    )
    config = folder / "job.yaml"
    config.write_text(yaml.safe_dump({"cube_training": settings}), encoding="utf-8")
    return config


def lines(printed: str) -> list[str]:
    """What a run says before its report, without its folder."""
    said = printed.splitlines()
    return said[: next(number for number, line in enumerate(said) if line.startswith("Training:")) + 1]


def test_torchrun_trains_with_two_processes(job, tmp_path, capsys):
    done = launched([*TORCHRUN, "-m", "cubelib", "train", job, "--checkpoint-dir", tmp_path / "two"])
    assert done.returncode == 0, done.stderr
    assert main(["train", str(job), "--checkpoint-dir", str(tmp_path / "one")]) == 0
    printed = capsys.readouterr().out
    assert [folder.name for folder in (tmp_path / "two").iterdir()] == ["autoencoder-001"]  # one run, one folder
    assert done.stdout.count("Saved in ") == 1
    assert lines(done.stdout) == lines(printed)  # losses to four digits, said once
    one, two = (tmp_path / name / "autoencoder-001" for name in ("one", "two"))
    assert {path.name for path in two.iterdir()} == {path.name for path in one.iterdir()}
    states = [json.loads((run / "epochs" / "0004" / "checkpoint.json").read_text("utf-8")) for run in (one, two)]
    assert [state["provenance"]["processes"] for state in states] == [1, 2]
    assert losses(states[1]["history"]) == pytest.approx(losses(states[0]["history"]), abs=1e-5)
    ends = [load_file(run / "epochs" / "0004" / "weights.safetensors") for run in (one, two)]
    assert largest_difference(*ends) < 1e-5


def test_a_mistake_is_said_by_the_first_process_only(job, tmp_path, monkeypatch, capsys):
    arguments = ["train", str(job), "--epoch", "5", "--checkpoint-dir", str(tmp_path / "runs")]
    others = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    second = launched([sys.executable, "-m", "cubelib", *arguments], env={**os.environ, **others})
    assert (second.returncode, second.stdout, second.stderr) == (2, "", "")
    for name, value in {**others, "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 2
    assert "did you mean epochs?" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def workers(launcher: int) -> dict[int, psutil.Process]:
    """Rank → process, of those that a launcher has started."""
    found = {}
    for process in psutil.Process(launcher).children(recursive=True):
        try:
            found[int(process.environ()["RANK"])] = process
        except (KeyError, psutil.Error):
            continue
    return found


def test_a_killed_process_ends_the_others_and_the_saved_states_are_whole(job, tmp_path):
    folder, said = tmp_path / "autoencoder-001", tmp_path / "said.txt"
    endless = ["--epochs", "1000000", "--early-stopping-patience", "1000000", "--checkpoint-dir", str(tmp_path)]
    with said.open("w", encoding="utf-8") as file:
        command = [*TORCHRUN, "-m", "cubelib", "train", str(job), *endless]
        launcher = subprocess.Popen(command, stdout=file, stderr=file, cwd=PROJECT)
    running: dict[int, psutil.Process] = {}
    try:
        deadline = time.monotonic() + SECONDS
        while not (folder / "epochs" / "0002").exists():
            assert launcher.poll() is None, said.read_text("utf-8")
            assert time.monotonic() < deadline, "no epoch was trained"
            time.sleep(0.05)
        running = workers(launcher.pid)
        assert running.keys() == {0, 1}
        running[1].kill()
        assert launcher.wait(timeout=SECONDS) == 1
        assert not [process for process in running.values() if process.is_running()]
    finally:
        launcher.kill()
        for process in running.values():
            if process.is_running():
                process.kill()
    resumed = CubeTrainer.resume(folder)
    assert resumed.current_epoch >= 2
    assert torch.isfinite(resumed.predict(vectors(5, 0))).all()


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_all(Path(sys.argv[1]))
