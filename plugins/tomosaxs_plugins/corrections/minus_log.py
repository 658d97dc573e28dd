"""Transmission to attenuation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, Source, empty_block, plugin
from tomosaxs_plugins.corrections.kernels import minus_logarithm


def _shape(data: Dataset, *, minimum: float, open_beam: float) -> Output:
    return Output((), "float32", "attenuation", "")


def _check(data: Dataset, **_: float) -> None:
    if data.label == "attenuation":
        raise InputError("the data are attenuations already: a second logarithm spoils them, leave this step out")
    if {"z", "y", "x"} <= set(data.names):
        raise InputError("the data are slices: the logarithm belongs before reconstruct, to the transmission")


def _look(data: Dataset, source: Source | None, *, open_beam: float, **_: float) -> Iterator[str]:
    if open_beam == 1 and "flats" in data.auxiliaries:
        yield "the flats were not used yet, so the data are no transmission: put dark_flat_correction before it"


@plugin(shape=_shape, memory=1.0, check=_check, look=_look)
def minus_log(
    data: Pointwise,
    scan: Scan,
    *,
    minimum: Annotated[float, Param("transmissions below this are raised to it", gt=0, le=1)] = 1e-4,
    open_beam: Annotated[float, Param("signal without a sample; 1 where the data are a transmission", gt=0)] = 1.0,
) -> Pointwise:
    """Turn transmission into attenuation: the negative natural logarithm.

    T is the data over `open_beam` (1 after a dark and flat correction). The law of Beer and Lambert makes -ln(T)
    the line integral of the attenuation coefficient. Transmissions below `minimum` (noise may make them zero or
    negative) are raised to it first; their number is reported.

    Parameters
    ----------
    data : (n, ...) array
        Transmission; any slicing.

    Returns
    -------
    (n, ...) float32 array
        Line integrals of the attenuation, without units.
    """
    attenuation, raised = minus_logarithm(data, minimum, open_beam, empty_block(data.shape, np.float32))
    if raised.any():
        scan.note(f"{{count}} transmissions below {minimum:g} were raised to it", raised)
    return attenuation
