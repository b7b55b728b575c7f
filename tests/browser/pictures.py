"""What is to be seen of an element of a page, as an array of pixels, and waiting for it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
SECONDS = 120  # a slow machine with other work gets this long for what takes some seconds


def picture(locator: Any) -> Pixels:
    """What is seen of an element now, `(height, width, 3)`; it is scrolled into view."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"))


def pixels_differ(before: Pixels, after: Pixels, by: int = 40) -> float:
    """The share of pixels of which a color differs by more than `by` of 255; 1.0 for pictures of different sizes."""
    if before.shape != after.shape:
        return 1.0
    return float((np.abs(before.astype(int) - after).max(axis=2) > by).mean())


def is_blank(image: Pixels) -> bool:
    """Whether nothing is drawn: 99.9 % of the pixels have one color."""
    _, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    return bool(counts.max() > 0.999 * image.shape[0] * image.shape[1])


def until(seen: Callable[[], Any], what: str) -> Any:
    """Look until something true is seen, and give it.

    Raises:
        AssertionError: it is not seen in time; says what was waited for.
    """
    deadline = time.monotonic() + SECONDS
    while not (found := seen()):
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.1)
    return found


def changed(locator: Any, before: Pixels, what: str, share: float = 0.01) -> Pixels:
    """Wait until an element looks otherwise than before; what is seen then."""
    until(lambda: pixels_differ(before, picture(locator)) > share, what)
    return picture(locator)
