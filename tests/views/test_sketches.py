"""Pictures that explain one idea: they show the numbers that they are about."""

from __future__ import annotations

import pytest
import torch
from matplotlib.colors import to_hex

from cubelib.errors import DataError
from cubelib.metrics import bootstrap_mean
from cubelib.views import sketches
from cubelib.views.style import BLUE


def resampled_hits(count=500):
    generator = torch.Generator().manual_seed(0)
    hits = (torch.rand(count, generator=generator) < 0.3).double()
    again = torch.stack([hits[torch.randint(count, (count,), generator=generator)].mean() for _ in range(2_000)])
    return hits, again


def test_the_marked_middle_is_the_interval():
    hits, again = resampled_hits()
    ax = sketches.resampled(again, score=hits.mean().item(), xlabel="R@1")
    blue = [bar for bar in ax.patches if to_hex(bar.get_facecolor()) == BLUE.lower()]
    interval = bootstrap_mean(hits)
    assert min(bar.get_x() for bar in blue) == pytest.approx(interval.low, abs=0.006)
    assert max(bar.get_x() + bar.get_width() for bar in blue) == pytest.approx(interval.high, abs=0.006)
    assert sum(bar.get_height() for bar in blue) / 2_000 == pytest.approx(0.95, abs=0.03)
    assert sum(bar.get_height() for bar in ax.patches) == 2_000  # no resample is left out


def test_every_bar_of_a_share_spans_as_many_steps():
    _, again = resampled_hits()
    edges = sketches._edges(again.numpy())
    steps = (edges - edges[0]) * 500
    assert steps == pytest.approx(steps.round()) and len(set(torch.tensor(steps).diff().round().tolist())) == 1


def test_equal_scores_are_one_bar():
    ax = sketches.resampled(torch.full((50,), 0.5), score=0.5, xlabel="R@1")
    assert [bar.get_height() for bar in ax.patches] == [50]


def test_a_cloud_is_turned_so_that_its_axes_are_those_of_the_picture():
    points = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)) @ torch.tensor([[2.0, 1.0], [0.0, 0.3]])
    before, after = sketches.cloud(points).axes
    turned = torch.tensor(after.lines[0].get_xydata())
    assert before.lines[0].get_xydata() == pytest.approx(points.numpy())
    assert torch.cov(turned.T)[0, 1].abs() < 1e-6
    assert turned[:, 0].var() > 20 * turned[:, 1].var()


def test_arrows_go_where_the_items_go():
    (ax,) = sketches.rearranged("abcd", {"laid out": [2, 3, 1, 0], "back": [3, 2, 0, 1]}).axes
    items = [text.get_text() for text in ax.texts if text.get_gid() == "item"]
    assert "".join(items) == "abcdcdbaabcd"
    arrows = [(arrow.xyann, arrow.xy) for arrow in ax.texts if getattr(arrow, "arrow_patch", None)]
    assert ((0, 0), (3, -1)) in arrows  # a goes to the last place
    assert ((3, -1), (0, -2)) in arrows  # and comes back


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: sketches.resampled(torch.zeros(0), score=0, xlabel=""), "the score of each resample"),
        (lambda: sketches.cloud(torch.zeros(4, 3)), "points in a plane"),
        (lambda: sketches.rearranged("abc", {"take": [0, 0, 1]}), "names each of 3 positions once"),
        (lambda: sketches.dots({}, xlabel=""), "one group of values at least"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(draw, message):
    with pytest.raises(DataError, match=message):
        draw()
