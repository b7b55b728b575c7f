"""The report compares honestly: a cube that cheats is told from one that has learnt."""

import json
import re

import pytest
import torch
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.datasets import Split, leak_free_split
from cubelib.metrics import bootstrap_mean
from cubelib.report import Row, TaskReport, build_report, save_report

DIM = 48
NO_MODEL, MEAN = "no model (input as output)", "mean of the training targets"


def vectors(count: int = 200, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, DIM, generator=generator) * torch.linspace(0.1, 2, DIM) + 0.3, dim=1)


def trainer_for(mode: str, **core) -> CubeTrainer:
    settings = {"embedding_dim": DIM, "lattice_size": [4, 4, 4], "core": {"state_channels": 4, "hidden": 4, **core}}
    trainer = CubeTrainer({**settings, "mode": mode, "epochs": 1, "learning_rate": 1e-9})
    trainer.initialize_components()
    return trainer


def split_for(mode: str) -> Split:
    questions = vectors()
    # Answers are near their questions, moved by something that no model here can know.
    answers = normalize(questions + 0.12 * torch.randn(200, DIM, generator=torch.Generator().manual_seed(7)), dim=1)
    dataset = AutoencoderDataset(questions) if mode == "autoencoder" else DialogueDataset(questions, answers)
    return leak_free_split(dataset, 0.2, 0.3, near_copy=0.9999)


def report_on(trainer: CubeTrainer, predict=None) -> TaskReport:
    split = split_for(trainer.config.mode)
    trainer.fit(split.train, split.validation, progress=False)
    if predict is not None:
        trainer.predict = predict  # this cube only; the baselines and the untrained cube stay honest
    return build_report(trainer, {trainer.config.mode: split})[0]


def noisy(amount: float):
    return lambda x: x + amount * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))


def sentences_on(report: TaskReport, rival: str) -> str:
    found = [sentence for sentence in report.sentences if rival in sentence]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_a_cube_that_hands_its_input_on_with_noise_loses_to_no_model(mode):
    report = report_on(trainer_for(mode, waist=None), noisy(0.3))
    assert report.verdict(NO_MODEL) == "loses to"
    assert sentences_on(report, NO_MODEL).startswith(f"In this run the cube loses to {NO_MODEL}: ")


def test_a_cube_that_hands_its_input_on_unchanged_is_level_with_no_model():
    report = report_on(trainer_for("dialogue"), lambda x: x)
    assert sentences_on(report, NO_MODEL).startswith(
        "In this run the cube cannot be told from no model (input as output): MRR +0.0000 ["
    )


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_a_cube_that_ignores_its_input_is_level_with_the_mean_and_loses_to_the_rest(mode):
    mean = split_for(mode).train.target.mean(0)
    report = report_on(trainer_for(mode), lambda x: mean.expand(len(x), -1))
    verdicts = {row.model: report.verdict(row.model) for row in report.rows[1:]}
    assert verdicts.pop(MEAN) == "cannot be told from"
    assert set(verdicts.values()) == {"loses to"}
    assert (
        f"The target cosine of 0.90 is not reached: {report.rows[0].intervals['cosine'].mean:.4f}"
        in report.to_markdown()
    )


def test_a_cube_behind_pca_is_said_to_lose_to_it_and_one_ahead_to_beat_it():
    split = split_for("autoencoder")
    worse = report_on(trainer_for("autoencoder", waist=1), lambda x: split.train.input.mean(0) + 0.1 * x)
    better = report_on(trainer_for("autoencoder", waist=1), noisy(0.02))
    assert sentences_on(worse, "PCA").startswith("In this run the cube loses to PCA, 16 numbers: cosine -0.")
    assert sentences_on(better, "PCA").startswith("In this run the cube beats PCA, 16 numbers: cosine +0.")
    assert "The target cosine of 0.90 is reached: " in better.to_markdown()


