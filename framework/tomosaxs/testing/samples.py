"""Ready-made phantoms: smooth ones for accuracy, sharp ones that look like micro-CT samples.

Lengths are in pixels and values per pixel, so that they fit a detector of the given size; all of them stay
inside the circle that the reconstruction grid can hold.
"""

from __future__ import annotations

import math

import numpy as np

from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Float, Gaussian, Phantom, Shape, SoftEllipsoid


def smooth_phantom(size: int, rows: int, value: float = 0.01) -> Phantom:
    """Return a few smooth bodies, band-limited enough that a reconstruction can be held to per cents.

    Parameters
    ----------
    size, rows : int
        Width and height of the field in pixels.
    value : float
        Value in the middle of the largest body, per pixel.
    """
    s, h = float(size), float(max(rows, 8))
    return Phantom(
        [
            SoftEllipsoid((0, 0, 0), (0.42 * s, 0.36 * s, 1.2 * h), 20.0, value, power=2),
            SoftEllipsoid((0.12 * s, -0.10 * s, 0.1 * h), (0.12 * s, 0.17 * s, h), 50.0, 0.8 * value, power=3),
            SoftEllipsoid((-0.15 * s, 0.08 * s, 0), (0.10 * s, 0.14 * s, h), -30.0, -0.5 * value, power=3),
            Gaussian((0.02 * s, 0.17 * s, 0), (0.035 * s, 0.035 * s, 0.5 * h), 0.0, value),
        ]
    )


def plateau_phantom(size: int, rows: int, value: float = 0.01) -> Phantom:
    """Return sharp upright cylinders with homogeneous insides: values away from the edges are known.

    The outer cylinder has `value`; a dense insert has 2 `value` in all, a hole 0 (see `plateau_masks`).
    """
    s, tall = float(size), 10.0 * max(rows, 8)
    return Phantom(
        Cylinder(centre, (radius, radius, tall), 0.0, step)
        for centre, radius, step in (
            ((0.0, 0.0, 0.0), 0.40 * s, value),
            ((0.18 * s, 0.06 * s, 0.0), 0.12 * s, value),
            ((-0.16 * s, -0.12 * s, 0.0), 0.10 * s, -value),
        )
    )


