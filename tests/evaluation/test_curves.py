"""The curves of a report: what they are measured on, how damage is dealt out, and sentences that fit the numbers."""

import json

import pytest
import torch
from small_reports import report_on, split_for, trainer_for

from cubelib import EmbeddingMetrics
from cubelib.evaluation.curves import SEEDS, SHARES, curves_markdown, measure_curves
from cubelib.evaluation.sentences import curve_sentences
from cubelib.lattice import random_damage
from cubelib.views.report_files import save_report

cosine = EmbeddingMetrics.calculate_cosine_similarity


def ready(mode: str = "autoencoder", bottleneck: int | None = 3):
    trainer, split = trainer_for(mode, bottleneck=bottleneck), split_for(mode)
    trainer.fit(split.train, split.validation, progress=False)
    return trainer, split


def damage(cube: list[float], rival: list[float] | None = None, deviation: float = 0.01) -> dict:
    models = {"cube": cube, **({"MLP": rival} if rival else {})}
    found = {name: {"mean": values, "deviation": [0.0, *[deviation] * 5]} for name, values in models.items()}
    return {"damage": {"shares": list(SHARES), "draws": 4, "items": 64, "models": found}}


def test_a_cube_cut_at_its_bottleneck_is_pca_of_that_size_where_it_started_as_pca():
    trainer, split = ready(bottleneck=3)
    curves = measure_curves(trainer, "autoencoder", split, [])
    rate = curves["rate"]
    assert rate["latent_dims"] == [16, 32, 48]
    assert rate["models"]["cube"] == pytest.approx(rate["models"]["PCA"], abs=1e-5)
    assert rate["models"]["cube"][-1] == pytest.approx(cosine(trainer.predict(split.test.input), split.test.target))
    assert trainer.embedding_processor.bottleneck == 3  # as it was
    assert "at no size do it and PCA differ by 0.001" in curve_sentences(curves)[0]


def test_the_curve_of_damage_starts_whole_and_is_a_mean_over_draws():
    trainer, split = ready(bottleneck=None, mode="dialogue")
    curves = measure_curves(trainer, "dialogue", split, [])
    assert "rate" not in curves
    found = curves["damage"]["models"]["cube"]
    draws = []
    for seed in SEEDS:
        damage = random_damage(trainer.core.lattice_size, SHARES[-1], seed=seed)
        draws.append(cosine(trainer.predict(split.test.input, damage=damage), split.test.target))
    assert found["mean"][0] == pytest.approx(cosine(trainer.predict(split.test.input), split.test.target))
    assert found["mean"][-1] == pytest.approx(sum(draws) / len(draws))
    assert found["deviation"][0] == 0.0
    assert found["deviation"][-1] == pytest.approx(torch.tensor(draws).double().std().item(), abs=1e-6)


@pytest.mark.parametrize(("mode", "rival"), [("autoencoder", "MLP autoencoder, 32 numbers"), ("dialogue", "residual")])
def test_the_network_of_the_report_stands_beside_the_cube(mode, rival, tmp_path):
    trainer = trainer_for(mode, bottleneck=2 if mode == "autoencoder" else None)
    report = report_on(trainer, baselines="default")
    cube, other = report.curves["damage"]["models"]
    assert cube == "cube" and other.startswith(rival)
    for sentence in curve_sentences(report.curves):
        assert sentence in report.sentences
    names = save_report([report], trainer, tmp_path)
    written = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "curves.png" in names and "](curves.png)" in written and curves_markdown(report.curves) in written
    (values,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert values["curves"] == report.curves


def test_without_baselines_there_are_no_curves(tmp_path):
    trainer = trainer_for("autoencoder", bottleneck=2)
    report = report_on(trainer, baselines="none")
    assert report.curves == {} and curve_sentences({}) == []
    assert "curves.png" not in save_report([report], trainer, tmp_path)
    assert "Narrower codes" not in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (None, "(± between 4 draws of the dead; 64 test items)."),
        ([0.8, 0.79, 0.78, 0.77, 0.76, 0.7], "hidden units dead the cosine of MLP goes from 0.800 to 0.770 ± 0.010."),
        ([0.5] * 6, "its hidden units have learned nothing that could be lost."),
    ],
)
def test_the_sentence_says_what_dead_parts_cost(network, says):
    (sentence,) = curve_sentences(damage([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], network))
    assert sentence.endswith(says)
    assert sentence.startswith("With 5% of its cells dead the cosine of the cube goes from 0.900 to 0.600 ± 0.010 (")


@pytest.mark.parametrize(
    ("cube", "pca", "says"),
    [
        ([0.6, 0.8], [0.7, 0.8], "PCA of the same size is ahead, by up to 0.1000 (at 16 numbers)"),
        ([0.7, 0.9], [0.7, 0.8], "it is ahead of PCA of the same size, by up to 0.1000 (at 32 numbers)"),
        ([0.6, 0.9], [0.7, 0.8], "against PCA of the same size it is between -0.1000 and +0.1000"),
        ([0.7005, 0.8], [0.7, 0.8], "at no size do it and PCA differ by 0.001"),
    ],
)
def test_the_sentence_says_where_pca_is_ahead(cube, pca, says):
    rate = {"latent_dims": [16, 32], "items": 64, "models": {"cube": cube, "PCA": pca}}
    (sentence,) = curve_sentences({"rate": rate})
    assert says in sentence and f"{cube[0]:.3f} with 16, {cube[1]:.3f} with 32 numbers" in sentence
