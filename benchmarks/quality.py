"""How well the default runs do over several seeds, and what they cost. Prints the tables of docs/characteristics.md.

    python benchmarks/quality.py --seeds 5

Each seed has a split, first weights and batches of its own. The figures are means over seeds with the standard
deviation between them; differences are paired within a seed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from tqdm import tqdm

from cubelib import CubeTrainer, TrainingConfig
from cubelib.data.text import table
from cubelib.device import peak_memory
from cubelib.evaluation import TaskReport, build_report
from cubelib.evaluation.table import BEFORE, CUBE, LABELS
from cubelib.training.sources import load_splits

CONFIG = Path(__file__).parents[1] / "config" / "cube_training.yaml"


def run(mode: str, seed: int) -> tuple[list[TaskReport], float, float]:
    """Reports of one run, its seconds of training, and the epochs trained."""
    settings = TrainingConfig.from_yaml(CONFIG).to_dict()
    config = TrainingConfig.from_dict({**settings, "mode": mode, "random_seed": seed})
    torch.set_num_threads(config.threads or torch.get_num_threads())
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    splits = load_splits(config, trainer.embedding_loader)
    started = time.perf_counter()
    trainer.fit(
        {task: split.train for task, split in splits.items()},
        {task: split.validation for task, split in splits.items()},
        progress=False,
    )
    seconds = time.perf_counter() - started
    return build_report(trainer, splits), seconds, trainer.training_history[-1]["epoch"]


def spread(values: list[float], signed: bool = False) -> str:
    """Mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):{'+' if signed else ''}.4f} ± {deviation:.4f}"


def quality_table(reports: list[TaskReport]) -> str:
    """Models as rows: each figure over seeds, and the cube's lead in the primary metric."""
    figures = reports[0].metrics
    head = [
        "model",
        "parameters",
        *(LABELS[name] for name in figures),
        f"cube's lead in {LABELS[figures[0]]}",
        "seconds",
    ]
    rows = []
    for row in max((report.rows for report in reports), key=len):  # a seed may lack the cube before training
        names = [report.before if row.model == BEFORE else row.model for report in reports]
        pairs = list(zip(reports, names, strict=True))
        leads = [report.difference(name).mean for report, name in pairs]
        seconds = [report.row(name).seconds or 0.0 for report, name in pairs]
        rows.append(
            [
                row.model,
                f"{row.parameters:,}",
                *(spread([report.value(name, figure) for report, name in pairs]) for figure in figures),
                "" if row.model == CUBE else spread(leads, signed=True),
                "" if row.model == BEFORE else f"{statistics.mean(seconds):.1f}",
            ]
        )
    return table(head, rows)


def main() -> None:
    """Runs the modes and seeds asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--modes", nargs="+", default=["autoencoder", "dialogue", "mixed"])
    options = parser.parse_args()
    jobs = [(mode, seed) for mode in options.modes for seed in range(options.seeds)]
    done: dict[str, list[tuple[list[TaskReport], float, float]]] = {mode: [] for mode in options.modes}
    for mode, seed in tqdm(jobs, desc="Runs"):
        done[mode].append(run(mode, seed))
    for mode, runs in done.items():
        epochs = sum(epochs for *_, epochs in runs)
        print(f"\n{mode}: {len(runs)} seeds, {sum(seconds for _, seconds, _ in runs) / epochs:.1f} s an epoch")
        for task_reports in zip(*(reports for reports, *_ in runs), strict=True):
            print(f"\n{task_reports[0].task}, {len(task_reports[0].split.test)} held-out items a seed\n")
            print(quality_table(list(task_reports)))
    print(f"\n{torch.get_num_threads()} threads, peak memory {peak_memory():.2f} GB, torch {torch.__version__}")


if __name__ == "__main__":
    main()