def plateau_masks(size: int, margin: float = 4.0) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return (size, size) masks of `plateau_phantom`: ``body``, ``insert``, ``hole``, ``outside``.

    Parameters
    ----------
    size : int
        Width of the field in pixels.
    margin : float
        Distance that is kept from every edge, in pixels.
    """
    x = np.arange(size) - (size - 1) / 2
    y = x[:, None]
    distance = [
        np.hypot(x - cx * size, y - cy * size) - radius * size
        for cx, cy, radius in ((0.0, 0.0, 0.40), (0.18, 0.06, 0.12), (-0.16, -0.12, 0.10))
    ]
    return {
        "body": (distance[0] < -margin) & (distance[1] > margin) & (distance[2] > margin),
        "insert": distance[1] < -margin,
        "hole": distance[2] < -margin,
        "outside": (distance[0] > margin) & (np.hypot(x, y) < size / 2 - margin),
    }


def random_phantom(size: int, rows: int, seed: int, value: float = 0.01) -> Phantom:
    """Return an asymmetric heap of soft ellipsoids, another one for every seed.

    Parameters
    ----------
    size, rows : int
        Width and height of the field in pixels.
    seed : int
        Equal seeds give equal phantoms.
    value : float
        Typical value per pixel.
    """
    rng = np.random.default_rng(seed)
    shapes: list[Shape] = []
    for _ in range(12):
        axes = size * rng.uniform(0.03, 0.15, size=2)
        away = (0.45 * size - axes.max()) * math.sqrt(rng.uniform())
        turn = rng.uniform(0, 2 * math.pi)
        z, height = rng.uniform(-0.5, 0.5) * rows, max(rows, 8) * rng.uniform(0.5, 1.5)
        shapes.append(
            SoftEllipsoid(
                (float(away * math.cos(turn)), float(away * math.sin(turn)), float(z)),
                (float(axes[0]), float(axes[1]), float(height)),
                float(rng.uniform(0, 180)),
                float(value * rng.uniform(0.5, 1.5)),
                power=1.0,
            )
        )
    return Phantom(shapes)


def packing(size: int, rows: int, seed: int = 1, absorption: float = 2.0) -> Phantom:
    """Return a capillary filled with grains that hold pores and dense inclusions.

    Parameters
    ----------
    size, rows : int
        Width and height of the field in pixels.
    seed : int
        Equal seeds give equal phantoms.
    absorption : float
        Largest line integral, roughly (grains fill about half of the capillary).
    """
    rng = np.random.default_rng(seed)
    outer, inner = 0.44 * size, 0.41 * size
    matrix = absorption / (1.9 * inner)
    wall = Cylinder((0, 0, 0), (outer, outer, 10.0 * rows), 0.0, 0.9 * matrix)
    bore = Cylinder((0.2, -0.3, 0), (inner, inner, 10.0 * rows), 0.0, -0.9 * matrix)
    shapes: list[Shape] = [wall, bore]
    for x, y, z, radius in _packed(rng, inner, rows, 0.105 * size, 0.028 * size):
        # Flattening keeps a grain inside its own ball, so that grains touch but do not overlap.
        axes = radius * np.array([1.0, rng.uniform(0.82, 1.0), rng.uniform(0.82, 1.0)])
        value = float(matrix * rng.uniform(0.92, 1.08))
        shapes.append(_ellipsoid((x, y, z), axes, rng.uniform(0, 180), value))
        if radius > 0.045 * size:
            shapes += _inside(rng, (x, y, z), radius, value)
    return Phantom(shapes)


def _ellipsoid(centre: tuple[float, float, float], axes: Float, angle: float, value: float) -> Ellipsoid:
    a, b, c = (float(axis) for axis in axes)
    return Ellipsoid(centre, (a, b, c), float(angle), float(value))


def _inside(rng: np.random.Generator, centre: tuple[float, float, float], radius: float, grain: float) -> list[Shape]:
    """Return pores or dense inclusions of one grain; at most one of them in every octant."""
    shapes: list[Shape] = []
    for octant in rng.permutation(8)[: rng.integers(1, 5)]:
        sign = np.array([octant & 1, octant >> 1 & 1, octant >> 2 & 1]) * 2.0 - 1.0
        x, y, z = (float(c + o) for c, o in zip(centre, 0.3 * radius * sign, strict=True))
        axes = radius * rng.uniform(0.08, 0.26, size=3)
        value = 1.6 * grain if rng.uniform() < 0.25 else -grain
        shapes.append(_ellipsoid((x, y, z), axes, rng.uniform(0, 180), value))
    return shapes


def _packed(
    rng: np.random.Generator, bore: float, rows: int, largest: float, smallest: float
) -> list[tuple[float, float, float, float]]:
    """Fill a tube with balls that do not overlap, the large ones first; rows of (x, y, z, radius)."""
    balls = np.empty((0, 4))
    for radius in np.geomspace(largest, smallest, 10):
        tries = 4000
        away, turn = (bore - radius) * np.sqrt(rng.uniform(size=tries)), rng.uniform(0, 2 * np.pi, tries)
        height = (rows / 2 + radius) * rng.uniform(-1, 1, tries)
        spots = np.column_stack([away * np.cos(turn), away * np.sin(turn), height])
        free = np.ones(tries, dtype=bool)  # of the balls so far, seen for all spots at once
        for ball in balls:
            free &= np.square(spots - ball[:3]) @ np.ones(3) > (ball[3] + radius - 1e-6) ** 2
        for spot in spots[free]:
            gaps = np.sqrt(np.square(balls[:, :3] - spot).sum(axis=1)) - balls[:, 3]
            room = min(gaps.min(initial=np.inf), bore - np.hypot(spot[0], spot[1]))
            if room > radius:
                balls = np.vstack([balls, [*spot, min(room, 1.25 * radius)]])
    return [(float(x), float(y), float(z), float(radius)) for x, y, z, radius in balls]
