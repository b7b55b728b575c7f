"""Curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from cubelib.training.loop import EpochLog
from cubelib.training.trainer import CubeTrainer


class TensorBoard:
    """Writes the metrics of every epoch; for `CubeTrainer.fit(…, on_epoch_end=TensorBoard("runs/mine"))`.

    Watch them with `tensorboard --logdir runs`.

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
                f"Curves for TensorBoard need its package ({error}): python -m pip install tensorboard."
            ) from None
        self.folder = Path(folder)
        self._writer = SummaryWriter(str(folder))

    def __call__(self, trainer: CubeTrainer, log: EpochLog) -> None:
        """Writes an epoch's log; the first time also the untrained cube's."""
        logs = trainer.training_history if log["epoch"] == 1 else [log]
        for each in logs:
            for name, value in each.items():
                if name != "epoch" and value is not None:
                    self._writer.add_scalar(name, value, each["epoch"])
        self._writer.flush()
