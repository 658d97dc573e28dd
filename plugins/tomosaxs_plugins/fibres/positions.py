"""Where fibres lie, from the beam paths that see them; plain numpy, no framework."""

from __future__ import annotations

import numpy as np

from tomosaxs_plugins.fibres.problem import BeamPaths, Floats


def positions_of(paths: BeamPaths, beam_mm: Floats) -> tuple[Floats, Floats]:
    """Return x and z of every fibre in mm at rotation 0, by least squares.

    At rotation r a fibre at x, z is seen at x cos r + z sin r: there the centroid of the beams that see it lies,
    weighted by what they see. Two rotations or more that are not opposite determine both.

    Parameters
    ----------
    paths : BeamPaths
        Of one slice.
    beam_mm : (n_positions,) float array
        Positions of the beam in mm; the rotation axis is at 0.

    Returns
    -------
    x, z : (n_fibres,) float arrays
        NaN for fibres that too few rotations see.
    """
    path = np.repeat(np.arange(len(paths.path_rotation)), np.diff(paths.offsets))
    shape = len(paths.identifiers), len(paths.rotation_deg)
    cell = np.ravel_multi_index((paths.fibre, paths.path_rotation[path]), shape)
    size = shape[0] * shape[1]
    weight = np.bincount(cell, paths.weight, size).reshape(shape)
    moment = np.bincount(cell, paths.weight * beam_mm[paths.path_position[path]], size).reshape(shape)
    seen = weight > 0
    place = np.where(seen, moment / np.where(seen, weight, 1.0), 0.0)
    turned = np.radians(paths.rotation_deg)
    cos, sin = np.cos(turned), np.sin(turned)
    cc, cs, ss = (np.where(seen, each, 0.0).sum(axis=1) for each in (cos * cos, cos * sin, sin * sin))
    a, b = (place * cos).sum(axis=1), (place * sin).sum(axis=1)
    determinant = cc * ss - cs * cs
    good = determinant > 1e-6
    safe = np.where(good, determinant, 1.0)
    x, z = (np.where(good, each / safe, np.nan) for each in (ss * a - cs * b, cc * b - cs * a))
    return x, z
