"""Inner loops of simulated detector frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.simulate_kernel import meridional, radial


def _add_streaks(
    pixels: Any, columns: int, node: Any, share: Any, camera: Any, axis: Any, fibres: Any, first: Any, frame: Any,
    weight: Any, out: Any,
) -> None:  # fmt: skip
    """Add the streaks of fibres to frames, at some pixels.

    Parameters
    ----------
    pixels : (n,) int array
        Flat numbers of pixels in a frame.
    columns : int
        Of a frame.
    node, share : (m,) float arrays
        Points of the quadrature over a pixel along one edge, -0.5 to 0.5, and how much each counts.
    camera : (row, column, pixels per sample distance, 2 pi / wavelength)
        Middle of the beam, the side of a pixel over the distance, and the wavenumber in nm^-1.
    axis, fibres : (n_fibres, 3) and (n_fibres, 5) float arrays
        Directions; q0, wa, wmu, delta and amplitude.
    first, frame, weight : arrays
        Entries ``first[f]`` to ``first[f + 1]`` say in which frames, with what weight, a fibre is seen.
    out : (n_frames, n) float array
        Mean intensity over every pixel.
    """
    count = len(node) ** 2
    derived = np.empty((len(fibres), 3))
    for f in range(len(fibres)):
        half = fibres[f, 0] * math.tan(fibres[f, 2])
        radius = fibres[f, 0] / fibres[f, 3]
        derived[f, 0], derived[f, 1] = radius, radius * radius / (2 * half * half)
        derived[f, 2] = fibres[f, 4] / (2 * math.pi * fibres[f, 1] * half)
    part = np.empty(count)
    for n in range(count):
        part[n] = share[n // len(node)] * share[n % len(node)]
    unit = np.empty((4, count + 1))
    value = np.empty(count)
    for p in range(len(pixels)):
        row, column = pixels[p] // columns, pixels[p] % columns
        for n in range(count + 1):
            # the middle of the pixel comes last: for what hardly changes inside a pixel
            down = node[n // len(node)] if n < count else 0.0
            right = node[n % len(node)] if n < count else 0.0
            x = (column + 0.5 + right - camera[1]) * camera[2]
            y = (camera[0] - row - 0.5 - down) * camera[2]
            across = x * x + y * y
            length = math.sqrt(1 + across)
            z = across / (1 + length)  # length - 1 without cancellation
            q = math.sqrt(across + z * z)
            unit[0, n], unit[1, n], unit[2, n] = x / q, y / q, z / q
            unit[3, n] = camera[3] * q / length
        for f in range(len(fibres)):
            a, b, c = axis[f, 0], axis[f, 1], axis[f, 2]
            q0, wa, radius = fibres[f, 0], fibres[f, 1], derived[f, 0]
            cosine = unit[0, count] * a + unit[1, count] * b + unit[2, count] * c
            glow = meridional(unit[3, count], cosine, q0, radius, derived[f, 1])
            if glow == 0.0:
                continue
            for n in range(count):
                value[n] = radial(unit[3, n], unit[0, n] * a + unit[1, n] * b + unit[2, n] * c, q0, wa, radius)
            total = 0.0
            for n in range(count):
                total += part[n] * value[n]
            for entry in range(first[f], first[f + 1]):
                out[frame[entry], p] += weight[entry] * derived[f, 2] * glow * total


add_streaks = compiled(_add_streaks, nogil=True, error_model="numpy")
