"""Progress bars that leave nothing behind in a notebook, so that it passes nbval again as it stands."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm as auto_tqdm
from tqdm.notebook import tqdm_notebook

WIDGET = "application/vnd.jupyter.widget-view+json"  # the only one of a widget's formats that nbval does not compare


class NotebookBar(tqdm_notebook):  # type: ignore[misc]
    """tqdm's widget without its twin in plain text, which shows how far it was by chance; gone when it is closed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._handle: Any = None
        super().__init__(*args, **{"delay": 0.5, **options, "leave": False})

    def display(self, *args: Any, check_delay: bool = True, **options: Any) -> None:
        """Shows the present state, if the delay is over."""
        super().display(*args, **options, check_delay=False)
        if check_delay and self._handle is None:
            from IPython.display import display

            view = {"version_major": 2, "version_minor": 0, "model_id": self.container.model_id}
            self._handle = display({WIDGET: view}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Removes the bar."""
        super().close()
        if self._handle is not None:
            self._handle.update({}, raw=True)


tqdm = NotebookBar if issubclass(auto_tqdm, tqdm_notebook) else auto_tqdm
