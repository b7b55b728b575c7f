"""A model hub in the test's own process: enough of the real one's protocol for huggingface_hub to download from it.

    with FakeHub({"tiny/model": folder}) as hub:
        snapshot_download("tiny/model", endpoint=hub.url, cache_dir=...)  # or HF_ENDPOINT=hub.url in a subprocess

Models and data sets are folders of small files, each with the one revision `COMMIT` (also called "main"). A name listed
in `gated` shows its files and hands none out.
"""

import hashlib
import json
import re
import threading
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"

_INFO = re.compile(r"/api/(?:models|datasets)/([^/]+/[^/]+)/revision/(.+)")
_TREE = re.compile(rf"/api/(?:models|datasets)/([^/]+/[^/]+)/tree/{COMMIT}")
_FILE = re.compile(rf"/(?:datasets/)?([^/]+/[^/]+)/resolve/{COMMIT}/(.+)")


class FakeHub:
    """Serves folders under names at `url` while it is entered; `requests` lists what was asked for."""

    def __init__(self, repositories: Mapping[str, Path], gated: Collection[str] = ()) -> None:
        self.repositories, self.gated = repositories, gated
        self.requests: list[str] = []

    def __enter__(self) -> "FakeHub":
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = unquote(self.path.split("?")[0])
                hub.requests.append(f"{self.command} {path}")
                status, headers, body = hub.answer(path)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        asked = next(found for pattern in (_INFO, _TREE, _FILE, re.compile("()()")) if (found := pattern.match(path)))
        folder = self.repositories.get(asked[1])
        if folder is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        if asked.re is _INFO:
            if asked[2] not in ("main", COMMIT):
                return 404, {"X-Error-Code": "RevisionNotFound"}, b""
            siblings = [{"rfilename": name} for name in names]
            return 200, {}, json.dumps({"id": asked[1], "sha": COMMIT, "siblings": siblings}).encode()
        if asked.re is _TREE:
            sizes = {name: (folder / name).stat().st_size for name in names}
            files = [{"type": "file", "path": name, "size": sizes[name], "oid": f"{name}-id"} for name in names]
            return 200, {}, json.dumps(files).encode()
        if asked[1] in self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        if asked[2] not in names:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        body = (folder / asked[2]).read_bytes()
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}, body
