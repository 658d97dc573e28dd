"""The shipped list of 8-bit volumes as it is, and every way of saving its volume, by any ranks and blocks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

tifffile = pytest.importorskip("tifffile")
LIST = Path(__file__).resolve().parents[2] / "process_lists" / "eight_bit_volume.yml"
MPIRUN = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")
SAVERS = """\
  - plugin: raw_volume
    limits: [10, 240]
{zarr}
"""
ZARR = """\
  - plugin: ome_zarr
    chunk: [8, 16, 16]
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.nxs"
    settings = ScanSettings(projections=41, rows=20, columns=40, centre=19.2, closed=True, flats=3, darks=3)
    micro_ct_scan(path, smooth_phantom(40, 20, 0.02), settings, seed=3)
    return path


@pytest.fixture(scope="module")
def shipped(scan, tmp_path_factory):
    """The list as it is."""
    return tomosaxs.run(
        LIST, inputs=[str(scan)], output=tmp_path_factory.mktemp("eight") / "out", log=lambda text: None
    )


def listing(folder, scan):
    """The shipped list with further savers."""
    text = LIST.read_text().replace("scan.nxs", str(scan))
    more = SAVERS.format(zarr=ZARR if find_spec("zarr") is not None else "")
    path = folder / "list.yml"
    path.write_text(text.replace("output:\n", more + "output:\n"))
    return path


def files(folder):
    """Return the bytes of all files of the saving steps."""
    names = ("tiff_stack", "raw_volume", "ome_zarr")
    found = [path for name in names for path in (folder / name).rglob("*") if path.is_file() and path.name != ".key"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_levels_round_trip_to_the_stated_scale(shipped, scan, tmp_path):
    text = LIST.read_text()
    floats = tmp_path / "floats.yml"  # the same, without what makes grey levels of it
    floats.write_text(text[: text.index("  - plugin: find_limits")].replace("scan.nxs", str(scan)))
    values = tomosaxs.run(floats, output=tmp_path / "floats", log=lambda text: None).data
    levels = shipped.data
    assert levels.dtype == np.uint8
    with h5py.File(shipped.path) as handle:
        group = handle["entry/rescale"]
        scale, offset = group["data_scaling_factor"][()], group["data_offset"][()]
        axis = handle["entry/instrument/detector/x_rotation_axis_pixel_position"][()]
        low, high = handle["entry/estimates/limits/value"][()]
    np.testing.assert_allclose([scale, offset * scale], [(high - low) / 255, low])
    assert abs(axis - 19.2) < 0.3
    back = (levels + offset) * scale
    inside = (values >= low) & (values <= high)
    assert inside.mean() > 0.99
    assert np.abs(back - values)[inside].max() <= 0.5 * scale * (1 + 1e-6)
    # every TIFF says the same of itself
    with tifffile.TiffFile(shipped.folder / "tiff_stack" / "slice_00007.tif") as file:
        np.testing.assert_array_equal(file.asarray(), levels[7])
        told = file.imagej_metadata
    np.testing.assert_allclose([told["c0"], told["c1"]], [low, scale])
    assert (told["vunit"], told["unit"], told["spacing"]) == ("1/m", "um", 3.25)


def test_the_loader_of_results_knows_the_scale(shipped, tmp_path):
    again = tmp_path / "again.yml"
    again.write_text(
        f"input:\n  tomo:\n    plugin: result\n    path: {shipped.path}\nsteps:\n  - plugin: undo_rescale\n"
    )
    back = tomosaxs.run(again, output=tmp_path / "again", log=lambda text: None)
    low, high = shipped.estimates["limits"].value
    np.testing.assert_allclose(back.data, shipped.data * ((high - low) / 255) + low, rtol=1e-5, atol=1e-3)
    assert back.datasets[-1].dataset.units == "1/m"


@pytest.fixture(scope="module")
def whole(scan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    tomosaxs.run(listing(folder, scan), output=folder / "out", log=lambda text: None)
    return folder / "out"


def test_any_blocks_give_the_same_files_and_a_second_run_replaces_them(whole, scan, tmp_path):
    expected = files(whole)
    made = listing(tmp_path, scan)
    out = tmp_path / "out"
    tomosaxs.run(made, output=out, settings=["rescale.bits=16"], block=20, log=lambda text: None)
    assert files(out) != expected
    tomosaxs.run(made, output=out, block=3, log=lambda text: None)
    assert files(out) == expected
    assert not any(".parts" in str(path) or ".slabs" in str(path) for path in out.rglob("*"))


def test_any_ranks_give_the_same_files(whole, scan, tmp_path):
    if MPIRUN is None or find_spec("mpi4py") is None:
        pytest.skip("no mpirun beside this Python, or no mpi4py: pip install 'tomosaxs[mpi]'")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PMI_", "OMPI_", "PMIX_"))}
    done = subprocess.run(
        [MPIRUN, "-n", "2", sys.executable, "-m", "tomosaxs", "run", listing(tmp_path, scan), "-o", "out", "--block=3"],
        cwd=tmp_path, env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "out") == files(whole)
