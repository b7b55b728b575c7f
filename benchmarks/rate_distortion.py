"""How much of a sentence comes back through 64 to 256 numbers: the tables of docs/rate_distortion.md.

    python -m benchmarks.rate_distortion results.json                # everything: some two hours on two quiet cores
    python -m benchmarks.rate_distortion results.json --parts 128
    python -m benchmarks.rate_distortion results.json --tables       # print the tables of what is there

Autoencoder on all 23,234 built-in texts that come encoded: sentences, questions and answers. Each seed has a leak-free
split, first weights and batches of its own. Every trained model has the same loss, the same weight decay and as many
epochs or more; the MLP autoencoder has no fewer parameters than the cube, and it and the linear one are trained from a
random start and from PCA, the better by validation kept. Of a cube the epoch is kept that is best on validation.
Results are saved after each job; a second start goes on where the first was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cubelib import CubeTrainer, EmbeddingMetrics, TeacherEncoder
from cubelib.data import corpora
from cubelib.data.datasets import AutoencoderDataset
from cubelib.data.splits import Split, leak_free_split
from cubelib.data.text import table
from cubelib.evaluation.baselines import PCA, Baseline, LocalPCA
from cubelib.evaluation.networks import AutoencoderMLP
from cubelib.metrics.intervals import paired_test
from cubelib.training.losses import cosine

CUBE = "cube from scratch"
# Larger batches and steps than the defaults, which one core gets through faster; weight decay and more channels, for a
# study that trains longer than a first run.
EPOCHS = {64: 8, 128: 16, 192: 8, 256: 8}  # at 128 numbers, the main question, until little is gained by more
RECIPE = {
    "batch_size": 128, "learning_rate": 0.007, "schedule": "one_cycle", "warmup": 0.15,
    "gradient_clipping": 1.0, "weight_decay": 0.2, "early_stopping_patience": 100,
}  # fmt: skip
CORE = {"state_channels": 24, "hidden": 16}
SIZES = (64, 128, 192, 256)
COUNTS = (2_000, 4_000, 8_000)  # training texts; all of them is a job of its own
# Of the core, at 128 numbers. Six neighbors are not among them: in 7 ticks nothing moves sideways, and with each
# further tick the bottleneck passes on another 128 numbers.
VARIANTS: dict[str, dict[str, Any]] = {
    "cube from scratch, without the linear path": {"linear_path": False},
    "cube from scratch, open rim": {"boundary": "zero"},
    "cube from scratch, genome rule": {"rule": "genome", "hidden": 32},
    "cube from scratch, shared rule": {"rule": "shared", "hidden": 32},
    "cube from scratch, channel_major": {"layout": "channel_major"},
    "cube from scratch, random layout": {"layout": "random"},
    "cube from scratch, spectral layout": {"layout": "spectral"},
    "cellular automaton: no conduction": {"conduction": False},
}


def splits(seed: int, count: int | None = None) -> Split:
    """All texts that come encoded, split with a seed; with a count fewer training texts and the same test texts."""
    turns = (text for pair in corpora.dialogues() for text in pair.values())
    dataset = AutoencoderDataset.from_texts(list(dict.fromkeys([*corpora.sentences(), *turns])), TeacherEncoder())
    split = leak_free_split(dataset, 0.05, 0.05, seed=seed)
    return split if count is None else replace(split, train=split.train.subset(torch.arange(count)))


def cube(size: int, seed: int, split: Split, **core: Any) -> tuple[Tensor, int, list[float]]:
    """A trained cube's cosine of each test sentence, its parameters, and its validation cosine after each epoch."""
    config = {**RECIPE, "epochs": EPOCHS[size], "random_seed": seed, "core": {"bottleneck": size // 64, **CORE, **core}}
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    trainer.fit(split.train, split.validation, progress=False)
    scores = [row["score"] for row in trainer.training_history]
    return per_item(trainer.predict(split.test.input), split), trainer.embedding_processor.parameter_count, scores


def per_item(output: Tensor, split: Split) -> Tensor:
    """Cosine of each test sentence."""
    return EmbeddingMetrics.cosine_per_item(output, split.test.input[:])


def baselines(size: int, seed: int, parameters: int) -> list[Baseline]:
    """What the cube is compared with, at the same size."""
    hidden = math.ceil((parameters - size - 768) / (2 * (768 + size + 1)))
    options = {"loss": cosine, "rounds": EPOCHS[size], "weight_decay": RECIPE["weight_decay"], "seed": seed}
    reshaper = CubeTrainer()
    reshaper.initialize_components()
    return [
        PCA(size),
        LocalPCA(reshaper.embedding_reshaper, size // 64),
        AutoencoderMLP(size, hidden, **options),
        AutoencoderMLP(size, 0, **options),
    ]


def compare(size: int, seed: int, count: int | None = None) -> dict[str, Any]:
    """All models at one size and seed: mean cosine, parameters, and the cube's lead item by item."""
    torch.set_num_threads(1)
    split = splits(seed, count)
    items, parameters, scores = cube(size, seed, split)
    print(f"{size}/{seed}: cube from scratch {items.mean():.4f}", flush=True)
    models = {CUBE: (items, parameters, scores)}
    if count is None:
        models["cube from PCA"] = cube(size, seed, split, layout="pca")
    validation = split.validation.input[:]
    for model in baselines(size, seed, parameters):
        model.fit(split.train.input, split.train.input, (validation, validation))
        models[model.name.partition(",")[0]] = (
            per_item(model.predict(split.test.input), split),
            model.parameter_count,
            [],
        )
    found = {}
    for name, (values, numbers, history) in models.items():
        test = paired_test(items, values, groups=split.test_groups)
        lead = {"mean": test.difference.mean, "low": test.difference.low, "high": test.difference.high}
        found[name] = {
            "cosine": float(values.mean()), "parameters": numbers, "scores": history, "lead": lead, "p": test.p_value
        }  # fmt: skip
    return found


def variant(name: str, seed: int) -> dict[str, Any]:
    """One cube of another kind at 128 numbers."""
    torch.set_num_threads(1)
    items, parameters, scores = cube(128, seed, splits(seed), **VARIANTS[name])
    return {name: {"cosine": float(items.mean()), "parameters": parameters, "scores": scores}}


def jobs(parts: list[str], seeds: int) -> dict[str, tuple[Any, ...]]:
    """Key → function and arguments, the most wanted first."""
    found: dict[str, tuple[Any, ...]] = {}
    for size in (size for size in (128, 64, 256, 192) if str(size) in parts):
        found |= {f"{size}/{seed}": (compare, size, seed) for seed in range(seeds)}
    if "counts" in parts:
        found |= {f"128/{seed}/{count}": (compare, 128, seed, count) for seed in range(seeds) for count in COUNTS}
    if "variants" in parts:
        found |= {f"{name}/0": (variant, name, 0) for name in VARIANTS}
    return found


def spread(values: list[float], signed: bool = False) -> str:
    """Mean ± standard deviation between seeds."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):{'+' if signed else ''}.4f}{deviation}"


def tables(results: dict[str, dict[str, Any]]) -> str:
    """All that is there, as Markdown."""
    parts = []
    at = {size: [results[key] for key in sorted(results) if key.startswith(f"{size}/") and key.count("/") == 1]
          for size in SIZES}  # fmt: skip
    for size, runs in at.items():
        if not runs:
            continue
        rows = []
        for name in runs[0]:
            models = [run[name] for run in runs]
            sure = sum(model["p"] < 0.05 and model["lead"]["mean"] > 0 for model in models)
            behind = sum(model["p"] < 0.05 and model["lead"]["mean"] < 0 for model in models)
            lead = "" if name == CUBE else spread([model["lead"]["mean"] for model in models], signed=True)
            surely = "" if name == CUBE else f"ahead in {sure}, behind in {behind} of {len(models)}"
            parameters = f"{round(statistics.fmean(model['parameters'] for model in models)):,}"
            rows.append([name, parameters, spread([model["cosine"] for model in models]), lead, surely])
        head = ["model", "parameters", "test cosine", "cube's lead", "surely (p < 0.05)"]
        parts.append(f"{size} numbers, {len(runs)} seeds\n\n{table(head, rows)}")
    counts = [count for count in COUNTS if any(key.endswith(f"/{count}") for key in results)]
    if counts:
        keys = {count: [key for key in sorted(results) if key.endswith(f"/{count}")] for count in counts}
        columns = {f"{count:,}": [results[key] for key in keys[count]] for count in counts} | {"20,911 (all)": at[128]}
        names = list(results[keys[counts[0]][0]])
        rows = [[name, *(spread([run[name]["cosine"] for run in runs]) for runs in columns.values())] for name in names]
        parts.append(f"128 numbers, training sentences\n\n{table(['model', *columns], rows)}")
    kinds = {name: results[f"{name}/0"][name] for name in VARIANTS if f"{name}/0" in results}
    if kinds:
        if at[128]:
            kinds = {CUBE: results["128/0"][CUBE], **kinds}
        rows = [[name, f"{one['parameters']:,}", f"{one['cosine']:.4f}"] for name, one in kinds.items()]
        parts.append(f"128 numbers, other cubes, seed 0\n\n{table(['cube', 'parameters', 'test cosine'], rows)}")
    return "\n\n".join(parts)


def main() -> None:
    """Runs what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="JSON file that the results are kept in")
    parser.add_argument("--seeds", type=int, default=5)
    every = [*map(str, SIZES), "counts", "variants"]
    parser.add_argument("--parts", nargs="+", default=every, choices=every)
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--tables", action="store_true", help="print the tables only")
    options = parser.parse_args()
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    os.environ["OMP_NUM_THREADS"] = "1"
    todo = {} if options.tables else jobs(options.parts, options.seeds)
    began = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        running = {key: pool.submit(*job) for key, job in todo.items() if key not in results}
        for key, future in running.items():
            results[key] = future.result()
            options.results.write_text(json.dumps(results, indent=1))
            cosines = ", ".join(f"{name} {one['cosine']:.4f}" for name, one in results[key].items())
            print(f"{key}: {cosines} after {time.perf_counter() - began:.0f} s", flush=True)
    print(f"\n{tables(results)}\n\ntorch {torch.__version__}, one thread for each of {options.workers} processes")


if __name__ == "__main__":
    main()
