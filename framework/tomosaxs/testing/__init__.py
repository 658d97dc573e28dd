"""Phantoms with exact line integrals, simulated scans and their truth, for tests and tutorials."""

from __future__ import annotations

from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Gaussian, Phantom, Shape, SoftEllipsoid
from tomosaxs.testing.samples import packing, plateau_masks, plateau_phantom, random_phantom, smooth_phantom
from tomosaxs.testing.saxs import SaxsSettings, SaxsTruth, saxs_map_scan
from tomosaxs.testing.scans import Defects, Instrument, ScanSettings, micro_ct_scan

__all__ = [
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
    "micro_ct_scan",
    "packing",
    "plateau_masks",
    "plateau_phantom",
    "random_phantom",
    "saxs_map_scan",
    "smooth_phantom",
]
