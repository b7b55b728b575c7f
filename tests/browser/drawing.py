"""A picture of the front end on a page: its player, turning it, the mouse and the keys on a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from browser.pictures import Pixels, changed, is_blank, picture, until


class Drawing:
    """A picture that is drawn, or soon will be.

    Args:
        page: a playwright page.
        root: a locator of its element, of class cubelib.
    """

    def __init__(self, page: Any, root: Any) -> None:
        self.page, self.root = page, root
        root.locator("canvas").first.wait_for()
        until(lambda: not is_blank(picture(self.canvas())), "a picture that is drawn")

    def canvas(self, number: int = 0) -> Any:
        """The canvas of a panel, the lattice first."""
        return self.root.locator("canvas[role=img]").nth(number)

    def picture(self, panel: int = 0) -> Pixels:
        """What is seen of a panel, `(height, width, 3)`."""
        return picture(self.canvas(panel))

    def changed(self, before: Pixels, what: str, share: float = 0.01, panel: int = 0) -> Pixels:
        """Wait until a panel looks otherwise than before; what is seen then."""
        return changed(self.canvas(panel), before, what, share)

    def lit(self) -> float:
        """Where the colored cells and frames are seen, from left, 0, to right, 1; without the color bar."""
        image = self.picture().astype(int)
        middle = image[:, : int(0.75 * image.shape[1])]
        colored = middle.max(axis=2) - middle.min(axis=2) > 60
        return float(np.argwhere(colored)[:, 1].mean()) / image.shape[1]

    def slide(self, tick: int) -> None:
        """Put the slider on a tick, as a mouse does."""
        self.root.locator("input[type=range]").fill(str(tick))

    def tick(self) -> str:
        """What stands beside the slider."""
        return self.root.locator(".cubelib-tick").inner_text()

    def pose(self) -> dict[str, float]:
        """Where the lattice is looked at from: turn, tilt and zoom."""
        return self.root.evaluate("root => ({...root.view.pose})")

    def turn(self) -> None:
        """Drag the lattice to the right."""
        x, y = self.middle()
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 120, y + 20, steps=4)
        self.page.mouse.up()
        self.page.mouse.move(x, 1)

    def middle(self, panel: int = 0) -> tuple[float, float]:
        """Where a lattice's middle is on the page."""
        self.canvas(panel).scroll_into_view_if_needed()
        box = self.canvas(panel).bounding_box()
        return box["x"] + (box["width"] - 92) / 2, box["y"] + box["height"] / 2 - 20

    def over_a_cell(self, panel: int = 0) -> list[int]:
        """Move the mouse to the middle of a lattice; the plane, row and column that are read there."""
        self.page.mouse.move(*self.middle(panel))
        until(lambda: "plane" in self.says(panel), "the label of a cell")
        place = self.says(panel).splitlines()[0]  # plane 1, row 2, column 3
        return [int(part.split()[1]) for part in place.split(", ")]

    def over_a_square(self, panel: int, row: int, column: int) -> None:
        """Move the mouse over a square of a heat map."""
        self.canvas(panel).scroll_into_view_if_needed()
        box = self.canvas(panel).bounding_box()
        size = self.canvas(panel).evaluate(
            "canvas => canvas.closest('.cubelib').view.panels.find(panel => panel.canvas === canvas).size"
        )
        self.page.mouse.move(box["x"] + 44 + (column + 0.5) * size, box["y"] + 4 + (row + 0.5) * size)

    def says(self, panel: int = 0) -> str:
        """The label beside the mouse, or "" if there is none."""
        tip = self.canvas(panel).locator("xpath=following-sibling::div[1]")
        return tip.inner_text() if tip.is_visible() else ""

    def click(self) -> None:
        """A click where the mouse is."""
        self.page.mouse.down()
        self.page.mouse.up()
