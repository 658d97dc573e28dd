"""The plugin contract, phantoms with exact line integrals, simulated scans and their truth."""

from __future__ import annotations

from tomosaxs.testing.contract import ContractError, check_plugin, run_plugin
from tomosaxs.testing.examples import example_source
from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Gaussian, Phantom, Shape, SoftEllipsoid
from tomosaxs.testing.samples import packing, plateau_masks, plateau_phantom, random_phantom, smooth_phantom
from tomosaxs.testing.saxs import SaxsSettings, SaxsTruth, saxs_map_scan
from tomosaxs.testing.scans import Defects, Instrument, ScanSettings, micro_ct_scan

__all__ = [
    "ContractError",
    "Cylinder",
    "Defects",
    "Ellipsoid",
    "Gaussian",
    "Instrument",
    "Phantom",
    "SaxsSettings",
    "SaxsTruth",
    "ScanSettings",
    "Shape",
    "SoftEllipsoid",
    "check_plugin",
    "example_source",
    "micro_ct_scan",
    "packing",
    "plateau_masks",
    "plateau_phantom",
    "random_phantom",
    "run_plugin",
    "saxs_map_scan",
    "smooth_phantom",
]
