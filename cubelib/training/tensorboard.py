"""Curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cubelib.training.loop import EpochLog

if TYPE_CHECKING:
    from cubelib.training.trainer import CubeTrainer


class TensorBoard:
    """Writes the figures of every epoch; for `CubeTrainer.fit(…, on_epoch_end=TensorBoard("runs/mine"))`.

    To look at them: `tensorboard --logdir runs`.

    Args:
        folder: receives the event files; what is there stays.

    Raises:
        ModuleNotFoundError: the package tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"Curves for TensorBoard need its package ({error}): python -m pip install tensorboard, or leave out "
                "tensorboard."
            ) from None
        self.folder = Path(folder)
        self._writer = SummaryWriter(str(folder))

    def __call__(self, trainer: CubeTrainer, row: EpochLog) -> None:
        """Writes an epoch's row; the first time also the untrained cube's."""
        rows = trainer.training_history if row["epoch"] == 1 else [row]
        for each in rows:
            for name, value in each.items():
                if name != "epoch" and value is not None:
                    self._writer.add_scalar(name, value, each["epoch"])
        self._writer.flush()
