"""The promise of --memory: what all ranks hold together stays within it and the stated constant of each rank.

Memory is measured from outside, as the sum of the proportional set sizes of the ranks, sampled fifty times a second.
The data are larger than what the budgets leave: a rank that kept what it has written, read or gathered would be seen.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs.memory import BESIDE, node_limit, proportional_size
from tomosaxs.testing.resident import Measured, measure
from tomosaxs.testing.samples import packing
from tomosaxs.testing.scans import ScanSettings, micro_ct_scan

ROOT = Path(__file__).resolve().parents[2]
MPIRUN = Path(sys.executable).with_name("mpirun")
OWN = "import sys; from tomosaxs.cli import run_main; sys.argv[0] = 'tomosaxs_run'; run_main()"
PONI = """\
poni_version: 2
Detector: Detector
Detector_config: {"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [256, 256]}
Distance: 2.0
Poni1: 0.02
Poni2: 0.02
Rot1: 0.0
Rot2: 0.0
Rot3: 0.0
Wavelength: 1e-10
"""
FRAMES = """\
title: Curves
input:
  frames:
    plugin: array
    path: frames.h5
    dataset: data
    axes: [x, detector_y, detector_x]
steps:
  - plugin: azimuthal_integrate
    calibration: calibration.poni
    bins: 400
    error_model: poisson
"""
PHASE = ["--set", "retrieve_phase.energy=20", "--set", "retrieve_phase.distance=0.1"]
ASTRA = """\
title: Another backend
input:
  tomo:
    plugin: tomography
    path: scan.nxs
    crop: {detector_y: [begin, begin+2], detector_x: [161, 481]}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: reconstruct
    backend: astra
    centre: 321.2
"""

pytestmark = pytest.mark.skipif(proportional_size() == 0, reason="this system does not tell how much memory is shared")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan whose volume has 105 MB, and 79 MB of diffraction patterns."""
    made = tmp_path_factory.mktemp("data")
    settings = ScanSettings(projections=61, rows=64, columns=640, centre=321.2, flats=5, darks=5)
    micro_ct_scan(made / "scan.nxs", packing(640, 64, seed=1), settings, seed=1)
    with h5py.File(made / "frames.h5", "w") as handle:
        values = np.random.default_rng(1).poisson(20.0, (1, 256, 256)).astype(np.int32)
        data = handle.create_dataset("data", (300, 256, 256), np.int32)
        for number in range(300):
            data[number] = values[0]
    (made / "calibration.poni").write_text(PONI)
    (made / "frames.yml").write_text(FRAMES)
    (made / "astra.yml").write_text(ASTRA)
    for name in ("tomography_fbp.yml", "phase_contrast.yml"):
        shutil.copy(ROOT / "process_lists" / name, made)
    return made


def run(folder: Path, output: Path, ranks: int, *arguments: str) -> Measured:
    """Run a list on some ranks, one thread each."""
    if ranks > 1 and not MPIRUN.is_file():
        pytest.skip("no mpirun beside this Python")
    paths = os.pathsep.join(str(ROOT / name) for name in ("framework", "plugins"))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "TOMOSAXS_RATES": "off"}
    start = [str(MPIRUN), "-n", str(ranks)] if ranks > 1 else []
    return measure(
        [*start, sys.executable, "-c", OWN, *arguments, "-o", output], folder=folder, environment=environment
    )


@pytest.mark.parametrize(
    ("ranks", "megabytes", "arguments"),
    [
        (1, 80, ["tomography_fbp.yml"]),
        (3, 240, ["phase_contrast.yml", *PHASE, "--intermediates", "file"]),
        (2, 60, ["frames.yml"]),
        pytest.param(1, 80, ["astra.yml"], id="astra"),
    ],
)
def test_ranks_stay_within_memory_and_the_constant(
    folder: Path, tmp_path: Path, ranks: int, megabytes: int, arguments: list[str]
) -> None:
    if arguments[0] == "astra.yml":
        pytest.importorskip("astra", reason="the backend astra is not installed")
    done = run(folder, tmp_path / "out", ranks, *arguments, "--memory", f"{megabytes}M")
    assert done.status == 0, done.text
    assert done.peak <= node_limit(megabytes * 1e6, ranks), (
        f"{done.peak / 1e6:.0f} MB, promised were {megabytes} and {BESIDE / 1e6:.0f} a rank"
    )


def test_too_little_is_refused_before_anything_runs_with_what_is_needed(folder: Path, tmp_path: Path) -> None:
    """And with what the message asks for it is planned."""
    done = run(folder, tmp_path / "out", 1, "tomography_fbp.yml", "--memory", "2M")
    assert done.status == 2
    assert "step 4 reconstruct needs" in done.text
    assert "2 MB are allowed" in done.text
    assert not (tmp_path / "out" / "result.nxs").exists()
    asked = done.text.split("give --memory ")[1].split(" or more")[0]
    from tomosaxs.cli.run import bytes_of
    from tomosaxs.library import plan

    need = bytes_of(asked)
    assert need is not None
    inputs = [f"tomo={folder / 'scan.nxs'}"]
    assert plan(folder / "tomography_fbp.yml", inputs=inputs, memory=need).passes[-1].block == 1
