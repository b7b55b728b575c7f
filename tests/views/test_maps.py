"""A map shows where vectors lie, how much of them it shows, and whose texts they are, as they were written."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text

from cubelib.errors import DataError
from cubelib.reshaper import EmbeddingReshaper
from cubelib.views.maps import embedding_map, hover_map, project

CROSS = torch.tensor([[5.0, 2.0, 1.0], [5.0, -2.0, 1.0], [5.0, 0.0, 4.0], [5.0, 0.0, -2.0]])  # 8 and 18 of squares
NASTY = ["<b>bold</b> & <i>x</i>", '<a href="javascript:alert(1)">x</a>', "<script>alert(1)</script>", "&lt; $5 or $6"]


@pytest.fixture
def cloud():
    return torch.randn(60, 12, generator=torch.Generator().manual_seed(0)) * torch.linspace(3, 1, 12)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def drawn(ax):
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    return renderer


def test_the_longer_direction_goes_to_the_right_and_shares_are_of_the_whole_variance():
    coordinates, shares = project(CROSS)
    torch.testing.assert_close(coordinates, torch.tensor([[0.0, 2.0], [0.0, -2.0], [3.0, 0.0], [-3.0, 0.0]]))
    torch.testing.assert_close(shares, torch.tensor([18 / 26, 8 / 26]))


def test_a_map_is_the_first_two_numbers_of_the_pca_layout(cloud):
    laid = EmbeddingReshaper(12, (1, 1, 12), layout="pca").fit(cloud).fold(cloud).reshape(60, 12)
    coordinates, shares = project(cloud)
    torch.testing.assert_close(coordinates, laid[:, :2], rtol=0, atol=1e-4)
    torch.testing.assert_close(shares, laid.var(0)[:2] / laid.var(0).sum(), rtol=0, atol=1e-4)
    assert (torch.pdist(coordinates) <= torch.pdist(cloud) + 1e-4).all()  # never longer than in the space


def test_on_the_map_of_others_the_shares_are_of_what_is_drawn():
    flat = torch.tensor([[0.0, 1.0, 2.0], [0.0, -1.0, 2.0], [1.0, 0.0, 2.0], [-1.0, 0.0, 2.0]])
    coordinates, shares = project(flat, onto=CROSS)  # of whose axes one is the third number, which does not vary here
    torch.testing.assert_close(coordinates, torch.tensor([[1.0, 1.0], [1.0, -1.0], [1.0, 0.0], [1.0, 0.0]]))
    assert shares.tolist() == [0.0, 0.5]


def test_vectors_that_are_all_the_same_have_no_shares():
    coordinates, shares = project(torch.ones(3, 4))
    assert shares.tolist() == [0.0, 0.0] and torch.equal(coordinates, torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("vectors", "onto", "message"),
    [
        (torch.zeros(0, 3), None, "one at least"),
        (torch.zeros(3, 1), None, r"got \(3, 1\)"),
        (torch.zeros(3, 4), torch.zeros(3, 5), r"got \(3, 4\) onto \(3, 5\)"),
        (torch.full((3, 4), torch.nan), torch.zeros(3, 4), "12 numbers are not finite"),
        (torch.zeros(3, 4), torch.tensor([[0, torch.inf, 0, 0]]), "1 numbers are not finite"),
    ],
)
def test_what_cannot_be_mapped_is_named(vectors, onto, message):
    with pytest.raises(DataError, match=message):
        project(vectors, onto=onto)


def test_groups_share_one_map_and_differ_in_marker_and_color(cloud):
    groups = {"questions": cloud[:40], "answers": cloud[40:]}
    ax = embedding_map(groups)
    coordinates, shares = project(cloud)
    first, second = ax.lines
    np.testing.assert_allclose(first.get_xydata(), coordinates[:40], atol=1e-6)
    np.testing.assert_allclose(second.get_xydata(), coordinates[40:], atol=1e-6)
    assert first.get_marker() != second.get_marker() and first.get_color() != second.get_color()
    assert legend(ax) == ["questions (40)", "answers (20)"]
    for label, share in zip((ax.get_xlabel(), ax.get_ylabel()), shares.tolist(), strict=True):
        assert label.endswith(f": {100 * share:.1f} % of the variance")
    assert ax.get_title() == f"60 vectors on two of 12 axes, which hold {100 * shares.sum():.1f} % of their variance"
    assert ax.get_aspect() == 1 and to_hex(ax.figure.get_facecolor()) == "#ffffff"


def test_labeled_points_have_a_number_and_their_text_beside_the_map():
    texts = {"cross": ["north", "a $\\price of $6", "a  long\ntext " + "x" * 99, "_left"]}
    ax = embedding_map({"cross": CROSS}, texts=texts, labeled={"cross": [1, 2, 3]})
    assert [(note.get_text(), [round(x, 4) for x in note.xy]) for note in ax.texts] == [
        ("1", [0.0, -2.0]),
        ("2", [3.0, 0.0]),
        ("3", [-3.0, 0.0]),
    ]
    assert legend(ax)[1:] == ["“a $\\price of $6”", f"“a long text {'x' * 23}\n{'x' * 34}…”", "“_left”"]
    assert not any(text.get_parse_math() for text in ax.get_legend().get_texts())
    drawn(ax)  # would raise on a formula that is none


def test_marks_are_those_given():
    texts = {"cross": ["north", "south", "east", "west"]}
    ax = embedding_map({"cross": CROSS}, texts=texts, labeled={"cross": {2: "C", 0: "A"}})
    assert [(note.get_text(), [round(x, 4) for x in note.xy]) for note in ax.texts] == [
        ("C", [3.0, 0.0]),
        ("A", [0.0, 2.0]),
    ]
    assert legend(ax)[1:] == ["“east”", "“north”"]
    with pytest.raises(DataError, match="a mark is letters and digits"):
        embedding_map({"cross": CROSS}, texts=texts, labeled={"cross": {2: "$"}})


def test_points_are_colored_by_subject():
    subjects = ["food", "others", "food", "animals"]
    ax = embedding_map({"cross": CROSS}, subjects={"cross": subjects})
    places, _ = project(CROSS)
    (food,) = (line for line in ax.lines if len(line.get_xdata()) == 2)
    np.testing.assert_allclose(food.get_xydata(), places[[0, 2]], atol=1e-6)
    assert legend(ax) == ["others (1)", "food (2)", "animals (1)"]
    assert len({line.get_color() for line in ax.lines}) == 3
    alone = embedding_map({"cross": CROSS}, subjects={"cross": ["food"] * 4}).lines[0]
    assert alone.get_color() == food.get_color()
    with pytest.raises(DataError, match="each vector of 'cross' needs its subject; got 3 for 4"):
        embedding_map({"cross": CROSS}, subjects={"cross": subjects[:3]})


def test_numbers_of_points_in_one_place_do_not_lie_on_one_another():
    groups = {"twins": torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.01], [-1.0, 0.0], [0.0, 1.0]])}
    ax = embedding_map(groups, texts={"twins": list("abcde")}, labeled={"twins": [0, 1, 2]})
    renderer = drawn(ax)
    boxes = [Text.get_window_extent(note, renderer) for note in ax.texts]  # of the numbers, without lines
    middles = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
    apart = [math.dist(one, other) for one, other in combinations(middles, 2)]
    assert min(apart) > 18 * ax.figure.dpi / 72  # the circles are 16 points wide


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        ({}, {}, "got none"),
        ({"a": CROSS, "b": CROSS[:, :2]}, {}, r"of one width.*'b' \(4, 2\)"),
        ({"a": CROSS}, {"labeled": {"a": [0]}}, "needs its text; got 0 for 4"),
        ({"a": CROSS}, {"labeled": {"a": [4]}, "texts": {"a": list("abcd")}}, "row 4 of 'a'"),
        ({"a": CROSS}, {"labeled": {"b": [0]}, "texts": {"b": list("abcd")}}, "no such group. Groups: 'a'"),
    ],
)
def test_what_is_no_map_is_named(groups, options, message):
    with pytest.raises(DataError, match=message):
        embedding_map(groups, **options)


def hovered(view):
    """The panel of a map to hover over."""
    ((panel,),) = view.content["rows"]
    return panel


def test_on_hover_a_text_is_text():
    view = hover_map({"<b>mine</b>": CROSS}, {"<b>mine</b>": NASTY})
    (group,) = hovered(view)["groups"]
    assert group["texts"] == NASTY and group["name"] == "<b>mine</b> (4)"
    assert "<b>" not in view.html() and "<script>alert" not in view.html()  # in a page no text can be markup


def test_on_hover_lines_are_wrapped_and_a_long_text_is_cut():
    long, tags = " ".join(["word"] * 500), "<" * 100
    (group,) = hovered(hover_map({"a": CROSS[:3]}, {"a": [long, tags, "one\n\n  two"]}))["groups"]
    first, second, third = (text.split("\n") for text in group["texts"])
    assert len(first) == 12 and all(50 < len(line) <= 60 for line in first) and first[-1].endswith(" …")
    assert second == ["<" * 60, "<" * 40] and third == ["one two"]


def test_the_hover_map_shows_the_same_places_axes_and_groups_as_the_printed_one(cloud):
    groups = {"before": cloud[:30], "after": cloud[30:]}
    texts = {name: [f"{name} {row}" for row in range(30)] for name in groups}
    ax = embedding_map(groups, onto=cloud[:10])
    view = hover_map(groups, texts, onto=cloud[:10])
    panel = hovered(view)
    for group, line in zip(panel["groups"], ax.lines, strict=True):
        points = np.frombuffer(group["points"], np.float32).reshape(-1, 2)
        np.testing.assert_allclose(points, line.get_xydata(), atol=1e-6)
        assert (group["color"], group["marker"]) == (line.get_color(), line.get_marker())
    assert panel["groups"][0]["marker"] != panel["groups"][1]["marker"]
    assert (panel["x"], panel["y"]) == (ax.get_xlabel(), ax.get_ylabel())
    assert view.picture().axes[0].get_title() == ax.get_title() and repr(view) == f"View of {ax.get_title()}"
    assert view.content["title"] == ax.get_title()


def test_a_hover_map_needs_a_text_for_each_point():
    with pytest.raises(DataError, match="maps: each vector of 'a' needs its text; got 3 for 4"):
        hover_map({"a": CROSS}, {"a": ["x"] * 3})
