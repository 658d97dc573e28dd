"""Machine code is kept outside the package, so that an uninstall leaves no folder that hides the next install."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tomosaxs_plugins import machine_code

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
    package = tmp_path / "tomosaxs_plugins"
    (package / "outer").mkdir(parents=True)
    loop, inner, far = package / "outer" / "loop.py", package / "outer" / "inner.py", package / "far.py"
    loop.write_text("from tomosaxs_plugins.outer.inner import (\n    point,\n)\n")
    inner.write_text("import numpy\nfrom tomosaxs_plugins import far\n")
    far.write_text("x = 1\n")
    (package / "other.py").write_text("y = 1\n")
    monkeypatch.setattr(machine_code, "__file__", str(package / "machine_code.py"))

    def digest() -> str:
        machine_code.sources_digest.cache_clear()
        return machine_code.sources_digest(str(loop))

    before = digest()
    (package / "other.py").write_text("y = 2\n")
    assert digest() == before
    far.write_text("x = 2\n")
    assert digest() != before
    machine_code.sources_digest.cache_clear()


RANKS = """
import os, time
import kernel
kernel.twice.py_func  # numba is imported once
begin = time.monotonic() + 0.2
children = []
for _ in range(3):
    if not (child := os.fork()):
        time.sleep(max(0.0, begin - time.monotonic()))
        assert kernel.twice(2.0) == 4.0
        os._exit(100 + sum(kernel.twice.stats.cache_misses.values()))
    children.append(child)
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) - 100 for child in children))
"""


def _ranks(folder: Path, cache: Path) -> str:
    """Return how often every one of three processes compiled what they all call at the same time."""
    (folder / "kernel.py").write_text(KERNEL, encoding="utf-8")
    paths = os.pathsep.join([str(folder), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", RANKS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes wait for each other where there are locks on files")
def test_processes_that_need_the_same_machine_code_compile_it_once(tmp_path: Path) -> None:
    assert sorted(_ranks(tmp_path, tmp_path / "cache").split()) == ["0", "0", "1"]


def test_who_compiles_and_never_ends_is_waited_for_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl", reason="no locks on files here")
    monkeypatch.setattr(machine_code, "PATIENCE", 0.3)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stopped_kernel.py").write_text(KERNEL, encoding="utf-8")
    stopped = importlib.import_module("stopped_kernel")
    place = Path(stopped.twice._cache.cache_path)
    with (place / f"{stopped.twice._cache._impl.filename_base}.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        begin = time.monotonic()
        assert stopped.twice(2.0) == 4.0
        assert time.monotonic() - begin > 0.3
    assert list(place.glob("*.nbc"))
    sys.modules.pop("stopped_kernel")


def test_a_copy_of_the_package_finds_the_machine_code_of_the_first(tmp_path: Path) -> None:
    one, other = (tmp_path / name / "tomosaxs_plugins" / "loop.py" for name in ("one", "other"))
    found = {machine_code.place_of("tomosaxs_plugins.loop", str(file), "a digest", tmp_path) for file in (one, other)}
    assert len(found) == 1
    assert machine_code.place_of("tomosaxs_plugins.loop", str(one), "another", tmp_path) not in found
    mine = {machine_code.place_of("loop", str(file), "a digest", tmp_path) for file in (one, other)}
    assert len(mine) == 2
