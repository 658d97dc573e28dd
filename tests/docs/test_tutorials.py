"""The tutorials are followed word by word: files are written, commands are run, Python is executed.

A block marked ``file=NAME`` is written to that file; a block marked ``shell`` is run by the shell and must end with
status 0 or the ``status=`` that it names; an unmarked block of Python is run by itself. Other blocks only show.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import median_filter

sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages

BIN = Path(sys.executable).parent
TUTORIALS = pages.DOCS / "tutorials"

pytestmark = [
    pytest.mark.skipif(
        not (BIN / "mpirun").exists(), reason=f"no mpirun beside {sys.executable}: install the extra mpi"
    ),
    pytest.mark.timeout(300),
]


def follow(name: str, place: Path, environment: dict[str, str], seconds: float = 120) -> None:
    """Do what a tutorial says; no command may take longer than `seconds`."""
    for block in pages.blocks(TUTORIALS / name):
        where = f"{name}:{block.line}"
        if "file" in block.options:
            target = place / block.options["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language == "shell":
            for command in block.text.strip().splitlines():
                status = int(block.options.get("status", 0))
                _run(["bash", "-c", command], where, place, environment, status, seconds)
        elif block.language == "python":
            _run([sys.executable, "-c", block.text], where, place, environment, 0)


def _run(
    command: list[str], where: str, place: Path, environment: dict[str, str], status: int, seconds: float = 120
) -> None:
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == status, f"{where}: {command[-1]}\nstatus {done.returncode}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, f"{where}: {done.stderr}"


def test_first_reconstruction(place: Path, environment: dict[str, str]) -> None:
    follow("first-reconstruction.md", place, environment)
    assert (place / "demo" / "result" / "report.html").is_file()
    # the list that the tutorial shows is the one that the demonstration writes
    shown = next(
        block.text for block in pages.blocks(TUTORIALS / "first-reconstruction.md") if block.language == "yaml"
    )
    assert shown in (place / "demo" / "tomography_demo.yml").read_text()


def test_your_first_plugin(place: Path, environment: dict[str, str]) -> None:
    if not (place / "demo" / "scan.nxs").exists():  # this test alone
        _run(["tomosaxs", "demo", "-o", "demo"], "demo", place, environment, 0)
    follow("your-first-plugin.md", place, environment)
    plugin = (place / "demo" / "rings.py").read_text()
    assert len([line for line in plugin.splitlines() if line.strip()]) <= 15
    before, after = (_ring(place / "demo" / name) for name in ("with_rings", "without_rings"))
    radius = int(np.argmax(np.abs(before)))
    assert abs(before[radius]) > 300  # 1/m; the material has 2500, and the noise of a mean around a circle some 50
    assert abs(after[radius]) < 0.3 * abs(before[radius])


def _ring(folder: Path) -> np.ndarray:
    """Return what stands out at every radius of the slice that the page shows, beside the truth (1/m)."""
    with h5py.File(folder / "result.nxs") as result, h5py.File(folder.parent / "truth.nxs") as truth:
        difference = result["entry/reconstruct/data"][35] - truth["entry/data/attenuation"][35]
    y, x = np.indices(difference.shape) - (difference.shape[0] - 1) / 2
    radius = np.hypot(x, y)
    inside = radius < 0.425 * difference.shape[0]
    ring = np.rint(radius[inside]).astype(int)
    mean = np.bincount(ring, difference[inside]) / np.maximum(np.bincount(ring), 1)
    return np.where(np.arange(len(mean)) < 15, 0, mean - median_filter(mean, 9))


def test_saxs_map(place: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("pyFAI", reason="the tutorial integrates with pyFAI: install the extra pyfai")
    follow("saxs-map.md", place, environment)
    shown = next(block.text for block in pages.blocks(TUTORIALS / "saxs-map.md") if block.language == "yaml")
    assert shown in (place / "saxs" / "saxs_demo.yml").read_text()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_fibre_reconstruction(place: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("numba", reason="fibre reconstruction needs numba")
    follow("fibre-reconstruction.md", place, environment, seconds=300)
    shown = [block.text for block in pages.blocks(TUTORIALS / "fibre-reconstruction.md") if block.language == "yaml"]
    assert all(text in (place / "fibres" / "fibres_demo.yml").read_text() for text in shown)


def test_the_fibre_tutorial_shows_the_list() -> None:
    text = (pages.ROOT / "process_lists" / "fibre_reconstruction.yml").read_text(encoding="utf-8")
    shown = [block.text for block in pages.blocks(TUTORIALS / "fibre-reconstruction.md") if block.language == "yaml"]
    assert shown
    assert all(each in text for each in shown)


def test_the_message_shown_is_the_one_given(place: Path, environment: dict[str, str]) -> None:
    page = (TUTORIALS / "your-first-plugin.md").read_text(encoding="utf-8")
    shown = re.search(r"^    (tomosaxs: error: .*)$", page, re.MULTILINE)
    assert shown is not None
    if not (place / "demo" / "without_rings.yml").exists():
        pytest.skip("the tutorial was not followed in this session")
    command = ["tomosaxs", "check", "demo/without_rings.yml", "--set", "remove_rings.size=999"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == shown[1]
