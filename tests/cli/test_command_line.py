"""The commands, from texts to a report, and one sentence with exit code 2 for everything a user can mend."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cubelib import CubeTrainer, TeacherEncoder
from cubelib.__main__ import COMMANDS, main
from cubelib.data import corpora
from cubelib.training.loop import Loop

CONFIG = Path(__file__).parents[2] / "config" / "cube_training.yaml"
STATE_FILES = ["best.safetensors", "checkpoint.json", "optimizer.safetensors", "weights.safetensors"]
FAST = ["--epochs", "2", "--data.limit", "300", "--core.hidden", "4"]


def without_paths_and_times(output: str) -> str:
    """Seconds are the last column of a table."""
    lines = [line for line in output.splitlines() if not line.startswith(("Took ", "Saved in ", "Teacher:"))]
    return "\n".join(line[: line.rstrip("|").rindex("|")] if line.startswith("| ") else line for line in lines)


def command(*arguments: object) -> subprocess.CompletedProcess:
    """The command in a process of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "cubelib", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        cwd=CONFIG.parents[1],
        check=False,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def without_seconds(report: bytes) -> list[str]:
    return [line for line in report.decode().splitlines() if '"seconds"' not in line]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str]:
    """The folder of one small run of the default job, and what it printed."""
    folder = tmp_path_factory.mktemp("runs")
    done = command("train", CONFIG, *FAST, "--checkpoint-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def table(output: str) -> str:
    return output[output.index("| model") : output.rindex("\n- ")]


def test_train_prints_the_table_and_saves_everything(run):
    folder, printed = run
    assert sorted(files(folder / "autoencoder-001")) == [
        "checkpoint/checkpoint.json",
        "checkpoint/weights.safetensors",
        "curves.png",
        *(f"epochs/{epoch}/{file}" for epoch in ("0000", "0002") for file in STATE_FILES),
        "learning_curve_autoencoder.png",
        "report.json",
        "report.md",
        "report.png",
        "similarity_histogram_autoencoder.png",
    ]
    for expected in ("Data: ", "Cube: ", "| model ", "| cube  ", "| PCA, 256 numbers  ", "The target cosine of 0.90"):
        assert expected in printed
    curve = printed[printed.index("cosine on 30 validation items\n\n") : printed.index("\nautoencoder, ")].strip("\n")
    assert curve.endswith("epoch    0  1  2") and "  PCA, 256 numbers 0." in curve and "  target 0.900" in curve
    report = (folder / "autoencoder-001" / "report.md").read_text(encoding="utf-8")
    assert f"```text\n{curve}\n```" in report and table(printed) in report
    values = json.loads((folder / "autoencoder-001" / "report.json").read_text(encoding="utf-8"))
    assert values[0]["models"][0]["latent_dim"] == 256


def test_a_second_run_prints_the_same_figures_and_overwrites_nothing(run, capsys):
    folder, printed = run
    before = files(folder / "autoencoder-001")
    assert main(["train", str(CONFIG), *FAST, "--checkpoint-dir", str(folder)]) == 0
    assert without_paths_and_times(capsys.readouterr().out) == without_paths_and_times(printed)
    assert files(folder / "autoencoder-001") == before
    again = files(folder / "autoencoder-002")
    assert without_seconds(again["report.json"]) == without_seconds(before["report.json"])
    assert again["checkpoint/weights.safetensors"] == before["checkpoint/weights.safetensors"]


def test_evaluate_prints_the_same_table_again(run, capsys):
    folder, printed = run
    before = files(folder)
    assert main(["evaluate", str(folder / "autoencoder-001" / "checkpoint")]) == 0
    assert without_paths_and_times(table(capsys.readouterr().out)) == without_paths_and_times(table(printed))
    assert files(folder) == before


def test_evaluate_writes_the_files_of_the_report_where_it_is_told(run, tmp_path, capsys):
    checkpoint, out = str(run[0] / "autoencoder-001"), tmp_path / "new"
    assert main(["evaluate", checkpoint, "--baselines", "quick", f"--out={out}"]) == 0
    assert f"Saved in {out}: report.md, report.json, report.png, " in capsys.readouterr().out
    names = [model["model"] for model in json.loads((out / "report.json").read_text(encoding="utf-8"))[0]["models"]]
    rivals = ["PCA, 256 numbers", "local PCA of 4×4 cells, 256 numbers", "mean of the training targets"]
    assert names == ["cube", "cube before training", *rivals]
    before = files(out)
    assert main(["evaluate", checkpoint, "--out", str(out)]) == 2
    assert f"Saving the report in {out}: it is not empty. Choose a new" in capsys.readouterr().err
    assert files(out) == before


@pytest.mark.parametrize(("mode", "tasks"), [("dialogue", ["dialogue"]), ("mixed", ["autoencoder", "dialogue"])])
def test_the_other_modes_report_their_tasks(tmp_path, capsys, mode, tasks):
    assert main(["train", str(CONFIG), *FAST, "--mode", mode, "--checkpoint-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert re.findall(r"^(\w+), \d+ held-out items$", printed, re.MULTILINE) == tasks
    assert [report["task"] for report in json.loads((tmp_path / f"{mode}-001" / "report.json").read_text())] == tasks


def test_vectors_of_one_s_own_can_be_trained_on(tmp_path, capsys):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(100, 40)).astype(np.float16))
    own = ["--data.file", str(tmp_path / "mine.npy"), "--embedding-dim", "40", "--lattice-size", "2", "3", "4"]
    assert main(["train", str(CONFIG), "--epochs", "1", *own, "--checkpoint-dir", str(tmp_path / "runs")]) == 0
    assert "80 training, 10 validation and 10 test items" in capsys.readouterr().out


def write_bad_inputs(folder: Path) -> None:
    """One file for each mistake."""
    (folder / "misspelled.yaml").write_text("cube_training:\n  epoch: 5\n")
    (folder / "mode.yaml").write_text("cube_training:\n  mode: dialog\n")
    (folder / "empty.txt").write_text("\n \n")
    (folder / "latin.txt").write_bytes("Ein schöner Tag\n".encode("latin-1"))
    (folder / "column.csv").write_text("q,a\nWho?,Me\n")
    (folder / "table.xlsx").write_bytes(b"PK")
    (folder / "in the way").write_text("a file")
    vectors = np.random.default_rng(0).normal(size=(50, 768)).astype(np.float32)
    np.save(folder / "wide.npy", vectors[:, :512])
    vectors[7, 3] = np.nan
    np.save(folder / "nan.npy", vectors)
    np.save(folder / "copies.npy", np.ones((50, 768)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "{}/misspelled.yaml"], "epoch: not a known key; did you mean epochs?"),
        (["train", "{}/mode.yaml"], "mode: Input should be 'autoencoder', 'dialogue' or 'mixed'; got 'dialog'."),
        (["train", "{}/missing.yaml"], "cannot read {}/missing.yaml: No such file or directory."),
        (["train", "C", "--data.file", "{}/missing.txt"], "Reading {}/missing.txt: "),
        (["train", "C", "--data.file", "{}/empty.txt"], "empty.txt: the file holds no text."),
        (["train", "C", "--data.file", "{}/latin.txt"], "latin.txt, line 1: "),
        (["train", "C", "--data.file", "{}/wide.npy"], "The vectors have 512 numbers but embedding_dim is 768. Set"),
        (["train", "C", "--data.file", "{}/nan.npy"], "nan.npy: 1 of 50 vectors hold NaN or infinite numbers"),
        (
            ["train", "C", "--data.file", "{}/copies.npy"],
            "Number of items: 50; number of groups (cosine 0.95 or more): 1",
        ),
        (["train", "C", "--data.file", "{}/table.xlsx"], "table.xlsx: "),
        (["train", "C", "--mode", "dialogue", "--data.language", "xx"], "'xx'"),
        (["corpora", "en"], "cubelib corpora: unrecognized arguments: en"),
        (["ask"], "cubelib ask: the following arguments are required: RUN"),
        (["ask", "{}/nowhere", "Why?"], "nowhere: there is no checkpoint.json. Give a folder that"),
        (["export", "{}/nowhere"], "cubelib export: the following arguments are required: --to"),
        (["doctor", "--fast"], "cubelib doctor: unrecognized arguments: --fast"),
        (["encode"], "cubelib encode: "),
        (["encode", "{}/missing.txt"], "Encoding {}/missing.txt: there is no such file."),
        (["encode", "{}/latin.txt"], "latin.txt, line 1: "),
        (["train", "C", "--mode", "dialogue", "--data.file", "{}/column.csv"], "there is no column 'question'."),
        (["train", "C", "--checkpoint-dir", "{}/in the way", *FAST], "Saving runs in {}/in the way: "),
        (["train", "C", "--lattice-size", "1", "8", "8"], "lattice_size: on one plane the input is the output"),
        (["train", "C", "--device", "meta"], "device 'meta' is not known. Use cpu, cuda, cuda:0 or auto."),
        (["train", "C", "--device", "gpu9"], "device 'gpu9' is not known. Use cpu, cuda, cuda:0 or auto."),
        (["train", "C", "--epoch-count", "5"], "epoch_count: not a known key; did you mean epochs?"),
        (["train", "C", "--epochs", "-5"], "epochs: Input should be greater than or equal to 0; got -5."),
        (["train", "C", "--core.bottleneck", "99"], "core.bottleneck: 99 channels cannot pass where a cell has 16"),
        (["train"], "cubelib train: give one config file"),
        (["train", "--epochs", "5"], "cubelib train: give one config file"),
        (["train", "--resume", "{}/nowhere"], "nowhere: there is no state to go on from"),
        (["train", "--resume", "{}/nowhere", "--epochs", "many"], "--epochs takes a whole number of at least 1; got"),
        (["evaluate"], "cubelib evaluate: the following arguments are required: RUN"),
        (["evaluate", "{}/nowhere", "--device"], "cubelib evaluate: argument --device: expected one argument"),
        (["evaluate", "{}/nowhere", "--speed", "9"], "cubelib evaluate: unrecognized arguments: --speed 9"),
        (
            ["evaluate", "{}/nowhere", "--baselines", "best"],
            "baselines 'best' are not known. Use one of default, quick",
        ),
        (["evaluate", "{}/nowhere", "--out", "{}"], "Saving the report in {}: it is not empty."),
        (["evaluate", "{}/nowhere"], "nowhere: there is no checkpoint.json. Give a folder that"),
        (
            ["learn"],
            "cubelib: unknown command 'learn'. Use one of train, evaluate, ask, export, encode, corpora, doctor.",
        ),
        ([], "usage: python -m cubelib train CONFIG"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, capsys, monkeypatch, arguments, message):
    write_bad_inputs(tmp_path)
    before = files(tmp_path)
    arguments = [str(CONFIG) if part == "C" else part.format(tmp_path) for part in arguments]
    monkeypatch.chdir(tmp_path)  # where runs would be saved
    code = main(arguments)
    told = capsys.readouterr()
    assert code == 2
    assert message.format(tmp_path) in told.err.replace("\n", " ") and "Traceback" not in told.err
    assert told.err.startswith("cubelib") or not arguments
    assert told.err.split("\nusage:")[0].strip().count("\n") == 0 or not arguments
    assert told.out == ""
    assert files(tmp_path) == before and not (tmp_path / "runs").exists()


def test_a_checkpoint_that_is_cut_short_is_one_sentence_and_left_as_it_is(run, tmp_path):
    checkpoint = shutil.copytree(run[0] / "autoencoder-001" / "checkpoint", tmp_path / "checkpoint")
    weights = checkpoint / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    before = files(tmp_path)
    done = command("evaluate", checkpoint)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cubelib evaluate: Loading the checkpoint {checkpoint}: {weights.name} is cut short")
    assert done.stderr.count("\n") == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["--help"], "usage: python -m cubelib train CONFIG"),
        *(([name, "--help"], f"usage: python -m cubelib {name}") for name in COMMANDS),
    ],
)
def test_help_is_no_mistake(capsys, arguments, beginning):
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(beginning)


