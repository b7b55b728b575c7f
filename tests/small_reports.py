"""Small cubes, splits and reports with known answers, for the tests of the report."""

import numpy as np
import torch
from small_cubes import DIM, START_AS_PCA
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.data.splits import Split, leak_free_split
from cubelib.evaluation import TaskReport, build_report
from cubelib.evaluation.table import ModelResult

NO_MODEL, MEAN, PCA = "no model (input as output)", "mean of the training targets", "PCA, 16 numbers"


def vectors(count: int = 200, seed: int = 0) -> torch.Tensor:
    """Unit vectors of unequal spread, not about zero."""
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, DIM, generator=generator) * torch.linspace(0.1, 2, DIM) + 0.3, dim=1)


def noisy(amount: float):
    """A cube that hands its input on with noise."""
    return lambda x: x + amount * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))


def trainer_for(mode: str, epochs: int = 1, **core) -> CubeTrainer:
    """A small cube; its learning rate changes nothing, so that it is what it is before training."""
    core = {**START_AS_PCA, "state_channels": 4, "hidden": 4, **core}
    settings = {"embedding_dim": DIM, "lattice_size": [4, 4, 4], "core": core}
    trainer = CubeTrainer({**settings, "mode": mode, "epochs": epochs, "learning_rate": 1e-9})
    trainer.initialize_components()
    return trainer


def dataset_for(mode: str, texts: bool = False) -> AutoencoderDataset | DialogueDataset:
    """Answers are near their questions, moved by something that no model here can know."""
    questions = vectors()
    answers = normalize(questions + 0.3 * torch.randn(200, DIM, generator=torch.Generator().manual_seed(7)), dim=1)
    names = [[f"{side}{i}" for i in range(200)] if texts else None for side in ("question ", "answer ")]
    if mode == "autoencoder":
        return AutoencoderDataset(questions, names[0])
    return DialogueDataset(questions, answers, *names)


def split_for(mode: str, **options) -> Split:
    """60 test items, 40 for validation, 100 for training."""
    return leak_free_split(dataset_for(mode, **options), 0.2, 0.3, near_copy=0.9999)


def report_on(trainer: CubeTrainer, predict=None, split: Split | None = None, baselines="quick") -> TaskReport:
    """A report of a cube, or of one that cheats: `predict` stands in for this cube only."""
    mode = trainer.config.mode
    split = split or split_for(mode)
    trainer.fit(split.train, split.validation, progress=False)
    if predict is not None:
        trainer.predict = lambda x, damage=None: predict(x)  # it has no cells that could die
    return build_report(trainer, {mode: split}, baselines=baselines)[0]


def made_report(groups=None, task: str = "dialogue", **models: list[float]) -> TaskReport:
    """A report of models with these values of the primary metric, `cube` first; cosines are the same."""
    count = len(models["cube"])
    figure = "mrr" if task == "dialogue" else "cosine_similarity"
    rows = [
        ModelResult(name.replace("_", " "), 1234, None, 0.5, {figure: torch.as_tensor(values, dtype=torch.float64)})
        for name, values in models.items()
    ]
    for row in rows:
        row.per_item.setdefault("cosine_similarity", row.per_item[figure])
    return TaskReport(
        task,
        split_for(task),
        rows,
        0.9,
        groups=np.arange(count) if groups is None else np.asarray(groups),
        sample=np.arange(count),
        before=rows[1].model,
    )


def sentence_on(report: TaskReport, words: str) -> str:
    """The only sentence with these words."""
    (found,) = [sentence for sentence in report.sentences if words in sentence]
    return found
