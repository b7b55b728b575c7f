"""TrainingLive: curves that grow while a cube is trained, and a button that stops it cleanly."""

from __future__ import annotations

import threading
import time
from html import escape

import ipywidgets
from matplotlib.figure import Figure

from cubelib.training.loop import EpochLog
from cubelib.training.run import PRIMARY_METRICS, progress_metrics
from cubelib.training.trainer import CubeTrainer, Data
from cubelib.views.plots import learning_curve
from cubelib.views.style import new_panels
from cubelib.views.view3d.static import png
from cubelib.views.widgets.base import WRAPPED, BaseWidget

PAUSE = 0.25  # seconds between two updates within an epoch; the curve is drawn after epochs only


class TrainingLive(BaseWidget):
    """Trains in the background, so that the notebook responds while the curves grow. Taught in notebook 04.

    The stop button (or `stop`) ends training after the current batch and restores the best weights so far, as when
    training ends by itself. The same seed gives the same metrics, watched or not.

    Args:
        trainer: with its components.
        train: as for `CubeTrainer.fit`.
        validation: as for `CubeTrainer.fit`.

    Attributes:
        running: whether training goes on.

    Example:
        >>> import torch
        >>> from cubelib import AutoencoderDataset
        >>> vectors = torch.nn.functional.normalize(torch.randn(60, 24), dim=1)
        >>> settings = {"embedding_dim": 24, "lattice_size": [3, 2, 3], "epochs": 2, "early_stopping_patience": 2}
        >>> trainer = CubeTrainer(settings)
        >>> trainer.initialize_components()
        >>> live = TrainingLive(trainer, AutoencoderDataset(vectors[:50]), AutoencoderDataset(vectors[50:]))
        >>> live
        TrainingLive(not started: up to 2 epochs)
        >>> [row["epoch"] for row in live.run()]
        [0, 1, 2]
    """

    def __init__(self, trainer: CubeTrainer, train: Data, validation: Data) -> None:
        self.trainer, self._data = trainer, (train, validation)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # buttons and flag change together
        self.running = self._stop_requested = False
        self._error: BaseException | None = None
        self._last_update = 0.0
        self.start_button = ipywidgets.Button(description="▶ train", layout={"width": "100px"})
        self.stop_button = ipywidgets.Button(description="■ stop", layout={"width": "100px"}, disabled=True)
        self.bar = ipywidgets.IntProgress(max=max(1, trainer.config.epochs), layout={"width": "160px"})
        self.status = ipywidgets.HTML(self._progress())
        self.curve = ipywidgets.Image(layout={"width": "auto", "max_width": "100%", "align_self": "flex-start"})
        self.start_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        controls = ipywidgets.HBox([self.start_button, self.stop_button, self.bar, self.status], layout=WRAPPED)
        super().__init__(controls, self.curve)

    def start(self) -> TrainingLive:
        """Begins to train in the background, unless it does already; returns the widget."""
        with self._lock:
            if not self.running:
                self._set_running(True)
                self._error, self._stop_requested, self.message.value = None, False, ""
                self._thread = threading.Thread(target=self._train, name="TrainingLive", daemon=True)
                self._thread.start()
        return self

    def stop(self) -> None:
        """Asks the training to stop after its batch."""
        self._stop_requested = True
        self.status.value = "stopping …"

    def run(self) -> list[EpochLog]:
        """Starts, unless the button has done so, waits for the end, and returns the history.

        Interrupting the kernel stops the training cleanly first.

        Raises:
            Exception: what ended the training.
        """
        if self._thread is None:
            self.start()
        assert self._thread is not None
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.stop()
            self._thread.join()
            raise
        if self._error is not None:
            raise self._error
        return self.trainer.training_history

    def summary(self) -> str:
        done, epochs = self.trainer.current_epoch, self.trainer.config.epochs
        if self._thread is None:
            return f"not started: up to {epochs} epochs"
        if self.running or self.trainer.stop_reason is None:
            return f"training: epoch {done} of {epochs} done"
        return f"trained {done} epochs; {self.trainer.stop_reason}"

    def picture(self) -> Figure | None:
        history = self.trainer.training_history
        names = [f"{task}_{metric}" for task, metric in PRIMARY_METRICS.items()]
        names = [name for name in names if history and name in history[0]]
        if not names:
            return None
        figure, all_axes = new_panels(len(names), 7.0 if len(names) == 1 else 10.0, 4.0)
        for name, ax in zip(names, all_axes, strict=True):
            learning_curve(history, name, ax=ax)
        return figure

    def _progress(self, ahead: int = 0) -> str:
        return f"epoch {self.trainer.current_epoch + ahead} of {self.trainer.config.epochs}"

    def _ended(self) -> str:
        """How training ended, and whose weights are kept."""
        reason, _, kept = (self.trainer.stop_reason or "").partition("; kept: ")
        early = "" if reason.startswith("epochs:") else f", {reason}"
        return f"{self._progress()}{early}; kept: {kept}"

    def _set_running(self, running: bool) -> None:
        self.running = running
        self.stop_button.disabled = not running  # first: never are both buttons enabled
        self.start_button.disabled = running

    def _train(self) -> None:
        try:
            train, validation = self._data
            self.trainer.fit(
                train, validation, progress=False, on_batch_end=self._after_batch, on_epoch_end=self._after_epoch
            )
            self.status.value = escape(self._ended())
        except Exception as error:  # noqa: BLE001 - shown here, and raised again by run()
            self._error = error
            self.message.value = escape(f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._set_running(False)

    def _after_batch(self, trainer: CubeTrainer, log: EpochLog) -> None:
        if self._stop_requested:
            trainer.stop()
        elif time.monotonic() - self._last_update > PAUSE:
            self._last_update = time.monotonic()
            batch = f"batch {log['batch']} of {log['batches']}, loss {log['loss']:.4f}"
            self.status.value = f"{self._progress(1)}, {batch}"

    def _after_epoch(self, trainer: CubeTrainer, log: EpochLog) -> None:
        self.bar.value = log["epoch"]
        metrics = ", ".join(f"{name} {value}" for name, value in progress_metrics(log).items())
        self.status.value = f"{self._progress()}: {metrics}"
        figure = self.picture()
        if figure is not None:
            self.curve.value = png(figure)
