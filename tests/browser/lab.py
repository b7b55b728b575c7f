"""A JupyterLab of the tests' own: started in a temporary folder, and ended together with its kernels."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).parents[2]
SECONDS = 120  # a slow machine with other work gets this long for what takes some seconds
ORPHANED = 900  # seconds after which a Lab ends of itself whose test run was killed

SETTINGS = {
    "ServerApp": {
        "ip": "127.0.0.1",
        "port": 0,  # the system finds one that is free
        "open_browser": False,
        "allow_root": True,
        "terminals_enabled": False,
        "shutdown_no_activity_timeout": ORPHANED,
    },
    "IdentityProvider": {},  # the token is filled in
    "MappingKernelManager": {"cull_idle_timeout": ORPHANED, "cull_connected": True},
    "LabApp": {
        "expose_app_in_browser": True,
        "extension_manager": "readonly",
        "news_url": None,
        "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
    },
    "LanguageServerManager": {"autodetect": False},
}
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


class Lab:
    """A running JupyterLab.

    Args:
        folder: empty; what Lab and its kernels write lies below it, the notebooks in `root`.

    Raises:
        RuntimeError: it ended, or did not answer in time; the message has what it printed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.token = folder, folder / "root", secrets.token_hex(16)
        self.root.mkdir()
        self._write("config/jupyter_server_config.json", SETTINGS | {"IdentityProvider": {"token": self.token}})
        self._write("settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings", NO_NEWS)
        self._said = folder / "said.txt"
        with self._said.open("w", encoding="utf-8") as file:
            self._process = psutil.Popen(
                [sys.executable, "-m", "jupyter", "lab", "--ServerApp.root_dir", str(self.root)],
                cwd=self.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.close()
            raise

    def processes(self) -> list[psutil.Process]:
        """The server and all that it started, kernels among them."""
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kernels(self) -> list[str]:
        """The ids of the kernels that run."""
        return [kernel["id"] for kernel in self.ask("GET", "api/kernels")]

    def ask(self, method: str, path: str) -> Any:
        """What the server's own interface answers."""
        return self._ask(self.url, method, path)

    def end_kernels(self) -> None:
        """End every kernel, so that the next notebook has the machine to itself."""
        for session in self.ask("GET", "api/sessions"):
            self.ask("DELETE", f"api/sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels: asked politely first."""
        running = self.processes()
        if self._process.is_running():
            self._process.terminate()  # as Ctrl-C, but without a question: kernels are shut down, then the server
        _, left = psutil.wait_procs(running, timeout=30)
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=30)

    def _ask(self, url: str, method: str, path: str) -> Any:
        request = urllib.request.Request(url + path, method=method, headers={"Authorization": f"token {self.token}"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _wait_for_url(self) -> str:
        """Lab writes its address into a file when it listens; it is there when it answers."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"JupyterLab ended with {self._process.returncode}:\n{self.said()}")
            for file in self.folder.glob("runtime/jpserver-*.json"):
                try:
                    url = json.loads(file.read_text("utf-8"))["url"]
                    self._ask(url, "GET", "api/status")
                    return url
                except (ValueError, urllib.error.URLError):  # half written; not yet listening
                    continue
            time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not answer within {SECONDS} s:\n{self.said()}")

    def said(self) -> str:
        """What it printed."""
        return self._said.read_text("utf-8", errors="replace")

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def _environment(self) -> dict[str, str]:
        """Nothing of the user's own settings; cubelib from this repository; one thread."""
        ours = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PLOTLY"))}
        paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return (
            kept
            | {name: str(self.folder / folder) for name, folder in ours.items()}
            | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
        )
