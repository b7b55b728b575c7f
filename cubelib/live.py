"""A curve that grows while a cube is trained in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cubelib.training.loop import Row

if TYPE_CHECKING:
    from cubelib.trainer import CubeTrainer


class LiveCurve:
    """Draws the validation curve anew after every epoch; for `CubeTrainer.fit(…, on_epoch_end=LiveCurve())`.

    In a notebook the picture grows in place; the last one stays. Anywhere else only `figure` is kept up to date.

    Attributes:
        figure: the latest picture (a matplotlib Figure), None before the first epoch.
    """

    def __init__(self) -> None:
        self.figure: Any = None
        self._place: Any = None

    def __call__(self, trainer: CubeTrainer, row: Row) -> None:
        """Draws the history up to this epoch."""
        from cubelib import plots
        from cubelib.training.run import DECIDING

        history = trainer.training_history
        names = [f"{task}_{name}" for task, name in DECIDING.items() if f"{task}_{name}" in row]
        axes = plots.side_by_side(len(names)) if len(names) > 1 else [plots.new_axes()]
        for name, ax in zip(names, axes, strict=True):
            plots.learning_curve(history, name, ax=ax)
        self.figure = axes[0].figure
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ModuleNotFoundError:
            return
        if get_ipython() is None:
            return
        if self._place is None or row["epoch"] == 1:
            self._place = display(self.figure, display_id=True)
        else:
            self._place.update(self.figure)
