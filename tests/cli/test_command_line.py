"""The commands, from texts to a report, and one sentence with exit code 2 for every mistake of a user."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import yaml

from cubelib import CubeTrainer, TeacherEncoder
from cubelib.__main__ import Terminated, main
from cubelib.data import corpora
from cubelib.data.readers import Dialect
from cubelib.training.config import TrainingConfig
from cubelib.training.loop import Loop

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "cube_training.yaml"
FAST = ["--epochs", "2", "--data.limit", "300", "--core.hidden", "4"]
COMMANDS = ["train", "evaluate", "ask", "encode", "export", "resize", "course", "corpora", "doctor"]
STATE_FILES = ["best.safetensors", "checkpoint.json", "optimizer.safetensors", "weights.safetensors"]


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """The command in a process of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "cubelib", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def python(code: str, **environment: str) -> list[str]:
    """The lines that a program prints in a process of its own."""
    variables = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def table(output: str) -> list[str]:
    """The first table of a report."""
    lines = output[output.index("| model") :].splitlines()
    return lines[: next(number for number, line in enumerate(lines) if not line.startswith("|"))]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str]:
    """The folder of a small run of the default job, and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    done = command("train", CONFIG, *FAST, "--checkpoint-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def job(tmp_path) -> list[str]:
    """The words that train a tiny cube on vectors of one's own, in tmp_path/runs."""
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(100, 40)).astype(np.float16))
    settings = {"embedding_dim": 40, "lattice_size": [4, 3, 4], "epochs": 2, "early_stopping_patience": 9}
    settings["data"] = {"file": str(tmp_path / "mine.npy")}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({"cube_training": settings}))
    return ["train", str(tmp_path / "job.yaml"), "--checkpoint-dir", str(tmp_path / "runs")]


# --- train and evaluate -----------------------------------------------------------------------------------------------


def test_train_prints_the_table_and_saves_everything(run):
    folder, printed = run
    pictures = {"curves.png", "learning_curve_autoencoder.png", "report.png", "similarity_histogram_autoencoder.png"}
    states = {f"epochs/{epoch}/{file}" for epoch in ("0000", "0002") for file in STATE_FILES}
    checkpoint = {"checkpoint/checkpoint.json", "checkpoint/weights.safetensors"}
    report = {f"report/{name}" for name in ("report.md", "report.json", *pictures)}
    assert set(contents(folder / "autoencoder-001")) == {*report, *states, *checkpoint, ".lock"}
    for expected in ("Teacher: ", "Data: ", "Cube: ", "Epoch   2: loss ", "| cube  ", "The target cosine of 0.90"):
        assert expected in printed
    assert table(printed) == table((folder / "autoencoder-001" / "report" / "report.md").read_text(encoding="utf-8"))


def test_a_second_run_gives_the_same_results_and_overwrites_nothing(run, capsys):
    folder, printed = run
    before = contents(folder / "autoencoder-001")
    assert main(["train", str(CONFIG), *FAST, "--checkpoint-dir", str(folder)]) == 0
    assert table(capsys.readouterr().out) == table(printed)
    assert contents(folder / "autoencoder-001") == before
    weights = "checkpoint/weights.safetensors"
    assert contents(folder / "autoencoder-002")[weights] == before[weights]


def test_evaluate_measures_the_same_again_and_saves_it_where_it_is_told(run, tmp_path, capsys):
    checkpoint, before = str(run[0] / "autoencoder-001" / "checkpoint"), contents(run[0])
    assert main(["evaluate", checkpoint]) == 0
    assert table(capsys.readouterr().out) == table(run[1])
    assert contents(run[0]) == before
    out = tmp_path / "new"
    assert main(["evaluate", checkpoint, "--baselines", "quick", f"--out={out}"]) == 0
    assert f"Saved in {out}: report.md, report.json, " in capsys.readouterr().out
    names = [model["model"] for model in json.loads((out / "report.json").read_text(encoding="utf-8"))[0]["models"]]
    assert names[:3] == ["cube", "cube before training", "PCA, 256 numbers"]
    before = contents(out)
    assert main(["evaluate", checkpoint, "--out", str(out)]) == 2
    assert "is not empty" in capsys.readouterr().err and contents(out) == before


