"""Test items that show most, and answers that the cube gives to everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubelib.data.text import bullet, counted, escape, shorten
from cubelib.evaluation.relevant_answers import RelevantAnswers
from cubelib.evaluation.table import CUBE, NEIGHBORS, TaskReport
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.rows import similarity_rows

EACH = 3  # items of each kind, and hubs
KINDS = {
    "best": "Best items",
    "worst": "Worst items",
    "improved": "Most improved by training",
    "worsened": "Most worsened by training",
}
Example = dict[str, Any]


def find_examples(
    report: TaskReport, predict: Callable[[Tensor], Tensor], answers: RelevantAnswers | None
) -> dict[str, list[Example]]:
    """The best, worst, most improved and most worsened test items, by the primary metric.

    Args:
        report: with the rows of the cube, and of the cube before training.
        predict: the cube's.
        answers: of a dialogue.

    Returns:
        Kind → up to 3 items from different groups of copies: index in the test set, primary metric and cosine before
        and after training, texts, and for a dialogue the answer found.
    """
    after, before = report.row(CUBE).per_item, report.row(report.before).per_item
    metric, cosine = after[report.primary_metric].double(), after["cosine_similarity"].double()
    gain, cosine_gain = metric - before[report.primary_metric], cosine - before["cosine_similarity"]
    by_gain = np.lexsort((-cosine_gain, -gain))  # the cosine decides among equals
    by_loss = np.lexsort((cosine_gain, gain))
    chosen = {
        "best": _different_groups(np.lexsort((-cosine, -metric)), report.groups),
        "worst": _different_groups(np.lexsort((cosine, metric)), report.groups),
        "improved": _different_groups(by_gain[(gain > 0).numpy()[by_gain]], report.groups),
        "worsened": _different_groups(by_loss[(gain < 0).numpy()[by_loss]], report.groups),
    }
    test, described = report.split.test, {}
    for item in sorted({item for items in chosen.values() for item in items}):
        described[item] = {
            "item": item,
            **{
                name: {"before": float(before[name][item]), "after": float(after[name][item])}
                for name in (report.primary_metric, "cosine_similarity")
            },
            "input_text": None if test.input_texts is None else test.input_texts[item],
            "target_text": None if test.target_texts is None else test.target_texts[item],
        }
    if answers is not None:
        outputs = predict(test.input[torch.tensor(list(described))])
        nearest = torch.cat([cosines.argmax(1) for _, cosines in similarity_rows(outputs, answers.vectors)])
        for example, entry in zip(described.values(), nearest.tolist(), strict=True):
            example["found_text"] = answers.text(entry)
    return {kind: [described[item] for item in items] for kind, items in chosen.items()}


def _different_groups(order: NDArray[Any], groups: NDArray[Any]) -> list[int]:
    """The first items of an order, one of each group."""
    first_of_group = np.unique(groups[order], return_index=True)[1]
    items: list[int] = order[np.sort(first_of_group)[:EACH]].tolist()
    return items


def find_hubs(outputs: dict[str, Tensor], answers: RelevantAnswers) -> dict[str, Any]:
    """Answers that are among the ten nearest of many outputs.

    Args:
        outputs: "before" and "after" training, of the same items, `(n, dim)` each.
        answers: all answers.
    """
    k = min(NEIGHBORS, len(answers))
    hubs: dict[str, Any] = {"k": k, "outputs": len(outputs["after"])}
    for when, vectors in outputs.items():
        hubness = EmbeddingMetrics.hubness(vectors, answers.vectors, k, hubs=EACH)
        largest = zip(hubness.hubs, hubness.occurrences, strict=True)
        hubs[when] = {
            "skewness": hubness.skewness,
            "never": hubness.never,
            "largest": [{"text": answers.text(entry), "outputs": count} for entry, count in largest],
        }
    return hubs


def examples_markdown(report: TaskReport) -> str:
    """The examples as lists."""
    parts = []
    for kind, title in KINDS.items():
        items = [_describe(report, example) for example in report.examples.get(kind, [])]
        parts.append(f"**{title}**\n\n" + ("\n".join(items) or "None."))
    return "\n\n".join(parts)


def _describe(report: TaskReport, example: Example) -> str:
    metric, cosine = example[report.primary_metric], example["cosine_similarity"]
    text = example["input_text"]
    item = f"item {example['item']} (counted from 0)" if text is None else quoted(text)
    if report.primary_metric == "cosine_similarity":
        return bullet(f"cosine {cosine['after']:.2f} (before training {cosine['before']:.2f}): {item}")
    # A tie's reciprocal rank is a mean over places: the nearest place is shown.
    after, before = round(1 / metric["after"]), round(1 / metric["before"])
    lines = [bullet(f"place {after:,} (before training {before:,}), cosine {cosine['after']:.2f}: {item}")]
    if example["target_text"] is not None:
        lines.append(bullet(f"right answer: {quoted(example['target_text'])}", level=1))
        lines.append(bullet(f"found first: {quoted(example['found_text'])}", level=1))
    return "\n".join(lines)


def hubs_markdown(hubs: dict[str, Any]) -> str:
    """How unevenly the places among the nearest answers are distributed, as a list."""
    before, after = hubs["before"], hubs["after"]
    largest = ", ".join(f"{quoted(hub['text'], 40)} {hub['outputs']:.0f}×" for hub in after["largest"])
    return "\n".join(
        [
            bullet(
                f"Among the {hubs['k']} answers nearest to each of {counted(hubs['outputs'], 'output')}, these come "
                f"most often: {largest}."
            ),
            bullet(
                f"{after['never']:.0%} of the answers are nobody's neighbor (before training {before['never']:.0%}). "
                f"Skewness of the counts: {after['skewness']:.1f} (before training {before['skewness']:.1f}); the "
                "larger, the more often a few answers are given to everything."
            ),
        ]
    )


def quoted(text: str | None, longest: int = 60) -> str:
    r"""A text in quotation marks, cut to `longest` letters, with Markdown escaped.

    Example:
        >>> print(quoted("one_two | three", 9))
        “one\_two…”
    """
    return "no text" if text is None else escape(shorten(text, longest))
