"""A local stand-in of the Hub's HTTP API: accounts, repositories, LFS objects and commits.

It keeps what the tests ask about in plain attributes and can be told to fail: a hub whose
connection breaks after an object was stored, and one that refuses tokens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_tests"


class HubStandIn:
    """Serves on loopback while it is entered.

    Attributes:
        repositories: name -> what `create` was asked for.
        files: repository -> path -> content, as the last commit left it.
        objects: SHA-256 -> content of stored LFS objects.
        requests: method and path, in order.
        failing_commits: so many next commits are answered with 503.
        role: of the token.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failing_commits = 0
        self.role = "write"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a script that is to talk to this hub, by HTTP and LFS alone."""
        return {
            "HF_ENDPOINT": self.address,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
        }

    def __enter__(self) -> HubStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:
        """Return a status and what is sent as JSON."""
        path = path.partition("?")[0]
        self.requests.append(f"{method} {path}")
        if method == "PUT" and path.startswith("/store/"):
            assert hashlib.sha256(body).hexdigest() == path.rpartition("/")[2]
            self.objects[path.rpartition("/")[2]] = body
            return 200, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid user token"}
        if path == "/api/whoami-v2":
            role = {"role": self.role, "displayName": "tests"}
            return 200, {"name": "me", "type": "user", "orgs": [], "auth": {"accessToken": role}}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        name, _, rest = (
            path.removeprefix("/api/models")
            .strip("/")
            .partition(
                ".git/"
                if ".git/" in path
                else "/preupload/"
                if "/preupload/" in path
                else "/commit/"
            )
        )
        if name not in self.repositories:
            return 404, {"error": f"no repository {name}"}
        if rest == "info/lfs/objects/batch":
            return 200, {"transfer": "basic", "objects": self._batch(json.loads(body))}
        if "/preupload/" in path:
            return 200, {"files": [_mode(each) for each in json.loads(body)["files"]]}
        if self.failing_commits:
            self.failing_commits -= 1
            return 503, {"error": "try again later"}
        return 200, self._commit(name, body)

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name in self.repositories:
            url = f"{self.address}/{name}"
            return 409, {"error": "You already created this model repo", "url": url}
        self.repositories[name] = asked
        self.files[name] = {}
        return 200, {"url": f"{self.address}/{name}", "id": name}

    def _batch(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for each in asked["objects"]:
            upload = {"upload": {"href": f"{self.address}/store/{each['oid']}"}}
            is_new = each["oid"] not in self.objects
            found.append({**each, **({"actions": upload} if is_new else {})})
        return found

    def _commit(self, name: str, body: bytes) -> dict[str, Any]:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                assert value["encoding"] == "base64"
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[name][value["path"]] = self.objects[value["oid"]]
        oid = hashlib.sha1(body).hexdigest()
        url = f"{self.address}/{name}/commit/{oid}"
        return {"success": True, "commitUrl": url, "commitOid": oid, "hookOutput": ""}


def _mode(file: dict[str, Any]) -> dict[str, Any]:
    mode = "lfs" if file["path"].endswith(".safetensors") else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}


def _handler_of(hub: HubStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            status, content = hub.answer(self.command, self.path, body, token)
            sent = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
