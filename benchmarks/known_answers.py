"""Known answers asked for in new words, as at a help desk: the line on `new_questions` in docs/dialogue.md.

    python -m benchmarks.known_answers

72 questions to 12 answers (tests/field_cases/43_faq_many_questions/faq.csv), all-mpnet-base-v2; a quarter of the
questions is tested, and every answer is trained on. Five seeds, each with its own split, first weights and batches.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch

from benchmarks.dialogue_defaults import baseline_mrr
from benchmarks.neighbours import interval
from cubelib import CubeTrainer, DialogueDataset, TeacherEncoder
from cubelib.data.readers import read_pairs
from cubelib.data.splits import leak_free_split
from cubelib.data.text import table
from cubelib.evaluation.baselines import Identity, NearestAnswer, Ridge
from cubelib.evaluation.networks import LowRankAdapter
from cubelib.metrics import EmbeddingMetrics

FAQ = Path(__file__).parents[1] / "tests" / "field_cases" / "43_faq_many_questions" / "faq.csv"
BASELINES = (Identity, NearestAnswer, Ridge, lambda: Ridge(residual=True), LowRankAdapter)


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    dataset = DialogueDataset.from_pairs(read_pairs(FAQ), TeacherEncoder())
    mrr: dict[str, list[float]] = defaultdict(list)
    for seed in range(5):
        split = leak_free_split(dataset, 0.1, 0.25, kind="new_questions", seed=seed)
        for make in BASELINES:
            model = make()
            mrr[model.name].append(baseline_mrr(model, split))
        trainer = CubeTrainer({"mode": "dialogue", "random_seed": seed})
        trainer.initialize_components()
        trainer.fit(split.train, split.validation, progress=False)
        output = trainer.predict(split.test.input)
        mrr["cube"].append(EmbeddingMetrics.calculate_mrr(output, split.test.target))
    print(table(["model", "MRR"], [[name, interval(values)] for name, values in mrr.items()]))


if __name__ == "__main__":
    main()
