"""Patterns: which axes a plugin gets whole.

A pattern names the *core* axes. All other axes of the dataset are sliced, flattened into the leading
axis of a block and distributed over the ranks. Each pattern lists alternatives, because the same idea
has other axis names in another kind of scan: a sinogram of a full-field scan is (rotation_angle,
detector_x), that of a raster scan is (rotation_angle, x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from numpy.typing import NDArray


@dataclass(frozen=True)
class Pattern:
    """What a plugin sees of a dataset.

    Parameters
    ----------
    name : str
        Name in the field's words.
    cores : tuple of tuple of str
        Alternatives; the first whose axes all exist in the dataset is taken. Empty for a pointwise
        plugin, which runs in whatever slicing it falls into.
    whole : tuple of str, optional
        For a pointwise pattern: axes that must not be sliced, where the dataset has them.
    renames : mapping, optional
        How sliced axes are called after a step with this output pattern (the rows of a detector
        become heights of a volume).
    """

    name: str
    cores: tuple[tuple[str, ...], ...]
    renames: tuple[tuple[str, str], ...] = field(default=())
    whole: tuple[str, ...] = field(default=())

    @property
    def pointwise(self) -> bool:
        """Whether a plugin with this pattern runs in any slicing."""
        return not self.cores

    def core_of(self, axes: Sequence[str]) -> tuple[str, ...] | None:
        """Return the core axes that a dataset with `axes` offers, or None when it does not fit."""
        for core in self.cores:
            if all(name in axes for name in core):
                return core
        return None

    def describe(self) -> str:
        """Return the alternatives as text."""
        if self.pointwise:
            return "any axes" + (f", {' or '.join(self.whole)} whole" if self.whole else "")
        return " or ".join("(" + ", ".join(core) + ")" for core in self.cores)


POINTWISE = Pattern("Pointwise", ())
ROWS = Pattern("Rows", (), whole=("detector_x", "x"))
PROJECTIONS = Pattern("Projections", (("detector_y", "detector_x"), ("y", "x")))
SINOGRAMS = Pattern("Sinograms", (("rotation_angle", "x"), ("rotation_angle", "detector_x")))
DIFFRACTION_PATTERNS = Pattern("DiffractionPatterns", (("detector_y", "detector_x"),))
AZIMUTHAL_PROFILES = Pattern("AzimuthalProfiles", (("q",), ("two_theta",), ("radius",), ("d_spacing",), ("azimuth",)))
SPECTRA = Pattern("Spectra", (("energy",), ("channel",)))
VOLUME_SLICES = Pattern("VolumeSlices", (("y", "x"),), (("detector_y", "z"), ("y", "z")))

PATTERNS = {
    pattern.name: pattern
    for pattern in (
        POINTWISE,
        ROWS,
        PROJECTIONS,
        SINOGRAMS,
        DIFFRACTION_PATTERNS,
        AZIMUTHAL_PROFILES,
        SPECTRA,
        VOLUME_SLICES,
    )
}

Pointwise: TypeAlias = Annotated[NDArray[Any], POINTWISE]
"""Any block: every value is treated by itself; never forces a reslice."""
Rows: TypeAlias = Annotated[NDArray[Any], ROWS]
"""Any block that holds the rows of the detector (or raster) whole; otherwise as `Pointwise`."""
Projections: TypeAlias = Annotated[NDArray[Any], PROJECTIONS]
"""(n, detector_y, detector_x) or, of a raster scan, (n, y, x)."""
Sinograms: TypeAlias = Annotated[NDArray[Any], SINOGRAMS]
"""(n, rotation_angle, detector_x) or, of a raster scan, (n, rotation_angle, x)."""
DiffractionPatterns: TypeAlias = Annotated[NDArray[Any], DIFFRACTION_PATTERNS]
"""(n, detector_y, detector_x): one frame per point of a scan."""
AzimuthalProfiles: TypeAlias = Annotated[NDArray[Any], AZIMUTHAL_PROFILES]
"""(n, q), (n, two_theta), (n, radius), (n, d_spacing) or (n, azimuth)."""
Spectra: TypeAlias = Annotated[NDArray[Any], SPECTRA]
"""(n, energy) or (n, channel)."""
VolumeSlices: TypeAlias = Annotated[NDArray[Any], VOLUME_SLICES]
"""(n, y, x): horizontal slices of a volume."""


def custom_pattern(name: str, *core: str) -> Pattern:
    """Return a pattern over axes of one's own, for ``Annotated[NDArray[Any], custom_pattern(...)]``."""
    return Pattern(name, (core,))
