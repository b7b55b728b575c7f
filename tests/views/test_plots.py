"""Figures show what they are given, are labeled, opaque white, and draw where they are told."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from small_reports import made_report

from cubelib.views import plots


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_histogram_counts_every_item_before_and_after():
    before, after = torch.linspace(-0.2, 0.5, 40), torch.linspace(0.3, 0.9, 40)
    ax = plots.similarity_histogram(before, after)
    heights = [patch.get_height() for patch in ax.patches if hasattr(patch, "get_height")]
    assert sum(heights) == 40  # the filled bars; the outline is one polygon
    outline = next(patch for patch in ax.patches if not hasattr(patch, "get_height"))
    assert outline.get_xy()[:, 0].max() == pytest.approx(0.9) and ax.patches[0].get_x() == pytest.approx(-0.2)
    assert legend(ax) == ["before training, mean 0.150", "after training, mean 0.600"]
    assert ax.get_xlabel() == "cosine with the target" and ax.get_ylabel() == "test items"
    assert ax.figure.get_facecolor() == (1, 1, 1, 1)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5]])
def test_a_histogram_of_equals_or_of_one_item_has_a_width(values):
    ax = plots.similarity_histogram(torch.tensor(values), torch.tensor(values), labels=("one", "other"), target=0.9)
    assert sum(patch.get_height() for patch in ax.patches[:30]) == len(values)
    assert all(patch.get_width() > 0 for patch in ax.patches[:30])
    assert legend(ax) == ["one, mean 0.500", "other, mean 0.500", "target 0.90"]


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((3, 1), (3, 1)), ((0,), (0,))])
def test_what_is_no_histogram_is_named(shapes):
    with pytest.raises(ValueError, match="takes a cosine for each of the same items"):
        plots.similarity_histogram(*(torch.zeros(shape) for shape in shapes))


def test_a_report_s_picture_is_its_table_with_the_best_in_bold():
    cube = np.random.default_rng(0).random(30)
    report = made_report(cube=cube, worse=cube - 0.1)
    ax = plots.report_picture(report)
    shown = {text.get_text(): text.get_weight() for text in ax.texts}
    head, rows = report.cells()
    for text, best in (cell for row in rows for cell in row):
        assert (shown[text] == "bold") == best
    assert all(any(text.split(" [")[0] in word for word in shown) for text in head)
    assert "Dialogue: 30 held-out items" in shown and ax.figure.get_facecolor() == (1, 1, 1, 1)
    assert any(text.startswith("Bold: the best of a column") for text in shown)
    few = plots.report_picture(made_report(cube=[0.5] * 5, R=[0.4] * 5))
    assert not [text for text in few.texts if text.get_weight() == "bold" and "held-out" not in text.get_text()]
    assert not [text for text in few.texts if text.get_text().startswith("Bold")]


def test_no_cell_of_a_picture_runs_into_the_next():
    report = made_report(
        **{"cube": np.random.default_rng(0).random(30), "a_model_with_a_longer_name_of_words": [0.1] * 30}
    )
    ax = plots.report_picture(report)
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    boxes = [text.get_window_extent(renderer) for text in ax.texts]
    assert not [
        (one, other) for number, one in enumerate(boxes) for other in boxes[number + 1 :] if one.overlaps(other)
    ]
    assert all(box.x0 >= 0 and box.x1 <= ax.figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("draw", [lambda ax: plots.similarity_histogram(torch.rand(9), torch.rand(9), ax=ax)])
def test_figures_are_drawn_where_they_are_told(draw):
    left, right = plots.side_by_side(2)
    assert draw(right) is right and not left.has_data()
    assert plots.report_picture(made_report(cube=[0.5] * 30, R=[0.4] * 30), ax=left) is left and left.texts


def test_a_learning_curve_shows_what_was_kept_and_the_baselines():
    history = [{"epoch": e, "score": s, "dialogue_mrr": s} for e, s in enumerate([0.2, 0.5, 0.4])]
    ax = plots.learning_curve(history, "dialogue_mrr", lines={"ridge": 0.3}, least_span=1.0)
    curve, kept, line = ax.lines
    assert curve.get_ydata().tolist() == [0.2, 0.5, 0.4] and kept.get_xdata() == [1] and line.get_ydata() == [0.3, 0.3]
    assert np.ptp(ax.get_ylim()) >= 1.0 and legend(ax)[-1] == "ridge 0.3000"


@pytest.mark.parametrize("background", ["none", (0.0, 0.0, 0.0, 0.5)])
def test_axes_without_a_background_of_their_own_get_a_white_one(background):
    ax = Figure(facecolor=background).subplots()
    ax.set_facecolor("none")
    plots.similarity_histogram(torch.rand(9), torch.rand(9), ax=ax)
    assert ax.figure.get_facecolor() == ax.get_facecolor() == (1, 1, 1, 1)
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    assert (np.asarray(canvas.buffer_rgba())[..., 3] == 255).all()


def test_a_background_that_was_chosen_stays():
    ax = Figure(facecolor="black").subplots()
    assert plots.place_for(ax) is ax and ax.figure.get_facecolor() == (0, 0, 0, 1)


def test_a_legend_below_is_clear_of_the_axis_however_low_the_axes_are():
    for height in (1.6, 6.0):
        ax = plots.new_axes(4.0, height)
        ax.plot([0, 1], label="a line")
        ax.set_xlabel("a label")
        legend_box = plots.legend_below(ax)
        renderer = FigureCanvasAgg(ax.figure).get_renderer()
        ax.figure.draw(renderer)
        box, label = legend_box.get_window_extent(renderer), ax.xaxis.label.get_window_extent(renderer)
        assert box.y0 >= 0 and box.y1 < label.y0  # on the picture, and below the label


def test_more_curves_than_can_be_told_apart_are_refused():
    history = [{"epoch": 0, "score": 0.2, "dialogue_mrr": 0.2}]
    names = dict.fromkeys("abcd", 0.1)
    with pytest.raises(ValueError, match=r"learning_curve: at most 3 .* got 4: a, b, c, d\. Leave some out"):
        plots.learning_curve(history, "dialogue_mrr", lines=names)
    with pytest.raises(ValueError, match="rate_distortion: at most 4"):
        plots.rate_distortion([64], {name: [0.5] for name in "abcde"})
