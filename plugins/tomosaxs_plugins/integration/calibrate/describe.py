"""A calibration in the words of its readers: .poni numbers, FIT2D's numbers, text, a tree for JSON; no framework."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.calibrate.fit import ring_angles
from tomosaxs_plugins.integration.calibrate.model import NAMES, geometry_of, parameters
from tomosaxs_plugins.integration.calibrate.refine import Calibration
from tomosaxs_plugins.integration.geometry import DetectorGeometry

Floats = NDArray[np.float64]
SIGNIFICANT = 3.0
"""Standard uncertainties from which a tilt is called significant."""
UNDETERMINED = "not determined"


@dataclass(frozen=True)
class Number:
    """A number with its standard uncertainty (None: held fixed, or not determined) and units."""

    name: str
    value: float
    uncertainty: float | None
    units: str
    remark: str = ""

    def __str__(self) -> str:
        if self.remark.startswith(UNDETERMINED):
            return f"{self.name:<22} {self.remark}"
        tail = f"  ({self.remark})" if self.remark else ""
        return f"{self.name:<22} {with_uncertainty(self.value, self.uncertainty)} {self.units}{tail}"

    def tree(self) -> dict[str, Any]:
        """Return it for JSON."""
        tree: dict[str, Any] = {"value": self.value, "uncertainty": self.uncertainty, "units": self.units}
        return {**tree, "remark": self.remark} if self.remark else tree


def with_uncertainty(value: float, uncertainty: float | None) -> str:
    """Return ``830.11 +- 0.03``: two digits of the uncertainty, and the value to the same place."""
    if uncertainty is None or not (uncertainty > 0 and math.isfinite(uncertainty)):
        return f"{value + 0.0:.7g}"  # no -0
    if 0 < abs(value) < 1e-4 and uncertainty < abs(value):
        power = math.floor(math.log10(abs(value)))
        return f"({with_uncertainty(value / 10.0**power, uncertainty / 10.0**power)})e{power}"
    places = 1 - math.floor(math.log10(uncertainty))
    if places < 0:
        return f"{round(value, places):.0f} +- {round(uncertainty, places):.0f}"
    return f"{value:.{places}f} +- {uncertainty:.{places}f}"


def tilt_and_rotation(geometry: DetectorGeometry) -> tuple[float, float]:
    """Return FIT2D's tilt and tilt plane rotation in degrees; the rotation lies between -90 and 90.

    The rotation counts counter-clockwise from the columns' direction in a picture with row 0 on top.
    """
    along = geometry.rotation[2]
    tilt = math.degrees(math.asin(min(math.hypot(along[0], along[1]), 1.0)))
    rotation = math.degrees(math.atan2(-along[0], along[1]))
    if rotation > 90:
        return -tilt, rotation - 180
    if rotation <= -90:
        return -tilt, rotation + 180
    return tilt, rotation


def fit2d_numbers(result: Calibration) -> list[Number]:
    """Return beam centre (px from the lower left corner), distance along the beam, tilt and its rotation."""
    shape = result.geometry.shape
    assert shape is not None
    base_tilt, base_rotation = tilt_and_rotation(result.geometry)

    def values(geometry: DetectorGeometry) -> Floats:
        row, column = geometry.beam_centre
        tilt, rotation = tilt_and_rotation(geometry)
        if abs(rotation - base_rotation) > 90:  # the same tilt told the other way round
            tilt, rotation = -tilt, rotation - math.copysign(180.0, rotation - base_rotation)
        return np.array([column, shape[0] - row, geometry.beam_distance * 1e3, tilt, rotation])

    names = (
        ("beam centre x", "px from the left"),
        ("beam centre y", "px from the bottom"),
        ("distance", "mm"),
        ("tilt", "deg"),
        ("tilt plane rotation", "deg"),
    )
    numbers = _numbers(result, values, names)
    fixed = "tilt" not in result.free
    if fixed:
        numbers[3] = Number("tilt", base_tilt, None, "deg", "held fixed")
        numbers[4] = Number("tilt plane rotation", base_rotation, None, "deg", "held fixed")
    elif result.tilt_significance < SIGNIFICANT:
        limit = float(np.degrees(np.sqrt(np.trace(result.covariance[3:5, 3:5]) / 2)))
        numbers[3] = Number("tilt", base_tilt, limit, "deg", "not significant")
        numbers[4] = Number("tilt plane rotation", base_rotation, None, "deg", f"{UNDETERMINED}: no significant tilt")
    return numbers


def poni_numbers(result: Calibration) -> list[Number]:
    """Return distance, point of normal incidence (m) and rotations (rad) as in a .poni file."""

    def values(geometry: DetectorGeometry) -> Floats:
        return np.array([geometry.distance, geometry.poni1, geometry.poni2, geometry.rot1, geometry.rot2])

    names = (("Distance", "m"), ("Poni1", "m"), ("Poni2", "m"), ("Rot1", "rad"), ("Rot2", "rad"))
    numbers = _numbers(result, values, names)
    rot3 = Number("Rot3", result.geometry.rot3, None, "rad", "a convention: rings do not show it")
    wavelength = Number("Wavelength", float(result.geometry.wavelength or math.nan), _sigma(result, 5), "m",
                        "" if "wavelength" in result.free else "held fixed")  # fmt: skip
    return [*numbers, rot3, wavelength]


def _sigma(result: Calibration, index: int) -> float | None:
    variance = float(result.covariance[index, index])
    return math.sqrt(variance) if variance > 0 else None


def _numbers(
    result: Calibration, values: Callable[[DetectorGeometry], Floats], names: tuple[tuple[str, str], ...]
) -> list[Number]:
    """Carry the covariance over to other numbers by their slopes."""
    centre = parameters(result.geometry)
    sigma = np.sqrt(np.diag(result.covariance))
    slopes = np.zeros((len(names), len(NAMES)))
    for index in np.nonzero(sigma > 0)[0]:
        step = np.zeros(len(NAMES))
        step[index] = 0.01 * sigma[index]
        more, less = (values(geometry_of(centre + sign * step, result.geometry)) for sign in (1, -1))
        slopes[:, index] = (more - less) / (2 * step[index])
    spread = np.sqrt(np.maximum(np.diag(slopes @ result.covariance @ slopes.T), 0))
    now = values(result.geometry)
    spread = np.where(spread > 1e-10 * np.abs(now), spread, 0.0)  # rounding errors of what was held fixed
    return [
        Number(name, float(value), float(one) if one > 0 else None, units, "" if one > 0 else "held fixed")
        for (name, units), value, one in zip(names, now, spread, strict=True)
    ]


def ring_table(result: Calibration) -> list[dict[str, Any]]:
    """Return one entry a ring in use: number, spacing, angle, points, mean residual and their spread in px."""
    rows = []
    angles = ring_angles(result.standard.spacings, float(result.geometry.wavelength or math.nan))
    for ring in result.seen:
        these = (result.points.ring == ring) & result.fit.used
        rest = result.fit.residuals[these]
        rows.append(
            {
                "ring": ring + 1,
                "spacing_angstrom": float(result.standard.spacings[ring]),
                "two_theta_deg": float(np.degrees(angles[ring])),
                "points": int(these.sum()),
                "mean_residual_px": float(rest.mean()),
                "residual_spread_px": float(rest.std()),
                "width_px": float(np.median(result.points.width[these])),
            }
        )
    return rows


def tree(result: Calibration) -> dict[str, Any]:
    """Return everything for JSON."""
    rest = result.fit.residuals[result.fit.used]
    free = np.sqrt(np.diag(result.covariance)) > 0
    return {
        "standard": {"name": result.standard.name, "source": result.standard.source},
        "refined": list(result.free),
        "fit2d": {number.name: number.tree() for number in fit2d_numbers(result)},
        "poni": {number.name: number.tree() for number in poni_numbers(result)},
        "covariance": {
            "names": [name for name, is_free in zip(NAMES, free, strict=True) if is_free],
            "matrix": result.covariance[np.ix_(free, free)].tolist(),
            "remark": "row, column of the beam in px from the outer corner of pixel (0, 0); distance along the beam "
            "and wavelength in m; tilt as sine of its angle times its direction",
        },
        "points": {"used": int(result.fit.used.sum()), "left_out": int((~result.fit.used).sum())},
        "residuals_px": {
            "median_absolute": float(np.median(np.abs(rest))),
            "root_mean_square": float(np.sqrt(np.mean(rest**2))),
            "scatter_beyond_counting": result.fit.scatter,
            "displacement_of_modules": result.fit.displacement,
            "shape_of_rings": result.fit.shape,
            "correlation_of_neighbours": result.fit.correlation,
        },
        "tilt_significance": result.tilt_significance if "tilt" in result.free else None,
        "rings": ring_table(result),
        "notes": list(result.notes),
    }


def text(result: Calibration) -> str:
    """Return what a terminal shows."""
    lines = [f"standard: {result.standard.name} ({result.standard.source})", "", "as in a .poni file"]
    lines += [f"  {number}" for number in poni_numbers(result)]
    lines += ["", "as in FIT2D"]
    lines += [f"  {number}" for number in fit2d_numbers(result)]
    lines += [
        "",
        f"  {'ring':>4} {'d / A':>9} {'2theta / deg':>13} {'points':>7} {'mean / px':>10} {'spread / px':>12}",
    ]
    for row in ring_table(result):
        lines.append(
            f"  {row['ring']:>4} {row['spacing_angstrom']:>9.4f} {row['two_theta_deg']:>13.4f} {row['points']:>7} "
            f"{row['mean_residual_px']:>10.3f} {row['residual_spread_px']:>12.3f}"
        )
    rest = result.fit.residuals[result.fit.used]
    lines += ["", f"{len(rest)} points lie {np.median(np.abs(rest)):.3g} px (median) off their rings; "
              f"{int((~result.fit.used).sum())} left out"]  # fmt: skip
    lines += _beyond_counting(result)
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join(lines)


def _beyond_counting(result: Calibration) -> list[str]:
    found = (
        (result.fit.scatter, "single points lie"),
        (result.fit.displacement, "the detector's modules sit"),
        (result.fit.shape, "rings, whose peaks are not symmetrical, lie"),
    )
    told = [f"{what} about {size:.2g} px off" for size, what in found if size > 0]
    return [f"beyond counting noise: {'; '.join(told)}; the uncertainties allow for it"] if told else []
