"""A plotly figure on a page: its slider and buttons, turning it, the mouse over a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from browser.pictures import Pixels, changed, is_blank, picture, until

# The cell that the mouse is over.
LISTEN = """plot => {
    plot.hovered = null;
    plot.on('plotly_hover', event => {
        const point = event.points[0];
        if ('z' in point) plot.hovered = {cell: [point.x, point.z, point.y].map(value => Math.round(value) + 0)};
    });
    plot.on('plotly_unhover', () => { plot.hovered = null; });
}"""
# Where the lattice is looked at from, once it rests: plotly turns some frames behind the mouse.
EYE = """async plot => {
    const eye = () => plot._fullLayout.scene._scene.getCamera().eye;
    let seen = eye();
    for (let still = 0; still < 10; still++) {
        await new Promise(requestAnimationFrame);
        if (['x', 'y', 'z'].some(axis => eye()[axis] !== seen[axis])) { still = 0; }
        seen = eye();
    }
    return seen;
}"""


class Plot:
    """A figure that is drawn, or soon will be.

    Args:
        page: a playwright page.
        figure: a locator of the figure's element, of class js-plotly-plot.
    """

    def __init__(self, page: Any, figure: Any) -> None:
        self.page, self.figure = page, figure
        figure.wait_for()
        until(lambda: not is_blank(picture(figure.locator(".gl-container, .main-svg").first)), "a figure that is drawn")
        figure.evaluate(LISTEN)

    def picture(self) -> Pixels:
        """What is seen of it, `(height, width, 3)`."""
        return picture(self.figure)

    def changed(self, before: Pixels, what: str, share: float = 0.01) -> Pixels:
        """Wait until it looks otherwise than before; what is seen then."""
        return changed(self.figure, before, what, share)

    def lit(self) -> float:
        """Where the colored cells and frames are seen, from left, 0, to right, 1; without the color bar."""
        image = self.picture()[:360, :540].astype(int)
        colored = image.max(axis=2) - image.min(axis=2) > 60
        return float(np.argwhere(colored)[:, 1].mean()) / 540

    def slide(self, share: float) -> None:
        """Click on the slider, 0 being its left end and 1 its right one."""
        rail = self.figure.locator(".slider-rail-touch-rect").bounding_box()
        self.page.mouse.click(rail["x"] + (0.03 + 0.94 * share) * rail["width"], rail["y"] + rail["height"] / 2)

    def tick(self) -> str:
        """What stands above the slider."""
        return self.figure.locator(".slider-label").first.text_content()

    def eye(self) -> dict[str, float]:
        """Where the lattice is looked at from, once it has stopped turning."""
        return self.figure.evaluate(EYE)

    def turn(self) -> None:
        """Drag the lattice to the right and let go when it rests.

        Plotly keeps the place at which the mouse is let go, so that the next tick would undo what it had not yet drawn.
        """
        x, y = self.middle()
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        for step in range(1, 5):
            self.page.mouse.move(x + 30 * step, y + 5 * step)
            self.page.wait_for_timeout(60)
        self.eye()
        self.page.mouse.up()
        self.page.mouse.move(x, 1)

    def middle(self) -> tuple[float, float]:
        """The lattice's middle on the page."""
        self.figure.scroll_into_view_if_needed()
        box = self.figure.locator(".gl-container canvas").first.bounding_box()
        scene = self.figure.evaluate("plot => plot._fullLayout.scene.domain.x")
        return box["x"] + box["width"] * sum(scene) / 2, box["y"] + box["height"] * 0.47

    def over_a_cell(self) -> list[int]:
        """Move the mouse until it rests over a cell; its plane, row and column.

        Plotly picks some frames behind the mouse, so the cell must stay the same for a while.
        """
        x, y = self.middle()
        for dy in range(0, 100, 7):
            for dx in (0, 9, -9, 18, -18, 27, -27):
                self.page.mouse.move(x + dx, y - dy)
                self.page.wait_for_timeout(250)
                cell = self._hovered()
                self.page.wait_for_timeout(600 if cell else 0)
                if cell and cell == self._hovered():
                    return cell
        raise AssertionError("no cell under the mouse")

    def label(self) -> list[str]:
        """The lines of the label beside the mouse."""
        return self.figure.locator(".hovertext tspan.line").all_text_contents()

    def _hovered(self) -> list[int] | None:
        return self.figure.evaluate("plot => plot.hovered && plot.hovered.cell")

    def hold(self) -> None:
        """A click that lasts: plotly looks at the button when it draws."""
        self.page.mouse.down()
        self.page.wait_for_timeout(400)
        self.page.mouse.up()
