"""Which models stand beside the cube, and how they are fitted: on the same items, chosen by the same figure.

    autoencoder   with the cube's code size: PCA, PCA of 4×4 cells at a time, a linear autoencoder, and an MLP
                  autoencoder of at least the cube's parameters; the mean
    dialogue      no model, nearest question's answer, Procrustes, ridge, residual ridge, low-rank adapter,
                  residual MLP of about the cube's parameters; the mean

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from tqdm.auto import tqdm

from cubelib.data.datasets import Split
from cubelib.errors import ConfigError
from cubelib.evaluation.baselines import (
    MLP,
    PCA,
    AutoencoderMLP,
    Baseline,
    Identity,
    LocalPCA,
    LowRankAdapter,
    MeanTarget,
    NearestAnswer,
    Procrustes,
    Ridge,
)
from cubelib.evaluation.baselines.training import ROUNDS
from cubelib.evaluation.report.figures import BEFORE, CUBE
from cubelib.evaluation.report.measure import draw
from cubelib.metrics import EmbeddingMetrics
from cubelib.training.run import PRIMARY_METRICS
from cubelib.training.trainer import CubeTrainer

Baselines = str | Sequence[Baseline]
CHOICES = ("default", "quick", "none")
SCORES = {
    "cosine_similarity": EmbeddingMetrics.calculate_cosine_similarity,
    "mrr": EmbeddingMetrics.calculate_mrr,
}
LOCAL = 4  # cells along the side of a square that local PCA sees: about what a cell hears in two ticks
VALIDATION = 1000  # items that the baselines choose by: MRR among n answers costs n², a hundred times in training


def rivals(trainer: CubeTrainer, task: str, dim: int, baselines: Baselines) -> list[Baseline]:
    """The baselines for a task, not fitted yet.

    Args:
        trainer: whose size, loss and seed they share.
        task: autoencoder or dialogue.
        dim: numbers in a vector.
        baselines: "default"; "quick", which leaves out what is trained by gradient descent; "none"; or one's own.

    """
    if isinstance(baselines, str):
        chosen = [] if baselines == "none" else _plain(trainer, task, dim)
        return chosen if baselines != "default" else [*chosen[:-1], *_trained(trainer, task, dim), chosen[-1]]
    return list(baselines)


def check_baselines(baselines: Baselines) -> None:
    """Refuses what are no baselines, before any work is done.

    Raises:
        ConfigError: another word, models that are no baselines, or two of one name.

    Example:
        >>> check_baselines("quick")
        >>> check_baselines([PCA(2), PCA(2)])
        Traceback (most recent call last):
        ...
        cubelib.errors.ConfigError: build_report: baselines are models from cubelib.evaluation.baselines (or subclasses of \
Baseline) with a name each; got PCA, 2 numbers; PCA, 2 numbers. Give each a name of its own, not that of the cube.
    """
    if isinstance(baselines, str):
        if baselines not in CHOICES:
            raise ConfigError(
                f"build_report: baselines {baselines!r} are not known. Use one of {', '.join(CHOICES)}; in Python also "
                "a list of models from cubelib.evaluation.baselines."
            )
        return
    chosen = list(baselines)
    wrong = [model for model in chosen if not isinstance(model, Baseline)]
    names = [model.name for model in chosen if isinstance(model, Baseline)]
    if wrong or len({CUBE, BEFORE, *names}) < len(names) + 2:
        raise ConfigError(
            "build_report: baselines are models from cubelib.evaluation.baselines (or subclasses of Baseline) with a name each; "
            f"got {'; '.join(map(repr, wrong)) or '; '.join(names)}. Give each a name of its own, not that of the cube."
        )


def _plain(trainer: CubeTrainer, task: str, dim: int) -> list[Baseline]:
    if task == "dialogue":
        return [Identity(), NearestAnswer(), Procrustes(), Ridge(), Ridge(residual=True), MeanTarget()]
    code = _code(trainer, dim)
    if code is None:
        return [Identity(), MeanTarget()]
    rows, columns, channels = trainer.embedding_reshaper.cube_shape
    models = [PCA(code)]
    per_cell = code // (rows * columns)
    if per_cell <= channels and max(rows, columns) > LOCAL:  # on a smaller face it would be PCA once more
        models.append(LocalPCA(trainer.embedding_reshaper, per_cell, LOCAL))
    return [*models, MeanTarget()]


def _trained(trainer: CubeTrainer, task: str, dim: int) -> list[Baseline]:
    """What gradient descent finds with the cube's loss and weight decay, and no fewer epochs and parameters."""
    config, budget = trainer.config, trainer.embedding_processor.parameter_count
    seed, loss = config.random_seed, config.make_loss(task)
    if task == "dialogue":
        one_unit = 3 * dim + 1  # the smallest MLP there is, where the cube is smaller still
        return [LowRankAdapter(loss=loss, seed=seed), MLP(max(budget, one_unit), residual=True, loss=loss, seed=seed)]
    code = _code(trainer, dim)
    if code is None:
        return []
    hidden = max(1, math.ceil((budget - code - dim) / (2 * (dim + code + 1))))
    options = {"rounds": max(ROUNDS, trainer.current_epoch), "weight_decay": config.weight_decay, "seed": seed}
    return [AutoencoderMLP(code, width, loss=loss, **options) for width in (hidden, 0)]


def _code(trainer: CubeTrainer, dim: int) -> int | None:
    """Numbers that pass the cube's bottleneck, None where everything can."""
    code = trainer.embedding_processor.latent_dim
    return None if code is None or code >= dim else code


def fit(models: Sequence[Baseline], task: str, split: Split, *, progress: bool = False) -> Iterator[Baseline | str]:
    """Fits one after the other, and gives the fitted model, or a sentence on why there is none.

    What a model may choose, it chooses on validation items by the figure that decides, as the cube's epoch is chosen.
    """
    rows = torch.from_numpy(draw(len(split.validation), VALIDATION))
    validation = (split.validation.input[rows], split.validation.target[rows])
    bar = tqdm(models, desc=f"Fitting {task} baselines", delay=0.5, leave=False, disable=not progress)
    for model in bar:
        bar.set_postfix_str(model.name, refresh=False)
        try:
            yield model.fit(split.train.input, split.train.target, validation, SCORES[PRIMARY_METRICS[task]])
        except FloatingPointError as error:
            yield f"{model.name} is missing: it could not be trained. {error}"
