"""build_report: fits the baselines, measures all models on the same held-out items, and draws conclusions.

All models see the same training items, make their choices on the same validation items, and are compared item by item
on the same test items. Only a sample of each model's outputs is kept, so vectors may stay in files.

    autoencoder   with the cube's code size: PCA, PCA of 4×4 cells at a time, a linear autoencoder, and an MLP
                  autoencoder of at least the cube's parameters; the mean
    dialogue      no model, whitened questions, nearest question's answer, Procrustes, ridge, residual ridge, low-rank
                  adapter, residual MLP of about the cube's parameters; the mean. Where answers have another width,
                  those that work with it

Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.progress import tqdm
from cubelib.data.splits import Split, copy_groups
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation.baselines import (
    PCA,
    Baseline,
    Identity,
    LocalPCA,
    MeanTarget,
    NearestAnswer,
    Procrustes,
    Ridge,
)
from cubelib.evaluation.curves import SAMPLE_SEED, draw_sample, measure_curves
from cubelib.evaluation.examples import find_examples, find_hubs
from cubelib.evaluation.network_training import ROUNDS
from cubelib.evaluation.networks import MLP, RANKS, WIDE_RANKS, AutoencoderMLP, LowRankAdapter
from cubelib.evaluation.relevant_answers import RelevantAnswers
from cubelib.evaluation.sentences import sentences
from cubelib.evaluation.table import BEFORE, CUBE, ModelResult, TaskReport
from cubelib.evaluation.text import ROUNDING
from cubelib.evaluation.whitened import Whitened
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.intervals import FLIPS, RESAMPLES
from cubelib.training.checkpoint import provenance
from cubelib.training.run import PRIMARY_METRICS
from cubelib.training.trainer import CubeTrainer

Predict = Callable[[Tensor], Tensor]
Baselines = str | Sequence[Baseline]

CHOICES = ("default", "quick", "none")
SCORES = {
    "cosine_similarity": EmbeddingMetrics.calculate_cosine_similarity,
    "mrr": EmbeddingMetrics.calculate_mrr,
}
LOCAL = 4  # cells along the side of a square of local PCA: about what a cell hears in two ticks
VALIDATION = 1000  # items that baselines choose by: the MRR among n answers costs n², a hundred times in training
BLOCK = 8192  # test items predicted and measured at a time
SAMPLE = 500  # items for structure, hubs and the training items' metric
MARKED = 2  # baselines in the learning curve of a dialogue


def build_report(
    trainer: CubeTrainer, splits: Mapping[str, Split], *, baselines: Baselines = "default", progress: bool = False
) -> list[TaskReport]:
    """Measures the cube and its baselines on the test items of each task.

    Args:
        trainer: the cube, trained or not.
        splits: "autoencoder" and/or "dialogue" → its items.
        baselines: "default"; "quick", without those trained by gradient descent; "none"; or a sequence of models from
            `cubelib.evaluation`, which are fitted here.
        progress: show bars.

    Returns:
        A report for each task.

    Raises:
        ConfigError: there is no cube yet, an unknown task, or baselines that are none.
        DataError: vectors of another width, or outputs that are not finite.

    Example:
        >>> from cubelib import AutoencoderDataset
        >>> from cubelib.data.splits import leak_free_split
        >>> vectors = torch.randn(200, 12, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 2, 12)
        >>> core = {"rule": "shared", "layout": "row_major", "state_channels": 4, "bottleneck": 2}
        >>> trainer = CubeTrainer({"embedding_dim": 12, "lattice_size": [2, 2, 2], "core": core})
        >>> trainer.initialize_components()
        >>> split = leak_free_split(AutoencoderDataset(vectors), test_fraction=0.3, near_copy=1)
        >>> build_report(trainer, {"autoencoder": split}, baselines="quick")[0].verdict("PCA, 8 numbers")
        'loses to'
    """
    if not trainer.initialized:
        raise ConfigError("build_report: there is no cube yet. Call trainer.initialize_components() and fit it first.")
    check_baselines(baselines)
    for task, split in splits.items():
        if task not in PRIMARY_METRICS:
            raise ConfigError(f"build_report: task {task!r} is not known. Use {' or '.join(PRIMARY_METRICS)}.")
        trainer.config.check_widths(split.test.dim, split.test.target_dim, f"build_report, {task} data")
    return [_task_report(trainer, task, split, baselines, progress) for task, split in splits.items()]


def check_baselines(baselines: Baselines) -> None:
    """Refuses what are no baselines, before any work is done.

    Raises:
        ConfigError: another word, models that are no baselines, or two of one name.

    Example:
        >>> check_baselines("quick")
        >>> check_baselines([PCA(2), PCA(2)])
        Traceback (most recent call last):
        ...
        cubelib.errors.ConfigError: build_report: baselines are models from cubelib.evaluation with different names, \
