"""Chromium, a page in it that is watched, and JupyterLab: for the tests in a real browser.

Chromium lives as long as a module of tests: while it does, an event loop runs in the main thread, which other tests,
those of notebooks among them, must not find there. The Lab is a process apart and serves all modules of a worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from browser import chromium as browsers
from browser.lab import SECONDS, Lab
from browser.notebook import Cell, Notebook, write

SIZE = {"width": 1280, "height": 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that opens Chromium has the marker, so `-m "not browser"` leaves it out."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Skips without it, and fails where CUBELIB_BROWSER=required."""
    try:
        return browsers.find()
    except browsers.Missing as missing:
        if os.environ.get("CUBELIB_BROWSER") == "required":
            pytest.fail(f"CUBELIB_BROWSER=required, but {missing}")
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, headless, drawing WebGL by software, with no way to the network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=browsers.ARGUMENTS, timeout=SECONDS * 1000
        )
        yield running
        running.close()


@pytest.fixture
def watch(browser: Any) -> Iterator[browsers.Watch]:
    """A fresh context and what was noted in it. At the end: no error was said, nothing outside was asked for."""
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(SECONDS * 1000)
    watch = browsers.Watch(context)
    yield watch
    context.close()
    assert (watch.complaints, watch.outside) == ([], [])


@pytest.fixture
def page(watch: browsers.Watch) -> Any:
    """A page that must say no error and ask for nothing outside this machine."""
    return watch.context.new_page()


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of our own."""
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.close()


@pytest.fixture
def open_notebook(page: Any, lab: Lab) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook in JupyterLab and, unless `run=False`, run it from top to bottom.

    It is given as its cells, or as the path of a notebook, which is copied.
    """

    def open_one(cells: Sequence[Cell] | Path, *, run: bool = True) -> Notebook:
        path = lab.root / f"notebook_{len(list(lab.root.glob('*.ipynb')))}.ipynb"
        if isinstance(cells, Path):
            path.write_bytes(cells.read_bytes())
        else:
            write(path, cells)
        notebook = Notebook(page, lab, path.name)
        if run:
            notebook.run()
        return notebook

    yield open_one
    page.goto("about:blank")  # else Lab would complain of the kernels' end
    lab.end_kernels()
