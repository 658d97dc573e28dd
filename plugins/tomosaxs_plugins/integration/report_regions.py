"""Which parts of a frame a step integrates, read from its parameters; plain numpy, no framework."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.masks import azimuth_mask
from tomosaxs_plugins.integration.radial import radial_coordinate

Pair = tuple[float, float]


@dataclass(frozen=True)
class Regions:
    """Sectors of azimuths (deg), the radial range, bands and their side-bands in `unit`."""

    unit: str
    sectors: tuple[Pair, ...] = ()
    range: Pair | None = None
    bands: tuple[Pair, ...] = ()
    sides: tuple[Pair, ...] = ()

    @property
    def edges(self) -> tuple[Pair, ...]:
        """Pairs of radial values whose rings are borders."""
        return (*(() if self.range is None else (self.range,)), *self.bands, *self.sides)

    def shades(
        self, geometry: DetectorGeometry, shape: tuple[int, int]
    ) -> Iterator[tuple[str, NDArray[np.bool_], str]]:
        """Give (name, pixels, kind) of what lies outside of the regions and of the bands, by pixel centres."""
        outside = np.zeros(shape, dtype=np.bool_)
        if self.sectors:
            outside = np.ones(shape, dtype=np.bool_)
            for low, high in self.sectors:
                outside &= azimuth_mask(geometry, shape, low, high)
        radial = np.zeros(shape)
        if self.edges:
            rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
            radial = radial_coordinate(geometry, self.unit, rows, columns)
        if self.range is not None:
            outside |= (radial < self.range[0]) | (radial > self.range[1])
        names = [text for text, there in (("sector", self.sectors), ("range", self.range)) if there]
        if names:
            yield f"outside of the {' or '.join(names)}", outside, "outside"
        for name, pairs, kind in (("band", self.bands, "band"), ("side-band: background", self.sides, "side")):
            inside = np.zeros(shape, dtype=np.bool_)
            for low, high in pairs:
                inside |= (radial >= low) & (radial <= high) & ~outside
            if pairs:
                yield name, inside, kind


def regions_of(values: Mapping[str, Any]) -> Regions:
    """Return what the parameters of `azimuthal_integrate`, `cake` and `radial_band` say; unknown ones say nothing."""
    unit = str(values.get("unit", "q_nm^-1"))
    sectors = _pairs(values.get("azimuth_range"))
    if values.get("fold"):  # opposite azimuths are taken together
        sectors = tuple(pair for low, high in sectors for pair in ((low, high), (low + 180, high + 180)))
    if any(high - low >= 360 for low, high in sectors) or (len(sectors) == 2 and sectors[0][1] - sectors[0][0] >= 180):
        sectors = ()  # the whole circle
    ranges = _pairs(values.get("range"))
    bands, sides = _pairs(values.get("band")), _pairs(values.get("background"))
    return Regions(unit, sectors, ranges[0] if ranges else None, bands, sides)


def _pairs(value: Any) -> tuple[Pair, ...]:
    """Return one pair, or a list of pairs, as a tuple of pairs."""
    if value is None or isinstance(value, str) or not isinstance(value, Sequence) or not value:
        return ()
    if all(isinstance(each, (int, float)) for each in value):
        return ((float(value[0]), float(value[1])),) if len(value) == 2 else ()
    return tuple(pair for each in value for pair in _pairs(each))
