"""What the steps of this folder have in common: parameters, and what they refuse before anything runs."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from tomosaxs import Dataset, InputError, Param

Threshold: TypeAlias = Annotated[
    float, Param("standard errors by which a stripe stands out; 0 corrects every column", ge=0)
]
Part: TypeAlias = Annotated[float, Param("part of the angles over which a stripe shows", gt=0, le=1)]
Widest: TypeAlias = Annotated[int, Param("widest stripe that is looked for", unit="px", ge=1)]


def check_windows(data: Dataset, **parameters: Any) -> None:
    """Refuse windows that are even or do not fit into the sinogram, and sinograms of fewer than three angles."""
    columns = data.axis("x" if "x" in data.names else "detector_x").size
    angles = data.axis("rotation_angle").size
    if angles < 3 or columns < 9:
        raise InputError(
            f"stripes cannot be told from the sample in a sinogram of {angles} angles and {columns} columns; "
            "at least 3 and 9 are needed"
        )
    for name, value in parameters.items():
        if name in ("size", "large_size", "small_size") and value is not None:
            if value % 2 == 0:
                raise InputError(f"{name}: a median needs an odd number of columns, given {value}; try {value + 1}")
            if value > columns:
                raise InputError(f"{name}: {value} columns are more than the {columns} that the sinogram has")
    if 4 * parameters.get("widest", 1) > columns:
        raise InputError(f"widest: stripes of {parameters['widest']} px cannot be told in {columns} columns")


def check_attenuation(data: Dataset, **parameters: Any) -> None:
    """Refuse transmissions, in which a wrong gain does not add the same to every angle."""
    if data.label == "transmission":
        raise InputError(
            "the data are transmissions: this step needs attenuation, in which a wrong gain adds the same to every "
            "angle; put it after minus_log, or take remove_all_stripes or remove_stripes_by_sorting"
        )
    check_windows(data, **parameters)
