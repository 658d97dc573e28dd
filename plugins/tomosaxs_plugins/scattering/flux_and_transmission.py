"""Plugin `flux_and_transmission`."""

from __future__ import annotations

from typing import Annotated, Any

from tomosaxs import Dataset, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.scattering.kernels.flux_and_transmission import divide_by_flux
from tomosaxs_plugins.scattering.per_point import check_values, finished, like, positive, usable, variance
from tomosaxs_plugins.scattering.transmissions import check_transmission, transmission_of


def _check(data: Dataset, *, incident: Any, transmission: Any, transmitted: Any, empty_beam: Any) -> None:
    check_values(data, "incident", incident)
    check_transmission(data, transmission, transmitted, incident, empty_beam)


def _shape(data: Dataset, **_: Any) -> Output:
    return like(data, label="intensity", units="", corrected=("flux", "transmission"))


@plugin(shape=_shape, check=_check, memory=4.0, cite="10.1107/S1600576717015096", uncertainty=True, nan=True)
def flux_and_transmission(
    data: Pointwise,
    scan: Scan,
    *,
    incident: Annotated[float | str, Param("flux before the sample, or a companion that counts it", gt=0)] = "monitor",
    transmission: Annotated[
        float | str, Param("transmission of the sample, or a companion that holds it", gt=0)
    ] = "transmission",
    transmitted: Annotated[
        str | None, Param("companion that counts the beam after the sample; then transmission is not used")
    ] = None,
    empty_beam: Annotated[
        float | None, Param("transmitted over incident counts without a sample; needed with transmitted", gt=0)
    ] = None,
) -> Pointwise:
    """Divide by the flux that passed the sample: incident flux times transmission.

    Counters before and after the sample differ in efficiency: the transmission from their counts is
    T = (transmitted / incident) / empty_beam. Where flux or transmission is not a positive number, the values
    become NaN.
    """
    part = transmission_of(scan, transmission, transmitted, incident, empty_beam)
    return finished(divide_by_flux(usable(data), positive(scan, incident), part, variance(scan)))
