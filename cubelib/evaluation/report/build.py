"""build_report: fits the baselines, measures all models on the same items, and says what follows.

Taught in notebook 06.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from tqdm.auto import tqdm

from cubelib.data.datasets import EmbeddingDataset, Split
from cubelib.data.splits import copy_groups
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation.baselines import Baseline
from cubelib.evaluation.report.curves import measure_curves
from cubelib.evaluation.report.errors import find_examples, find_hubs
from cubelib.evaluation.report.figures import BEFORE, CUBE, ModelResult
from cubelib.evaluation.report.markdown import ROUNDING
from cubelib.evaluation.report.measure import SEED, Bench, same
from cubelib.evaluation.report.rivals import SCORES, Baselines, check_baselines, fit, rivals
from cubelib.evaluation.report.table import TaskReport
from cubelib.evaluation.report.verdicts import sentences
from cubelib.metrics.intervals import FLIPS, RESAMPLES
from cubelib.training.checkpoint import provenance
from cubelib.training.run import PRIMARY_METRICS
from cubelib.training.trainer import CubeTrainer

LINES = 2  # baselines in the learning curve of a dialogue


def build_report(
    trainer: CubeTrainer, splits: Mapping[str, Split], *, baselines: Baselines = "default", progress: bool = False
) -> list[TaskReport]:
    """Measures the cube and its baselines on the test items of each task.

    All models see the same training items, make their choices on the same validation items, and are compared item by
    item on the same test items.

    Args:
        trainer: the cube, trained or not.
        splits: "autoencoder" and/or "dialogue" → its items.
        baselines: "default"; "quick", without those trained by gradient descent; "none"; or a sequence of models from
            `cubelib.evaluation.baselines`, which are fitted here.
        progress: show bars.

    Returns:
        A report for each task.

    Raises:
        ConfigError: no cube yet, an unknown task, or baselines that are none.
        DataError: vectors of another width, or outputs that are not finite.

    Example:
        >>> import torch
        >>> from cubelib import AutoencoderDataset
        >>> from cubelib.data.datasets import leak_free_split
        >>> vectors = torch.randn(200, 12, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 2, 12)
        >>> core = {"rule": "shared", "layout": "row_major", "state_channels": 4, "bottleneck": 2}
        >>> trainer = CubeTrainer({"embedding_dim": 12, "lattice_size": [2, 2, 2], "core": core})
        >>> trainer.initialize_components()
        >>> split = leak_free_split(AutoencoderDataset(vectors), test_fraction=0.3, near_copy=1)
        >>> build_report(trainer, {"autoencoder": split}, baselines="quick")[0].verdict("PCA, 8 numbers")
        'loses to'
    """
    if trainer.embedding_processor is None:
        raise ConfigError("build_report: there is no cube yet. Call trainer.initialize_components() and fit it first.")
    check_baselines(baselines)
    for task, split in splits.items():
        if task not in PRIMARY_METRICS:
            raise ConfigError(f"build_report: task {task!r} is not known. Use {' or '.join(PRIMARY_METRICS)}.")
        if split.test.dim != trainer.config.embedding_dim:
            raise DataError(
                f"build_report: the {task} vectors have {split.test.dim} numbers, the cube takes "
                f"{trainer.config.embedding_dim}. Give the data that it was trained on."
            )
    return [_task_report(trainer, task, split, baselines, progress) for task, split in splits.items()]


def _task_report(trainer: CubeTrainer, task: str, split: Split, baselines: Baselines, progress: bool) -> TaskReport:
    untrained, core = trainer.untrained(), trainer.embedding_processor
    bench = Bench(task, split, trainer.config.target_similarity)
    chosen = rivals(trainer, task, split.test.dim, baselines)
    fitted = list(fit(chosen, task, split, progress=progress))
    models: list[tuple[ModelResult, Callable[[Tensor], Tensor]]] = [
        (ModelResult(CUBE, core.parameter_count, core.latent_dim, trainer.seconds, {}), trainer.predict),
        (ModelResult(BEFORE, core.parameter_count, core.latent_dim, None, {}), untrained.predict),
        *(
            (ModelResult(model.name, model.parameter_count, model.latent_dim, model.seconds, {}), model.predict)
            for model in fitted
            if isinstance(model, Baseline)
        ),
    ]
    outputs = {row.model: bench.outputs(row.model, predict) for row, predict in models}
    twins = [row.model for row, _ in models if row.model != BEFORE and same(outputs[row.model], outputs[BEFORE])]
    if twins:
        del models[1]  # its row would repeat another's
    bar = tqdm(models, desc=f"Measuring {task} models", delay=0.5, leave=False, disable=not progress)
    for row, predict in bar:
        bar.set_postfix_str(row.model, refresh=False)
        row.per_item = bench.measure(row.model, predict)
        if task == "autoencoder":
            row.sample = outputs[row.model]
    training = {"before": bench.on_training(untrained.predict), "after": bench.on_training(trainer.predict)}
    # A split made by hand, or put together from another's parts, may not know its groups.
    known = split.test_groups is not None and len(split.test_groups) == len(split.test)
    report = TaskReport(
        task=task,
        split=split,
        rows=[row for row, _ in models],
        target=trainer.config.target_similarity,
        groups=split.test_groups if known else copy_groups(split.test, split.near_copy),
        sample=bench.sample,
        before=twins[-1] if twins else BEFORE,
        changed=CUBE not in twins or not torch.allclose(*training.values(), rtol=0, atol=ROUNDING),
        left_out=[reason for reason in fitted if isinstance(reason, str)],
        training=training,
        provenance={
            "seed": trainer.config.random_seed,
            "epochs": trainer.current_epoch,
            "seed_of_samples_and_intervals": SEED,
            "resamples": RESAMPLES,
            "sign_flips": FLIPS,
            **provenance(),
        },
    )
    if bench.bank is not None:
        report.bank_size, report.chance = len(bench.bank), bench.bank.chance
        report.hubs = find_hubs({"before": outputs[BEFORE], "after": outputs[CUBE]}, bench.bank)
    report.examples = find_examples(report, trainer.predict, bench.bank)
    if baselines != "none":
        report.curves = measure_curves(trainer, task, split, fitted)
    figure = f"{task}_{report.primary_metric}"
    report.learning = [row[figure] for row in trainer.training_history if row.get(figure) is not None]
    report.validation = _lines(report, models, split.validation)
    report.sentences = sentences(report)
    return report


def _lines(
    report: TaskReport, models: list[tuple[ModelResult, Callable[[Tensor], Tensor]]], validation: EmbeddingDataset
) -> dict[str, float]:
    """The primary metric of PCA, or else of the best baselines, on the validation items, as the trainer measures the
    cube's.
    """
    rivals = [model for model in models if model[0].model not in (CUBE, BEFORE)]
    pca = [model for model in rivals if model[0].model.startswith("PCA")]
    ordered = pca or sorted(rivals, key=lambda model: -report.value(model[0].model))
    floor = report.value(CUBE) / 2  # a line far below would flatten the curve
    return {
        row.model: SCORES[report.primary_metric](predict(validation.input), validation.target[:])
        for row, predict in ordered[:LINES]
        if report.value(row.model) > floor
    }
