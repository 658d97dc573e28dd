"""Small simulated scans for the tests of look and new."""

from __future__ import annotations

import h5py
import numpy as np

WIDTH, HEIGHT = 96, 10
HALF = np.arange(0.0, 180.0, 2.0)


def attenuation(angles, *, width=WIDTH, axis=None, radius=0.36, centre=0.0):
    """Return exact line integrals of discs about the axis, (angle, column)."""
    axis = (width - 1) / 2 + 1.7 if axis is None else axis
    turn = np.deg2rad(np.asarray(angles, float))[:, None]
    s = np.arange(width) - axis
    total = np.zeros((len(turn), width))
    discs = [(centre, 0, radius, 0.9), (0.2, 0.05, 0.07, 1.5), (-0.12, 0.2, 0.05, 2.0), (0.02, -0.25, 0.04, 2.0)]
    for x, y, r, value in discs:
        where = (x * np.cos(turn) + y * np.sin(turn)) * WIDTH
        total += 2 * value / WIDTH * np.sqrt(np.maximum((r * WIDTH) ** 2 - (s - where) ** 2, 0))
    return total


def counts(line_integrals, *, noise=20.0, seed=1, height=HEIGHT):
    """Return raw counts (projection, row, column), flats and darks of a camera with a textured beam."""
    rng = np.random.default_rng(seed)
    width = line_integrals.shape[1]
    flat = 20000 * (1 + 0.05 * rng.normal(size=(height, width)))
    light = flat * np.exp(-line_integrals)[:, None, :]
    frames = 100 + light + rng.normal(0, noise, light.shape)
    flats = 100 + flat + rng.normal(0, noise, (6, height, width))
    darks = 100 + rng.normal(0, 3, (4, height, width))
    return [np.clip(np.rint(each), 0, 65535).astype("u2") for each in (frames, flats, darks)]


def write(path, frames, flats, darks, angles, *, after=None, energy=None, pixel=1e-6, chunks=None, **options):
    """Write an NXtomo file."""
    after = flats if after is None else after
    parts = [darks, flats, frames, after]
    keys = np.concatenate([np.full(len(part), key) for part, key in zip(parts, (2, 1, 0, 1), strict=True)])
    all_angles = np.concatenate([np.zeros(len(darks) + len(flats)), angles, np.full(len(after), angles[-1])])
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["definition"] = "NXtomo"
        detector = entry.create_group("instrument/detector")
        detector.create_dataset("data", data=np.concatenate(parts), chunks=chunks, **options)
        detector["image_key"] = keys
        if pixel:
            for name in ("x_pixel_size", "y_pixel_size"):
                detector[name] = pixel
                detector[name].attrs["units"] = "m"
        entry["sample/rotation_angle"] = all_angles
        entry["sample/rotation_angle"].attrs["units"] = "deg"
        if energy:
            entry["instrument/monochromator/energy"] = energy
            entry["instrument/monochromator/energy"].attrs["units"] = "keV"
    return path


def a_scan(path, angles=HALF, stored=None, **options):
    frames, flats, darks = counts(attenuation(angles, **options))
    return write(path, frames, flats, darks, angles if stored is None else stored)
