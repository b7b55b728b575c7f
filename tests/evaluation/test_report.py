"""The report compares honestly: a cube that cheats is told from one that has learned, and luck from skill."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_cubes import DIM
from small_reports import (
    MEAN,
    NO_MODEL,
    PCA,
    dataset_for,
    made_report,
    noisy,
    report_on,
    sentence_on,
    split_for,
    trainer_for,
    vectors,
)
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, DialogueDataset
from cubelib.data.splits import leak_free_split
from cubelib.data.vectors import VectorFile
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation import build_report
from cubelib.evaluation.baselines import PCA as Components
from cubelib.evaluation.baselines import Baseline, Identity, MeanTarget, Ridge
from cubelib.evaluation.mystery_models import Leak, Memorizer
from cubelib.evaluation.networks import MLP, LowRankAdapter, Trained
from cubelib.evaluation.sentences import sentences
from cubelib.evaluation.table import BEFORE, CUBE, NOT_DIFFERENT
from cubelib.evaluation.whitened import Whitened
from cubelib.metrics import EmbeddingMetrics, bootstrap_mean

# --- who beats whom -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_a_cube_that_hands_its_input_on_with_noise_loses_to_no_model(mode):
    report = report_on(trainer_for(mode, bottleneck=None), noisy(0.3))
    assert report.verdict(NO_MODEL) == "loses to"
    label = {"autoencoder": "cosine", "dialogue": "MRR"}[mode]
    assert sentence_on(report, f"The cube loses to {NO_MODEL}: {label} -0.").endswith("p < 0.001.")
    assert report.sentences[0].startswith("The cube loses to ")  # what beats it comes first


def test_a_cube_behind_pca_is_said_to_lose_to_it_and_one_ahead_to_beat_it():
    split = split_for("autoencoder")
    worse = report_on(trainer_for("autoencoder", bottleneck=1), lambda x: split.train.input.mean(0) + 0.1 * x)
    better = report_on(trainer_for("autoencoder", bottleneck=1), noisy(0.02))
    assert worse.verdict(PCA) == "loses to" and better.verdict(PCA) == "beats"
    assert sentence_on(worse, f"The cube loses to {PCA}: cosine -0.")
    assert sentence_on(better, f"The cube beats {PCA}: cosine +0.")
    assert sentence_on(better, f"The cube beats {MEAN}: cosine +0.").endswith(
        f"(before training {better.value(PCA) - better.value(MEAN):+.4f})."
    )
    assert sentence_on(better, "Training helped: +0.")
    assert "The target cosine of 0.90 is reached: " in better.to_markdown()


@pytest.mark.parametrize(
    ("cube", "rival", "verdict"),
    [
        ([0.5, 0.9, 0.1], [0.4, 0.8, 0.0], "beats"),  # a tenth more on every item, however much the items differ
        ([0.4, 0.8, 0.0], [0.5, 0.9, 0.1], "loses to"),
        ([0.9, 0.0, 0.5], [0.0, 0.8, 0.5], NOT_DIFFERENT),  # a little more on average, but not on every item
    ],
)
def test_differences_are_paired_item_by_item(cube, rival, verdict):
    report = made_report(cube=cube * 10, R=rival * 10)
    found = report.difference("R")
    assert found == bootstrap_mean(np.array(cube * 10) - np.array(rival * 10))
    assert found.mean == pytest.approx((sum(cube) - sum(rival)) / 3, abs=1e-6)
    assert report.verdict("R") == verdict
    assert report.paired("R") is report.paired("R")  # worked out once
    assert report.paired("R", model="R").difference.mean == 0


def test_what_beats_the_cube_is_said_first():
    cube, shuffled = np.random.default_rng(0).random((2, 50))
    report = made_report(cube=cube, a=cube - 0.2, b=shuffled, c=cube + 0.1, d=cube - 0.1, e=cube + 0.2)
    told = [line.split(":")[0] for line in sentences(report) if line.startswith("The cube ")]
    assert [line[9:] for line in told] == [
        "loses to e", "loses to c", "is not significantly different from b", "beats d", "beats a",
    ]  # fmt: skip


def test_nothing_is_told_from_fewer_than_20_items_or_groups():
    values = {"cube": [0.5] * 19, "R": [0.4] * 19}
    assert made_report(cube=[0.5] * 20, R=[0.4] * 20).verdict("R") == "beats"
    few, copies = made_report(**values), made_report(cube=[0.5] * 60, R=[0.4] * 60, groups=[*range(19), *[0] * 41])
    for report, says in ((few, "Only 19 test items: too few"), (copies, "Only 60 test items in 19 groups of copies: ")):
        assert report.verdict("R") == NOT_DIFFERENT
        assert "**" not in report.table()
        told = sentences(report)
        assert told[0].startswith(says)
        assert not [line for line in told if line.startswith(("The cube", "Training", "Nothing", "With"))]


def test_groups_of_copies_are_resampled_whole():
    generator = np.random.default_rng(0)
    cube, rival = (np.repeat(generator.random(30), 10).tolist() for _ in range(2))
    groups = np.repeat(np.arange(30), 10)
    apart, together = made_report(cube=cube, R=rival), made_report(cube=cube, R=rival, groups=groups)
    for width in (lambda r: r.difference("R"), lambda r: r.intervals[CUBE]["mrr"]):
        assert 2.5 < (width(together).high - width(together).low) / (width(apart).high - width(apart).low) < 4
    assert together.paired("R").units == 30 and apart.paired("R").units == 300
    assert "300 test items, resampled in 30 groups of copies" in together.note()
    assert "groups" not in apart.note()


def test_the_best_of_a_column_is_marked_with_all_that_cannot_be_told_from_it():
    generator = np.random.default_rng(0)
    cube = generator.random(100)
    report = made_report(cube=cube, lower=cube - 0.1, shuffled=generator.permutation(cube), equal=cube)
    assert report.best == {"mrr": {"cube", "shuffled", "equal"}, "cosine_similarity": {"cube", "shuffled", "equal"}}
    lines = {line.split("|")[1].strip(): line for line in report.table().splitlines()[2:]}
    bold = {name: line.count("**") for name, line in lines.items()}
    assert bold == {"cube": 4, "lower": 0, "shuffled": 4, "equal": 4}
    assert "**Bold**: the best of each column and all not significantly different from it." in report.note()


# --- what training did, and could do ------------------------------------------------------------------------------


def test_an_untrained_cube_is_no_row_of_its_own_where_it_repeats_another():
    report = report_on(trainer_for("autoencoder", bottleneck=1))
    assert [row.model for row in report.rows] == [CUBE, PCA, MEAN] and report.before == PCA
    assert {row.latent_dim for row in report.rows[:2]} == {16}
    assert sentence_on(report, "The untrained cube gives the same outputs as PCA, 16 numbers, so it has no row")
    other = report_on(trainer_for("autoencoder", bottleneck=1, layout="random"), noisy(0.02))
    assert [row.model for row in other.rows] == [CUBE, BEFORE, PCA, MEAN] and other.before == BEFORE
    assert other.verdict(BEFORE) == "beats" and "no row" not in other.to_markdown()
    assert sentence_on(other, "The cube beats the cube before training: cosine +0.")


@pytest.mark.parametrize(
    ("epochs", "why"),
    [(1, "Nothing was learned: no epoch was better on the validation items"), (0, "It was not trained")],
)
def test_a_cube_that_training_did_not_change_is_said_to_be_what_it_was(epochs, why):
    report = report_on(trainer_for("autoencoder", bottleneck=1, layout="random", epochs=epochs))
    assert [row.model for row in report.rows] == [CUBE, PCA, MEAN] and report.before == CUBE and not report.changed
    assert sentence_on(report, f"{why}, so the cube is what it was before training").endswith(
        f": the cosine is {report.value(CUBE):.4f}."
    )
    assert not re.search("before training [+-]|training items the|can be seen|no row", report.to_markdown())
    assert report.to_dict()["before_training_minus_model"].keys() == {PCA, MEAN}


def test_a_cube_that_knows_its_training_items_by_heart_is_said_to_overfit():
    split = split_for("dialogue")
    memorizer = Memorizer().fit(split.train.input, split.train.target)
    report = report_on(trainer_for("dialogue"), memorizer.predict)
    says = sentence_on(report, "On 60 training items the MRR went from")
    assert "to 1.0000: +0." in says and "against +0.0000 [+0.0000, +0.0000] on test items." in says
    assert says.endswith("The cube has learned its training items more than the task (overfitting).")
    assert report.verdict(NO_MODEL) == NOT_DIFFERENT and report.difference(NO_MODEL).mean == 0
    honest = report_on(trainer_for("dialogue"), noisy(0.02))
    assert "overfitting" not in sentence_on(honest, "On 60 training items")


def test_what_can_be_learnt_and_was_not_is_said():
    questions = vectors(600)
    answers = questions @ torch.linalg.qr(torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(1))).Q
    split = leak_free_split(DialogueDataset(questions, answers), 0.1, 0.1, near_copy=0.9999)
    report = report_on(trainer_for("dialogue", epochs=0), split=split)
    says = sentence_on(report, "More is possible here: ")
    assert re.fullmatch(
        r"More is possible here: (ridge regression|orthogonal Procrustes|residual ridge regression) is \+0\.\d+ "
        r"\[\+.*\] above the cube before training, and the cube is not\.",
        says,
    )


def test_what_so_few_items_can_show_is_the_width_of_the_interval():
    generator = np.random.default_rng(0)
    cube, before = generator.random(100), generator.random(100)
    report = made_report(cube=cube, cube_before_training=before)
    report.split = split_for("dialogue")
    width = report.difference(BEFORE)
    (says,) = [line for line in sentences(report) if line.startswith("With 100 test items")]
    assert f"from about {(width.high - width.low) / 2:.4f} up" in says
    clear = made_report(cube=cube, cube_before_training=cube - 0.1)
    assert not [line for line in sentences(clear) if line.startswith("With 100 test items")]


def test_a_certain_difference_of_no_use_is_called_that():
    values = np.random.default_rng(0).random(50)
    says = sentences(made_report(cube=values + 0.0004, cube_before_training=values))
    assert says[0] == (
        "The cube beats the cube before training: MRR +0.000400 [+0.000400, +0.000400], p < 0.001, a difference too "
        "small to be of use."
    )
    assert "Training helped, though by too little to be of use: +0.000400 [+0.000400, +0.000400]." in says
    assert "no use" not in sentences(made_report(cube=values + 0.1, cube_before_training=values))[0]


def test_the_best_of_many_rivals_has_to_be_better_than_the_best_of_luck():
    """Twenty random models: the best of them leads with an interval above zero, and that is luck."""
    generator = np.random.default_rng(5)
    models = {f"R{i}": generator.random(40) for i in range(20)}
    report = made_report(cube=np.full(40, 0.4), cube_before_training=np.full(40, 0.4), **models)
    best = max(models, key=lambda name: models[name].mean())
    assert report.paired(BEFORE, model=best).difference.low > 0
    assert [line for line in sentences(report) if line.startswith("Nothing in this table is significantly better")]


# --- cheats -------------------------------------------------------------------------------------------------------


def test_cheats_are_shown_by_what_they_cannot_fool():
    pairs = dataset_for("dialogue")
    aside = torch.ones(DIM)  # all answers lie close together
    split = leak_free_split(DialogueDataset(pairs.input, pairs.target + aside), 0.2, 0.3, near_copy=0.9999)

    class Leaky(Leak):
        def fit(self, *_):
            return super().fit(split.test.input, split.test.target)

    models = [Identity(), MeanTarget(), Memorizer(), Leaky(0.05)]
    report = report_on(trainer_for("dialogue"), split=split, baselines=models)
    mean, memorizer, leak = (report.row(model.name) for model in (MeanTarget, Memorizer, Leak))
    assert report.value(mean.model, "cosine_similarity") > 0.95 and report.value(mean.model) < 0.05
    assert torch.equal(memorizer.per_item["mrr"], report.row(NO_MODEL).per_item["mrr"])
    assert report.verdict(leak.model) == "loses to" and "More is possible here: leak" in report.to_markdown()


def test_a_baseline_that_cannot_be_trained_is_missing_and_that_is_said():
    class Broken(Baseline):
        name = "broken"

        def _fit(self, *_):
            raise FloatingPointError("The loss became nan.")

        def _predict(self, input):
            return input

    report = report_on(trainer_for("dialogue"), noisy(0.1), baselines=[Broken(), MeanTarget()])
    assert [row.model for row in report.rows] == [CUBE, BEFORE, MEAN]
    assert "broken is missing: it could not be trained. The loss became nan." in report.sentences


# --- figures ------------------------------------------------------------------------------------------------------


def test_neighbor_overlap_has_an_interval_from_halves_of_the_items():
    worse = Components(8)
    report = report_on(trainer_for("autoencoder", bottleneck=1), baselines=[Components(16), worse, MeanTarget()])
    test, output = report.split.test.input, worse.predict(report.split.test.input)
    expected = EmbeddingMetrics.figure_interval(
        EmbeddingMetrics.neighbor_overlap, output, test, groups=report.groups, halves=50
    )
    assert report.intervals[worse.name]["overlap@10"] == expected and expected.low < expected.mean < expected.high
    assert report.best["overlap@10"] == {CUBE, PCA} and report.best["spearman"] >= {CUBE, PCA}


def test_retrieval_figures_follow_from_ranks_among_all_answers():
    report = report_on(trainer_for("dialogue"))
    assert report.metrics == ["mrr", "r@1", "r@5", "r@10", "ndcg@10", "mrr_unseen", "cosine_similarity"]
    assert report.bank_size == 200 and report.unseen_size == 100 and report.chance == 1 / 200
    assert "among 200 known ones" in sentence_on(report, "0.50% of the time.")
    figures, split = report.row(NO_MODEL).per_item, report.split
    ranks = (1 / figures["mrr"]).round()
    for k in (1, 5, 10):
        assert torch.equal(figures[f"r@{k}"], (ranks <= k).double())
    bank = torch.cat([split.test.target, split.train.target, split.validation.target])
    cosines = normalize(split.test.input, dim=1) @ normalize(bank, dim=1).T
    own = cosines[torch.arange(60), torch.arange(60)]
    assert ranks.tolist() == (cosines >= own[:, None]).sum(1).tolist()
    unseen = torch.cat([cosines[:, :60], cosines[:, -40:]], 1)  # without the training answers
    assert (1 / figures["mrr_unseen"]).round().tolist() == (unseen >= own[:, None]).sum(1).tolist()
    assert "new MRR: its place among the 100 answers that were not trained on" in report.note()


def test_a_split_made_by_hand_may_test_answers_that_are_trained_on():
    split = split_for("dialogue")
    train = DialogueDataset(
        torch.cat([split.train.input, split.train.input[:1]]), torch.cat([split.train.target, split.test.target[:1]])
    )
    by_hand = type(split)(**{**vars(split), "train": train})
    assert "mrr_unseen" not in report_on(trainer_for("dialogue"), split=by_hand).metrics


def test_known_answers_have_no_rank_among_new_ones():
    pairs = dataset_for("dialogue")
    answers = pairs.target[torch.arange(200) // 4]
    split = leak_free_split(DialogueDataset(pairs.input, answers), 0.2, 0.3, near_copy=0.9999, kind="new_questions")
    report = report_on(trainer_for("dialogue"), split=split)
    assert "mrr_unseen" not in report.metrics and "new MRR" not in report.note()


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_blocks_and_files_change_nothing(mode, tmp_path, monkeypatch):
    whole = report_on(trainer_for(mode))
    dataset = dataset_for(mode)
    for side in ("input", "target"):
        np.save(tmp_path / f"{side}.npy", getattr(dataset, side).numpy())
    files = [VectorFile(tmp_path / f"{side}.npy") for side in ("input", "target")]
    stored = AutoencoderDataset(files[0]) if mode == "autoencoder" else DialogueDataset(*files)
    monkeypatch.setattr("cubelib.evaluation.report.BLOCK", 7)
    report = report_on(trainer_for(mode), split=leak_free_split(stored, 0.2, 0.3, near_copy=0.9999))
    for row, other in zip(whole.rows, report.rows, strict=True):
        for figure in whole.metrics:
            assert whole.value(row.model, figure) == pytest.approx(report.value(row.model, figure), abs=1e-5)
        for figure, values in row.per_item.items():
            torch.testing.assert_close(values, other.per_item[figure], rtol=0, atol=1e-5)
    assert report.bank_size == whole.bank_size and report.chance == whole.chance


def test_large_test_sets_are_sampled_for_who_is_near_whom(monkeypatch):
    monkeypatch.setattr("cubelib.evaluation.report.SAMPLE", 30)
    report = report_on(trainer_for("autoencoder", bottleneck=1))
    assert len(report.sample) == 30 and sorted(set(report.sample)) == report.sample.tolist()
    rows = torch.from_numpy(report.sample)
    output = Components(16).fit(report.split.train.input, report.split.train.input).predict(report.split.test.input)
    expected = EmbeddingMetrics.neighbor_overlap(output[rows], report.split.test.input[rows], k=10)
    assert report.value(PCA, "overlap@10") == pytest.approx(expected, abs=0.01)
    assert len(report.row(PCA).per_item["cosine_similarity"]) == 60 and len(report.training["after"]) == 30
    assert "(by chance 0.345); Spearman: of all pairs' similarities, no interval, on 30 of the test" in report.note()


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
@pytest.mark.parametrize("tests", [1, 9])
def test_a_test_set_of_an_item_or_a_few_is_reported_without_a_verdict(mode, tests):
    split = split_for(mode)
    part = split.test.subset(torch.arange(tests))
    split = type(split)(**{**vars(split), "test": part, "test_groups": split.test_groups[:tests]})
    report = report_on(trainer_for(mode), noisy(0.1), split=split)
    assert report.sentences[0].startswith(f"Only {tests} test item")
    assert not [line for line in report.sentences if line.startswith("The cube ")]
    assert "overlap@10" not in report.metrics and "spearman" not in report.metrics
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["test_items"] == tests


# --- which models -------------------------------------------------------------------------------------------------


def test_the_default_stands_beside_models_of_every_kind_and_about_its_size():
    trainer = trainer_for("dialogue")
    report = report_on(trainer, baselines="default")
    names = [row.model for row in report.rows]
    assert names == [
        CUBE, NO_MODEL, "whitened questions", "nearest question's answer", "orthogonal Procrustes", "ridge regression",
        "residual ridge regression", "low-rank residual adapter", "residual MLP", MEAN,
    ]  # fmt: skip
    size = trainer.core.parameter_count
    assert 0.9 * size < report.row("residual MLP").parameters <= size
    assert all(row.seconds is not None and row.seconds >= 0 for row in report.rows)
    compressed = trainer_for("autoencoder", bottleneck=1, hidden=16)
    autoencoder = report_on(compressed, baselines="default")
    networks = ["MLP autoencoder, 16 numbers", "linear autoencoder, 16 numbers"]
    assert [row.model for row in autoencoder.rows] == [CUBE, PCA, *networks, MEAN]
    size = compressed.core.parameter_count
    assert size <= autoencoder.row("MLP autoencoder, 16 numbers").parameters < 1.1 * size
    assert autoencoder.row("MLP autoencoder, 16 numbers").latent_dim == 16
    open_cube = report_on(trainer_for("autoencoder", bottleneck=None), baselines="default")
    assert [row.model for row in open_cube.rows] == [CUBE, NO_MODEL, MEAN]


def test_what_whitens_is_compared_with_what_whitens():
    trainer = trainer_for("dialogue", whitening=True)
    split = split_for("dialogue")
    report = report_on(trainer, baselines="default", split=split)
    names = [row.model for row in report.rows]
    assert "low-rank residual adapter, whitened questions" in names and "residual MLP, whitened questions" in names
    assert report.value(report.before) == report.value("whitened questions")  # the untrained cube is nothing else
    whitened = Whitened(Ridge(residual=True)).fit(split.train.input, split.train.target)
    centered = split.train.input - split.train.input.mean(0)
    expected = Ridge(residual=True).fit(centered, split.train.target).predict(centered)
    torch.testing.assert_close(whitened.predict(split.train.input), expected, atol=1e-4, rtol=1e-4)


def test_baselines_share_the_cube_s_loss_and_seed_and_are_chosen_by_what_decides(monkeypatch):
    made = []
    for kind in (LowRankAdapter, MLP):
        monkeypatch.setattr(kind, "fit", lambda self, *data: made.append((self, data)) or self)
        monkeypatch.setattr(kind, "parameter_count", 1)
        monkeypatch.setattr(kind, "predict", lambda self, x: x)
    monkeypatch.setattr(Trained, "hidden_layers", [])
    trainer = trainer_for("dialogue")
    trainer.config = trainer.config.model_copy(update={"loss_function": "squared_distance", "random_seed": 7})
    monkeypatch.setattr("cubelib.evaluation.report.VALIDATION", 25)
    split = split_for("dialogue")
    report_on(trainer, split=split, baselines="default")
    assert [type(model) for model, _ in made] == [LowRankAdapter, MLP]
    for model, (input, target, validation, score) in made:
        assert model.loss.__name__ == "squared_distance" and model.seed == 7
        assert input is split.train.input and target is split.train.target
        assert score is EmbeddingMetrics.calculate_mrr and [len(side) for side in validation] == [25, 25]
        assert {tuple(row) for row in validation[0].tolist()} < {tuple(row) for row in split.validation.input.tolist()}


def test_what_cannot_be_reported_is_named():
    trainer, split = trainer_for("dialogue"), split_for("dialogue")
    with pytest.raises(ConfigError, match=r"task 'chat' is not known. Use autoencoder or dialogue"):
        build_report(trainer, {"chat": split})
    narrow = leak_free_split(DialogueDataset(vectors()[:, :9], vectors()[:, :9]), near_copy=1)
    with pytest.raises(DataError, match="dialogue data: the vectors have 9 numbers, embedding_dim is 48"):
        build_report(trainer, {"dialogue": narrow})
    with pytest.raises(ConfigError, match="there is no cube yet"):
        build_report(type(trainer)(trainer.config), {"dialogue": split})
    with pytest.raises(ConfigError, match=re.escape("no model 'PCA'. Use one of cube; R.")):
        made_report(cube=[0.5] * 20, R=[0.4] * 20).verdict("PCA")
    with pytest.raises(DataError, match="Measuring cube: EmbeddingMetrics: 60 of 60 outputs hold NaN"):
        report_on(trainer_for("dialogue"), lambda x: x * torch.nan)
    with pytest.raises(ConfigError, match="baselines 'fast' are not known"):
        build_report(trainer, {}, baselines="fast")
    with pytest.raises(ConfigError, match=re.escape("(input as output); 'PCA'.")):
        build_report(trainer, {}, baselines=[Identity(), "PCA"])


# --- the same again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_the_same_run_gives_the_same_report_and_leaves_the_global_seed_alone(mode):
    state = torch.get_rng_state()
    first, second = (report_on(trainer_for(mode), baselines="default").to_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for model in (*first["models"], *second["models"]):
        del model["seconds"]
    assert first == second


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.lists(st.floats(0, 1), min_size=25, max_size=25), min_size=2, max_size=5), seed=st.integers(0, 9)
)
def test_any_figures_make_a_table_with_a_best_and_sentences_that_fit_it(values, seed):
    models = {"cube": values[0], "cube_before_training": values[1], **{f"R{i}": v for i, v in enumerate(values[2:])}}
    report = made_report(groups=np.random.default_rng(seed).integers(0, 24, 25), **models)
    lines = report.table().splitlines()
    assert len({len(line) for line in lines}) == 1 and len(lines) == len(values) + 2
    means = {row.model: report.value(row.model) for row in report.rows}
    if report.units >= 20:
        assert max(means, key=means.get) in report.best["mrr"]
    for row in report.rows[1:]:
        verdict, told = report.verdict(row.model), [s for s in sentences(report) if f" {row.model}: MRR" in s]
        assert all(verdict in line for line in told if line.startswith("The cube"))
        assert verdict in ("beats", "loses to", NOT_DIFFERENT)
        assert not (verdict == "beats" and means["cube"] <= means[row.model])
