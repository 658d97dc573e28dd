"""A small detector and its tables, for the tests of our own engine."""

from __future__ import annotations

import numpy as np

from tomosaxs_plugins.integration.backends import IntegrationSettings
from tomosaxs_plugins.integration.engine.frames import Frames
from tomosaxs_plugins.integration.engine.lookup import Lookup, build_lookup
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import full_range

SHAPE = (61, 83)  # 5063 pixels: 7 are left over from groups of eight
FLAT = DetectorGeometry.from_tilt((30.3, 40.7), 0.1, 0.0, 0.0, (1e-3, 1e-3), 1e-10, SHAPE)
TILTED = DetectorGeometry.from_tilt((20.3, 30.2), 0.12, 0.2, 0.7, (2e-4, 2.5e-4), 1e-10, SHAPE)
NOTHING = np.zeros(SHAPE, dtype=bool)


def table(geometry: DetectorGeometry = TILTED, bins: int = 40, unit: str = "q_nm^-1", **more) -> Lookup:
    low, high = more.pop("range", None) or full_range(geometry, SHAPE, unit)
    return build_lookup(geometry, more.pop("mask", NOTHING), bins, low, high, unit, **more)


def settings_of(geometry: DetectorGeometry, bins: int = 150, unit: str = "q_nm^-1", **more) -> IntegrationSettings:
    """Return what a backend is told, without corrections unless asked for."""
    shape = geometry.shape
    low, high = more.pop("range", None) or full_range(geometry, shape, unit)
    mask = more.pop("mask", np.zeros(shape, dtype=bool))
    own = {"splitting", "error_model", "oversampling", "average"}
    of_frames = {name: more.pop(name) for name in set(more) - own}
    return IntegrationSettings(
        Frames(geometry, shape, mask, **{"gaps": False, **of_frames}), bins, low, high, unit, **more
    )


def dense(lookup: Lookup) -> np.ndarray:
    """Return weights as a (pixels, bins) array."""
    found = np.zeros((lookup.pixel_norm.size, lookup.bins + lookup.width))
    weights = lookup.weights.reshape(-1, lookup.width)
    pixels = (lookup.groups[:, None] + np.arange(8)).ravel()
    for k in range(lookup.width):
        np.add.at(found, (pixels, lookup.first + k), weights[:, k])
    for pixel, first, begin, end in zip(
        lookup.apart, lookup.apart_first, lookup.apart_starts[:-1], lookup.apart_starts[1:], strict=True
    ):
        found[pixel, first : first + end - begin] += lookup.apart_weights[begin:end]
    assert np.all(found[:, lookup.bins :] == 0)
    return found[:, : lookup.bins]
