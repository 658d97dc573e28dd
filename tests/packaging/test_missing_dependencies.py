"""Every optional or plugin dependency missing in turn: what it takes away is told with the cure, the rest works."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging_help import ROOT, clean_environment

from tomosaxs import registry

PROGRAM = Path(__file__).with_name("without.py")

# What cannot be used without a package, plugins and backends by name.
AFFECTED: dict[str, set[str]] = {
    "astra": {"reconstruct: astra"},
    "fabio": {"azimuthal_integrate: pyfai", "cake: pyfai", "image_files"},
    "hdf5plugin": set(),
    "matplotlib": {"curve_plot"},
    "mpi4py": set(),
    "numba": {
        "azimuthal_integrate: tomosaxs",
        "azimuthal_library",
        "cake: tomosaxs",
        "correct_distortion",
        "correct_tilt",
        "dead_time",
        "downsample",
        "downsample_height",
        "estimate_amplitudes",
        "find_limits",
        "convert_360_to_180",
        "find_axis_by_reconstruction",
        "find_rotation_axis",
        "frame_corrections",
        "histogram",
        "ome_zarr",
        "radial_band",
        "reconstruct: tomosaxs",
        "reconstruct_fibres",
        "remove_all_stripes",
        "remove_dead_stripes",
        "remove_large_stripes",
        "remove_stripes_by_filtering",
        "remove_stripes_by_fitting",
        "remove_stripes_by_sorting",
        "remove_stripes_by_wavelets",
        "remove_zingers",
        "remove_zingers_across_frames",
        "remove_zingers_in_sinograms",
        "rescale",
        "retrieve_phase",
        "simulate_fibre_scan",
        "tiff_stack",
        "undo_rescale",
    },
    "numexpr": {
        "calculate",
        "dark_flat_correction",
        "minus_log",
        "azimuthal_integrate: pyfai",
        "cake: pyfai",
        "retrieve_phase",
        "eigen_flat_correction",
    },
    "pyFAI": {"azimuthal_integrate: pyfai", "cake: pyfai"},
    "scipy": {
        "azimuthal_integrate: pyfai",
        "cake: pyfai",
        "double_flat_field",
        "find_double_flat_field",
        "find_hot_pixels",
        "find_axis_by_reconstruction",
        "find_rotation_axis",
        "reconstruct: astra",
        "reconstruct: tomopy",
        "reconstruct: tomosaxs",
        "reconstruct_fibres",
        "remove_all_stripes",
        "remove_dead_stripes",
        "remove_large_stripes",
        "remove_stripes_by_filtering",
        "remove_stripes_by_fitting",
        "remove_stripes_by_sorting",
        "remove_stripes_by_wavelets",
        "retrieve_phase",
    },
    "silx": {"azimuthal_integrate: pyfai", "cake: pyfai"},
    "tifffile": {"tiff_stack"},
    "tomopy": {"reconstruct: tomopy"},
    "zarr": {"ome_zarr"},
}

HEAD = """\
input:
  tomo:
    plugin: tomography
    path: {scan}
steps:
"""
DOUBLE = '''\
from tomosaxs import Projections, plugin


@plugin
def double(data: Projections) -> Projections:
    """Double every value."""
    return 2 * data
'''
CORRECTED = """\
  - plugin: dark_flat_correction
  - plugin: minus_log