def test_mixed_mode_reports_both_tasks(job, tmp_path, capsys):
    pairs = np.random.default_rng(0).normal(size=(2, 100, 40))
    np.savez(tmp_path / "pairs.npz", question=pairs[0], answer=pairs[1])
    assert main([*job, "--mode", "mixed", "--data.file", str(tmp_path / "pairs.npz")]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^(\w+), \d+ held-out items$", said, re.MULTILINE) == ["autoencoder", "dialogue"]


def test_evaluate_refuses_data_that_have_changed(job, tmp_path, capsys):
    """After another split, items that the cube was trained on would be among the test items."""
    assert main(job) == 0
    run_folder = str(tmp_path / "runs" / "autoencoder-001")
    assert main(["evaluate", run_folder]) == 0
    np.save(tmp_path / "mine.npy", np.random.default_rng(1).normal(size=(100, 40)))
    capsys.readouterr()
    assert main(["evaluate", run_folder, "--device", "cpu"]) == 2
    assert "data have changed since training" in capsys.readouterr().err


# --- interruptions ----------------------------------------------------------------------------------------------------


def failing(monkeypatch, epoch: int, error: BaseException) -> None:
    """Lets training fail in an epoch."""
    original = Loop.epoch

    def fails(self, number, *rest):
        if number == epoch:
            raise error
        return original(self, number, *rest)

    monkeypatch.setattr(Loop, "epoch", fails)


@pytest.mark.parametrize(
    ("error", "code", "verb"),
    [(KeyboardInterrupt(), 130, "interrupted"), (Terminated(), 143, "terminated"), (FloatingPointError("x"), 1, "")],
)
def test_what_was_learned_is_saved_when_training_ends_early(job, tmp_path, monkeypatch, capsys, error, code, verb):
    failing(monkeypatch, 2, error)
    assert main(job) == code
    said, folder = capsys.readouterr().err.splitlines()[-1], tmp_path / "runs" / "autoencoder-001"
    assert f"cubelib train: {verb}" in said and str(folder / "checkpoint") in said
    assert CubeTrainer.load(folder).current_epoch == 1
    if code > 1:
        assert said.endswith(f"To go on: python -m cubelib train --resume {folder}")
        monkeypatch.undo()
        assert main(["train", "--resume", str(folder)]) == 0
        assert "| cube " in capsys.readouterr().out


@pytest.mark.parametrize("place", ["epoch", "splits"])
def test_before_the_first_epoch_nothing_is_promised(job, monkeypatch, capsys, place):
    if place == "epoch":
        failing(monkeypatch, 1, KeyboardInterrupt())
    else:
        monkeypatch.setattr("cubelib.cli.runs.load_splits", Mock(side_effect=KeyboardInterrupt))
    assert main(job) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert "cubelib train: interrupted. No epoch was finished" in said and "--resume" not in said


def test_a_run_can_be_continued_and_trained_longer(job, tmp_path, capsys):
    assert main(job) == 0
    folder = str(tmp_path / "runs" / "autoencoder-001")
    assert main(["train", "--resume", folder]) == 0
    assert f"There is nothing left to train in {folder}: " in capsys.readouterr().out
    assert main(["train", "--resume", folder, "--epochs", "3", "--early-stopping-patience", "9"]) == 0
    said = capsys.readouterr().out
    assert f"Resuming: {folder} after epoch 2" in said and f"Saved in {folder}/report_3_epochs: " in said
    assert main(["train", "--resume", folder, "--epochs", "3", "--batch-size", "4"]) == 2
    assert "only --epochs and --early-stopping-patience can be changed" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_a_terminated_process_saves_what_it_has(job, tmp_path):
    endless = ["--epochs", "1000000", "--early-stopping-patience", "1000000", "--save-interval", "1"]
    words = [sys.executable, "-m", "cubelib", *job, *endless]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    folder = tmp_path / "runs" / "autoencoder-001"
    while not (folder / "epochs" / "0001").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143 and "Traceback" not in said
    assert "cubelib train: terminated. The best cube so far" in said and CubeTrainer.load(folder).current_epoch >= 1


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def mistakes(tmp_path, monkeypatch) -> Path:
    """One file for each mistake."""
    (tmp_path / "misspelled.yaml").write_text("cube_training:\n  epoch: 5\n")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "column.csv").write_text("q,a\nWho?,Me\n")
    (tmp_path / "in the way").write_text("a file")
    vectors = np.random.default_rng(0).normal(size=(50, 768)).astype(np.float32)
    np.save(tmp_path / "wide.npy", vectors[:, :512])
    vectors[7, 3] = np.nan
    np.save(tmp_path / "nan.npy", vectors)
    monkeypatch.chdir(tmp_path)  # where runs would be saved
    return tmp_path


