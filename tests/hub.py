# SPDX-License-Identifier: BSD-3-Clause
"""A Hub of one's own: enough of huggingface.co's HTTP interface to push a model and load it back.

What is pushed is kept, and served as it came; nothing is asked of the network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789" * 4
USER = {"name": "lab", "type": "user", "orgs": [], "auth": {"accessToken": {"role": "write"}}}


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


class Hub(ThreadingHTTPServer):
    """Files by repository and name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}

    @property
    def address(self) -> str:
        """What ``HF_ENDPOINT`` is set to."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running() -> Iterator[Hub]:
    """A Hub on a free port of this machine."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.path.strip("/").split("/"):
            case ["api", "validate-yaml"]:
                self.answer({"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                asked = json.loads(body)
                repository = f"{asked.get('organization') or 'lab'}/{asked['name']}"
                self.server.repositories.setdefault(repository, {})
                self.answer({"url": f"{self.server.address}/{repository}"})
            case ["api", "models", user, name, "preupload", _]:
                assert f"{user}/{name}" in self.server.repositories
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self.answer({"files": files})
            case ["api", "models", user, name, "commit", _]:
                self.commit(f"{user}/{name}", body)
            case _:
                self.answer({"error": f"no such place: {self.path}"}, 404)

    def commit(self, repository: str, body: bytes) -> None:
        kept = self.server.repositories[repository]
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                assert entry["value"]["encoding"] == "base64"
                kept[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        url = f"{self.server.address}/{repository}/commit/{COMMIT}"
        self.answer({"commitOid": COMMIT, "commitUrl": url, "success": True})

    def do_GET(self) -> None:
        match self.path.partition("?")[0].strip("/").split("/"):
            case ["api", "whoami-v2"]:
                self.answer(USER)
            case ["api", "models", user, name, "tree", _] if (
                f"{user}/{name}" in self.server.repositories
            ):
                kept = self.server.repositories[f"{user}/{name}"]
                self.answer(
                    [
                        {"type": "file", "path": path, "size": len(data), "oid": sha256(data)}
                        for path, data in sorted(kept.items())
                    ]
                )
            case ["api", "models", user, name, *_] if f"{user}/{name}" in self.server.repositories:
                names = sorted(self.server.repositories[f"{user}/{name}"])
                siblings = [{"rfilename": file} for file in names]
                about = {"_id": "1", "id": f"{user}/{name}", "sha": COMMIT, "siblings": siblings}
                self.answer(about)
            case [user, name, "resolve", _, file] if file in self.server.repositories.get(
                f"{user}/{name}", {}
            ):
                self.file(self.server.repositories[f"{user}/{name}"][file])
            case _:
                self.answer({"error": "Repository not found"}, 404)

    do_HEAD = do_GET  # noqa: N815

    def file(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{sha256(data)}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def answer(self, value: Any, code: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: tests print nothing."""
