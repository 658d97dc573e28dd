"""What phase retrieval has to know of a scan: the filter's length in pixels of either direction, or what is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tomosaxs import Dataset, InputError, convert
from tomosaxs_plugins.phase.paganin import paganin_length, reach, wavelength

DIRECTIONS = ("detector_y", "detector_x")


@dataclass(frozen=True)
class PhaseSettings:
    """What a list says, and the scan where the list says nothing.

    Parameters
    ----------
    delta_beta, length : float or None
        Ratio of refractive index decrement and absorption index, or L in pixels of the full, unbinned detector.
    energy : float or None
        keV.
    distance, source_distance : float or None
        Metres, from sample to detector and from source to sample.
    unsharp_sigma, unsharp_coeff : float
        Standard deviation of the unsharp mask in pixels of the full, unbinned detector, and its weight.
    """

    delta_beta: float | None
    length: float | None
    energy: float | None
    distance: float | None
    source_distance: float | None
    unsharp_sigma: float
    unsharp_coeff: float = 0.0

    def lengths(self, data: Dataset) -> tuple[float, float]:
        """Return L in the pixels of the data, (along detector_y, along detector_x).

        Raises
        ------
        InputError
            Naming everything that is missing.
        """
        if (self.length is None) == (self.delta_beta is None):
            both = "both are given" if self.length is not None else "neither is given"
            raise InputError(f"give either delta_beta, or length in px; {both}")
        if self.length is not None:
            return _in_pixels(data, self.length)
        energy, distance = self.energy_of(data), self.effective_distance(data)
        sizes = [_pixel_size(data, name) for name in DIRECTIONS]
        missing = [text for text, value in (("energy: keV", energy), ("distance: m", distance)) if value is None]
        if missing:
            raise InputError(
                f"neither the scan nor the list says: give {' and '.join(missing)}; or length: px instead of delta_beta"
            )
        if sizes[1] is None:
            raise InputError(
                "the pixel size is not known: give the input's pixel_size: m; or length: px instead of delta_beta"
            )
        length = paganin_length(self.delta_beta or 0.0, energy or 1.0, distance or 0.0)
        return length / (sizes[0] or sizes[1]), length / sizes[1]

    def sigmas(self, data: Dataset) -> tuple[float, float]:
        """Return the unsharp mask's standard deviation in the pixels of the data; 0 where there is none."""
        if not self.unsharp_coeff:
            return 0.0, 0.0
        return _in_pixels(data, self.unsharp_sigma)

    def energy_of(self, data: Dataset) -> float | None:
        """Return the photon energy in keV."""
        return self.energy if self.energy is not None else _known(data, "energy", "keV")

    def effective_distance(self, data: Dataset) -> float | None:
        """Return the distance of the parallel beam that gives the same image, in metres.

        A diverging beam magnifies M = (source_distance + distance) / source_distance times; seen at the sample its
        image is that of a parallel beam over distance / M.
        """
        distance = self.distance if self.distance is not None else _known(data, "distance", "m")
        if distance is None or self.source_distance is None:
            return distance
        return distance * self.source_distance / (self.source_distance + distance)

    def attenuation(self, data: Dataset, delta: float) -> float:
        """Return the attenuation coefficient in 1/m of a material whose decrement is `delta`."""
        energy = self.energy_of(data)
        if energy is None or self.delta_beta is None:
            raise InputError("the thickness needs delta_beta, delta and the energy")
        return 4.0 * math.pi * delta / self.delta_beta / wavelength(energy)


def check_size(data: Dataset, settings: PhaseSettings) -> None:
    """Refuse a length that leaves nothing of a frame but its mean.

    Raises
    ------
    InputError
        When L is longer than both sides of the detector.
    """
    sizes = [data.axis(name).full_size / data.axis(name).pitch for name in DIRECTIONS]
    lengths = settings.lengths(data)
    if all(length > size for length, size in zip(lengths, sizes, strict=True)):
        raise InputError(
            f"the length L = {lengths[1]:.4g} px is larger than the frame, {sizes[0]:.4g} x {sizes[1]:.4g} px: "
            "check delta_beta, energy, distance and pixel size"
        )


def rows_needed(data: Dataset, settings: PhaseSettings) -> str:
    """Return a warning where a crop takes away rows or columns that the values depend on; else empty text."""
    lengths, sigmas = settings.lengths(data), settings.sigmas(data)
    for name, length, sigma in zip(DIRECTIONS, lengths, sigmas, strict=True):
        axis, margin = data.axis(name), reach(length, sigma)
        cut = [int(axis.index[0]) > 0, int(axis.index[-1]) + axis.binning < axis.full_size]
        if not any(cut) and length > axis.size:
            return (
                f"the length L = {length:.4g} px is larger than the frame, {axis.size} px along {name}: what lies "
                "beyond its edges counts more than the frame itself"
            )
        lost = margin * sum(cut)
        if margin < 2 or not lost:
            continue
        kind = "rows" if name == "detector_y" else "columns"
        wide = math.ceil(margin * axis.pitch)
        if axis.size <= lost:
            return (
                f"the crop of {name} leaves {axis.size} {kind}, and phase retrieval needs {margin} more on each side "
                f"of those that are to be right: none is, to a thousandth; crop at least {2 * wide + 1} of the "
                f"detector's {kind}, for instance {name}: [mid-{wide + 1}, mid+{wide + 1}]"
            )
        if name == "detector_y":
            first, last = margin * cut[0], axis.size - 1 - margin * cut[1]
            return (
                f"the crop of {name} is felt by phase retrieval in {margin} {kind} from where it cuts: "
                f"only {kind} {int(axis.index[first])} to {int(axis.index[last])} are as without it"
            )
    return ""


def _in_pixels(data: Dataset, value: float) -> tuple[float, float]:
    """Return a length given in unbinned pixels along detector_x in the data's pixels of both directions."""
    across = data.axis("detector_x").pitch
    sizes = [_pixel_size(data, name) for name in DIRECTIONS]
    if sizes[0] is None or sizes[1] is None:
        return value / data.axis("detector_y").pitch, value / across
    return value * sizes[1] / across / sizes[0], value / across


def _pixel_size(data: Dataset, name: str) -> float | None:
    """Return the distance of neighbouring pixels of the data in metres."""
    found = _known(data, "pixel_size_" + name[-1], "m")
    return None if found is None else found * data.axis(name).pitch


def _known(data: Dataset, name: str, units: str) -> float | None:
    found = data.quantity(name)
    return None if found is None else convert(found.value, found.units, units)
