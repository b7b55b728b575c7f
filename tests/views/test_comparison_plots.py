"""Pictures that compare models."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from cubelib.errors import DataError
from cubelib.views.comparison_plots import panels


def test_a_model_looks_the_same_in_every_panel_and_stands_once_in_the_legend():
    curves = {"cosine": {"cube": [0.1, 0.2]}, "MRR": {"control": [0.0, 0.0], "cube": [0.3, 0.4]}}
    figure = panels([0, 1], curves, xlabel="epoch", lines={"cosine": {"none": 0.1}, "MRR": {"none": 0.3}})
    (left, right), (legend,) = figure.axes, figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cube", "control", "none"]
    looks = [
        {line.get_label(): (line.get_color(), line.get_marker(), line.get_linestyle()) for line in ax.lines}
        for ax in (left, right)
    ]
    assert looks[0]["cube"] == looks[1]["cube"] != looks[1]["control"]
    assert [float(line.get_ydata()[0]) for line in right.lines] == [0.3, 0.0, 0.3]
    assert right.get_xlabel() == "epoch" and right.get_ylabel() == "MRR"
    assert to_hex(figure.get_facecolor()) == "#ffffff"


def test_a_shorter_curve_ends_earlier_and_a_longer_one_is_refused():
    figure = panels([0, 1, 2], {"cosine": {"short": [0.1, 0.2]}}, xlabel="epoch")
    assert list(figure.axes[0].lines[0].get_xdata()) == [0, 1]
    with pytest.raises(DataError, match="the longest curve has 3"):
        panels([0, 1], {"cosine": {"long": [0.1, 0.2, 0.3]}}, xlabel="epoch")
    with pytest.raises(DataError, match="got 0 figures"):
        panels([0, 1], {}, xlabel="epoch")
