"""Chromium, a page in it that is watched, and JupyterLab: for the tests in a real browser.

Chromium lives as long as a module of tests: while it does, an event loop runs in the main thread, which other tests,
those of notebooks among them, must not find there. The Lab is a process apart and serves all modules of a worker.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import nbformat
import pytest
from browser.lab import Lab
from browser.notebook import Notebook, new_notebook
from browser.pictures import SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # root has no sandbox
    "--disable-dev-shm-usage",  # containers have little of it
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # there is no network
    "--force-color-profile=srgb",
]
# A page may ask for what this machine holds; all else is outside.
OWN = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost)(:\d+)?(/|$)|(file|data|blob|about|chrome-error):")
# Text that became markup sets window.hacked (`letter_cubes.MARKUP`).
NO_MARKUP = "Object.defineProperty(window, 'hacked', {set() { console.error('markup ran'); }})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test that opens Chromium has the marker, so `-m "not browser"` leaves it out."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Skips without it or playwright, and fails where CUBELIB_BROWSER=required."""
    names = [os.environ["CUBELIB_CHROMIUM"]] if "CUBELIB_CHROMIUM" in os.environ else NAMES
    path = next(filter(None, map(shutil.which, names)), None)
    if path and find_spec("playwright"):
        return path
    missing = "playwright is not installed: pip install -r requirements.txt"
    if path is None:
        missing = f"no Chromium ({', '.join(names)}): apt-get install chromium, or name one in CUBELIB_CHROMIUM"
    if os.environ.get("CUBELIB_BROWSER") == "required":
        pytest.fail(f"CUBELIB_BROWSER=required, but {missing}")
    pytest.skip(missing)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """Chromium, headless, drawing WebGL by software, with no way to the network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS, timeout=SECONDS * 1000)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that must say no error, run no markup of a text and ask for nothing outside this machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    context.add_init_script(NO_MARKUP)
    urls: list[str] = []
    messages: list[Any] = []
    complaints: list[str] = []
    context.on("request", lambda request: urls.append(request.url))
    context.on("console", lambda message: messages.append(message))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    page = context.new_page()
    page.on("websocket", lambda socket: urls.append(socket.url))
    yield page
    context.close()
    complaints += [f"{said.text} ({said.location.get('url', '')})" for said in messages if said.type == "error"]
    assert (complaints, [url for url in urls if not OWN.match(url)]) == ([], [])


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of our own."""
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.close()


@pytest.fixture
def open_notebook(page: Any, lab: Lab) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook, or the code cells of one, in JupyterLab and, unless `run=False`, run it from top to bottom."""

    def open_one(cells: Sequence[str] | nbformat.NotebookNode, *, run: bool = True) -> Notebook:
        document = cells if isinstance(cells, nbformat.NotebookNode) else new_notebook(cells)
        path = lab.root / f"notebook_{len(list(lab.root.glob('*.ipynb')))}.ipynb"
        nbformat.write(document, path)
        notebook = Notebook(page, lab, path.name)
        if run:
            notebook.run()
            assert notebook.errors() == []
        return notebook

    yield open_one
    page.goto("about:blank")  # else Lab would complain of the kernels' end
    lab.end_kernels()
