"""Section of the report for steps that integrate frames: what was integrated, seen on the frames themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError
from tomosaxs_plugins.integration.engine.frames import Frames
from tomosaxs_plugins.integration.frame_picture import FramePicture
from tomosaxs_plugins.integration.frames import FrameParameters
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.picture_shades import Shade
from tomosaxs_plugins.integration.radial import RADIAL, SPACING
from tomosaxs_plugins.integration.report_frames import MeanFrame, mean_frame
from tomosaxs_plugins.integration.report_missing import missing_frames
from tomosaxs_plugins.integration.report_regions import Regions, regions_of

_MASKED, _BY_VALUE, _OUTSIDE, _CHOSEN, _BESIDE = (
    (225, 45, 45), (240, 196, 120), (40, 90, 220), (52, 199, 89), (255, 159, 10),
)  # fmt: skip
_RINGS = {
    ("q", "nm^-1"): "q in nm⁻¹", ("q", "angstrom^-1"): "q in Å⁻¹", ("two_theta", "deg"): "2θ in degrees",
    ("two_theta", "rad"): "2θ in rad", ("radius", "mm"): "radius in mm",
}  # fmt: skip


def sections(plan: Any, result: Any) -> list[tuple[str, str]]:
    """Return (heading, HTML) for every step of a plan that integrates frames.

    Parameters
    ----------
    plan : Plan
        As it was run; its parameters and datasets are those that the steps saw.
    result : Result
        What came out; its datasets are looked through for frames without a curve.
    """
    found = []
    for step in plan.steps:
        target = step.spec.target
        if isinstance(target, type) and issubclass(target, FrameParameters):
            found.append((f"Frames that {step.label} integrated", _section(step, target, result)))
    return found


def _section(step: Any, target: type[FrameParameters], result: Any) -> str:
    node = step.inputs[0]
    values: Mapping[str, Any] = step.values
    known = {name: value for name, value in values.items() if name in target.__dataclass_fields__}
    parts = []
    try:
        frames = target(**known).frames(node.dataset)
        image = mean_frame(node, frames)
        parts.append(_picture(image, frames, regions_of(values), values))
    except (InputError, ValueError, OSError) as error:
        # a report without its picture is better than a run that fails at its end; the reason stands in its place
        parts.append(f"<p>The frame could not be drawn: {escape(str(error))}</p>")
    parts.append(missing_frames(step, result))
    return "\n".join(part for part in parts if part)


@dataclass
class _Drawn:
    shades: list[Shade] = field(default_factory=list)

    def add(self, name: str, pixels: NDArray[np.bool_], colour: tuple[int, int, int], strength: float) -> None:
        if pixels.any():
            self.shades.append(Shade(name, pixels, colour, strength))

    def legend(self) -> str:
        rows = []
        for shade in self.shades:
            share = f"{100 * shade.pixels.mean():.3g} %"
            colour = "#{:02x}{:02x}{:02x}".format(*shade.colour)
            style = f"display:inline-block;width:12px;height:12px;border-radius:2px;background:{colour}"
            box = f'<span style="{style}"></span>'
            rows.append(f'<tr><td>{box} {escape(shade.name)}</td><td class="number">{share}</td></tr>')
        return "".join(rows)


def _picture(image: MeanFrame, frames: Frames, regions: Regions, values: Mapping[str, Any]) -> str:
    drawn = _Drawn()
    free = ~frames.mask
    drawn.add("masked: never used", frames.mask, _MASKED, 0.5)
    drawn.add("left out by its value in these frames", free & ~np.isfinite(image.values), _BY_VALUE, 0.8)
    for name, pixels, kind in regions.shades(frames.geometry, frames.shape):
        colour, strength = {"outside": (_OUTSIDE, 0.3), "band": (_CHOSEN, 0.3), "side": (_BESIDE, 0.3)}[kind]
        drawn.add(name, pixels & free, colour, strength)
    picture = FramePicture(image.values, frames.geometry, drawn.shades)
    unit = _ring_unit(frames.geometry, str(values.get("unit", "q_nm^-1")))
    rings = picture.rings(unit)
    for low, high in regions.sectors:
        picture.sector(low, high)
    for low, high in regions.edges:
        picture.band(regions.unit, low, high)
    picture.beam()
    scale = picture.scale
    told = [
        f"{image.told}; row 0 is on top.",
        f"{'Logarithmic' if scale.log else 'Linear'} grey scale, black {scale.low:.4g}, white {scale.high:.4g}.",
        f"Rings (cyan): {_RINGS[RADIAL[unit].axis, RADIAL[unit].units]}." if rings else "",
        "The arrows show χ = 0 and in which sense χ grows."
        if picture.beam_shown
        else "The arrows point to the beam, which is far off, and in the sense in which χ grows.",
        "Dashed: borders of what the step integrates." if regions.sectors or regions.edges else "",
    ]
    caption = " ".join(text for text in told if text)
    facts = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{escape(text)}</td></tr>'
        for name, text in _facts(frames, values)
    )
    figure = (
        f'<figure style="width:{picture.page_width:.0f}px">{picture.svg()}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
    tables = "".join(f'<table style="font-size:13px">{rows}</table>' for rows in (drawn.legend(), facts))
    return f'<div class="beside">{figure}<div>{tables}</div></div>'


def _ring_unit(geometry: DetectorGeometry, unit: str) -> str:
    """Return the unit of the rings: that of the step, q for d, 2 theta where the wavelength is not known."""
    if RADIAL[unit].kind == SPACING:
        unit = "q_nm^-1"
    return "2theta_deg" if RADIAL[unit].needs_wavelength and geometry.wavelength is None else unit


def _facts(frames: Frames, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a reader compares with the logbook."""
    geometry = frames.geometry
    row, column = geometry.beam_centre
    inside = 0 <= row <= frames.shape[0] and 0 <= column <= frames.shape[1]
    tilt = math.degrees(math.acos(min(1.0, math.cos(geometry.rot1) * math.cos(geometry.rot2))))
    facts = [
        ("beam centre, row", f"{row:.2f} px"),
        ("the same from the bottom edge", f"{frames.shape[0] - row:.2f} px"),
        ("beam centre, column", f"{column:.2f} px" + ("" if inside else " (outside of the frame)")),
        ("sample to detector along the beam", f"{1e3 * geometry.beam_distance:.3f} mm"),
        ("beam to detector normal", f"{tilt:.3f}°"),
        ("pixel", f"{1e6 * geometry.pixel1:.4g} × {1e6 * geometry.pixel2:.4g} µm"),
        ("wavelength", "not known" if geometry.wavelength is None else f"{1e10 * geometry.wavelength:.5f} Å"),
        ("frame", f"{frames.shape[0]} rows × {frames.shape[1]} columns"),
        ("calibration", _named(values.get("calibration"), "from the scan's own file")),
        ("mask file", _named(values.get("mask"), "none")),
        ("polarisation", "not corrected" if frames.polarization is None else f"degree {frames.polarization:g}"),
        ("solid angle", "corrected" if frames.solid_angle else "not corrected"),
    ]
    return facts


def _named(given: Any, otherwise: str) -> str:
    """Return the name of a file, or of several; a mapping holds numbers of the list itself."""
    if not given:
        return otherwise
    if isinstance(given, Mapping):
        return "numbers in the list"
    return ", ".join(Path(each).name for each in (given if isinstance(given, (list, tuple)) else [given]))
