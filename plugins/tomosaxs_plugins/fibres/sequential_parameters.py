"""Parameters of the sequential method as a user of `reconstruct_fibres` gives them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from tomosaxs import Param
from tomosaxs_plugins.fibres.sequential_options import SequentialOptions, Weights

Rules: TypeAlias = Annotated[
    Literal["mended", "published"],
    Param("method sequential: weights, a fitted background and no smoothing, or the published choices"),
]
Scale: TypeAlias = Annotated[
    float | None,
    Param(
        "method sequential: factor from the data to the intensities of the published absolute thresholds (detection at "
        "3.5e6); by default thresholds are relative to the noise",
        gt=0,
    ),
]
WindowWidth: TypeAlias = Annotated[
    float, Param("method sequential: width of the windows in azimuth", unit="deg", gt=0, le=90)
]
Detection: TypeAlias = Annotated[
    float, Param("method sequential: least signal in a window, in standard uncertainties", gt=0)
]
NeighbourFactor: TypeAlias = Annotated[
    float, Param("method sequential: factor by which amplitudes of fibres solved before may move; 1 holds them", ge=1)
]


def options_of(
    rules: str = "mended",
    scale: float | None = None,
    window: float = 10.0,
    detection: float = 5.0,
    neighbour_factor: float = 10.0,
    order: int = 3,
    weights: Weights = "poisson",
) -> SequentialOptions:
    """Return the options that a user's parameters stand for.

    Parameters
    ----------
    rules : {'mended', 'published'}
        Which choices are made where the published ones do harm.
    scale : float, optional
        Factor to the intensities of the published thresholds.
    window : float
        Width of the windows in degrees.
    detection : float
        In standard uncertainties.
    neighbour_factor : float
        For the amplitudes of fibres solved before.
    order : int
        Order of the reflection.
    weights : {'poisson', 'given'}
        Of the mended rules; as published all bins count alike.
    """
    options = SequentialOptions(
        window_deg=window, detection=detection, neighbour_factor=neighbour_factor, order=order, scale=scale,
        weights=weights,
    )  # fmt: skip
    return options.published(scale) if rules == "published" else options
