"""The demonstrations: a simulated scan, its truth and one process list that runs on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tomosaxs.errors import InputError, did_you_mean

_OWN = "# A demonstration made by tomosaxs"

_TOMOGRAPHY_LIST = f"""{_OWN}: a capillary of porous grains.
title: Porous grains, absorption tomography
input:
  tomo:
    plugin: tomography
    path: scan.nxs
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: find_rotation_axis
    name: axis
  - plugin: reconstruct
    backend: auto
    algorithm: fbp
    centre: ${{axis}}
    save: true
output:
  plugin: nexus
"""

_SAXS_LIST = f"""{_OWN}: a layered inclusion in a matrix.
title: Layered inclusion, SAXS raster tomography
input:
  saxs:
    plugin: raster_map
    path: saxs_map.nxs
    technique: xrd
steps:
  - plugin: azimuthal_integrate
    calibration: calibration.nxs
    bins: 200
    unit: q_nm^-1
    error_model: poisson
    save: true
output:
  plugin: nexus
"""


def _shipped(name: str, what: str) -> str:
    """Return a ready-made list as the list of a demonstration."""
    from tomosaxs.shipped import shipped_lists

    return f"{_OWN}: {what}.\n{shipped_lists()[name].read_text()}"


def _tomography(folder: Path) -> None:
    from tomosaxs.testing.samples import packing
    from tomosaxs.testing.scans import ScanSettings, micro_ct_scan

    settings = ScanSettings(projections=401, rows=64, columns=288, closed=True, centre=151.3, subsample=2)
    phantom = packing(settings.columns, settings.rows, seed=4)
    micro_ct_scan(folder / "scan.nxs", phantom, settings, seed=1, truth=folder / "truth.nxs")


def _extended_field(folder: Path) -> None:
    """The sample is nearly twice as wide as the detector; turned by 360 degrees it is seen whole."""
    from tomosaxs.testing.samples import packing
    from tomosaxs.testing.scans import ScanSettings, micro_ct_scan

    settings = ScanSettings(
        projections=720, rows=32, columns=192, span=360.0, closed=False, centre=28.6, subsample=2, width=326
    )
    micro_ct_scan(folder / "scan.nxs", packing(326, 32, seed=4), settings, seed=1, truth=folder / "truth.nxs")


def _phase_contrast(folder: Path) -> None:
    """A sample that hardly absorbs, a long way from the detector."""
    from tomosaxs.testing.samples import packing
    from tomosaxs.testing.scans import Defects, ScanSettings, micro_ct_scan

    settings = ScanSettings(
        projections=401, rows=64, columns=288, closed=True, centre=151.3, subsample=2, delta_beta=200.0
    )
    phantom = packing(settings.columns, settings.rows, seed=4, absorption=0.1)
    micro_ct_scan(folder / "scan.nxs", phantom, settings, Defects(photons=2000.0), seed=1, truth=folder / "truth.nxs")


def _saxs(folder: Path) -> None:
    from tomosaxs.testing.saxs import SaxsSettings, saxs_map_scan

    settings = SaxsSettings(angles=tuple(float(angle) for angle in range(0, 180, 15)), x_points=13, flux=8.0)
    saxs_map_scan(folder / "saxs_map.nxs", folder / "calibration.nxs", settings, seed=1, truth=folder / "truth.nxs")


def _nothing(folder: Path) -> None:
    """Write no data: the list's own loader simulates them."""


@dataclass(frozen=True)
class Demo:
    """One demonstration: the list's name and text, the data files with their titles, what writes them.

    `shipped` names a ready-made list instead of a text, and says what it is run on.
    """

    list_name: str
    text: str
    data: dict[str, str]
    write: Callable[[Path], None]
    shipped: tuple[str, str] = ("", "")

    def list_text(self) -> str:
        """Return the text of the list."""
        return _shipped(*self.shipped) if self.shipped[0] else self.text


_MICRO_CT = {"scan.nxs": "Simulated micro-CT scan", "truth.nxs": "Truth of a simulated micro-CT scan"}
DEMOS = {
    "tomography": Demo("tomography_demo.yml", _TOMOGRAPHY_LIST, _MICRO_CT, _tomography),
    "extended_field": Demo(
        "extended_field_demo.yml",
        "",
        _MICRO_CT,
        _extended_field,
        ("extended_field", "porous grains, wider than the detector"),
    ),
    "phase_contrast": Demo(
        "phase_contrast_demo.yml",
        "",
        _MICRO_CT,
        _phase_contrast,
        ("phase_contrast", "porous grains that hardly absorb"),
    ),
    "saxs": Demo(
        "saxs_demo.yml",
        _SAXS_LIST,
        {
            "saxs_map.nxs": "Simulated SAXS raster tomography",
            "calibration.nxs": "Calibration of a simulated SAXS detector",
            "truth.nxs": "Truth of a simulated SAXS raster tomography",
        },
        _saxs,
    ),
    "fibres": Demo(
        "fibres_demo.yml",
        "",
        {},
        _nothing,
        ("fibre_reconstruction", "collagen fibres on a lattice, simulated while the list runs"),
    ),
}


def make_demo(name: str = "tomography", directory: Path | str = ".") -> Path:
    """Write a simulated scan, its truth and exactly one process list into a folder.

    Parameters
    ----------
    name : str
        ``tomography`` (micro-CT with an off-centre axis, noise, rings, zingers and a drifting beam),
        ``extended_field`` (360 degrees with the axis near the edge of the detector), ``phase_contrast`` (edges enhanced
        by propagation), ``saxs`` (a raster tomography of rank five) or ``fibres`` (collagen fibres; the list simulates
        them itself, no data are written).
    directory : Path or str
        Made if it is not there. Files of an earlier demonstration of the same name are replaced.

    Returns
    -------
    Path
        The process list.

    Raises
    ------
    InputError
        No such demonstration; or the folder holds a file or another list that is not the demonstration's.
    """
    if name not in DEMOS:
        raise InputError(f"no demonstration {name!r}{did_you_mean(name, DEMOS)}")
    demo = DEMOS[name]
    folder = Path(directory)
    process_list = folder / demo.list_name
    _refuse_foreign(folder, process_list, demo)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The list comes last, so that a list is never there without its scan.
        process_list.unlink(missing_ok=True)
        demo.write(folder)
        process_list.write_text(demo.list_text(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write the demonstration into {folder}: {error}") from error
    return process_list


def _refuse_foreign(folder: Path, process_list: Path, demo: Demo) -> None:
    """Raise where a file that would be written exists and was not made by a demonstration."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write the demonstration into {folder}: it is a file, not a folder")
    foreign = [
        folder / name
        for name, title in demo.data.items()
        if os.path.lexists(folder / name) and not _own_data(folder / name, title)
    ]
    if os.path.lexists(process_list) and not _own_list(process_list):
        foreign.append(process_list)
    if foreign:
        raise InputError(
            "not made by this demonstration and not overwritten: "
            + ", ".join(str(path) for path in foreign)
            + "; give another folder with -o DIR"
        )


def _own_list(path: Path) -> bool:
    try:
        return path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith(_OWN)
    except OSError:
        return False


def _own_data(path: Path, title: str) -> bool:
    """Tell whether a data file carries the title of the simulated one."""
    if path.is_symlink() or not path.is_file():
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = file.get("entry/title")
            return isinstance(found, h5py.Dataset) and bool(found.asstr()[()] == title)
    except (OSError, TypeError):
        # Not an HDF5 file, or its title is no text.
        return False
