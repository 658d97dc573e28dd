"""The transmission of the sample: given, or from the counts before and after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Scan
from tomosaxs_plugins.scattering.per_point import check_values, positive


def check_transmission(
    dataset: Dataset,
    transmission: float | str | None,
    transmitted: str | None,
    incident: float | str | None,
    empty_beam: float | None,
) -> None:
    """Refuse what `transmission_of` could not use.

    Raises
    ------
    InputError
        Naming the parameter.
    """
    if transmitted is None:
        check_values(dataset, "transmission", transmission)
        return
    check_values(dataset, "transmitted", transmitted)
    check_values(dataset, "incident", incident)
    if empty_beam is None:
        raise InputError(
            "the ratio of transmitted to incident counts without a sample is needed: the two counters differ in "
            "efficiency and gain",
            parameter="empty_beam",
        )


def transmission_of(
    scan: Scan,
    transmission: float | str,
    transmitted: str | None,
    incident: float | str,
    empty_beam: float | None,
) -> NDArray[np.float64]:
    """Return the transmission of every point of a block, NaN where it is not known.

    T = (transmitted / incident) / empty_beam where `transmitted` is given, else `transmission` as it is.
    """
    if transmitted is None:
        found = positive(scan, transmission)
    else:
        found = positive(scan, transmitted) / positive(scan, incident) / (empty_beam or 1.0)
    if np.any(found > 1.02):
        scan.note("there are transmissions above 1.02: is the ratio without a sample right?")
    return found
