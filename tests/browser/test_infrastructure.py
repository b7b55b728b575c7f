"""What the browser tests rely on: complaints and requests to the outside turn a test red, and no process is left."""

import os
import subprocess
import sys
import urllib.error

import pytest
from browser.lab import PROJECT, SECONDS, Lab
from browser.pictures import until


def test_a_lab_leaves_no_process_behind(chromium, tmp_path):
    lab = Lab(tmp_path)
    lab.ask("POST", "api/kernels")
    until(lambda: len(lab.processes()) > 1, "a kernel")
    running = lab.processes()
    lab.close()
    assert not [process for process in running if process.is_running()]
    with pytest.raises(urllib.error.URLError):
        lab.ask("GET", "api/status")


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
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "tests")])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-vv", "-p", "browser.conftest"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths, "CUBELIB_BROWSER": "required"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert "3 passed" in run.stdout and "2 errors" in run.stdout
    assert "(['console: oh ()'], []) == ([], [])" in run.stdout
    assert "['https://example.com/']) == ([], [])" in run.stdout