def test_encode_writes_vectors_that_train_takes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "cache"))
    texts = corpora.sentences(120)
    (tmp_path / "mine.txt").write_text("\n".join(texts), encoding="utf-8")
    assert main(["encode", str(tmp_path / "mine.txt")]) == 0
    assert capsys.readouterr().out.endswith(f"Wrote {tmp_path / 'mine.npy'}: (120, 768) float32.\n")
    assert np.array_equal(np.load(tmp_path / "mine.npy"), TeacherEncoder().encode(texts).numpy())
    own = ["--data.file", str(tmp_path / "mine.npy"), "--epochs", "1", "--core.hidden", "4"]
    assert main(["train", str(CONFIG), *own, "--checkpoint-dir", str(tmp_path / "runs")]) == 0


def test_what_is_left_out_is_told(tmp_path, capsys):
    """Rows that were skipped, and items that a filter removed: a warning and a table, no line of code."""
    pairs = corpora.dialogues(100)
    rows = [*map(json.dumps, pairs), json.dumps({"question": "Why?", "answer": None})]
    (tmp_path / "faq.jsonl").write_text("\n".join(rows), encoding="utf-8")
    own = ["--mode", "dialogue", "--data.file", str(tmp_path / "faq.jsonl"), "--data.bad-rows", "skip"]
    longest = ["--data.filters.words", "null", "12", "--epochs", "0", "--checkpoint-dir", str(tmp_path / "runs")]
    assert main(["train", str(CONFIG), *own, *longest]) == 0
    told = capsys.readouterr()
    removed = sum(max(len(pair[side].split()) for side in pair) > 12 for pair in pairs)
    assert f"Warning: Reading {tmp_path / 'faq.jsonl'}: 1 of 101 rows are left out" in told.err
    assert ".py" not in told.err and 0 < removed < 100
    (line,) = [line for line in told.out.splitlines() if line.startswith("words ")]
    assert line.split()[-3:] == ["100", str(removed), str(100 - removed)]


