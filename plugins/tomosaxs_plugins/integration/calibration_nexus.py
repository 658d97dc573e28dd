"""Detectors in NeXus files: NXdetector with or without transformations, and DAWN's calibrations."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import convert
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.nexus_fields import groups_of, in_pixels, length, scalar, text_of, wavelength_of
from tomosaxs_plugins.integration.nexus_transformations import chain_of, has_chain, step_matrix

Floats = NDArray[np.float64]
_TO_PICTURE = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Takes (x, y, z) of NeXus to (down, right, along the beam) of a picture as seen from the source."""


def read_nexus(path: Path, frame_shape: tuple[int, int] | None = None) -> DetectorGeometry:
    """Read the NXdetector of a file.

    Its modules with their pixel directions are used where they are given; else beam centre, distance along the
    beam and pixel sizes, turned by DAWN's orientation matrix or by the rotations that it depends on. The beam
    centre counts from the outer corner of pixel (0, 0), as DAWN writes it, in pixels or as a length. Without
    modules the array's columns run along -x and its rows along -y before any rotation.

    Parameters
    ----------
    frame_shape : (rows, columns), optional
        Of the frames; of several detectors in a file the one of this shape is taken.

    Raises
    ------
    ValueError
        When something is missing, has no units, or does not describe one flat grid of pixels.
    """
    with h5py.File(path, "r") as file:
        detector = _detector(file, frame_shape)
        modules = _modules(detector)
        wavelength = wavelength_of(file)
        if modules:
            return _from_modules(modules, wavelength, _shape(detector) or frame_shape)
        pixel = length(detector, "y_pixel_size"), length(detector, "x_pixel_size")
        centre = _centre(detector, "beam_center_y", pixel[0]), _centre(detector, "beam_center_x", pixel[1])
        shape = _shape(detector) or frame_shape
        distance = length(detector, _distance(detector))
        if "detector_orientation" in detector:
            orientation = np.asarray(detector["detector_orientation"][()], dtype=np.float64)
            if orientation.size != 9:
                raise ValueError(f"detector_orientation has {orientation.size} numbers instead of 9")
            return DetectorGeometry.from_dawn(centre, distance, orientation, pixel, wavelength, shape)
        turn = chain_of(detector)[:3, :3] if has_chain(detector) else np.eye(3)
        if "transformations" in detector and not has_chain(detector):
            raise ValueError(f"{detector.name} has NXtransformations and no depends_on that says where they begin")
        return DetectorGeometry.from_beam(centre, distance, _TO_PICTURE @ turn @ _TO_PICTURE, pixel, wavelength, shape)


def _detector(file: h5py.File, frame_shape: tuple[int, int] | None) -> h5py.Group:
    found = [
        group
        for group in groups_of(file, "NXdetector")
        if _modules(group) or (_distance(group) in group and "beam_center_x" in group)
    ]
    if len(found) > 1:
        fitting = [group for group in found if frame_shape is not None and _shape(group) == frame_shape]
        found = fitting if len(fitting) == 1 else found
    if len(found) != 1:
        names = ", ".join(group.name for group in found) or "none"
        raise ValueError(
            "exactly one NXdetector with distance and beam_center_x, or with detector modules, is needed; "
            f"found {names}"
        )
    return found[0]


def _distance(detector: h5py.Group) -> str:
    """Return the name of the distance; NXmx files of detectors' makers have the second."""
    return "detector_distance" if "detector_distance" in detector and "distance" not in detector else "distance"


def _shape(detector: h5py.Group) -> tuple[int, int] | None:
    if "y_pixel_number" in detector and "x_pixel_number" in detector:
        return int(scalar(detector["y_pixel_number"])), int(scalar(detector["x_pixel_number"]))
    data = detector.get("data")
    if isinstance(data, h5py.Dataset) and data.ndim >= 2:
        return int(data.shape[-2]), int(data.shape[-1])
    return None


def _centre(detector: h5py.Group, name: str, pixel: float) -> float:
    if name not in detector:
        raise ValueError(f"{name} is missing in {detector.name}")
    return in_pixels(scalar(detector[name]), text_of(detector[name].attrs.get("units", "")), pixel, name)


