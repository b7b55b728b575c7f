"""TrainingLive: curves that grow while a cube is trained, and a button that stops it cleanly.

Taught in notebook 04.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from cubelib.training.loop import EpochLog
from cubelib.training.run import PRIMARY_METRICS, shown
from cubelib.training.trainer import CubeTrainer, Data, several
from cubelib.views import plots
from cubelib.views.view3d.pictures import png
from cubelib.views.widgets.board import WIDE, Board, as_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAUSE = 0.25  # seconds between two looks at the batches; the curve is drawn after epochs only


class TrainingLive(Board):
    """Trains in the background, so that the notebook answers while the curves grow.

    The stop button (or `stop`) ends after the batch that is going on; the best weights so far are put in place, as when
    training ends by itself. Same seed, same figures, watched or not.

    Args:
        trainer: with its components.
        train: as `CubeTrainer.fit` takes them.
        validation: likewise.
        lines: other models' values of the validation figure, drawn as lines, at most three: name → value.
        options: what else `CubeTrainer.fit` takes, such as folder.

    Attributes:
        history: the rows so far, as `CubeTrainer.training_history`.

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

    def __init__(
        self,
        trainer: CubeTrainer,
        train: Data,
        validation: Data,
        *,
        lines: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        self.trainer, self._lines, self._options = trainer, dict(lines or {}), options
        self._data = (train, validation)
        self._thread: threading.Thread | None = None
        self._training, self._turning = False, threading.Lock()  # the lock: buttons and flag change together
        self._error: BaseException | None = None
        self._asked_to_stop = False
        self._looked = 0.0
        self.start_button = ipywidgets.Button(description="▶ train", layout={"width": "100px"})
        self.stop_button = ipywidgets.Button(description="■ stop", layout={"width": "100px"}, disabled=True)
        self.bar = ipywidgets.IntProgress(min=0, max=max(1, trainer.config.epochs), description="epoch 0")
        self.status = ipywidgets.HTML()
        self.curve = ipywidgets.Image(format="png", layout={"max_width": "720px", "object_fit": "contain"})
        self.start_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        controls = ipywidgets.HBox([self.start_button, self.stop_button, self.bar, self.status], layout=WIDE)
        super().__init__(controls, self.curve)

    @property
    def history(self) -> list[EpochLog]:
        """The rows of the history so far."""
        return self.trainer.training_history

    @property
    def running(self) -> bool:
        """Whether training goes on."""
        return self._training

    def start(self) -> TrainingLive:
        """Begins to train in the background; does nothing while it goes on. The widget itself is returned."""
        with self._turning:
            if not self._training:
                self._error, self._asked_to_stop, self._training = None, False, True
                self.start_button.disabled, self.stop_button.disabled = True, False
                self.say("")
                self._thread = threading.Thread(target=self._train, name="TrainingLive", daemon=True)
                self._thread.start()
        return self

    def stop(self) -> None:
        """Asks the training to stop after its batch."""
        self._asked_to_stop = True
        self.status.value = "stopping …"

    def run(self) -> list[EpochLog]:
        """Starts, unless the button has done so, and waits for the end; the history."""
        if self._thread is None:
            self.start()
        return self.wait()

    def wait(self) -> list[EpochLog]:
        """Waits for the end; the history.

        Interrupting the kernel stops the training cleanly first.

        Raises:
            ValueError: it was never started.
            Exception: what broke the training.
        """
        if self._thread is None:
            raise ValueError("TrainingLive.wait: nothing is being trained. Call start(), or press the button, first.")
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.stop()
            self._thread.join()
            raise
        if self._error is not None:
            raise self._error
        return self.history

    def summary(self) -> str:
        if self._thread is None:
            return f"not started: up to {self.trainer.config.epochs} epochs"
        reason = self.trainer.stop_reason
        if self.running or reason is None:
            return f"training: epoch {self.trainer.current_epoch} of {self.trainer.config.epochs} done"
        return f"trained {self.trainer.current_epoch} epochs; {reason}"

    def picture(self) -> Figure | None:
        history = self.history
        names = [
            f"{task}_{name}" for task, name in PRIMARY_METRICS.items() if history and f"{task}_{name}" in history[0]
        ]
        if not names:
            return None
        axes = plots.side_by_side(len(names)) if len(names) > 1 else [plots.new_axes()]
        for name, ax in zip(names, axes, strict=True):
            plots.learning_curve(history, name, lines=self._lines, ax=ax)
        return axes[0].figure

    def _train(self) -> None:
        try:
            train, validation = self._data
            self.trainer.fit(
                train,
                validation,
                progress=False,
                **{
                    **self._options,
                    "on_batch_end": [self._after_batch, *several(self._options.get("on_batch_end", ()))],
                    "on_epoch_end": [self._after_epoch, *several(self._options.get("on_epoch_end", ()))],
                },
            )
            self.status.value = as_html(self.trainer.stop_reason or "")
        except Exception as error:  # noqa: BLE001 - kept, shown, and raised again by wait()
            self._error = error
            self.say(f"{type(error).__name__}: {error}")
        finally:
            self._end()

    def _end(self) -> None:
        """The last curve first: a start button that can be pressed does something."""
        try:
            self._draw()
        finally:
            with self._turning:
                self._training = False
                self.start_button.disabled, self.stop_button.disabled = False, True

    def _draw(self) -> None:
        picture = self.picture()
        self.curve.value = b"" if picture is None else png(picture)

    def _after_batch(self, trainer: CubeTrainer, row: EpochLog) -> None:
        if self._asked_to_stop:
            trainer.stop()
        elif time.monotonic() - self._looked > PAUSE:
            self._looked = time.monotonic()
            self.status.value = f"batch {row['batch']} of {row['batches']}, loss {row['loss']:.4f}"

    def _after_epoch(self, trainer: CubeTrainer, row: EpochLog) -> None:
        self.bar.value, self.bar.description = row["epoch"], f"epoch {row['epoch']}"
        self.status.value = ", ".join(f"{name} {value}" for name, value in shown(row).items())
        self._draw()
