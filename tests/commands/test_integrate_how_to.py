"""The commands of the how-to page run, and the script prints what they made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import integrate_help as bench

PAGE = bench.ROOT / "docs" / "how-to" / "integrate-a-folder.md"


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page(tmp_path: Path, monkeypatch) -> None:
    bench.write_bench(tmp_path, 3)
    mask = np.zeros(bench.SHAPE, bool)
    mask[0] = True
    np.save(tmp_path / "mask.npy", mask)
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("shell") for line in block.splitlines()]
    assert len(lines) == 4
    for line in lines:
        command, name, *arguments = line.split()
        assert (command, name) == ("tomosaxs", "integrate")
        assert bench.integrate(*arguments) == 0
    assert sorted(path.name for path in (tmp_path / "images").glob("*.chi")) == [f"scan_{n}.chi" for n in range(3)]
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]],
        env=os.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "scan_0.tif (3, 1000)" in done.stdout


def test_the_options_of_the_page_exist() -> None:
    from tomosaxs_plugins.commands.integrate import integrate as command

    known = {name for parameter in command.params for name in parameter.opts}
    page = PAGE.read_text(encoding="utf-8").replace("--input", "").replace("--set", "")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page)) <= known
