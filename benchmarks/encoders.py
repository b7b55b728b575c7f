"""From one encoder to another: 384 numbers of all-MiniLM-L6-v2 → 768 of all-mpnet-base-v2, and what an index keeps.

    python -m benchmarks.encoders                # five seeds: about ten minutes on one core

An index of 768 numbers is full of texts that one would rather not encode again, and questions are to be encoded by a
smaller model. 12,000 built-in sentences, each encoded by both; no near copy on two sides of the split. A seed has its
own split, first weights and batches. All models are trained for the cosine and choose by it on validation sentences;
the cube chooses its epoch by the MRR.

    cosine     of the output with the sentence's own vector in the other space
    MRR        of that vector among those of all test sentences
    neighbors  of the ten training sentences nearest to it, how many are among the ten nearest to the output

docs/neighbours.md, "Between encoders".
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from benchmarks.neighbours import interval
from cubelib import CubeTrainer, DialogueDataset, TeacherEncoder
from cubelib.data import corpora
from cubelib.data.splits import Split, leak_free_split
from cubelib.data.text import table
from cubelib.evaluation.baselines import Baseline, MeanTarget, Procrustes, Ridge
from cubelib.evaluation.networks import MLP, WIDE_RANKS, LowRankAdapter
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.rows import l2_normalize

SENTENCES, DIM, ANSWER_DIM = 12_000, 384, 768
CUBE: dict[str, Any] = {
    "mode": "dialogue",
    "embedding_dim": DIM,
    "answer_dim": ANSWER_DIM,
    "loss_function": "cosine",
    "schedule": "one_cycle",
    "epochs": 30,
    "early_stopping_patience": 30,
    "core": {"layout": "pca", "cell_dropout": 0.0},
}


def rivals(seed: int) -> list[Baseline]:
    """Models that can change the width of a vector, of about as many weights as they need to be good."""
    adapter = LowRankAdapter((*WIDE_RANKS, DIM), False, "cosine", seed=seed)
    return [MeanTarget(), Procrustes(), Ridge(), adapter, MLP(600_000, loss="cosine", seed=seed)]


def kept_neighbors(output: Tensor, split: Split, k: int = 10) -> float:
    """How many of the k nearest training targets are nearest to the output, too; 0 … 1."""
    index = l2_normalize(split.train.target[:])
    expected, found = (
        (l2_normalize(vectors) @ index.T).topk(k).indices for vectors in (split.test.target[:], output)
    )  # (n, k) each
    return float((found[:, :, None] == expected[:, None, :]).any(-1).double().mean())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    texts = corpora.sentences(SENTENCES)
    dataset = DialogueDataset(TeacherEncoder("all-MiniLM-L6-v2").encode(texts), TeacherEncoder().encode(texts), texts)
    results: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    sizes = {}
    for seed in range(options.seeds):
        split = leak_free_split(dataset, seed=seed)
        outputs = {}
        for model in rivals(seed):
            model.fit(split.train.input, split.train.target, (split.validation.input[:], split.validation.target[:]))
            outputs[model.name], sizes[model.name] = model.predict(split.test.input), model.parameter_count
        trainer = CubeTrainer({**CUBE, "random_seed": seed})
        trainer.initialize_components()
        trainer.fit(split.train, split.validation, progress=False)
        outputs["cube"], sizes["cube"] = trainer.predict(split.test.input), trainer.core.parameter_count
        for name, output in outputs.items():
            target = split.test.target[:]
            cosine = EmbeddingMetrics.calculate_cosine_similarity(output, target)
            mrr = EmbeddingMetrics.calculate_mrr(output, target)
            results[name].append((cosine, mrr, kept_neighbors(output, split)))
    rows = []
    for name, values in results.items():
        cosine, mrr, kept = map(list, zip(*values, strict=True))
        lead = [value - other[0] for value, other in zip(cosine, results["ridge regression"], strict=True)]
        rows.append([name, f"{sizes[name]:,}", *map(interval, (cosine, mrr, kept)), interval(lead, 4)])
    print(table(["model", "weights", "cosine", "MRR", "neighbors", "lead over ridge in cosine"], rows))


if __name__ == "__main__":
    main()
