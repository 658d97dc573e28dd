"""Machine code is kept outside the package, so that an uninstall leaves no folder that hides the next install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = """
from tomosaxs_plugins.compiled import compiled

@compiled
def twice(value: float) -> float:
    return 2 * value
"""


@pytest.mark.parametrize("home", ["writable", "no folder"])
def test_a_compiled_function_leaves_nothing_beside_its_source(tmp_path: Path, home: str) -> None:
    package, cache = tmp_path / "package", tmp_path / "cache"
    package.mkdir()
    (package / "kernel.py").write_text(KERNEL, encoding="utf-8")
    if home == "no folder":
        cache.write_text("a file, in which no folder can be made")
    done = subprocess.run(
        [sys.executable, "-c", "import kernel; print(kernel.twice(2.0))"],
        cwd=package,
        env={
            **{key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"},
            "PYTHONPATH": os.pathsep.join([str(package), *sys.path]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CACHE_HOME": str(cache),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "4.0"
    if home == "writable":
        assert [path.name for path in package.iterdir()] == ["kernel.py"]
        assert list(cache.rglob("kernel.twice-*"))


def test_machine_code_belongs_to_all_sources_it_was_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomosaxs_plugins import compiled

    package = tmp_path / "tomosaxs_plugins"
    (package / "outer").mkdir(parents=True)
    loop, inner, far = package / "outer" / "loop.py", package / "outer" / "inner.py", package / "far.py"
    loop.write_text("from tomosaxs_plugins.outer.inner import (\n    point,\n)\n")
    inner.write_text("import numpy\nfrom tomosaxs_plugins import far\n")
    far.write_text("x = 1\n")
    (package / "other.py").write_text("y = 1\n")
    monkeypatch.setattr(compiled, "__file__", str(package / "compiled.py"))

    def digest() -> str:
        compiled.sources_digest.cache_clear()
        return compiled.sources_digest(str(loop))

    before = digest()
    (package / "other.py").write_text("y = 2\n")
    assert digest() == before
    far.write_text("x = 2\n")
    assert digest() != before
    compiled.sources_digest.cache_clear()
