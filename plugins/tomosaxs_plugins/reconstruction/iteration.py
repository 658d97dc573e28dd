"""Iterative methods in words and numbers: what there is, what may be asked of them, what they tell; imports little."""

from __future__ import annotations

from dataclasses import dataclass, field

METHODS: tuple[str, ...] = ("sirt", "cgls", "fista_tv")
"""Names of the methods."""

ITERATIONS: dict[str, int] = {"sirt": 200, "cgls": 20, "fista_tv": 200}
"""How many iterations each does when nothing is said."""

REGULARISATION = 0.003
"""Weight of the total variation when nothing is said."""


@dataclass(frozen=True)
class Wishes:
    """What is asked of an iterative reconstruction.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    iterations : int
        Most iterations that are done.
    nonnegative : bool
        No value may be negative; not for ``cgls``.
    regularisation : float
        Of ``fista_tv``: weight of the total variation, in units of the mean attenuation of the slice.
    tolerance : float
        Stop when an iteration lowers the cost by less than this share of it; with 0, when it rises by rounding.
    """

    method: str
    iterations: int
    nonnegative: bool = False
    regularisation: float = REGULARISATION
    tolerance: float = 0.0


@dataclass
class History:
    """How a reconstruction went on.

    Parameters
    ----------
    residual : list of float
        Before the first and after every iteration: ``|A x - b| / |b|``.
    cost : list of float
        What the method minimises, in units of its value for a slice of zeros; never rises but for rounding.
    """

    residual: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
