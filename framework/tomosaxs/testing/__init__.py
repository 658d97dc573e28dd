"""The plugin contract, phantoms with exact line integrals, simulated scans and their truth.

Names are imported when they are first used, so that ``import tomosaxs.testing`` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tomosaxs.testing.contract import ContractError, check_plugin
    from tomosaxs.testing.examples import example_source
    from tomosaxs.testing.i22_files import I22Settings, I22Truth, i22_scan, i22_scans
    from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Gaussian, Phantom, Shape, SoftEllipsoid
    from tomosaxs.testing.samples import packing, plateau_masks, plateau_phantom, random_phantom, smooth_phantom
    from tomosaxs.testing.saxs import SaxsSettings, SaxsTruth, saxs_map_scan
    from tomosaxs.testing.scans import Defects, Instrument, ScanSettings, micro_ct_scan
    from tomosaxs.testing.single import run_plugin

_HOMES = {
    "contract": ("ContractError", "check_plugin"),
    "examples": ("example_source",),
    "i22_files": ("I22Settings", "I22Truth", "i22_scan", "i22_scans"),
    "phantoms": ("Cylinder", "Ellipsoid", "Gaussian", "Phantom", "Shape", "SoftEllipsoid"),
    "samples": ("packing", "plateau_masks", "plateau_phantom", "random_phantom", "smooth_phantom"),
    "saxs": ("SaxsSettings", "SaxsTruth", "saxs_map_scan"),
    "scans": ("Defects", "Instrument", "ScanSettings", "micro_ct_scan"),
    "single": ("run_plugin",),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tomosaxs.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tomosaxs.testing.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])


__all__ = [
    "ContractError",
    "Cylinder",
    "Defects",
    "Ellipsoid",
    "Gaussian",
    "I22Settings",
    "I22Truth",
    "Instrument",
    "Phantom",
    "SaxsSettings",
    "SaxsTruth",
    "ScanSettings",
    "Shape",
    "SoftEllipsoid",
    "check_plugin",
    "example_source",
    "i22_scan",
    "i22_scans",
    "micro_ct_scan",
    "packing",
    "plateau_masks",
    "plateau_phantom",
    "random_phantom",
    "run_plugin",
    "saxs_map_scan",
    "smooth_phantom",
]