def _modules(detector: h5py.Group) -> list[h5py.Group]:
    return [
        node
        for node in detector.values()
        if isinstance(node, h5py.Group)
        and text_of(node.attrs.get("NX_class", "")) == "NXdetector_module"
        and "fast_pixel_direction" in node
        and "slow_pixel_direction" in node
    ]


def _from_modules(
    modules: list[h5py.Group], wavelength: float | None, shape: tuple[int, int] | None
) -> DetectorGeometry:
    """Build the geometry of modules that lie on one flat grid: corner of pixel (0, 0) and two pixel edges."""
    corner, slow, fast = _grid(modules[0])
    for other in modules[1:]:
        theirs = _grid(other)
        off = [np.linalg.norm(theirs[0] - corner), *(
            np.linalg.norm(mine - its) * 1e4 for mine, its in zip((slow, fast), theirs[1:], strict=True)
        )]  # fmt: skip
        if max(off) > 1e-2 * np.linalg.norm(slow):
            raise ValueError(
                f"{modules[0].name} and {other.name} do not lie on one flat grid of pixels: modules that are turned or "
                "shifted against each other cannot be described by one geometry"
            )
    # data_size is not asked: some programs write rows first, others columns first
    return from_edges(corner, slow, fast, wavelength, shape)


def _grid(module: h5py.Group) -> tuple[Floats, Floats, Floats]:
    """Return the corner of pixel (0, 0) and the edges of a pixel along rows and columns, in the laboratory, m."""
    directions = []
    for name in ("slow_pixel_direction", "fast_pixel_direction"):
        step = module[name]
        size = convert(scalar(step), text_of(step.attrs.get("units", "")), "m")
        own = np.asarray(step.attrs.get("vector", ()), dtype=np.float64).ravel()
        if own.size != 3 or not own.any():
            raise ValueError(f"{step.name} needs the attribute vector with three numbers")
        directions.append(chain_of(step)[:3, :3] @ own / np.linalg.norm(own) * size)
    slow, fast = directions
    if "module_offset" in module:
        place = chain_of(module["module_offset"]) @ step_matrix(module["module_offset"])
    else:
        place = chain_of(module["fast_pixel_direction"])
    first = np.ravel(module["data_origin"][()])[-2:] if "data_origin" in module else np.zeros(2)
    corner = np.asarray(place[:3, 3] - float(first[0]) * slow - float(first[1]) * fast, dtype=np.float64)
    return corner, slow, fast


def from_edges(
    corner: Floats, slow: Floats, fast: Floats, wavelength: float | None = None, shape: tuple[int, int] | None = None
) -> DetectorGeometry:
    """Build a geometry from vectors in NeXus' laboratory frame (m).

    Parameters
    ----------
    corner : (3,) array
        Outer corner of pixel (0, 0), seen from the sample.
    slow, fast : (3,) arrays
        From a pixel to the next along rows and along columns.

    Raises
    ------
    ValueError
        When the edges are not at right angles, or the beam does not meet the detector from the front.
    """
    edges = [_TO_PICTURE @ np.asarray(each, dtype=np.float64) for each in (slow, fast)]
    pixel = float(np.linalg.norm(edges[0])), float(np.linalg.norm(edges[1]))
    if not all(np.isfinite(pixel)) or min(pixel) <= 0:
        raise ValueError("a pixel direction has no length")
    down, right = edges[0] / pixel[0], edges[1] / pixel[1]
    if abs(down @ right) > 1e-4:
        raise ValueError("the slow and the fast pixel direction are not at right angles")
    place = _TO_PICTURE @ np.asarray(corner, dtype=np.float64)
    away = np.cross(down, right)
    if abs(away[2]) < 1e-9:
        raise ValueError("the detector stands along the beam")
    if away[2] < 0:  # the array is mirrored against the picture seen from the source: look from the other side
        mirror = np.array([1.0, -1.0, 1.0])
        down, right, place = down * mirror, right * mirror, place * mirror
        away = np.cross(down, right)
    beam = np.array([0.0, 0.0, 1.0])
    rows, columns, distance = np.linalg.solve(np.column_stack([down, right, -beam]), -place)
    if not distance > 0:
        raise ValueError(f"the beam meets the detector's plane at {distance:.6g} m: it stands before the sample")
    rotation = np.column_stack([down, right, away])
    return DetectorGeometry.from_beam(
        (float(rows) / pixel[0], float(columns) / pixel[1]), float(distance), rotation, pixel, wavelength, shape
    )
