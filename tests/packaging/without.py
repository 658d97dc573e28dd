"""Run tomosaxs in a Python in which a package seems not to be installed; prints what came of it as JSON.

python without.py PACKAGE '[["list"], ["run", "list.yml"]]'
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from typing import Any


class Hiding:
    """A finder that does not find one package; everything else goes on to the finder behind it."""

    def __init__(self, finder: Any, package: str) -> None:
        self.finder, self.package = finder, package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a module, unless it belongs to the hidden package."""
        if name.split(".")[0] == self.package:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def command(arguments: list[str]) -> dict[str, Any]:
    """Run one command and return its status and what it said."""
    from tomosaxs.cli import main

    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def loaded(entry: Any) -> str:
    """Import a plugin or backend; return why that does not work, or an empty text."""
    from tomosaxs.entries import load_target
    from tomosaxs.errors import InputError

    if entry.missing():
        return "missing: " + str(entry.missing())
    try:
        load_target(entry.target)
    except InputError as error:
        return f"import fails although needs={entry.needs}: {error}"
    return ""


def main() -> None:
    """Hide, run, tell."""
    package, commands = sys.argv[1], json.loads(sys.argv[2])
    sys.meta_path[:] = [Hiding(finder, package) for finder in sys.meta_path]
    answers = [command(arguments) for arguments in commands]
    from tomosaxs import registry

    plugins = registry.plugins()
    entries = {name: loaded(entry) for name, entry in plugins.items()}
    for name in plugins:
        for backend in registry.backends(name).values():
            entries[f"{name}: {backend.name}"] = loaded(backend)
    if importlib.util.find_spec(package) is not None or package in sys.modules:
        raise SystemExit(f"{package} was not hidden")
    print(json.dumps({"answers": answers, "entries": entries}))


if __name__ == "__main__":
    main()
