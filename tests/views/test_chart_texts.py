"""In no chart does a text touch another one, leave the figure, or lie on the data."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from cubelib import lattice
from cubelib.metrics import Interval
from cubelib.views import heatmaps, intervals, maps, plots
from cubelib.views.labels import EndLabel
from cubelib.views.style import new_figure

LONG = [
    "cube, trained with its bottleneck cut to a quarter",
    "residual ridge regression on whitened questions",
    "orthogonal Procrustes, chosen by the validation questions",
    "nearest question's answer",
    "control: cube, answers dealt out at random",
    "PCA, numbers of the code dead",
]
SHORT = ["cube", "ridge", "PCA", "MLP", "no model", "mine"]
TITLE = "A title that tells in one long sentence what is to be seen in the picture, "
TITLE += "and on how many held-out items it was measured"
LABEL = "a label of an axis that goes on for very much longer than the axis itself is, "
LABEL += "with a unit at its end (numbers a second)"


def equal(names, value=0.5):
    return {name: [0.1, 0.3, value] for name in names}


def spread_out(names, low=0.0, high=1.0):
    steps = torch.linspace(low, high, len(names)).tolist()
    return {name: [value, value / 2, value] for name, value in zip(names, steps, strict=True)}


def history(values):
    return [{"epoch": epoch, "score": value, "dialogue_mrr": value} for epoch, value in enumerate(values)]


def interval(mean, width=0.1):
    return Interval(mean, mean - width / 2, mean + width / 2)


def two_panels(draw):
    left, right = plots.side_by_side(2)
    draw(left).set_title(TITLE)
    draw(right).set_title(TITLE)
    return left.figure


def curves(names, values=equal, **options):
    ax = plots.curves(values(names), xlabel=LABEL, ylabel=LABEL, title=TITLE, **options)
    return ax.figure


def learning_curve(ax=None):
    lines = dict(zip(LONG[1:], [0.5, 0.5, 0.5, 0.501, 0.499], strict=True))
    return plots.learning_curve(history([0.4, 0.5, 0.5]), "dialogue_mrr", lines=lines, ax=ax)


def rate(ax=None):
    return plots.rate_distortion([32, 64, 96], equal(LONG[:4], 0.9), target=0.9, floor=0.89, ax=ax)


def damage(ax=None):
    models = {name: {"mean": [0.9, 0.5, 0.3], "deviation": [0.0, 0.01, 0.02]} for name in LONG}
    return plots.damage_curve({"shares": [0, 0.1, 0.2], "models": models}, floor=0.3, ax=ax)


def histogram(ax=None):
    before = torch.linspace(-0.2, 0.5, 40)
    return plots.similarity_histogram(before, before + 0.5, target=0.9, labels=(LONG[0], LONG[4]), ax=ax)


def shuffles(ax=None):
    luck = torch.linspace(0.57, 0.59, 50)
    layouts = {"row_major": 0.57, "channel_major": 0.571, "spectral": 0.5705, "pca": 0.98, "pca, last channels": 0.999}
    return plots.among_shuffles(luck, layouts, limits=(0, 1), ax=ax)


def titled(ax):
    ax.set_title(TITLE)
    return ax.figure


def cheats():
    one, low = interval(1.0, 0.0), interval(0.1)
    models = {"C hands its input on": one, "B, which is honest": one, "no model": one}
    metrics = {"flatters: CKA, held out": models, "exposes:\ncosine lost\nif shuffled": models | {"no model": low}}
    return intervals.plot_cheats({f"{letter} {TITLE[:40]}": metrics for letter in "ACD"})


def strips():
    figure = heatmaps.numbers({name: torch.linspace(-1, 1, 768) for name in LONG[:3]})
    figure.suptitle(TITLE)
    return figure


def squares():
    count = torch.arange(64.0).reshape(8, 8)
    return heatmaps.heatmaps({name: count for name in LONG[:4]}, label="numbers 0 to 63\nin the cell")


def activity():
    strength = torch.zeros(12, 8, 2, 2)
    for tick in range(12):
        strength[tick, : tick + 1] = 2.0**tick
    return titled(heatmaps.activity(strength, cone=lattice.light_cone(8, 11)))


def marked_map():
    points = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.01, 0.0], [-1.0, 0.0, 0.2], [0.0, 1.0, 0.0]])
    texts = {"sentences": [f"{text}, {text}" for text in LONG[:5]]}
    labeled = {"sentences": dict(enumerate("ABCDE"))}
    subjects = {"sentences": ["animals", "others", "food", "food", "a subject with a long name"]}
    ax = maps.embedding_map({"sentences": points}, texts=texts, labeled=labeled, subjects=subjects)
    return ax.figure


def chance_panels():
    models = {name: interval(0.5) for name in LONG}
    return intervals.forest_panels({f"{letter}: {TITLE}": models for letter in "abc"}, label="MRR", chance=0.05)


CHARTS = {
    "curves, equal ends": lambda: curves(SHORT),
    "curves, long names": lambda: curves(LONG, lines={"mean vector": 0.5, "chance": 0.5}),
    "curves, at the top": lambda: curves(LONG, lambda names: spread_out(names, 0.98)),
    "curves, at the bottom": lambda: curves(LONG, lambda names: spread_out(names, 0.0, 0.01) | {SHORT[2]: [1.0, 1.0]}),
    "curves, of seeds": lambda: curves(SHORT, lambda names: {name: [[0.1, 0.5], [0.2, 0.5]] for name in names}),
    "curves, one ends early": lambda: curves([], lambda _: {"cube": [0.1, 0.5], "PCA": [0.1, 0.2, 0.5]}),
    "learning curve": lambda: titled(learning_curve()),
    "learning curves": lambda: two_panels(learning_curve),
    "rate": lambda: titled(rate()),
    "rates": lambda: two_panels(rate),
    "damage": lambda: titled(damage()),
    "damages": lambda: two_panels(damage),
    "histogram": lambda: titled(histogram()),
    "histograms": lambda: two_panels(histogram),
    "shuffles": lambda: titled(shuffles()),
    "shuffles side by side": lambda: two_panels(shuffles),
    "panels": lambda: plots.panels(
        [0, 1, 2], {"cosine": equal(LONG), "MRR": equal(LONG)}, xlabel=LABEL, lines={"MRR": {"mean vector": 0.5}}
    ),
    "many panels": lambda: plots.panels([0, 1, 2], {name: equal(LONG) for name in SHORT[:4]}, xlabel="epoch"),
    "by distance": lambda: plots.by_distance(
        {TITLE: equal(LONG[1:5], 0.07), "sentences": {"random": [0.06] * 7}}, floors={TITLE: 0.07}
    ),
    "before and after": lambda: titled(
        plots.before_and_after({name: [0.5, 0.5] for name in LONG}, {name: [0.6, 0.9] for name in LONG})
    ),
    "forest": lambda: titled(
        intervals.forest({name: interval(0.01 * row) for row, name in enumerate(LONG)}, line=0, line_label="nothing")
    ),
    "forest at the right": lambda: titled(
        intervals.forest({"cube": interval(-0.5), "PCA": interval(0.0)}, line=0.0, line_label=LONG[3], xlabel=LABEL)
    ),
    "unnamed forest": lambda: titled(intervals.forest([interval(0.5)] * 40, line=0.5, line_label="mean of all 2,500")),
    "forests": chance_panels,
    "cheats": cheats,
    "squares": squares,
    "stacked": lambda: heatmaps.heatmaps(
        {name: torch.rand(12, 64) for name in LONG[:4]}, label=LABEL, axes=("cell of the front face", "channel"),
        stacked=True, lowest=1e-4,
    ),
    "strips": strips,
    "schedules": lambda: heatmaps.schedules(8, [7, 11]),
    "activity": activity,
    "map": marked_map,
}  # fmt: skip


def drawn(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return renderer


def written(figure):
    """All texts that can be seen, with the axes that they belong to or None."""
    texts = [(None, text) for text in figure.texts]
    texts += [(None, text) for legend in figure.legends for text in legend.get_texts()]
    texts += [(None, text) for part in figure.subfigs for text in part.texts]
    for ax in figure.axes:
        own = [ax.title, ax._left_title, ax._right_title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        own += [axis.get_offset_text() for axis in (ax.xaxis, ax.yaxis)]
        own += ax.get_legend().get_texts() if ax.get_legend() else []
        for axis in (ax.xaxis, ax.yaxis):
            for tick in axis._update_ticks():  # those within the limits
                own += [label for label in (tick.label1, tick.label2) if label.get_visible()]
        texts += [(ax, text) for text in own if ax.axison or text in ax.texts]
    return [(ax, text) for ax, text in texts if text.get_text().strip() and text.get_visible()]


def check(figure):
    renderer = drawn(figure)
    boxes = []
    for ax, text in written(figure):
        if isinstance(text, EndLabel) and not ax.patch.contains_point(text.end_in_pixels(), radius=1.0):
            continue  # not drawn
        boxes.append((ax, text, Text.get_window_extent(text, renderer).padded(-0.5)))
    assert len(boxes) > 4
    outside = [text.get_text() for _, text, box in boxes if not (box.x0 >= 0 and box.x1 <= figure.bbox.x1)]
    outside += [text.get_text() for _, text, box in boxes if not (box.y0 >= 0 and box.y1 <= figure.bbox.y1)]
    assert not outside
    touching = [
        (one.get_text(), other.get_text())
        for (_, one, box), (_, other, other_box) in combinations(boxes, 2)
        if box.overlaps(other_box)
    ]
    assert not touching
    for ax, text, box in boxes:
        beside_data = isinstance(text, EndLabel) or (ax and ax.get_legend() and text in ax.get_legend().get_texts())
        others = [other for other in figure.axes if other is not ax or not isinstance(text, EndLabel)]
        assert not beside_data or not any(box.overlaps(other.bbox) for other in others), text.get_text()


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS.keys())
def test_texts_touch_neither_each_other_nor_the_data_nor_the_edge(draw):
    figure = draw()
    assert figure.get_figwidth() >= 10
    check(figure)


def test_texts_stay_apart_if_limits_and_lines_are_changed_afterwards():
    ax = plots.learning_curve(history([0.4, 0.5, 0.45]), "dialogue_mrr", lines={"PCA": 0.45, "ridge": 0.2})
    ax.plot([0.41, 0.44, 0.45], label="mine")
    plots.label_ends(ax)
    ax.set(title=TITLE, ylim=(0.3, 1))
    check(ax.figure)
    ax.figure.set_size_inches(8, 3)
    check(ax.figure)


def test_the_check_finds_what_touches_or_leaves():
    def figure(*texts):
        figure = new_figure(4, 2)
        for x, y, text in texts:
            figure.text(x, y, text)
        return figure

    apart = [(0.1, 0.1 + 0.15 * place, "a text") for place in range(5)]
    check(figure(*apart))
    with pytest.raises(AssertionError):
        check(figure(*apart, (0.12, 0.12, "b")))
    with pytest.raises(AssertionError):
        check(figure(*apart, (0.95, 0.9, "a long text")))
