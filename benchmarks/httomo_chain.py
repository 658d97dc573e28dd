"""Time a whole list beside httomo on the CPU: the same scan, steps and output.

    python benchmarks/httomo_chain.py [scan.nxs] --httomo "COMMAND" [--repeat 3] [--ranks 1,2]

Load, dark and flat field, logarithm, rotation axis, reconstruction of every slice, volume to HDF5; once with Vo's
method for the axis in both, once with the axis given. httomo runs TomoPy's methods (normalize, minus_log,
find_center_vo, gridrec) through its own runner, tomosaxs its own. COMMAND starts the Python in which httomo,
httomo-backends, httomolib and TomoPy are installed, for instance "/opt/httomo/bin/python", or
"env LD_LIBRARY_PATH=... python"; without one the peer is left out. httomo writes by parallel HDF5; where its h5py has
none, it is started on one rank only, with the plain driver instead. Both get all cores: threads on one rank, ranks by
mpirun.

Chains take turns; medians of wall, processor seconds and peak memory (PSS over all processes) are printed, then the
error of the middle slice against truth (relative RMS, in nine tenths of the field).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from run_chain import ROOT, TOMOSAXS, Variant, table

PEER = """
import h5py
if not h5py.get_config().mpi:
    plain = h5py.File
    class File(plain):
        def __init__(self, name, mode="r", driver=None, comm=None, **more):
            assert driver != "mpio" or comm.size == 1, "h5py has no parallel HDF5: one rank only"
            super().__init__(name, mode, driver=None if driver == "mpio" else driver, **more)
    h5py.File = File
from httomo.cli import main
main()
"""
"""httomo as it is, with HDF5's plain driver on one rank where the parallel one is missing."""

LOAD = """\
- method: standard_tomo
  module_path: httomo.data.hdf.loaders
  parameters:
    data_path: entry/instrument/detector/data
    image_key_path: entry/instrument/detector/image_key
    rotation_angles: {data_path: /entry/sample/rotation_angle}
- method: normalize
  module_path: tomopy.prep.normalize
  parameters: {cutoff: null, averaging: mean}
- method: minus_log
  module_path: tomopy.prep.normalize
  parameters: {}
"""
SEARCH = """\
- method: find_center_vo
  module_path: tomopy.recon.rotation
  parameters: {ind: mid, smin: -50, smax: 50, srad: 6, step: 0.25, ratio: 0.5, drop: 20}
  id: centering
  side_outputs: {cor: centre_of_rotation}
"""
RECONSTRUCT = """\
- method: recon
  module_path: tomopy.recon.algorithm
  parameters:
    center: CENTRE
    sinogram_order: false
    algorithm: gridrec
    init_recon: null
    filter_name: ramlak
  save_result: true
"""
LIST = """\
title: as httomo does it
input:
  tomo: {plugin: tomography, path: scan.nxs}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
SEARCH  - plugin: reconstruct
    backend: tomosaxs
    algorithm: fbp
    centre: CENTRE
    save: true
output: {plugin: nexus}
"""


def write_lists(folder: Path, centre: float) -> None:
    """Write the four lists."""
    found = "${{centering.side_outputs.centre_of_rotation}}"
    (folder / "httomo_vo.yaml").write_text(LOAD + SEARCH + RECONSTRUCT.replace("CENTRE", found))
    (folder / "httomo_given.yaml").write_text(LOAD + RECONSTRUCT.replace("CENTRE", str(centre)))
    search = "  - plugin: find_rotation_axis\n    name: axis\n    method: vo\n"
    (folder / "own_vo.yml").write_text(LIST.replace("SEARCH", search).replace("CENTRE", "${axis}"))
    (folder / "own_given.yml").write_text(LIST.replace("SEARCH", "").replace("CENTRE", str(centre)))


def variants(scan: Path, axis: str, peer: list[str], ranks: list[int]) -> list[Variant]:
    """Return what is compared, for one way to the axis."""
    found = []
    for count in ranks:
        mpirun = [str(Path(sys.executable).with_name("mpirun")), "-n", str(count)] if count > 1 else []
        own = [*mpirun, sys.executable, "-c", TOMOSAXS, f"own_{axis}.yml", "--input", str(scan)]
        found.append(Variant(f"tomosaxs, {count} rank(s), {axis}", [*own, "-o", f"own_{axis}_{count}"]))
    if peer:
        out = f"peer_{axis}"
        found.append(
            Variant(f"httomo, 1 rank, {axis}", [*peer, "-c", PEER, "run", str(scan), f"httomo_{axis}.yaml", out])
        )
    return found


