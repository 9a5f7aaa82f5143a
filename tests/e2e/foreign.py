"""Backends that nobody here wrote, unchanged, as real processes: json-server, scim2-server, WsgiDAV.

Each is dressed as a Scene, so that one story can be told with all of them.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from tests.e2e.asking import Answer, ask
from tests.e2e.processes import Child
from tests.servers import free_port

JSON_SERVER = "json-server@0.17.4"
CACHE = Path(__file__).resolve().parents[2] / ".dev" / JSON_SERVER.replace("@", "-")
INSTALL_SECONDS = 100
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scene(ABC):
    """A backend on `backend_port`, and how its resources are made, written and read. `port` is noclobber's in front of it."""

    content_type = "application/json"
    patch_type: str | None = None
    """The media type of its PATCH; None: it has none."""

    def __init__(self, backend: Child, backend_port: int) -> None:
        """Wait until the backend listens. The child is the caller's to stop."""
        backend.wait_for_port(backend_port)
        self.backend_port = backend_port
        self.port = 0
        self._made = 0

    @abstractmethod
    def make(self, text: str) -> str:
        """Have the backend hold a new resource that says text; return its path."""

    @abstractmethod
    def body(self, path: str, text: str) -> bytes:
        """What a PUT of that text to path sends."""

    @abstractmethod
    def text(self, answer: Answer) -> str:
        """What the representation in a GET's answer says."""

    def patch(self, text: str) -> bytes:
        """What a PATCH to that text sends, where there is one."""
        raise NotImplementedError

    def stands(self, path: str) -> str | None:
        """What the backend itself holds; None: nothing."""
        answer = ask(self.backend_port, "GET", path)
        return None if answer.status == 404 else self.text(answer)

    def put(self, path: str, text: str, **fields: str) -> Answer:
        """PUT through noclobber."""
        return ask(self.port, "PUT", path, self.body(path, text), content_type=self.content_type, **fields)

    def read(self, path: str) -> Answer:
        """GET through noclobber."""
        return ask(self.port, "GET", path)


class JsonServer(Scene):
    """json-server: Express, a file as database, weak tags of its own that it enforces on nothing but GET."""

    patch_type = "application/json"

    def make(self, text: str) -> str:
        """POST it."""
        return f"/posts/{ask(self.backend_port, 'POST', '/posts', {'title': text}).json()['id']}"

    def body(self, path: str, text: str) -> bytes:
        """The whole post."""
        return json.dumps({"id": int(path.rpartition("/")[2]), "title": text}).encode()

    def patch(self, text: str) -> bytes:
        """The title alone."""
        return json.dumps({"title": text}).encode()

    def text(self, answer: Answer) -> str:
        """The title."""
        return str(answer.json()["title"])


class ScimServer(Scene):
    """scim2-server: users by SCIM (RFC 7644), over wsgiref, which closes each connection."""

    content_type = patch_type = "application/scim+json"

    def make(self, text: str) -> str:
        """POST a user."""
        self._made += 1
        document = {"schemas": [USER_SCHEMA], "userName": f"user-{self._made}", "displayName": text}
        answer = ask(self.backend_port, "POST", "/v2/Users", json.dumps(document).encode(), content_type=self.content_type)
        return f"/v2/Users/{answer.json()['id']}"

    def body(self, path: str, text: str) -> bytes:
        """The whole user."""
        name = ask(self.backend_port, "GET", path).json()["userName"]
        return json.dumps({"schemas": [USER_SCHEMA], "userName": name, "displayName": text}).encode()

    def patch(self, text: str) -> bytes:
        """One operation (RFC 7644 §3.5.2)."""
        return json.dumps({"schemas": [PATCH_SCHEMA], "Operations": [{"op": "replace", "path": "displayName", "value": text}]}).encode()

    def text(self, answer: Answer) -> str:
        """The name to show."""
        return str(answer.json()["displayName"])


class WebDav(Scene):
    """WsgiDAV on cheroot: files, and strong tags of its own, made from inode, whole seconds and size. A PUT creates."""

    content_type = "text/plain"

    def make(self, text: str) -> str:
        """PUT a new file."""
        self._made += 1
        path = f"/note-{self._made}.txt"
        ask(self.backend_port, "PUT", path, text.encode(), content_type=self.content_type)
        return path

    def body(self, path: str, text: str) -> bytes:
        """The text itself."""
        return text.encode()

    def text(self, answer: Answer) -> str:
        """The text itself."""
        return answer.body.decode()


def start_json_server(directory: Path) -> tuple[Child, int]:
    """Serve an empty table of posts. Skips the test where there is no node, no npm, or no json-server to be had."""
    program = _installed_json_server()
    database, port = directory / "db.json", free_port()
    database.write_text('{"posts": []}')
    return Child([*program, "--host", "127.0.0.1", "--port", str(port), "--quiet", str(database)], directory / "json-server.log"), port


def _installed_json_server() -> list[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are needed for json-server, and are missing here")
    program = CACHE / "node_modules" / "json-server" / "lib" / "cli" / "bin.js"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "install.lock", "w") as lock:
        # Two test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / "installed").exists():
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(CACHE), JSON_SERVER]
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode != 0:
                pytest.skip(f"npm cannot install {JSON_SERVER} here: {done.stderr.strip()[-200:]}")
            (CACHE / "installed").touch()
    return [node, str(program)]


def start_scim_server(directory: Path, **etag: bool) -> tuple[Child, int]:
    """Serve no users yet. `supported` is what its ServiceProviderConfig says of entity tags."""
    resources = files("scim2_server") / "resources" / "default-service-provider-config.json"
    config: dict[str, object] = {**json.loads(resources.read_text()), "etag": etag}
    (directory / "provider.json").write_text(json.dumps(config))
    command = [_script("scim2-server"), "--service-provider-config", str(directory / "provider.json")]
    port = free_port()
    return Child([*command, "--hostname", "127.0.0.1", "--port", str(port)], directory / "scim2-server.log"), port


def start_webdav(directory: Path) -> tuple[Child, int]:
    """Serve directory/files to everybody."""
    root, port = directory / "files", free_port()
    root.mkdir()
    command = [_script("wsgidav"), "--no-config", "--auth", "anonymous", "--host", "127.0.0.1", "--port", str(port), "--root", str(root)]
    # Its lines on the screen go through the locale's coding.
    settings: Mapping[str, str] = {"PYTHONUTF8": "1"}
    return Child(command, directory / "wsgidav.log", settings), port


def _script(name: str) -> str:
    """The command of that name that was installed beside this Python."""
    found = Path(sys.executable).with_name(name)
    assert os.access(found, os.X_OK), f"{found} is missing: install the extra dev"
    return str(found)