none that of the cube; got PCA, 2 numbers; PCA, 2 numbers.
    """
    if isinstance(baselines, str):
        if baselines not in CHOICES:
            raise ConfigError(
                f"build_report: baselines {baselines!r} are not known. Use one of {', '.join(CHOICES)}; in Python also "
                "a list of models from cubelib.evaluation."
            )
        return
    names = [model.name if isinstance(model, Baseline) else repr(model) for model in baselines]
    all_models = all(isinstance(model, Baseline) for model in baselines)
    if not all_models or len({CUBE, BEFORE, *names}) < len(names) + 2:
        raise ConfigError(
            "build_report: baselines are models from cubelib.evaluation with different names, none that of the cube; "
            f"got {'; '.join(names)}."
        )


def choose_baselines(trainer: CubeTrainer, task: str, baselines: Baselines) -> list[Baseline]:
    """The baselines for a task, not fitted yet.

    Those trained by gradient descent have the cube's loss, seed and weight decay, and no fewer epochs and parameters.

    Args:
        trainer: the cube.
        task: autoencoder or dialogue.
        baselines: as for `build_report`.
    """
    if not isinstance(baselines, str):
        return list(baselines)
    if baselines == "none":
        return []
    config, core, dim = trainer.config, trainer.core, trainer.config.embedding_dim
    loss, seed = config.make_loss(task), config.random_seed
    plain: list[Baseline]
    trained: list[Baseline] = []
    if task == "dialogue":
        plain = [Identity(), Whitened(), NearestAnswer(), Procrustes(), Ridge(), Ridge(residual=True)]
        same_width = config.target_dim == dim
        if not same_width:
            plain = [NearestAnswer(), Procrustes(), Ridge()]
        budget = max(core.parameter_count, dim + 2 * config.target_dim + 1)  # at least one hidden unit
        ranks = RANKS if same_width else tuple(sorted({*WIDE_RANKS, min(dim, config.target_dim)}))
        trained = [LowRankAdapter(ranks, same_width, loss, seed=seed), MLP(budget, same_width, loss, seed=seed)]
        if config.core.whitening:  # what the cube may do, its rivals may
            trained = [Whitened(model) for model in trained]
    elif core.latent_dim is None or core.latent_dim >= dim:
        plain = [Identity()]
    else:
        code = core.latent_dim
        plain = [PCA(code)]
        rows, columns, channels = trainer.reshaper.cube_shape
        per_cell = code // (rows * columns)
        if per_cell <= channels and max(rows, columns) > LOCAL:  # on a smaller face it would be PCA again
            plain.append(LocalPCA(trainer.reshaper, per_cell, LOCAL))
        hidden = max(1, math.ceil((core.parameter_count - code - dim) / (2 * (dim + code + 1))))
        rounds, decay = max(ROUNDS, trainer.current_epoch), config.weight_decay
        for width in (hidden, 0):
            trained.append(AutoencoderMLP(code, width, loss=loss, rounds=rounds, weight_decay=decay, seed=seed))
    return [*plain, *(trained if baselines == "default" else []), MeanTarget()]


def fit_baselines(
    models: Sequence[Baseline], task: str, split: Split, *, progress: bool = False
) -> tuple[list[Baseline], list[str]]:
    """Fits one after the other, choosing by the primary metric on validation items, as the cube's epoch is chosen.

    Returns:
        The fitted models, and a sentence for each model that could not be trained.
    """
    rows = torch.from_numpy(draw_sample(len(split.validation), VALIDATION))
    validation = (split.validation.input[rows], split.validation.target[rows])
    fitted, left_out = [], []
    bar = tqdm(models, desc=f"Fitting {task} baselines", delay=0.5, leave=False, disable=not progress)
    for model in bar:
        bar.set_postfix_str(model.name, refresh=False)
        try:
            model.fit(split.train.input, split.train.target, validation, SCORES[PRIMARY_METRICS[task]])
        except FloatingPointError as error:
            left_out.append(f"{model.name} is missing: it could not be trained. {error}")
        else:
            fitted.append(model)
    return fitted, left_out


class Bench:
    """What the models of one task are measured on.

    Args:
        task: autoencoder or dialogue.
        split: the items.
        target: cosine to reach.

    Attributes:
        sample: the test items whose outputs are kept, ascending.
        training: the training items that overfitting is looked for on, at most as many as the sample.
        answers: the answers of a dialogue.
        has_new_answers: whether every test item has a right answer that no training item has.
    """

    def __init__(self, task: str, split: Split, target: float) -> None:
        self.split, self.target = split, target
        self.sample = draw_sample(len(split.test), SAMPLE)
        self.training = draw_sample(len(split.train), min(len(split.test), SAMPLE))
        self.answers: RelevantAnswers | None = None
        self.has_new_answers = False
        if task == "dialogue":
            tests = len(split.test)
            items = np.concatenate([np.arange(tests), tests + len(split.validation) + self.training])
            self.answers = RelevantAnswers(split, items)
            unseen = self.answers.unseen
            self.has_new_answers = all(np.isin(entries, unseen).any() for entries in self.answers.relevant[:tests])

    def measure(self, name: str, predict: Predict) -> tuple[dict[str, Tensor], Tensor]:
        """A model's metrics on the test items, each `(n,)`, and its outputs for the sample, `(k, dim)`.

        Raises:
            DataError: the outputs cannot be measured.
        """
        test, metrics, sample = self.split.test, [], []
        for start in range(0, len(test), BLOCK):
            rows = slice(start, start + BLOCK)
            output = predict(test.input[rows])
            try:
                metrics.append(self._metrics(output, test.target[rows], start))
            except DataError as error:
                raise DataError(f"Measuring {name}: {error}") from None
            inside = (self.sample >= start) & (self.sample < start + BLOCK)
            sample.append(output[torch.from_numpy(self.sample[inside] - start)])
        return {metric: torch.cat([part[metric] for part in metrics]) for metric in metrics[0]}, torch.cat(sample)

    def on_training(self, predict: Predict) -> Tensor:
        """The primary metric on some training items, `(k,)`."""
        train, rows = self.split.train, torch.from_numpy(self.training)
        metrics = self._metrics(predict(train.input[rows]), train.target[rows], len(self.split.test))
        return metrics["cosine_similarity" if self.answers is None else "mrr"]

    def _metrics(self, output: Tensor, target: Tensor, start: int) -> dict[str, Tensor]:
        """Metrics of items that begin at `start` of those whose relevant answers are known."""
        cosine = EmbeddingMetrics.cosine_per_item(output, target)
        if self.answers is None:
            return {"cosine_similarity": cosine, "at_target": (cosine >= self.target).double()}
        relevant = self.answers.relevant[start : start + len(output)]
        ranking = EmbeddingMetrics.retrieval(output, self.answers.vectors, relevant)
        hits = {f"r@{k}": ranking.hit(k) for k in (1, 5, 10)}
        metrics = {"mrr": ranking.reciprocal_rank, **hits, "ndcg@10": ranking.ndcg(10), "cosine_similarity": cosine}
        if self.has_new_answers and start < len(self.split.test):
            metrics["mrr_unseen"] = self._among_unseen_answers(output, relevant)
        return metrics

    def _among_unseen_answers(self, output: Tensor, relevant: Sequence[NDArray[Any]]) -> Tensor:
        """Reciprocal rank of the right answers among those that no training item has, `(n,)`."""
        assert self.answers is not None
        unseen = self.answers.unseen
        places = [np.searchsorted(unseen, np.intersect1d(entries, unseen)) for entries in relevant]
        return EmbeddingMetrics.retrieval(output, self.answers.vectors.take(unseen), places).reciprocal_rank


def _task_report(trainer: CubeTrainer, task: str, split: Split, baselines: Baselines, progress: bool) -> TaskReport:
    bench = Bench(task, split, trainer.config.target_similarity)
    fitted, left_out = fit_baselines(choose_baselines(trainer, task, baselines), task, split, progress=progress)
    untrained, core = trainer.untrained(), trainer.core
    predict: dict[str, Predict] = {CUBE: trainer.predict, BEFORE: untrained.predict}
    predict |= {model.name: model.predict for model in fitted}
    before = ModelResult(BEFORE, core.parameter_count, core.latent_dim, None)
    rows = [ModelResult(CUBE, core.parameter_count, core.latent_dim, trainer.seconds), before]
    rows += [ModelResult(model.name, model.parameter_count, model.latent_dim, model.seconds) for model in fitted]
    bar = tqdm(rows, desc=f"Measuring {task} models", delay=0.5, leave=False, disable=not progress)
    for row in bar:
        bar.set_postfix_str(row.model, refresh=False)
        row.per_item, row.sample = bench.measure(row.model, predict[row.model])
    twins = [row.model for row in rows if row is not before and _same(row.sample, before.sample)]
    if twins:
        rows.remove(before)  # it would repeat another row
    training = {"before": bench.on_training(untrained.predict), "after": bench.on_training(trainer.predict)}
    unchanged = CUBE in twins and torch.allclose(training["before"], training["after"], rtol=0, atol=ROUNDING)
    groups = split.test_groups
    if groups is None or len(groups) != len(split.test):  # a split made by hand may not know its groups
        groups = copy_groups(split.test, split.near_copy)
    report = TaskReport(
        task=task,
        split=split,
        rows=rows,
        target=trainer.config.target_similarity,
        groups=groups,
        sample=bench.sample,
        before=twins[-1] if twins else BEFORE,
        changed=not unchanged,
        left_out=left_out,
        training=training,
        provenance={
            "seed": trainer.config.random_seed,
            "epochs": trainer.current_epoch,
            "seed_of_samples_and_intervals": SAMPLE_SEED,
            "resamples": RESAMPLES,
            "sign_flips": FLIPS,
            **provenance(),
        },
    )
    if bench.answers is not None:
        report.bank_size, report.chance = len(bench.answers), bench.answers.chance
        report.unseen_size = len(bench.answers.unseen)
        report.hubs = find_hubs({"before": before.sample, "after": rows[0].sample}, bench.answers)
    report.examples = find_examples(report, trainer.predict, bench.answers)
    if baselines != "none":
        report.curves = measure_curves(trainer, task, split, fitted)
    key = f"{task}_{report.primary_metric}"
    report.learning = [row[key] for row in trainer.training_history if row.get(key) is not None]
    report.validation = _validation_marks(report, predict, split.validation)
    report.sentences = sentences(report)
    return report


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two models' outputs are equal but for rounding, relative to their length.

    Example:
        >>> _same(torch.eye(2), torch.eye(2) + 1e-7), _same(torch.eye(2), 1.001 * torch.eye(2))
        (True, False)
    """
    distance = (one - other).norm(dim=1).max()
    return bool(distance <= 1e-5 * other.norm(dim=1).mean())


def _validation_marks(
    report: TaskReport, predict: dict[str, Predict], validation: EmbeddingDataset
) -> dict[str, float]:
    """The primary metric of PCA, or else of the best baselines, on all validation items, as the cube's is measured."""
    names = [row.model for row in report.rows if row.model not in (CUBE, BEFORE)]
    pca = [name for name in names if name.startswith("PCA")]
    ordered = pca or sorted(names, key=lambda name: -report.value(name))
    lowest = report.value(CUBE) / 2  # a mark far below would flatten the curve
    return {
        name: SCORES[report.primary_metric](predict[name](validation.input[:]), validation.target[:])
        for name in ordered[:MARKED]
        if report.value(name) > lowest
    }