EARLY = [  # refused before PyTorch is imported
    ("train {}/misspelled.yaml", "epoch: not a known key; did you mean epochs?"),
    ("train {}/missing.yaml", "cannot read {}/missing.yaml: No such file or directory."),
    ("train C --epoch-count 5", "epoch_count: not a known key; did you mean epochs?"),
    ("train C --epochs -5", "epochs: Input should be greater than or equal to 0; got -5."),
    ("train C --epochs 2 --epochs=3", "the option --epochs is given twice"),
    ("train C --learning-rate", "the option --learning-rate has no value"),
    ("train C --epochs.more 5", "epochs is a single setting"),
    ("train C --mode [a", "cannot read the value '[a' of the option --mode"),
    ("train C --core.bottleneck 99", "core.bottleneck: 99 channels cannot pass where a cell has 16"),
    ("train C five", "'five' is no option"),
    ("train --epochs 5", "cubelib train: give one config file"),
    ("train --resume {}/nowhere --epochs many", "to whole numbers of at least 1, and --data.file. Got --epochs many."),
    ("corpora en", "cubelib corpora: Got unexpected extra argument"),
    ("ask", "cubelib ask: Missing argument 'RUN'. See python -m cubelib ask --help."),
    ("ask {} Why --k 0", "cubelib ask: Invalid value for '--k'"),
    ("evaluate {}/nowhere --device", "Option '--device' requires an argument"),
    ("export {}/nowhere", "Missing option '--to'"),
    ("export {}/nowhere --to x.pt2", "Pickles (.pt, .pt2) are not written."),
    ("export {}/nowhere --to x --format onnx", "Use a name that ends in .onnx"),
    ("export {}/nowhere --to {}/nan.npy", "nan.npy exists and was left as it is"),
    ("resize {}/nowhere --to x", "resize: give at least one of --depth, --rows and --columns."),
    ("resize {}/nowhere --to {} --depth 16", "exists and was left as it is"),
    ("resize {}/nowhere --to x --rows 0", "Invalid value for '--rows'"),
    ("lern", "cubelib lern: No such command 'lern'. See python -m cubelib --help."),
]
LATER = [
    ("train C --data.file {}/missing.txt", "Reading {}/missing.txt: "),
    ("train C --data.file {}/wide.npy", "the vectors have 512 numbers, embedding_dim is 768. Set"),
    ("train C --data.file {}/nan.npy", "nan.npy: 1 of 50 vectors hold NaN or infinite numbers"),
    ("train C --mode dialogue --data.file {}/column.csv", "'question'"),
    ("train C --device gpu9", "device 'gpu9' is not known. Use cpu, cuda, cuda:0 or auto."),
    ("train --resume {}/nowhere", "Resuming {}/nowhere: there is no state"),
    ("evaluate {}/nowhere --baselines best", "baselines 'best'"),
    ("evaluate {}/nowhere --out {}", "is not empty"),
    ("evaluate {}/nowhere", "nowhere: there is no checkpoint.json. Give a folder that"),
    ("encode {}/missing.txt", "missing.txt"),
]


def split(words: str, folder: Path) -> list[str]:
    return [str(CONFIG) if word == "C" else word.format(folder) for word in words.split()]


@pytest.mark.parametrize(("words", "message"), EARLY + LATER)
def test_a_mistake_is_one_sentence_and_exit_code_2(mistakes, capsys, words, message):
    before = contents(mistakes)
    assert main(split(words, mistakes)) == 2
    said = capsys.readouterr()
    assert message.format(mistakes) in said.err and said.err.startswith(f"cubelib {words.split()[0]}: ")
    assert said.err.count("\n") == 1 and said.out == ""
    assert contents(mistakes) == before and not (mistakes / "runs").exists()


def test_a_folder_that_cannot_be_made_is_refused_before_training(mistakes, capsys):
    assert main(["train", str(CONFIG), *FAST, "--checkpoint-dir", str(mistakes / "in the way")]) == 2
    assert f"Saving runs in {mistakes}/in the way: " in capsys.readouterr().err


def test_mistakes_help_and_corpora_are_reported_without_pytorch(mistakes):
    words = [split(command, mistakes) for command, _ in EARLY]
    words += [["--help"], *([name, "--help"] for name in COMMANDS), ["corpora"]]
    code = f"import sys; from cubelib.__main__ import main; print([main(w) for w in {words}], 'torch' in sys.modules)"
    assert python(code)[-1] == f"{[2] * len(EARLY) + [0] * (2 + len(COMMANDS))} False"


