"""Learning rate, batch size and whitening for dialogue mode: the table "Which settings" of docs/dialogue.md.

    python -m benchmarks.dialogue_defaults                # five seeds: some ten minutes on one core

The default 4,000 built-in pairs and the default cube. MRR among the answers of the 400 test questions; the epoch, and
how much is whitened, are chosen on validation questions. A seed has its own split, first weights and batches.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import torch

from benchmarks.neighbours import interval
from cubelib import CubeTrainer, TeacherEncoder, TrainingConfig
from cubelib.data.text import table
from cubelib.training.sources import load_splits

SMALL_STEPS = {"learning_rate": 0.0001, "batch_size": 256}
SETTINGS: dict[str, dict[str, Any]] = {
    "learning rate 0.001, batch 32 (default)": {},
    "learning rate 0.0003, batch 256": {"learning_rate": 0.0003, "batch_size": 256},
    "learning rate 0.0001, batch 256": SMALL_STEPS,
    "default, whitened": {"core": {"whitening": True}},
    "learning rate 0.0001, batch 256, whitened": {**SMALL_STEPS, "core": {"whitening": True}},
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    plain = CubeTrainer({"mode": "dialogue"})  # untrained: no model
    plain.initialize_components()
    mrr: dict[str, list[tuple[float, float, float]]] = defaultdict(list)  # plain question, before, after training
    for seed in range(options.seeds):
        for name, settings in SETTINGS.items():
            config = TrainingConfig.from_dict({"mode": "dialogue", "random_seed": seed, **settings})
            split = load_splits(config, TeacherEncoder())["dialogue"]
            trainer = CubeTrainer(config)
            trainer.initialize_components()
            trainer.fit(split.train, split.validation, progress=False)
            models = (plain, trainer.untrained(), trainer)
            mrr[name].append(tuple(model.evaluate(split.test)["mrr"] for model in models))  # type: ignore[arg-type]
    rows = []
    for name, values in mrr.items():
        no_model, before, after = map(list, zip(*values, strict=True))
        lead = [trained - nothing for trained, nothing in zip(after, no_model, strict=True)]
        rows.append([name, *map(interval, (no_model, before, after)), f"{interval(lead, 4)}"])
    print(table(["settings", "no model", "before training", "after training", "lead over no model"], rows))


if __name__ == "__main__":
    main()
