"""What the figures with intervals show: each mean and both ends, and who does not hold the line."""

import pytest

from cubelib.errors import DataError
from cubelib.metrics import Interval
from cubelib.views.interval_plots import BLUE, ORANGE, forest, forest_panels, unmasked


def test_a_forest_has_a_line_and_a_mark_for_each_interval_the_first_on_top():
    ax = forest(
        {"a": Interval(0.5, 0.4, 0.7), "b": Interval(0.9, 0.8, 1.0)}, line=0.6, line_label="truth", xlabel="share"
    )
    drawn = [(line.get_xdata().tolist() if hasattr(line.get_xdata(), "tolist") else list(line.get_xdata()),
              line.get_color(), line.get_marker()) for line in ax.lines]  # fmt: skip
    assert drawn[0] == ([0.4, 0.7], BLUE, "None") and drawn[1] == ([0.5], BLUE, "o")
    assert drawn[2] == ([0.8, 1.0], ORANGE, "None") and drawn[3] == ([0.9], ORANGE, "s")  # does not hold the line
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"] and ax.yaxis_inverted()
    assert ax.get_legend().get_texts()[0].get_text() == "truth" and ax.get_xlabel() == "share"


def test_a_forest_without_names_or_line_has_neither_ticks_nor_legend():
    ax = forest([Interval(0.5, 0.4, 0.7)] * 3)
    assert len(ax.lines) == 6 and len(ax.get_yticks()) == 0 and ax.get_legend() is None
    assert ax.figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert {line.get_color() for line in ax.lines} == {BLUE}


def test_an_empty_forest_is_refused():
    for nothing in ({}, []):
        with pytest.raises(DataError, match="nothing to draw"):
            forest(nothing)


def test_a_forest_is_drawn_where_it_is_told():
    ax = forest([Interval(0.5, 0.4, 0.7)])
    assert forest([Interval(0.1, 0.0, 0.2)], ax=ax) is ax


def test_a_panel_for_each_cheat_with_the_values_written_beside_the_marks():
    good, bad = Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2)
    figure = unmasked({"A": {"x": {"A": good, "B": good}, "y": {"A": bad, "B": good}}, "C": {"x": {"C": bad}}})
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["0.90", "0.90", "0.10", "0.90"]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["A", "B"]
    assert right.get_title() == "C" and len(right.texts) == 1
    ends = [list(line.get_ydata()) for line in left.lines if len(line.get_ydata()) == 2][:4]
    assert ends == [[0.8, 1.0], [0.8, 1.0], [0.0, 0.2], [0.8, 1.0]]


def test_forests_side_by_side_show_every_interval_and_chance():
    panels = {"one": {"a": Interval(0.5, 0.4, 0.7), "b": Interval(0.2, 0.1, 0.3)}}
    panels["two"] = {"a": Interval(0.9, 0.8, 1.0), "b": Interval(0.0, 0.0, 0.1)}
    figure = forest_panels(panels, label="share", chance=0.05)
    for ax, (title, intervals) in zip(figure.axes, panels.items(), strict=True):
        assert ax.get_title() == title and ax.get_xlabel() == "share"
        bars = [tuple(bar.get_segments()[0][:, 0]) for bar in ax.collections]
        assert bars == [(interval.low, interval.high) for interval in intervals.values()]
        *marks, line = ax.lines
        assert [mark.get_xydata()[0].tolist() for mark in marks] == [
            [interval.mean, place] for place, interval in enumerate(intervals.values())
        ]
        assert line.get_xdata()[0] == 0.05
        assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first model is on top
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("panels", [{}, {"one": {}}, {"one": {"a": Interval(0, 0, 0)}, "two": {}}])
def test_forests_of_unlike_panels_is_refused(panels):
    with pytest.raises(DataError, match="the same models in the same order"):
        forest_panels(panels, label="share")
