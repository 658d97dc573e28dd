"""Plugin `eigen_flat_correction`: dark and flat correction for a beam that changes between flats and projections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Param, Projections, Scan, plugin
from tomosaxs_plugins.corrections.eigen_flats_kernels import BeamFit, EigenFlats, eigen_flats
from tomosaxs_plugins.corrections.kernels import transmission

_LEAST = 4
_FRAME = ("detector_y", "detector_x")


def _check(data: Dataset, *, components: int | None, air: int, **_: Any) -> None:
    if not set(_FRAME) <= set(data.names):
        raise InputError(f"eigen-flats need frames of a camera, axes {' and '.join(_FRAME)}")
    for name in ("flats", "darks"):
        if name not in data.auxiliaries:
            raise InputError(f"the scan has no {name}: give a file that has them as the input's `{name}: FILE`")
    flats = data.auxiliaries["flats"]
    if flats.axes != ("flat", *_FRAME):
        raise InputError(f"the flats have the axes ({', '.join(flats.axes)}); needed are (flat, {', '.join(_FRAME)})")
    count = flats.reader.shape[0]
    if count < _LEAST:
        raise InputError(
            f"{count} flats are too few to see how the beam changes, {_LEAST} are the least: keep every single one "
            "with the input's `flat_average: none`, or take dark_flat_correction"
        )
    if components is not None and components >= count:
        raise InputError(f"{count} flats have at most {count - 1} components", parameter="components")
    if 2 * air > data.axis("detector_x").size:
        raise InputError(f"twice {air} columns is more than the frame has", parameter="air")


def _shape(data: Dataset, **_: Any) -> Output:
    gone = ("flats", "darks", "flat_weights", "monitor_flats")
    return Output((data.axis("detector_y"), data.axis("detector_x")), "float32", "transmission", "", drop=gone)


def _memory(slices: int, data: Dataset, *, components: int | None, most: int, **_: Any) -> float:
    frame = data.axis("detector_y").size * data.axis("detector_x").size
    return frame * (slices * (data.dtype.itemsize + 8.0) + 4.0 * (2 * (components or most) + 16))


@plugin(name="eigen_flat_correction", check=_check, shape=_shape, memory=_memory, cite="10.1364/OE.23.027975")
@dataclass
class EigenFlatCorrection:
    """Turn counts into transmission with flats that follow the beam: eigen-flats, dynamic flat-field correction.

    Takes the place of dark_flat_correction where the beam moves or its structure changes faster than flats are taken.
    The flats, every single one (`flat_average: none` in the input), tell how the beam can change: their principal
    components. Their weights in each projection are those that leave the least total variation in the logarithm of
    the corrected projection, looked for in binned images. That sees stripes and speckle of the beam well; brightness,
    which it cannot tell, is that of the flats around it in time. Where the sample leaves `air` free at both sides,
    give it: then brightness and weights are those that make the air 1, and changes as smooth as the sample are
    followed, too.

        input:
          tomo:
            plugin: tomography
            path: scan.nxs
            flat_average: none
        steps:
          - plugin: eigen_flat_correction

    Flats that are all alike but for noise have no components, and the result is that of dark_flat_correction.
    """

    components: Annotated[int | None, Param("number of components; default those above the noise", ge=0)] = None
    most: Annotated[int, Param("components at most, where their number is found", ge=1, le=100)] = 8
    bin: Annotated[
        int | None,
        Param(
            "weights are looked for in means of so many pixels along each side; default 4, less in small frames",
            ge=1,
            le=64,
        ),
    ] = None
    air: Annotated[int, Param("columns at each side that the sample never covers; 0: not known", unit="px", ge=0)] = 0
    dead_below: Annotated[
        float, Param("dead is where flat minus dark is not above this fraction of its row's median", ge=0, lt=1)
    ] = 0.01
    _flats: EigenFlats | None = field(init=False, default=None, repr=False)
    _fit: BeamFit | None = field(init=False, default=None, repr=False)
    _dark: NDArray[np.float32] | None = field(init=False, default=None, repr=False)

    def setup(self, dataset: Dataset) -> None:
        """Find the components, flat by flat.

        Raises
        ------
        InputError
            When a flat is not brighter than the dark.
        """
        flats, darks = dataset.auxiliaries["flats"].reader, dataset.auxiliaries["darks"].reader
        whole = (slice(None), slice(None))
        self._dark = darks.read((slice(None), *whole)).mean(axis=0, dtype=np.float64).astype(np.float32)

        def read(number: int) -> NDArray[np.float32]:
            return np.asarray(flats.read((slice(number, number + 1), *whole))[0], dtype=np.float32)

        size = self.bin or max(1, min(4, min(self._dark.shape) // 32))
        try:
            self._flats = eigen_flats(read, flats.shape[0], self._dark, size, self.components, self.most)
        except ValueError as error:
            raise InputError(f"{error}: the beam was off, or it is a dark") from None
        self._fit = BeamFit.of(self._flats, size, self.air)

    def __call__(self, data: Projections, scan: Scan) -> Projections:
        """Correct projections, each by itself."""
        if self._flats is None or self._fit is None or self._dark is None:
            self.setup(scan.dataset)
            return self(data, scan)
        found, dark = self._flats, self._dark
        shares = self._shares(scan, len(data))
        levels, starts = shares @ found.levels, shares @ found.scores
        weights = np.empty((found.components + 2, len(data)))
        for number, frame in enumerate(data):
            level, fitted = float(levels[number]), starts[number]
            if found.components or self.air:
                level, fitted = self._fit(frame - dark, level, fitted)
            weights[:, number] = [level, *(level * fitted), 1.0]
        flats = np.concatenate([found.images, dark[None]])[:, None]
        made, dead = transmission(data, dark[None], flats, weights[:, :, None, None], -1, self.dead_below)
        if dead.any():
            scan.note("{count} values at dead pixels (flat hardly above dark) were interpolated along their rows", dead)
        if found.components:
            scan.remark(f"{found.components} eigen-flats hold {found.explained:.1%} of the variance of the flats")
        else:
            scan.remark("the flats are alike but for noise and brightness: no eigen-flats")
        return made

    def _shares(self, scan: Scan, count: int) -> NDArray[np.float64]:
        """Return (projections, flats) shares of the flats by time; all the same where times are not known."""
        flats = 0 if self._flats is None else len(self._flats.levels)
        if "flat_weights" not in scan:
            return np.full((count, flats), 1.0 / flats)
        weights = scan.get("flat_weights").reshape(flats, -1).T
        return np.asarray(np.broadcast_to(weights, (count, flats)), dtype=np.float64)
