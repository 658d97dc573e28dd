"""The schema in a real editor's server: it completes, explains and marks what `tomosaxs check` would refuse.

The server is yaml-language-server (npm install yaml-language-server), the one behind VS Code, Neovim, Emacs and
PyCharm's plugin; on the path, or named by YAML_LANGUAGE_SERVER.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tomosaxs import registry
from tomosaxs.process_list import json_schema

SERVER = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
pytestmark = pytest.mark.skipif(
    SERVER is None, reason="yaml-language-server is not here: npm install yaml-language-server, or YAML_LANGUAGE_SERVER"
)
LIST = """\
title: In an editor
input:
  tomo:
    plugin: tomography
    path: scan.nxs
    crop: {detector_y: [mid-8, mid+8]}
    bin: {detector_x: 2}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
    minimum: 0.001
  - plugin: find_rotation_axis
    name: axis
  - plugin: reconstruct
    centre: ${axis}
    filter: {sweep: [ramp, hann]}
    save: true
output:
  plugin: nexus
"""


class Server:
    """Speaks JSON-RPC with the server over its standard streams."""

    def __init__(self, folder: Path, schema: Path) -> None:
        self.process = subprocess.Popen([str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number, self.buffer, self.diagnostics = 0, b"", {}
        self.settings = {"yaml": {"schemas": {schema.as_uri(): "*.yml"}, "completion": True, "validate": True,
                                  "hover": True, "schemaStore": {"enable": False}}}  # fmt: skip
        root = folder.as_uri()
        self.ask("initialize", {"processId": None, "rootUri": root, "capabilities": {
            "workspace": {"configuration": True}, "textDocument": {"completion": {"completionItem": {}}}}})  # fmt: skip
        self.tell("initialized", {})
        self.tell("workspace/didChangeConfiguration", {"settings": self.settings})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.process.stdin.flush()

    def tell(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def ask(self, method: str, parameters: Any) -> Any:
        self.number += 1
        number = self.number
        self._send({"id": number, "method": method, "params": parameters})
        return self.listen(lambda message: message.get("id") == number and "method" not in message)["result"]

    def listen(self, wanted: Any, patience: float = 60.0) -> dict[str, Any]:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            message = self._read(end)
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
            elif message.get("method") == "workspace/configuration":
                answer = [self.settings.get(item.get("section"), {}) for item in message["params"]["items"]]
                self._send({"id": message["id"], "result": answer})
            elif "id" in message and "method" in message:
                self._send({"id": message["id"], "result": None})
            if wanted(message):
                return message
        raise AssertionError("the server did not answer")

    def _read(self, end: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        while b"\r\n\r\n" not in self.buffer or len(self.buffer) < self._length():
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.1, end - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                raise AssertionError("the server did not answer")
            self.buffer += more
        length = self._length()
        head = self.buffer.index(b"\r\n\r\n") + 4
        body, self.buffer = self.buffer[head:length], self.buffer[length:]
        found: dict[str, Any] = json.loads(body)
        return found

    def _length(self) -> int:
        head, _, _ = self.buffer.partition(b"\r\n\r\n")
        size = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        return len(head) + 4 + size

    def open(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Return what the server marks in a document."""
        self.tell("textDocument/didOpen", {"textDocument": {
            "uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}})  # fmt: skip
        self.listen(lambda message: message.get("params", {}).get("uri") == path.as_uri())
        return self.diagnostics[path.as_uri()]

    def at(self, method: str, path: Path, line: int, column: int) -> Any:
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}
        return self.ask(method, place)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    schema = folder / "list.schema.json"
    schema.write_text(json.dumps(json_schema(registry.plugins())))
    made = Server(folder, schema)
    yield made, folder
    made.process.kill()
    made.process.wait()


def test_a_right_list_is_not_marked(server) -> None:
    one, folder = server
    assert one.open(folder / "right.yml", LIST) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ("minimum: 0.001", "minimun: 0.001", 10, "minimun"),
        ("minimum: 0.001", "minimum: 7", 10, "maximum of 1"),
        ("filter: {sweep: [ramp, hann]}", "filter: ramps", 15, "ramp"),
        ("plugin: minus_log", "plugin: minus_logs", 9, "dark_flat_correction"),
        ("detector_x: 2", "detector_x: 0", 6, "minimum of 1"),
        ("steps:", "step:", 7, "step"),
    ],
)
def test_faults_are_marked_on_their_line(server, old, new, line, text) -> None:
    one, folder = server
    found = one.open(folder / f"wrong{abs(hash((old, new)))}.yml", LIST.replace(old, new))
    assert any(each["range"]["start"]["line"] == line and text in each["message"] for each in found), found


def test_plugins_and_parameters_are_completed_and_explained(server) -> None:
    one, folder = server
    path = folder / "completed.yml"
    text = LIST.replace("    minimum: 0.001\n", "    \n").replace("plugin: find_rotation_axis", "plugin: ")
    one.open(path, text)
    lines = text.splitlines()
    keys = {item["label"] for item in one.at("textDocument/completion", path, lines.index("    "), 4)["items"]}
    assert {"minimum", "open_beam"} <= keys
    assert "centre" not in keys
    names = {
        item["label"] for item in one.at("textDocument/completion", path, lines.index("  - plugin: "), 12)["items"]
    }
    assert {"find_rotation_axis", "reconstruct"} <= names
    assert "tomography" not in names
    one.open(folder / "hover.yml", LIST)
    said = one.at("textDocument/hover", folder / "hover.yml", LIST.splitlines().index("    minimum: 0.001"), 6)
    assert "transmissions below this are raised to it" in json.dumps(said["contents"])
