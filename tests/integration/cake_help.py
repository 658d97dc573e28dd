"""Tables of cakes of a small detector, for the tests."""

from __future__ import annotations

import numpy as np
from engine_help import NOTHING, SHAPE, TILTED

from tomosaxs_plugins.integration.engine.cake_lookup import CakeLookup, build_cake_lookup
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import full_range


def cake_table(
    geometry: DetectorGeometry = TILTED, bins: int = 40, sectors: int = 36, unit: str = "q_nm^-1", **more
) -> CakeLookup:
    low, high = more.pop("range", None) or full_range(geometry, SHAPE, unit)
    begin, end = more.pop("azimuths", (-180.0, 180.0))
    return build_cake_lookup(
        geometry, more.pop("mask", NOTHING), (bins, low, high, unit), (sectors, begin, end), **more
    )


def dense_cake(lookup: CakeLookup) -> np.ndarray:
    """Return weights as a (pixels, sectors, bins) array."""
    found = np.zeros((max(8, lookup.pixel_norm.size), lookup.used.size + lookup.width))
    weights = lookup.weights.reshape(-1, lookup.width)
    pixels = (lookup.groups[:, None] + np.arange(8)).ravel()
    for k in range(lookup.width):
        np.add.at(found, (pixels, lookup.first + k), weights[:, k])
    for group, at in enumerate(lookup.groups):
        for run in range(lookup.more[group], lookup.more[group + 1]):
            begin, end = lookup.more_starts[run : run + 2]
            first = lookup.more_first[run]
            found[at + lookup.more_slot[run], first : first + end - begin] += lookup.more_weights[begin:end]
    assert np.all(found[:, lookup.used.size :] == 0)
    whole = np.zeros((lookup.pixel_norm.size, lookup.shape[0] * lookup.shape[1]))
    whole[:, lookup.used] = found[: len(whole), : lookup.used.size]
    return whole.reshape(-1, *lookup.shape)
