"""A JupyterLab of the tests' own: started in a temporary folder, and ended together with its kernels."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from browser.pictures import SECONDS, until

PROJECT = Path(__file__).parents[2]
ORPHANED = 900  # seconds after which a Lab ends of itself whose test run was killed
OPTIONS = [
    "--ServerApp.open_browser=False",
    "--ServerApp.allow_root=True",
    f"--ServerApp.shutdown_no_activity_timeout={ORPHANED}",
    f"--MappingKernelManager.cull_idle_timeout={ORPHANED}",
    "--MappingKernelManager.cull_connected=True",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    "--LanguageServerManager.autodetect=False",
]
# Nothing of the user's own settings.
FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}


class Lab:
    """A running JupyterLab.

    Args:
        folder: empty; what Lab and its kernels write is below it, the notebooks in `root`.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.token = folder / "root", secrets.token_hex(16)
        self.root.mkdir()
        news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        news.parent.mkdir(parents=True)
        news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        own = [
            f"--ServerApp.root_dir={self.root}",
            f"--ServerApp.port={port}",
            f"--IdentityProvider.token={self.token}",
        ]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "CUBELIB_"))}
        kept |= {name: str(folder / place) for name, place in FOLDERS.items()}
        kept |= {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
        self._process = psutil.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--ServerApp.port_retries=0", *OPTIONS, *own],
            cwd=self.root,
            env=kept,
            stdin=subprocess.DEVNULL,
        )
        try:
            until(self._answers, "JupyterLab")
        except BaseException:
            self.close()
            raise

    def ask(self, method: str, path: str) -> Any:
        """What the server's own interface answers."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=SECONDS) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def end_kernels(self) -> None:
        """End every kernel, so that the next notebook has the machine to itself."""
        for session in self.ask("GET", "api/sessions"):
            self.ask("DELETE", f"api/sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels: asked politely first."""
        if not self._process.is_running():
            return
        running = [self._process, *self._process.children(recursive=True)]
        self._process.terminate()  # as Ctrl-C, but without a question: kernels are shut down, then the server
        _, left = psutil.wait_procs(running, timeout=30)
        for process in left:
            process.kill()

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"JupyterLab ended with {self._process.returncode}"
        try:
            self.ask("GET", "api/status")
        except urllib.error.URLError:  # not yet listening
            return False
        return True
