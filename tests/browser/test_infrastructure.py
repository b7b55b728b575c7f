"""What the browser tests rely on: complaints, markup that runs and requests to the outside turn a test red."""

import os
import subprocess
import sys

from browser.lab import PROJECT
from browser.pictures import SECONDS

PAGES = """
def test_complains(page):
    page.goto("data:text/html,<script>console.error('oh')</script>")
def test_runs_markup(page):
    page.goto("data:text/html,<script>window.hacked = 1</script>")
def test_asks(page):
    page.goto("data:text/html,<link rel='prefetch' href='https://example.com/'>")
    page.wait_for_timeout(500)
def test_does_nothing_of_this(page):
    page.goto("data:text/html,fine")
"""


def test_a_test_whose_page_complains_or_asks_outside_is_red(chromium, tmp_path):
    """Each passes by what it does itself, and fails at its end."""
    (tmp_path / "test_pages.py").write_text(PAGES, encoding="utf-8")
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "tests")])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-vv", "-p", "browser.conftest"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths, "CUBELIB_BROWSER": "required"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    for said in ("4 passed", "3 errors", "(['oh ()'], [])", "(['markup ran (", "['https://example.com/'])"):
        assert said in run.stdout