def test_corpora_are_listed(capsys):
    assert main(["corpora"]) == 0
    told = capsys.readouterr().out
    assert "165,832" in told and "chitchat-dataset" in told and "MIT" in told


def test_evaluate_refuses_data_that_have_changed(tmp_path, capsys):
    """Split anew, what the cube was trained on would be among the test items."""
    vectors = np.random.default_rng(0).normal(size=(60, 40)).astype(np.float32)
    np.save(tmp_path / "mine.npy", vectors)
    own = ["--data.file", str(tmp_path / "mine.npy"), "--embedding-dim", "40", "--lattice-size", "2", "3", "4"]
    assert main(["train", str(CONFIG), "--epochs", "1", *own, "--checkpoint-dir", str(tmp_path / "runs")]) == 0
    run_folder = str(tmp_path / "runs" / "autoencoder-001")
    assert main(["evaluate", run_folder]) == 0  # the folder of the run will do
    assert "Only 6 test items: too few" in capsys.readouterr().out
    np.save(tmp_path / "mine.npy", np.concatenate([vectors, vectors[:3] + 1]))
    assert main(["evaluate", run_folder, "--device", "cpu"]) == 2
    assert "the data are not those that the cube was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (FloatingPointError("broken down"), 1)])
def test_what_was_learnt_is_saved_when_training_does_not_end_well(tmp_path, monkeypatch, capsys, error, code):
    epoch = Loop.epoch

    def second_fails(self, number, after_batch):
        if number == 2:
            raise error
        return epoch(self, number, after_batch)

    monkeypatch.setattr(Loop, "epoch", second_fails)
    assert main(["train", str(CONFIG), *FAST, "--checkpoint-dir", str(tmp_path)]) == code
    told, folder = capsys.readouterr().err, tmp_path / "autoencoder-001"
    assert f"{folder / 'checkpoint'}" in told and CubeTrainer.load(folder).embedding_processor is not None
    if code == 1:
        assert "training broke down in epoch 2. The weights of epoch" in told and "set gradient_clipping" in told
        return
    assert f"To go on: python -m cubelib train --resume {folder}" in told and "interrupted in epoch 2" in told
    monkeypatch.undo()
    assert main(["train", "--resume", str(folder)]) == 0
    assert f"Resuming: {folder} after epoch 0" not in (told := capsys.readouterr().out) and "| cube " in told
    assert main(["train", "--resume", str(folder), "--epochs", "3"]) == 0
    told = capsys.readouterr().out
    assert f"Resuming: {folder} after epoch 2" in told and "epochs: all 3 are trained" in told
    assert main(["train", "--resume", str(folder), "--epochs", "3", "--batch-size", "4"]) == 2
    assert "only --epochs and --early-stopping-patience can be changed" in capsys.readouterr().err
    assert main(["train", "--resume", str(folder)]) == 0
    assert f"There is nothing left to train in {folder}: epochs: all 3 are trained" in capsys.readouterr().out
    assert main(["train", "--resume", str(folder), "--epochs", "1"]) == 2
    assert "it has 3 epochs already. Give epochs=3 or more." in capsys.readouterr().err
    assert main(["train", "--resume", str(folder / "epochs" / "0003")]) == 2
    assert "0003: there is no state to go on from" in capsys.readouterr().err


def test_an_option_given_twice_is_a_mistake(capsys):
    assert main(["train", str(CONFIG), "--epochs", "2", "--epochs=3"]) == 2
    assert "the option --epochs is given twice" in capsys.readouterr().err
