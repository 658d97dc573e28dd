"""What every reconstruction backend offers, and the checks that all of them share.

A backend turns sinograms into slices. All of them take and give the same: attenuation per pixel on the same grid,
with the rotation axis at the same place and the same orientation (see `Backend.reconstruct`), so that one word swaps
one for another. What a library does differently is put right inside its adapter.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.filters import FILTERS, PADDINGS
from tomosaxs_plugins.reconstruction.grid import check_sinograms


class Backend(Protocol):
    """An implementation behind the word ``backend`` of `reconstruct`."""

    @property
    def name(self) -> str:
        """The word in the list."""
        ...

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Words for ``algorithm``; ``fbp`` always means filtered."""
        ...

    @property
    def filtered(self) -> tuple[str, ...]:
        """Those of the algorithms that use a filter; the others use a number of iterations."""
        ...

    def missing(self) -> str | None:
        """Return why it cannot be used and how to install it, or None; imports nothing heavy."""
        ...

    def version(self) -> str:
        """Return the version of the library that does the work."""
        ...

    def has_gpu(self) -> bool:
        """Return whether it would compute on a GPU here; imports the library where it is installed."""
        ...

    def reconstruct(
        self,
        sinograms: NDArray[np.float32],
        angles_deg: ArrayLike,
        centre_px: float,
        *,
        algorithm: str = "fbp",
        filter: str = "ramp",
        padding: str = "zero",
        iterations: int | None = None,
        size: int | None = None,
        mask_ratio: float | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> NDArray[np.float32]:
        """Reconstruct slices.

        Parameters
        ----------
        sinograms : ndarray, shape (slices, angles, columns)
            Attenuation: line integrals, where a pixel is the unit of length.
        angles_deg : array_like, shape (angles,)
            Angles in degrees, in any order.
        centre_px : float
            Rotation axis, in pixel centres counted from 0.
        algorithm : str
            One of `algorithms`.
        filter, padding : str
            Of the filtered algorithms (see `filters`).
        iterations : int, optional
            Of the iterative algorithms; each has its own default.
        size : int, optional
            Rows and columns of a slice; the detector's width by default.
        mask_ratio : float, optional
            Pixels outside a circle of this diameter, relative to the size, become zero.
        threads : int, optional
            Number of threads; by default as `thread_count` says.
        **options
            What only this backend has.

        Returns
        -------
        ndarray, shape (slices, size, size), float32
            Attenuation per pixel. The rotation axis is at row and column ``(size - 1) / 2``; detector column
            ``centre + x cos(angle) + y sin(angle)`` sees the pixel x columns and y rows from there.

        Raises
        ------
        ValueError
            If shapes do not fit together, or a name or an option is unknown.
        """
        ...


@dataclass(frozen=True)
class Request:
    """A checked call of `Backend.reconstruct`."""

    sinograms: NDArray[np.float32]
    angles_deg: NDArray[np.float64]
    centre_px: float
    centres_px: NDArray[np.float64]
    algorithm: str
    filter: str
    padding: str
    iterations: int | None
    size: int


def checked(
    backend: Backend,
    sinograms: NDArray[np.float32],
    angles_deg: ArrayLike,
    centre_px: float | NDArray[np.float64],
    *,
    algorithm: str,
    filter: str,
    padding: str,
    iterations: int | None,
    size: int | None,
    options: Collection[str] = (),
    known_options: Collection[str] = (),
    several_axes: Collection[str] = (),
) -> Request:
    """Check the arguments of `Backend.reconstruct`, with what exists in every message.

    Parameters
    ----------
    backend : Backend
        Who is asked.
    sinograms, angles_deg, centre_px, algorithm, filter, padding, iterations, size
        As for `Backend.reconstruct`.
    options, known_options : collection of str
        Names of the further options given, and of those that exist.
    several_axes : collection of str
        Algorithms that take a rotation axis for every slice.

    Returns
    -------
    Request
        The same, complete.

    Raises
    ------
    ValueError
        If anything is wrong with them.
    """
    stack = check_sinograms(sinograms, angles_deg, centre_px)
    if algorithm not in backend.algorithms:
        raise ValueError(
            f"backend {backend.name} has no algorithm {algorithm!r}; it has {', '.join(backend.algorithms)}"
        )
    if filter not in FILTERS:
        raise ValueError(f"no filter is called {filter!r}; there are {', '.join(FILTERS)}")
    if padding not in PADDINGS:
        raise ValueError(f"no padding is called {padding!r}; there are {', '.join(PADDINGS)}")
    if iterations is not None:
        if algorithm in backend.filtered:
            raise ValueError(f"algorithm {algorithm} of backend {backend.name} has no iterations")
        if iterations < 1:
            raise ValueError(f"at least one iteration is needed, not {iterations}")
    if np.ndim(centre_px) and algorithm not in several_axes:
        raise ValueError(f"algorithm {algorithm} of backend {backend.name} takes one rotation axis for all slices")
    unknown = sorted(set(options) - set(known_options))
    if unknown:
        exist = f"it has {', '.join(sorted(known_options))}" if known_options else "it has none of its own"
        raise ValueError(f"backend {backend.name} has no option {', '.join(unknown)}; {exist}")
    side = stack.shape[2] if size is None else int(size)
    if side < 1:
        raise ValueError(f"a slice needs at least one pixel, not {side}")
    angles = np.asarray(angles_deg, dtype=np.float64).ravel()
    centres = np.array(np.broadcast_to(np.asarray(centre_px, dtype=np.float64), len(stack)))
    centre = float(np.mean(centre_px))
    return Request(stack, angles, centre, centres, algorithm, filter, padding, iterations, side)


def installed(module: str) -> bool:
    """Return whether a top-level module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def distribution_version(name: str) -> str:
    """Return the version of an installed distribution, or ``unknown``."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