def test_an_untrained_cube_with_a_waist_is_level_with_pca_of_the_same_code():
    report = report_on(trainer_for("autoencoder", waist=1))
    assert (
        report.verdict("PCA, 16 numbers") == "cannot be told from"
        or abs(report.difference("PCA, 16 numbers").mean) < 1e-6
    )
    assert {row.code_size for row in report.rows[:3]} == {16}


def two_rows(cube: list[float], rival: list[float]) -> TaskReport:
    rows = [
        Row(name, 1234, None, {"mrr": torch.tensor(values)}, 0.0) for name, values in (("cube", cube), ("R", rival))
    ]
    return TaskReport("dialogue", split_for("dialogue"), 99, rows, 0.9)


def test_nothing_is_told_from_fewer_than_20_items():
    report = two_rows([0.5] * 3, [0.4] * 3)
    assert report.verdict("R") == "beats"
    report.split = leak_free_split(AutoencoderDataset(torch.eye(40)), 0.1, 0.25)
    assert (len(report.split.test), report.verdict("R")) == (10, "cannot be told from")


@pytest.mark.parametrize(
    ("cube", "rival", "verdict"),
    [
        ([0.5, 0.9, 0.1], [0.4, 0.8, 0.0], "beats"),  # a tenth more on every item, however much the items differ
        ([0.4, 0.8, 0.0], [0.5, 0.9, 0.1], "loses to"),
        ([0.9, 0.0, 0.5], [0.0, 0.8, 0.5], "cannot be told from"),  # a little more on average, but not on every item
    ],
)
def test_differences_are_paired_item_by_item(cube, rival, verdict):
    report = two_rows(cube, rival)
    found = report.difference("R")
    assert found == bootstrap_mean(torch.tensor(cube) - torch.tensor(rival))
    assert found.mean == pytest.approx((sum(cube) - sum(rival)) / 3, abs=1e-6)
    assert report.verdict("R") == verdict


def test_the_best_of_a_column_is_marked_and_no_other():
    table = two_rows([0.5, 0.9], [0.4, 0.8]).to_markdown()
    assert re.findall(r"\*\*(\S+) \[", table) == ["0.7000"]
    assert "| cube | 1,234 | – | **0.7000 [0.5000, 0.9000]** |" in table


def test_retrieval_figures_follow_from_ranks_among_all_answers():
    report = report_on(trainer_for("dialogue"))
    assert (
        report.bank_size == 200
        and "among 200 known ones" in report.to_markdown()
        and "0.50% of the" in report.to_markdown()
    )
    figures = report.row(NO_MODEL).per_item
    ranks = (1 / figures["mrr"]).round()
    assert torch.equal(figures["r@1"], (ranks == 1).double()) and torch.equal(figures["r@10"], (ranks <= 10).double())
    cosines = (
        normalize(report.split.test.input, dim=1)
        @ normalize(
            torch.cat([report.split.test.target, report.split.train.target, report.split.validation.target]), dim=1
        ).T
    )
    own = cosines[torch.arange(60), torch.arange(60)]
    assert ranks.tolist() == (cosines >= own[:, None]).sum(1).tolist()


def test_files_agree_and_hold_every_model(tmp_path):
    trainer = trainer_for("dialogue")
    report = report_on(trainer)
    save_report([report], trainer, tmp_path)
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    values = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))[0]
    assert report.to_markdown() in written
    assert values == json.loads(json.dumps(report.to_dict()))
    for model in values["models"]:
        line = next(line for line in written.splitlines() if line.startswith(f"| {model['model']} |"))
        for figure in ("cosine", "r@1", "r@10", "mrr"):
            shown = "{mean:.4f} [{low:.4f}, {high:.4f}]".format(**model[figure])
            assert shown in line
    assert all(sentence in written for sentence in values["sentences"])
    names = [model["model"] for model in values["models"]]
    assert names == ["cube", "cube before training", NO_MODEL, "ridge regression", "residual ridge regression", MEAN]
    assert (tmp_path / "learning_curve_dialogue.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
