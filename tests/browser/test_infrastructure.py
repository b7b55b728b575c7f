"""What the tests in a browser stand on: nothing outside is reached, nothing said is missed, nothing is left running."""

import os
import subprocess
import sys
import urllib.error

import numpy as np
import psutil
import pytest
from browser import chromium as browsers
from browser.lab import PROJECT, SECONDS, SETTINGS, Lab
from browser.pictures import is_blank, pixels_differ, share_of, until


def test_webgl_works(page):
    page.goto("data:text/html,<canvas></canvas>")
    drawn = """canvas => {
        const gl = canvas.getContext('webgl', {preserveDrawingBuffer: true});
        gl.clearColor(0, 1, 0, 1);
        gl.clear(gl.COLOR_BUFFER_BIT);
        const pixel = new Uint8Array(4);
        gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
        return [...pixel];
    }"""
    assert page.locator("canvas").evaluate(drawn) == [0, 255, 0, 255]


@pytest.mark.parametrize("address", ["https://example.com/x.js", "http://192.0.2.1/x.js"])
def test_what_a_page_asks_for_outside_is_noted_and_does_not_come(watch, address):
    page = watch.context.new_page()
    page.goto(f"data:text/html,<script src='{address}' onerror='window.failed = true'></script>")
    page.wait_for_function("() => window.failed")
    assert watch.outside == [address]
    assert [said for said in watch.complaints if "net::ERR_NAME_NOT_RESOLVED" in said]
    watch.outside.clear()
    watch.complaints.clear()


def test_a_socket_to_the_outside_is_noted(watch):
    page = watch.context.new_page()
    page.goto("data:text/html,<script>new WebSocket('wss://example.com/s').onerror = () => window.failed = 1</script>")
    page.wait_for_function("() => window.failed")
    assert watch.outside == ["wss://example.com/s"]
    watch.outside.clear()
    watch.complaints.clear()


def test_errors_of_a_page_are_noted(watch):
    page = watch.context.new_page()
    page.goto("data:text/html,<script>console.error('said'); console.log('quiet'); Promise.reject(Error('a'))</script>")
    until(lambda: page.title() == "" and len(watch.complaints) > 1, "two complaints")
    assert sorted(said.split(" (")[0] for said in watch.complaints) == ["console: said", "uncaught: a"]
    watch.complaints.clear()


def test_a_picture_is_told_from_a_blank_one():
    white = np.full((40, 50, 3), 255, dtype=np.uint8)
    marked = white.copy()
    marked[10:20, 10:20] = (0, 114, 178)  # 100 of 2,000 pixels
    assert is_blank(white) and not is_blank(marked)
    assert pixels_differ(white, white) == 0
    assert pixels_differ(white, marked) == pytest.approx(0.05)
    assert pixels_differ(white, marked[:30]) == 1
    assert share_of("#0072B2", marked) == pytest.approx(0.05)
    assert share_of("#0072B2", white) == 0


def test_a_lab_leaves_no_process_behind(chromium, tmp_path):
    lab = Lab(tmp_path)
    lab.ask("POST", "api/kernels")
    until(lambda: len(lab.processes()) > 1, "a kernel")
    running = lab.processes()
    lab.close()
    assert not [process for process in running if process.is_running()]
    with pytest.raises(urllib.error.URLError):
        lab.ask("GET", "api/status")


def test_a_lab_that_does_not_start_says_why_and_leaves_no_process_behind(chromium, tmp_path, monkeypatch):
    monkeypatch.setitem(SETTINGS, "ServerApp", {"ip": "no.such.place"})
    with pytest.raises(RuntimeError, match=r"no\.such\.place"):
        Lab(tmp_path)
    assert not [p for p in psutil.Process().children(recursive=True) if str(tmp_path) in " ".join(p.cmdline())]


def outcome_of(folder, *arguments, **environment):
    """What pytest prints about tests, in a process of its own."""
    paths = os.pathsep.join([str(PROJECT / "tests"), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsE", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize(
    ("required", "outcome", "text"),
    [("no", "1 skipped", "CUBELIB_CHROMIUM names"), ("required", "1 error", "CUBELIB_BROWSER=required, but")],
)
def test_without_a_browser_the_tests_are_skipped_or_fail(tmp_path, required, outcome, text):
    nowhere = {"CUBELIB_CHROMIUM": str(tmp_path / "none"), "CUBELIB_BROWSER": required}
    said = outcome_of(PROJECT, "-n", "0", f"{__file__}::test_webgl_works", **nowhere)
    assert outcome in said and text in said


def test_a_test_whose_page_complains_or_asks_outside_is_red(chromium, tmp_path):
    """Each passes by what it does itself, and fails at its end."""
    (tmp_path / "test_pages.py").write_text(
        "def test_complains(page):\n"
        "    page.goto(\"data:text/html,<script>console.error('oh')</script>\")\n"
        "def test_asks(page):\n"
        "    page.goto(\"data:text/html,<link rel='prefetch' href='https://example.com/'>\")\n"
        "    page.wait_for_timeout(500)\n"
        "def test_does_neither(page):\n"
        "    page.goto('data:text/html,fine')\n",
        encoding="utf-8",
    )
    said = outcome_of(tmp_path, "-vv", "-p", "browser.conftest", CUBELIB_BROWSER="required")
    assert "3 passed" in said and "2 errors" in said
    assert "(['console: oh ()'], []) == ([], [])" in said
    assert "['https://example.com/']) == ([], [])" in said


def test_what_is_missing_is_said_together_with_where_to_get_it(monkeypatch):
    monkeypatch.delenv("CUBELIB_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(browsers.Missing, match="apt-get install chromium"):
        browsers.find()
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(browsers.Missing, match=r"pip install -r requirements\.txt"):
        browsers.find()
