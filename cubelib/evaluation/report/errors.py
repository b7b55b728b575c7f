"""Where the cube is right and wrong: items that say most, and answers that it gives to everything.

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.text import bullet, counted
from cubelib.evaluation.report.bank import RelevantAnswers
from cubelib.evaluation.report.figures import CUBE, NEIGHBORS
from cubelib.evaluation.report.markdown import quoted
from cubelib.evaluation.report.measure import Predict
from cubelib.evaluation.report.table import TaskReport
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.rows import similarity_rows

EACH = 3  # items of each kind
KINDS = {
    "best": "Best items",
    "worst": "Worst items",
    "improved": "Most improved by training",
    "worsened": "Most worsened by training",
}
Example = dict[str, Any]


def find_examples(report: TaskReport, predict: Predict, bank: RelevantAnswers | None) -> dict[str, list[Example]]:
    """The best, worst, most improved and most worsened test items, by the primary metric.

    Args:
        report: with the rows of the cube, and of the cube before training.
        predict: the cube's.
        bank: answers of a dialogue.

    Returns:
        Kind → up to 3 items, no two of one group of copies: number in the test set, primary metric and cosine before
        and after training, texts, and of a dialogue the answer found. Nothing improved: an empty list.
    """
    after, before = (report.row(model).per_item for model in (CUBE, report.before))
    figure, cosine = after[report.primary_metric].double(), after["cosine_similarity"].double()
    change = figure - before[report.primary_metric].double()
    nearer = cosine - before["cosine_similarity"].double()  # decides among equals
    orders = {
        "best": np.lexsort((-cosine, -figure)),
        "worst": np.lexsort((cosine, figure)),
        "improved": [item for item in np.lexsort((-nearer, -change)) if change[item] > 0],
        "worsened": [item for item in np.lexsort((nearer, change)) if change[item] < 0],
    }
    chosen = {kind: list(_first_of_groups(order, report.groups)) for kind, order in orders.items()}
    items = sorted({item for some in chosen.values() for item in some})
    test = report.split.test
    found = _found(predict, test, items, bank)
    described = {
        item: {
            "item": item,
            report.primary_metric: {"before": float(before[report.primary_metric][item]), "after": float(figure[item])},
            "cosine_similarity": {"before": float(before["cosine_similarity"][item]), "after": float(cosine[item])},
            "input_text": None if test.input_texts is None else test.input_texts[item],
            "target_text": None if test.target_texts is None else test.target_texts[item],
            **found[item],
        }
        for item in items
    }
    return {kind: [described[item] for item in some] for kind, some in chosen.items()}


def _first_of_groups(order: Any, groups: np.ndarray) -> Iterator[int]:
    seen: set[Any] = set()
    for item in order:
        if len(seen) == EACH:
            return
        if groups[item] not in seen:
            seen.add(groups[item])
            yield int(item)


def _found(
    predict: Predict, test: EmbeddingDataset, items: list[int], bank: RelevantAnswers | None
) -> dict[int, Example]:
    """The answer nearest to each item's output."""
    if bank is None:
        return {item: {} for item in items}
    outputs = predict(test.input[torch.tensor(items)])
    nearest = torch.cat([cosines.argmax(1) for _, cosines in similarity_rows(outputs, bank.vectors)]).tolist()
    return {item: {"found_text": bank.text(entry)} for item, entry in zip(items, nearest, strict=True)}


def find_hubs(outputs: dict[str, Tensor], bank: RelevantAnswers) -> dict[str, Any]:
    """Answers that stand among the ten nearest of many outputs.

    Args:
        outputs: "before" and "after" training, of the same items, `(n, dim)` each.
        bank: the answers.
    """
    k = min(NEIGHBORS, len(bank))
    hubs: dict[str, Any] = {"k": k, "outputs": len(outputs["after"])}
    for when, vectors in outputs.items():
        found = EmbeddingMetrics.hubness(vectors, bank.vectors, k, hubs=EACH)
        largest = zip(found.hubs, found.occurrences, strict=True)
        hubs[when] = {
            "skewness": found.skewness,
            "never": found.never,
            "largest": [{"text": bank.text(entry), "outputs": count} for entry, count in largest],
        }
    return hubs


def examples_markdown(report: TaskReport) -> str:
    """The items of every kind as lists."""
    parts = []
    for kind, title in KINDS.items():
        items = [_describe(report, example) for example in report.examples.get(kind, [])]
        parts.append(f"**{title}**\n\n" + ("\n".join(items) or "None."))
    return "\n\n".join(parts)


def _describe(report: TaskReport, example: Example) -> str:
    change, cosine = example[report.primary_metric], example["cosine_similarity"]
    if report.primary_metric == "cosine_similarity":
        figures = f"cosine {cosine['after']:.2f} (before training {cosine['before']:.2f})"
        return bullet(f"{figures}: {_text(example['input_text'], example)}")
    # A tie's reciprocal rank is a mean over places: the nearest place is shown.
    places = {when: f"{round(1 / value):,}" for when, value in change.items()}
    head = f"place {places['after']} (before training {places['before']}), cosine {cosine['after']:.2f}"
    lines = [
        bullet(f"{head}: {_text(example['input_text'], example)}"),
        bullet(f"right answer: {_text(example['target_text'])}", level=1),
        bullet(f"found first: {_text(example['found_text'])}", level=1),
    ]
    return "\n".join(lines if example["target_text"] is not None else lines[:1])


def _text(text: str | None, example: Example | None = None) -> str:
    if text is not None:
        return quoted(text)
    return "no text" if example is None else f"item {example['item']} (counted from 0)"


def hubs_markdown(hubs: dict[str, Any]) -> str:
    """How unequally the places among the nearest answers are shared out."""
    before, after = hubs["before"], hubs["after"]
    largest = ", ".join(
        f"{'no text' if hub['text'] is None else quoted(hub['text'], 40)} {hub['outputs']:.0f}×"
        for hub in after["largest"]
    )
    return "\n".join(
        [
            bullet(
                f"Among the {hubs['k']} answers nearest to each of {counted(hubs['outputs'], 'output')}, these come "
                f"most often: {largest}."
            ),
            bullet(
                f"{after['never']:.0%} of the answers are nobody's neighbor (before training {before['never']:.0%}). "
                f"Skewness of the counts: {after['skewness']:.1f} (before training {before['skewness']:.1f}); the "
                "larger, the more a few answers are given to everything."
            ),
        ]
    )
