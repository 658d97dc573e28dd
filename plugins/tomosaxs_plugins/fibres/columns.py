"""Columns of a table of reconstructed fibres, and what its flags mean; the same for every method."""

from __future__ import annotations

from typing import Final

COLUMNS: Final[tuple[tuple[str, str, str], ...]] = (
    ("identifier", "", "number of the fibre in the whole sample"),
    ("flag", "", "0 where the fibre is solved, else why it is not"),
    ("group", "", "fibres with the same number here could only be determined together"),
    ("n_paths", "", "beam paths that see the fibre"),
    ("q0", "nm^-1", "meridional position of the streak"),
    ("wa", "nm^-1", "radial half width of the streak"),
    ("wmu", "rad", "angular width of the streak"),
    ("delta", "", "shape of the streak between flat (0) and part of a sphere (1)"),
    ("amplitude", "", "amplitude"),
    ("height", "", "intensity at the peak of the streak"),
    ("alpha", "deg", "angle of the fibre from the vertical"),
    ("beta", "deg", "azimuth of the fibre about the vertical, from the beam"),
    ("q0_sd", "nm^-1", "standard uncertainty of q0"),
    ("wa_sd", "nm^-1", "standard uncertainty of wa"),
    ("wmu_sd", "rad", "standard uncertainty of wmu"),
    ("delta_sd", "", "standard uncertainty of delta"),
    ("amplitude_sd", "", "standard uncertainty of amplitude"),
    ("height_sd", "", "standard uncertainty of height"),
    ("alpha_sd", "deg", "standard uncertainty of alpha"),
    ("beta_sd", "deg", "standard uncertainty of beta"),
    ("reduced_chi_squared", "", "reduced chi squared of the bins that the fibre lights"),
)

SOLVED: Final = 0
FLAGS: Final[dict[int, str]] = {
    0: "solved",
    1: "seen by no beam path",
    2: "not determined by the data: the uncertainty exceeds what was known before",
    3: "determined only together with other fibres of its group",
    4: "the model does not describe the data",
    5: "a parameter ended at the bound of what is allowed",
    6: "no usable data",
    7: "the fit did not converge",
    8: "leaving out one angle changes the result",
    9: "rejected by a rule of the sequential method",
    10: "another solution describes the data about as well",
    11: "the uncertainty does not tell how far it may be off",
}

NAMES: Final = tuple(name for name, _, _ in COLUMNS)
MORE_COLUMNS: Final[tuple[tuple[str, str, str], ...]] = (
    ("x", "mm", "position of the fibre across the beam, at rotation 0"),
    ("z", "mm", "position of the fibre along the beam, at rotation 0"),
    ("d_period", "nm", "D-period, 2 pi order / q0"),
    ("d_period_sd", "nm", "standard uncertainty of the D-period"),
    ("strain", "", "strain of the D-period against the reference"),
    ("strain_sd", "", "standard uncertainty of the strain"),
)
"""What `map_fibres` adds to the columns of a reconstruction."""


def place(name: str) -> int:
    """Return the place of a column."""
    return NAMES.index(name)


def flag_text(code: float) -> str:
    """Return what a flag means."""
    return FLAGS.get(int(code), f"flag {int(code)}")
