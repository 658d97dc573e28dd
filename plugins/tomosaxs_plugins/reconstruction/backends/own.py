"""Backend ``tomosaxs``: this package's own gridding, filtered backprojection and iterative methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.backends.base import Request, checked, distribution_version


@dataclass(frozen=True)
class TomosaxsBackend:
    """Filtered backprojection on the CPU, exact to about 1e-5 on smooth objects, and gridding, exact to 1e-4.

    ``fbp`` leaves the choice of method to the backend, which takes gridding: several times faster, and its error is far
    below that of finite numbers of views and pixels. ``backproject`` and ``gridding`` ask for one by name. Slices are
    bit-identical for any batch and any number of threads. Options of its own: ``region`` (top, bottom, left, right),
    the part of the slices that is worked out; of the iterative methods ``nonnegative``, ``regularisation``,
    ``tolerance``, ``initial`` and ``histories`` (see `iterative_slices`). Those in `several_axes` take a rotation axis
    for every slice.
    """

    name: str = "tomosaxs"
    algorithms: tuple[str, ...] = ("fbp", "backproject", "gridding", "sirt", "cgls", "fista_tv")
    filtered: tuple[str, ...] = ("fbp", "backproject", "gridding")
    means: tuple[tuple[str, str], ...] = (("fbp", "gridding"),)
    known_options: tuple[str, ...] = (
        "region", "nonnegative", "regularisation", "tolerance", "initial", "histories",
    )  # fmt: skip
    several_axes: tuple[str, ...] = ("fbp", "backproject", "gridding", "sirt", "cgls", "fista_tv")

    def missing(self) -> str | None:
        """Return None: it is always there."""
        return None

    def version(self) -> str:
        """Return the version of this package."""
        return distribution_version("tomosaxs")

    def has_gpu(self) -> bool:
        """Return False: it computes on the CPU."""
        return False

    def reconstruct(
        self,
        sinograms: NDArray[np.float32],
        angles_deg: ArrayLike,
        centre_px: float | NDArray[np.float64],
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
        """Reconstruct slices; see `Backend.reconstruct`."""
        asked = checked(
            self,
            sinograms,
            angles_deg,
            centre_px,
            algorithm=algorithm,
            filter=filter,
            padding=padding,
            iterations=iterations,
            size=size,
            options=options,
            known_options=self.known_options,
            several_axes=self.several_axes,
        )
        region = options.pop("region", None)
        if asked.algorithm not in self.filtered:
            return _iterative(asked, mask_ratio, threads, region, options)
        if options:
            raise ValueError(f"algorithm {asked.algorithm} has no {', '.join(options)}; the iterative ones have")
        return _method(asked.algorithm)(
            asked.sinograms,
            asked.angles_deg,
            asked.centres_px if np.ndim(centre_px) else asked.centre_px,
            filter=asked.filter,
            padding=asked.padding,
            size=asked.size,
            mask_ratio=mask_ratio,
            threads=threads,
            region=region,
        )


def _iterative(
    asked: Request,
    mask_ratio: float | None,
    threads: int | None,
    region: tuple[int, int, int, int] | None,
    options: dict[str, Any],
) -> NDArray[np.float32]:
    """Reconstruct whole slices by iteration, and return the part that is asked for."""
    from tomosaxs_plugins.reconstruction.iterative_slices import reconstruct_by_iteration

    volume = reconstruct_by_iteration(
        asked.sinograms, asked.angles_deg, asked.centres_px, method=asked.algorithm, size=asked.size,
        iterations=asked.iterations, filter=asked.filter, padding=asked.padding, mask_ratio=mask_ratio,
        threads=threads, **options,
    )  # fmt: skip
    if region is None:
        return volume
    top, bottom, left, right = region
    return np.ascontiguousarray(volume[:, top:bottom, left:right])


def _method(algorithm: str) -> Callable[..., NDArray[np.float32]]:
    """Return what carries out an algorithm; it is imported when it is used."""
    if dict(backend.means).get(algorithm, algorithm) == "gridding":
        from tomosaxs_plugins.reconstruction.gridding import gridding

        return gridding
    from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

    return filtered_backprojection


backend = TomosaxsBackend()
