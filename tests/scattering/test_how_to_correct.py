"""The lists and the script of the how-to page run on a small map."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tomosaxs
from tomosaxs.testing import SaxsSettings, saxs_map_scan

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "correct-saxs-frames.md"


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the page names."""
    made = tmp_path_factory.mktemp("saxs")
    saxs_map_scan(made / "sample.nxs", calibration=made / "calibration.nxs")
    for name in ("dispersant", "empty"):
        shutil.copy(made / "sample.nxs", made / f"{name}.nxs")
    settings = SaxsSettings()  # the page's times and thicknesses go with it by chance only
    for name in ("flat", "background"):
        np.save(made / f"{name}.npy", np.full((settings.rows, settings.columns), 1e-9 if name == "background" else 7.0))
    return made


def run(text: str, folder: Path, name: str) -> dict[str, np.ndarray]:
    """Run a list and return what it saved."""
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    result = tomosaxs.run(folder / f"{name}.yml", output=folder / name, log=lambda line: None)
    return {saved.name: saved.values() for saved in result.datasets}


def test_the_chain_of_one_scan(folder: Path) -> None:
    made = run(blocks("yaml")[0], folder, "chain")
    assert made["azimuthal_integrate"].shape == (3, 4, 5, 100)
    assert np.isfinite(made["azimuthal_integrate"]).all()


def test_the_chain_in_one_pass(folder: Path) -> None:
    head = blocks("yaml")[0].split("steps:")[0]
    made = run(head + "steps:\n" + blocks("yaml")[1], folder, "one_pass")
    assert np.isfinite(made["frame_corrections"]).all()


def test_a_sample_in_a_dispersant(folder: Path) -> None:
    made = run(blocks("yaml")[2], folder, "dispersed")
    frames = made["displaced_volume"]
    assert frames.shape == (3, 4, 5, 120, 160)
    # three copies of one scan: s / 0.12 - b / 0.88 - (1 - 0.49) (f / 0.16 - b / 0.88), everything over the monitor
    plain = run(blocks("yaml")[2].split("steps:")[0] + FLUX, folder, "plain")["plain"]
    weight = 1 / 0.12 - 1 / 0.88 - 0.51 * (1 / 0.16 - 1 / 0.88)
    assert_allclose(frames, weight * plain, rtol=1e-5)


FLUX = """steps:
  - plugin: flux_and_transmission
    name: plain
    on: sample
    transmission: 1.0
"""


def test_an_expression(folder: Path) -> None:
    head = blocks("yaml")[0].split("steps:")[0]
    made = run(head + "steps:\n" + blocks("yaml")[3], folder, "expression")["calculate"]
    assert made.min() >= 0
    assert made.max() > 0


def test_the_script() -> None:
    roots = os.pathsep.join(str(PAGE.parents[2] / each) for each in ("framework", "plugins"))
    found = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]],
        env={**os.environ, "PYTHONPATH": roots}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    # 20000 exp(0.11) = 22400 arrived; their deviation is sqrt(20000) exp(0.11) / (1 - 0.11) = 180
    value, _, deviation = found.stdout.split()
    assert float(value) == pytest.approx(22_400, abs=1000)
    assert float(deviation) == pytest.approx(180, abs=5)
