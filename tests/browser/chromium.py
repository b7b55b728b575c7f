"""Where Chromium is, how it is started, and what a page says and asks for while a test looks at it."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

# A page may ask for what this machine holds; all else is outside.
OWN = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost)(:\d+)?(/|$)|(file|data|blob|about|chrome-error):")
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


class Missing(Exception):
    """What the tests in a browser need and do not find."""


def find() -> str:
    """The path of Chromium, the package playwright being there too.

    Raises:
        Missing: says what is missing and how to get it.
    """
    try:
        import playwright.sync_api  # noqa: F401
    except ModuleNotFoundError:
        raise Missing("playwright is not installed: pip install -r requirements.txt") from None
    named = os.environ.get("CUBELIB_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise Missing(f"CUBELIB_CHROMIUM names {named}, where no program is")
        return named
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise Missing(
            f"no Chromium ({', '.join(NAMES)}): apt-get install chromium (Debian), or name one in CUBELIB_CHROMIUM"
        )
    return path


class Watch:
    """Notes what a browser context's pages complain about and what they ask for outside this machine.

    Args:
        context: a playwright context with no page yet.
    """

    def __init__(self, context: Any) -> None:
        self.context = context
        self.complaints: list[str] = []
        self.outside: list[str] = []
        context.on("request", lambda request: self._asked(request.url))
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("console", self._said)
        context.on("page", lambda page: page.on("websocket", lambda socket: self._asked(socket.url)))

    def _asked(self, url: str) -> None:
        if not OWN.match(url):
            self.outside.append(url)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text} ({message.location.get('url', '')})")
