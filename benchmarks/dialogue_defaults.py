"""Learning rate, batch size, rule and whitening for dialogue mode, beside whitened questions and the low-rank adapter.

    python -m pip install --no-deps wiki-ru-wordnet==1.0.3
    python -m benchmarks.dialogue_defaults                # five seeds: about an hour on one core

MRR among the answers of the test questions, of two kinds of pairs: the default 4,000 pairs of English small talk
(all-mpnet-base-v2, 400 test questions), and 6,000 Russian words with their meanings (multilingual encoder, 1,080 test
words), from which more can be learned. Epoch, rank, and how much is whitened are chosen on validation questions. A seed
has its own split, first weights and batches. docs/dialogue.md, "Which settings".
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import torch

from benchmarks.definitions import definitions
from benchmarks.neighbours import interval
from cubelib import CubeTrainer, DialogueDataset, TeacherEncoder, TrainingConfig
from cubelib.data.splits import Split, leak_free_split
from cubelib.data.text import table
from cubelib.evaluation.baselines import Baseline, Identity
from cubelib.evaluation.networks import LowRankAdapter
from cubelib.evaluation.whitened import Whitened
from cubelib.metrics import EmbeddingMetrics
from cubelib.training.sources import load_splits

SMALL_STEPS = {"learning_rate": 0.0001, "batch_size": 256}
ADDED_UP = {"gradient_accumulation": 8}
WHITENED = {"whitening": True}
SETTINGS: dict[str, dict[str, Any]] = {
    "cube: learning rate 0.001, batch 32": {"gradient_accumulation": 1},
    "cube: 8 batches of 32 added up (default)": ADDED_UP,
    "cube: 8 batches of 32 added up, shared rule": {**ADDED_UP, "core": {"rule": "shared"}},
    "cube: 8 batches of 32 added up, whitened": {**ADDED_UP, "core": WHITENED},
    "cube: learning rate 0.0001, batch 256": SMALL_STEPS,
    "cube: learning rate 0.0001, batch 256, whitened": {**SMALL_STEPS, "core": WHITENED},
}
NO_MODEL, ADAPTER = "no model", "low-rank adapter"
BASELINES: dict[str, Any] = {
    NO_MODEL: Identity,
    "whitened questions": Whitened,
    ADAPTER: LowRankAdapter,
    "low-rank adapter, whitened": lambda: Whitened(LowRankAdapter()),
}
TEACHER = "universal-sentence-encoder-multilingual"


def small_talk(seed: int) -> tuple[Split, dict[str, Any]]:
    """The split of a run with the default data, and what its configuration needs."""
    config = TrainingConfig.from_dict({"mode": "dialogue", "random_seed": seed})
    return load_splits(config, TeacherEncoder())["dialogue"], {}


def words(seed: int) -> tuple[Split, dict[str, Any]]:
    """4,320 words to train on, 600 to choose by, 1,080 to test."""
    dataset = DialogueDataset.from_pairs(definitions(6000), TeacherEncoder(TEACHER))
    return leak_free_split(dataset, 0.1, 0.18, seed=seed), {"embedding_dim": 512}


def main() -> None:
    """Prints a table for each kind of pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for title, load in {"small talk": small_talk, "words and their meanings": words}.items():
        mrr: dict[str, list[float]] = defaultdict(list)
        for seed in range(options.seeds):
            split, needed = load(seed)
            for name, make in BASELINES.items():
                mrr[name].append(baseline_mrr(make(), split))
            for name, settings in SETTINGS.items():
                trainer = CubeTrainer({"mode": "dialogue", "random_seed": seed, **needed, **settings})
                trainer.initialize_components()
                trainer.fit(split.train, split.validation, progress=False)
                mrr[name].append(trainer.evaluate(split.test)["mrr"])
        rows = []
        for name, values in mrr.items():
            leads = [
                [value - other for value, other in zip(values, mrr[rival], strict=True)]
                for rival in (NO_MODEL, ADAPTER)
            ]
            rows.append([name, interval(values), *(interval(lead, 4) for lead in leads)])
        print(
            f"{title}\n\n{table(['model', 'MRR', 'lead over no model', 'lead over the adapter'], rows)}\n", flush=True
        )


def baseline_mrr(model: Baseline, split: Split) -> float:
    """Of the test questions, after fitting."""
    validation = (split.validation.input[:], split.validation.target[:])
    model.fit(split.train.input, split.train.target, validation, EmbeddingMetrics.calculate_mrr)
    return EmbeddingMetrics.calculate_mrr(model.predict(split.test.input), split.test.target[:])


if __name__ == "__main__":
    main()