"""
# A list of steps that needs the package, and where and how its absence is told.
REFUSED: dict[str, tuple[str, str]] = {
    "astra": (CORRECTED + "  - plugin: reconstruct\n    backend: astra\n", "list.yml:9: step 3 reconstruct.backend"),
    "matplotlib": (CORRECTED + "output:\n  plugin: curve_plot\n", "list.yml:9: output curve_plot"),
    "numba": (CORRECTED + "  - plugin: find_rotation_axis\n", "list.yml:8: step 3 find_rotation_axis"),
    "numexpr": (CORRECTED, "list.yml:6: step 1 dark_flat_correction"),
    "pyFAI": (
        "  - plugin: azimuthal_integrate\n    backend: pyfai\n",
        "list.yml:7: step 1 azimuthal_integrate.backend",
    ),
    "scipy": ("  - plugin: reconstruct\n    backend: tomosaxs\n", "list.yml:7: step 1 reconstruct.backend"),
    "tifffile": ("  - plugin: tiff_stack\n", "list.yml:6: step 1 tiff_stack"),
    "tomopy": ("  - plugin: reconstruct\n    backend: tomopy\n", "list.yml:7: step 1 reconstruct.backend"),
}


def _without(package: str, commands: list[list[str]], folder: Path, **more: str) -> dict[str, Any]:
    environment = clean_environment(PYTHONPATH=f"{ROOT / 'framework'}:{ROOT / 'plugins'}", **more)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), package, json.dumps(commands)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _write(folder: Path, scan: Path) -> None:
    (folder / "double.py").write_text(DOUBLE)
    (folder / "double.yml").write_text(HEAD.format(scan=scan) + "  - plugin: ./double.py:double\n")


def _not_here() -> set[str]:
    """Return what cannot be used in this environment anyway."""
    absent = {name for name, entry in registry.plugins().items() if entry.missing()}
    for name in registry.plugins():
        absent.update(f"{name}: {entry.name}" for entry in registry.backends(name).values() if entry.missing())
    return absent


@pytest.mark.parametrize("package", AFFECTED)
def test_what_is_affected_is_told_and_the_rest_works(package: str, tmp_path: Path, small_scan: Path) -> None:
    _write(tmp_path, small_scan)
    commands = [["--help"], ["list"], ["run", "double.yml"]]
    if package in REFUSED:
        (tmp_path / "list.yml").write_text(HEAD.format(scan=small_scan) + REFUSED[package][0])
        commands.append(["run", "list.yml"])
    found = _without(package, commands, tmp_path)
    answers = found["answers"]

    assert answers[0]["status"] == 0
    unusable = {name for name, reason in found["entries"].items() if reason}
    assert unusable == AFFECTED[package] | _not_here()
    wrong = {name: reason for name, reason in found["entries"].items() if reason.startswith("import fails")}
    assert not wrong, "give the entry in index.py its needs="

    listing = answers[1]["out"]
    assert answers[1]["status"] == 0
    for name in AFFECTED[package]:
        after = listing[listing.index(f"  {name} ") :].splitlines()
        assert "not available: needs" in after[1], after[:2]
        assert package in after[1].split(";")[0]
        assert "install with: " in after[1]

    assert answers[2]["status"] == 0, answers[2]["err"]
    assert (tmp_path / "double" / "result.nxs").is_file()
    assert (tmp_path / "double" / "report.html").is_file()

    if package in REFUSED:
        answer = answers[3]
        assert answer["status"] == 2, answer
        assert REFUSED[package][1] in answer["err"]
        assert f"{package}, which is not installed; install with: " in answer["err"]
        assert not (tmp_path / "list").exists()
        assert "Traceback" not in answer["err"]


def test_another_backend_stands_in(tmp_path: Path, small_scan: Path) -> None:
    if importlib.util.find_spec("astra") is None:
        pytest.skip("astra is not installed")
    (tmp_path / "list.yml").write_text(HEAD.format(scan=small_scan) + CORRECTED + "  - plugin: reconstruct\n")
    (answer,) = _without("numba", [["run", "list.yml"]], tmp_path)["answers"]
    assert answer["status"] == 0, answer["err"]


def test_mpi_under_a_launcher_without_mpi4py(tmp_path: Path, small_scan: Path) -> None:
    _write(tmp_path, small_scan)
    told = _without("mpi4py", [["run", "double.yml"]], tmp_path, PMI_RANK="0", PMI_SIZE="2")["answers"][0]
    assert told["status"] == 2
    assert "pip install 'tomosaxs[mpi]'" in told["err"]


def test_a_compressed_scan_without_hdf5plugin(tmp_path: Path, small_scan: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin")
    h5py = pytest.importorskip("h5py")
    scan = tmp_path / "scan.nxs"
    shutil.copy(small_scan, scan)
    with h5py.File(scan, "r+") as file:
        where = "entry/instrument/detector/data"
        values = file[where][()]
        attributes = dict(file[where].attrs)
        del file[where]
        file.create_dataset(where, data=values, chunks=(1, *values.shape[1:]), **hdf5plugin.Bitshuffle())
        file[where].attrs.update(attributes)
    _write(tmp_path, scan)
    told = _without("hdf5plugin", [["run", "double.yml"]], tmp_path)["answers"][0]
    assert told["status"] == 2
    assert "pip install hdf5plugin" in told["err"]
    assert "scan.nxs" in told["err"]