def test_a_checkpoint_is_resized_or_says_why_not(tmp_path, capsys):
    settings = {"embedding_dim": 48, "lattice_size": [4, 4, 4]}
    for rule in ("shared", "local"):
        trainer = CubeTrainer({**settings, "core": {"rule": rule}})
        trainer.initialize_components()
        trainer.save(tmp_path / rule)
    words = ["resize", str(tmp_path / "shared"), "--to", str(tmp_path / "larger"), "--depth", "6", "--columns", "8"]
    assert main(words) == 0
    assert "CubicCore(6×4×8 cells" in capsys.readouterr().out
    assert CubeTrainer.load(tmp_path / "larger").config.embedding_dim == 96
    assert main(["resize", str(tmp_path / "local"), "--to", str(tmp_path / "none"), "--depth", "6"]) == 2
    assert "weights of the local rule belong to single cells" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_no_command_at_all_shows_the_help(capsys):
    assert main([]) == 2
    assert "Usage: python -m cubelib" in capsys.readouterr().err


def test_the_help_of_train_lists_every_setting(capsys):
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    for key, block in TrainingConfig().to_dict().items():
        for name in [f"{key}.{inner}" for inner in block] if isinstance(block, dict) else [key]:
            assert f"--{name.replace('_', '-')}" in said


@pytest.mark.parametrize(
    "variables", [{"RANK": "abc"}, {"RANK": "1"}, {"WORLD_SIZE": "2"}, {"RANK": "x", "WORLD_SIZE": "2"}]
)
def test_several_processes_that_do_not_know_of_each_other_are_refused(job, tmp_path, variables):
    done = command(*job, **variables)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "torchrun --standalone --nproc-per-node 2" in done.stderr and not (tmp_path / "runs").exists()


# --- the other commands -----------------------------------------------------------------------------------------------


def test_encode_writes_vectors_that_train_takes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "cache"))
    texts = corpora.sentences(120)
    (tmp_path / "mine.txt").write_text("\n".join(texts), encoding="utf-8")
    assert main(["encode", str(tmp_path / "mine.txt")]) == 0
    assert capsys.readouterr().out.endswith(f"Wrote {tmp_path / 'mine.npy'}: (120, 768) float32.\n")
    assert np.array_equal(np.load(tmp_path / "mine.npy"), TeacherEncoder().encode(texts).numpy())


def test_encode_reads_its_options(monkeypatch):
    encode_file = Mock(return_value="done")
    monkeypatch.setattr("cubelib.encoders.encode_file.encode_file", encode_file)
    assert main(["encode", "a.csv", "--columns=a,b", "--device=cuda:0,cuda:1", "--processes=2", "--overwrite"]) == 0
    reading = {"bad_rows": "error", "missing": [], "dialect": Dialect()}
    devices, teacher = ["cuda:0", "cuda:1"], "all-mpnet-base-v2"
    options = {"columns": ["a", "b"], "teacher": teacher, "devices": devices, "processes": 2, "batch_size": 32}
    encode_file.assert_called_once_with("a.csv", None, **options, **reading, overwrite=True)


def test_what_is_left_out_is_reported_without_a_line_of_code(tmp_path, capsys):
    pairs = corpora.dialogues(100)
    rows = [*map(json.dumps, pairs), json.dumps({"question": "Why?", "answer": None})]
    (tmp_path / "faq.jsonl").write_text("\n".join(rows), encoding="utf-8")
    data = ["--mode", "dialogue", "--data.file", str(tmp_path / "faq.jsonl"), "--data.bad-rows", "skip"]
    few = ["--data.filters.words", "null", "12", "--epochs", "0", "--checkpoint-dir", str(tmp_path / "runs")]
    assert main(["train", str(CONFIG), *data, *few]) == 0
    said = capsys.readouterr()
    assert f"Warning: Reading {tmp_path / 'faq.jsonl'}: 1 of 101 rows" in said.err and ".py" not in said.err
    assert re.search(r"^(\| )?words .*100", said.out, re.MULTILINE)


def test_a_reader_that_has_seen_enough_ends_the_command_quietly():
    words = [sys.executable, "-u", "-m", "cubelib", "train", "--help"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    process.stdout.close()
    assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")


def test_waiting_threads_sleep():
    code = "import os, sys; os.environ.pop('GOMP_SPINCOUNT', None); import cubelib.__main__"
    assert python(f"{code}; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)") == ["20000 False"]
