"""What is written can be read again, by people and by programs, whatever is in the texts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_reports import NO_MODEL, dataset_for, report_on, split_for, trainer_for, vectors

from cubelib import DialogueDataset
from cubelib.data.splits import leak_free_split
from cubelib.data.text import bullet, escape, table
from cubelib.errors import CheckpointError
from cubelib.evaluation import build_report
from cubelib.evaluation.table import CUBE, NOT_DIFFERENT
from cubelib.views.report_files import check_free, save_report

NASTY = [
    "a | b",
    "two\nlines",
    "**bold** and _italic_ `code`",
    "<script>alert(1)</script>",
    "[link](http://x) ![picture](y)",
    "$x$ costs $5",
    "\x1b[31mred\x1b[0m",
    "- 1. # heading",
    "&amp; ~~gone~~ \\",
    "word " * 50,
]


def nasty_split():
    pairs = dataset_for("dialogue")
    texts = [[f"{NASTY[i % len(NASTY)]} {side}{i}" for i in range(200)] for side in "qa"]
    return leak_free_split(DialogueDataset(pairs.input, pairs.target, *texts), 0.2, 0.3, near_copy=0.9999)


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_files_agree_and_describe_each_picture(mode, tmp_path):
    trainer = trainer_for(mode)
    report = report_on(trainer)
    names = save_report([report], trainer, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert set(names) == {
        "report.md",
        "report.json",
        "report.png",
        "curves.png",
        f"similarity_histogram_{mode}.png",
        f"learning_curve_{mode}.png",
    }
    written = (folder / "report.md").read_text(encoding="utf-8")
    (values,) = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report.to_markdown() in written and report.table(all_intervals=True) in written
    assert values == json.loads(json.dumps(report.to_dict()))
    flat = " ".join(written.split())
    assert values["sentences"] and all(sentence in flat for sentence in values["sentences"])
    for name in set(names) - {"report.md", "report.json", "report.png"}:  # the slide shows, the others explain
        assert (folder / name).read_bytes().startswith(b"\x89PNG") and f"]({name})" in written


def test_the_json_holds_what_the_figures_depend_on():
    trainer = trainer_for("dialogue")
    values = json.loads(json.dumps(report_on(trainer).to_dict(), allow_nan=False))
    assert {"seed", "resamples", "sign_flips", "python", "torch", "numpy", "threads"} <= set(values["provenance"])
    assert (values["test_items"], values["test_groups"], values["training_items"]) == (60, 60, 100)
    assert values["bank_size"] == 200 and values["primary_metric"] == "mrr" and values["target_similarity"] == 0.9
    beaten = values["cube_minus_model"]["ridge regression"]
    assert set(beaten) == {"mean", "low", "high", "p_value", "exact", "units", "verdict"} and 0 < beaten["p_value"] <= 1
    assert values["cube_before_training"] == NO_MODEL
    assert "ridge regression" in values["before_training_minus_model"]
    assert values["training_sample"]["after"]["items"] == 60


@pytest.mark.parametrize("failing", range(4))
def test_a_report_is_whole_or_absent(tmp_path, monkeypatch, failing):
    trainer, written = trainer_for("autoencoder"), []
    report, write = report_on(trainer), Path.write_bytes

    def full(path, content):
        written.append(path)
        if len(written) > failing:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CheckpointError, match=r"No space left on device\. Choose a folder"):
        save_report([report], trainer, tmp_path / "report")
    assert len(written) == failing + 1 and list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert "report.json" in save_report([report], trainer, tmp_path / "report")


def test_nothing_is_written_over(tmp_path):
    trainer = trainer_for("autoencoder")
    report = report_on(trainer)
    (tmp_path / "report.md").write_text("mine")
    with pytest.raises(CheckpointError, match=r"it is not empty\. Choose a new or empty folder"):
        save_report([report], trainer, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
    assert (tmp_path / "report.md").read_text() == "mine"
    with pytest.raises(CheckpointError, match=r"it is not empty\. Choose a new or empty folder"):
        check_free(tmp_path)
    with pytest.raises(CheckpointError, match="that is a file"):
        check_free(tmp_path / "report.md")
    with pytest.raises(CheckpointError, match="Saving the report in "):
        save_report([report], trainer, tmp_path / "report.md" / "below")
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")
    check_free(tmp_path / "new")


def test_both_tasks_stand_in_one_report(tmp_path):
    trainer = trainer_for("mixed", bottleneck=1)
    dialogue = split_for("dialogue")
    splits = {"autoencoder": split_for("autoencoder"), "dialogue": dialogue}
    trainer.fit(*({t: getattr(s, part) for t, s in splits.items()} for part in ("train", "validation")), progress=False)
    reports = build_report(trainer, splits, baselines="quick")
    assert [report.task for report in reports] == ["autoencoder", "dialogue"]
    assert reports[1].rows[0].latent_dim == 16  # the bottleneck holds for both
    names = save_report(reports, trainer, tmp_path)
    assert len(names) == 8 and names.count("curves.png") == 1
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert re.findall(r"^#+ .*", written, re.MULTILINE)[:2] == [
        "# Report of a run in mixed mode",
        "## Autoencoder: 60 held-out items",
    ]
    assert "## Dialogue: 60 held-out items" in written


def test_a_cube_without_a_history_has_no_learning_curve(tmp_path):
    trainer, split = trainer_for("dialogue"), split_for("dialogue")
    trainer.embedding_reshaper.fit(split.train.input)
    reports = build_report(trainer, {"dialogue": split}, baselines="none")
    assert "learning_curve_dialogue.png" not in save_report(reports, trainer, tmp_path)
    assert "learning_curve" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert reports[0].row(CUBE).seconds is None and reports[0].to_dict()["models"][0]["seconds"] is None


def test_texts_of_others_are_harmless(tmp_path):
    trainer = trainer_for("dialogue")
    report = report_on(trainer, split=nasty_split())
    save_report([report], trainer, tmp_path)
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    said = written[written.index("### Items that show most") :]
    assert "“" in said
    unescaped = re.sub(r"\\[\\`*_\[\]<>|~$&#]", "", re.sub(r"^\*\*.*\*\*$|^#.*|^!\[.*", "", said, flags=re.MULTILINE))
    assert not re.findall(r"[`*<>|~$&]|\[|\x1b", unescaped.replace(f"{len(report.sample)} outputs", ""))
    plain = (tmp_path / "report.json").read_text(encoding="utf-8")
    (values,) = json.loads(plain)
    assert "“" in plain and "\\u201c" not in plain
    texts = {example["input_text"] for some in values["examples"].values() for example in some}
    assert texts <= set(report.split.test.input_texts)  # whole and as they are


def test_without_texts_items_are_named_by_their_number(tmp_path):
    for mode in ("autoencoder", "dialogue"):
        trainer = trainer_for(mode)
        save_report([report_on(trainer)], trainer, tmp_path / mode)
        written = (tmp_path / mode / "report.md").read_text(encoding="utf-8")
        assert re.search(r": item \d+ \(counted from 0\)", written) and "None" not in written.replace("None.", "")


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_what_is_printed_fits_100_columns(mode):
    report = report_on(trainer_for(mode, bottleneck=1 if mode == "autoencoder" else None), baselines="default")
    assert max(map(len, report.to_markdown().splitlines())) <= 100


# --- Markdown -----------------------------------------------------------------------------------------------------


@given(rows=st.lists(st.lists(st.text("ab |*", max_size=9), min_size=3, max_size=3), max_size=4))
def test_tables_are_in_line(rows):
    lines = table(["model", "x", "figure"], rows).splitlines()
    assert len(lines) == len(rows) + 2 and len({len(line) for line in lines}) == 1
    assert re.fullmatch(r"\| -+ \| -+: \| -+: \|", lines[1])


@given(text=st.text())
def test_an_escaped_text_is_one_line_and_reads_as_itself(text):
    shown = escape(text)
    assert "\n" not in shown and shown.isprintable()
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]<>|~$&#]", shown)
    plain = re.sub(r"\\([\\`*_\[\]<>|~$&#\-+=.)])", r"\1", shown)
    assert plain == " ".join("".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text).split())


@given(words=st.lists(st.sampled_from(["-", "+", "1.", "2)", "===", "#", "word", "longer"]), min_size=40, max_size=60))
def test_wrapping_makes_no_list_or_heading_of_a_text(words):
    lines = bullet(escape(" ".join(words))).splitlines()
    assert lines[0].startswith("- ") and all(re.match(r"  (?![-+#=] |[-+#=]+$|\d+[.)] )", line) for line in lines[1:])


def test_a_cube_on_vectors_of_files_is_reported_like_any(tmp_path):
    """The files of a report from files: nothing in it may hold what only tensors have."""
    from cubelib.data.vectors import VectorFile

    np.save(tmp_path / "q.npy", vectors().numpy())
    np.save(tmp_path / "a.npy", dataset_for("dialogue").target.numpy())
    dataset = DialogueDataset(VectorFile(tmp_path / "q.npy"), VectorFile(tmp_path / "a.npy"))
    trainer = trainer_for("dialogue")
    report = report_on(trainer, split=leak_free_split(dataset, 0.2, 0.3, near_copy=0.9999), baselines="default")
    save_report([report], trainer, tmp_path / "report")
    assert report.verdict(NO_MODEL) == NOT_DIFFERENT and torch.isfinite(report.training["after"]).all()