def error(volume: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the relative RMS error of a slice in nine tenths of the field, raw and with gain and offset fitted."""
    side = truth.shape[0]
    inside = np.hypot(*np.indices(truth.shape) - (side - 1) / 2) < 0.45 * side
    found, true = volume[inside].astype(float), truth[inside].astype(float)
    fitted = np.polyval(np.polyfit(found, true, 1), found)
    return tuple(float(np.sqrt(np.mean((each - true) ** 2) / np.mean(true**2))) for each in (found, fitted))


def told_error(name: str, slices: list[np.ndarray], truth: np.ndarray) -> str:
    """Say the errors of the best of some orientations of a slice."""
    raw, fitted = min(error(each, truth) for each in slices)
    return f"{name}: error {raw:.3f}, after a fit of gain and offset {fitted:.3f}"


def judged(folder: Path, scan: Path) -> list[str]:
    """Return the error of the volumes that were written last."""
    truth_file = scan.with_name(scan.stem + "_truth.nxs")
    if not truth_file.is_file():
        return []
    with h5py.File(truth_file) as file, h5py.File(scan) as measured:
        truth = file["entry/data/attenuation"][file["entry/data/attenuation"].shape[0] // 2]
        pixel = float(measured["entry/instrument/detector/x_pixel_size"][()])
    told = []
    for result in sorted(folder.glob("own_*/result.nxs")):
        with h5py.File(result) as file:
            volume = file["entry/reconstruct/data"]
            told.append(told_error(result.parent.name, [volume[volume.shape[0] // 2]], truth))
    for place in sorted(folder.glob("peer_*")):
        result = max(place.glob("*/*.h5"), key=os.path.getmtime)
        with h5py.File(result) as file:
            volume = file["data"]
            picture = volume[:, volume.shape[1] // 2] / pixel
        told.append(told_error(place.name, [np.rot90(e, n) for e in (picture, picture.T) for n in range(4)], truth))
    return told


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path, nargs="?", help="NXtomo scan; default one is made by make_scan.py")
    parser.add_argument("--httomo", default="", help="command of the Python in which httomo is installed")
    parser.add_argument("--ranks", default="1", help="of tomosaxs, comma between them")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--centre", type=float, help="the axis where it is given; default that of the truth beside the scan"
    )
    given = parser.parse_args()
    peer = shlex.split(given.httomo)
    if (
        peer
        and subprocess.run(
            [*peer, "-c", "import httomo.cli, tomopy, httomolib"], capture_output=True, check=False
        ).returncode
    ):
        print(f"{given.httomo}: httomo, httomolib or tomopy cannot be imported there, left out")
        peer = []
    elif not peer:
        print("no --httomo: the peer is left out")
    paths = os.pathsep.join(str(ROOT / name) for name in ("framework", "plugins"))
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_") as name:
        folder = Path(name)
        scan = given.scan.absolute() if given.scan else folder / "scan.nxs"
        if not scan.is_file():
            made = [sys.executable, str(ROOT / "benchmarks/make_scan.py"), str(scan)]
            subprocess.run(made, env={**environment, "PYTHONPATH": paths}, check=True)
        write_lists(folder, _centre(given.centre, scan))
        for axis in ("vo", "given"):
            found = variants(scan, axis, peer, [int(count) for count in given.ranks.split(",")])
            for each in found:
                if each.name.startswith("httomo"):
                    (folder / f"peer_{axis}").mkdir()
            for number in range(given.repeat + 1):
                for each in found:
                    for old in folder.glob(f"peer_{axis}/*"):
                        if each.name.startswith("httomo"):
                            shutil.rmtree(old)
                    own = {"PYTHONPATH": paths} if each.name.startswith("tomosaxs") else {}
                    each.measure({**environment, **own}, folder)
                    if number == 0:
                        each.seconds.clear(), each.processor.clear(), each.memory.clear()
            print(table(found))
        print("\n".join(judged(folder, scan)))


def _centre(asked: float | None, scan: Path) -> float:
    truth = scan.with_name(scan.stem + "_truth.nxs")
    if asked is not None or not truth.is_file():
        return 326.4 if asked is None else asked
    with h5py.File(truth) as file:
        return float(file["entry/estimates/axis/value"][()])


if __name__ == "__main__":
    main()
