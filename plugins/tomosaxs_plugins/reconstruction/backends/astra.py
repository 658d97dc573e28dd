"""Backend ``astra``: the ASTRA toolbox (van Aarle et al., DOI 10.1364/OE.24.025129), on the CPU or on a GPU.

What the adapter puts right, so that the result is attenuation per pixel on the common grid:

- astra's own filtered backprojection takes angles to be evenly spaced over 180 degrees: filtering and angular weights
  are this package's, astra only backprojects;
- its y axis points up while rows are counted downwards, and its rotation axis is the middle of the detector: the
  geometry is given as vectors, with the detector moved by the distance of the axis, sub-pixel.

``fbp`` on the CPU backprojects with the transpose of the projector. ``strip`` (exact areas) is the default: it is
three times slower than ``linear`` (Joseph's), whose transpose treats pixels unequally where the rays run between them
(errors of a per cent in general, and of several per cent in the pixel at the rotation axis). ``sirt`` and ``cgls``
solve the same linear system iteratively, with any angles, over the whole square slice; there ``linear`` is the
default. Their result is attenuation per pixel too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.backends.base import Request, checked, distribution_version, installed
from tomosaxs_plugins.reconstruction.filters import filter_projections
from tomosaxs_plugins.reconstruction.grid import mask_outside
from tomosaxs_plugins.reconstruction.parallel import thread_count

PROJECTORS: tuple[str, ...] = ("linear", "strip")
"""Choices of the option ``projector``."""

_PROJECTOR = {"fbp": "strip", "sirt": "linear", "cgls": "linear"}
_ITERATIONS = {"sirt": 200, "cgls": 20}
_OPTIONS = ("projector", "gpu")
_DEVICES = (
    "/dev/nvidia0",
    "/dev/nvidiactl",
    "/dev/dxg",
    "/proc/driver/nvidia",
)  # also that of the subsystem in Windows


def _may_have_gpu() -> bool:
    """Return False where the system shows no NVIDIA device: to ask the toolbox for one it would have to be imported."""
    return sys.platform != "linux" or any(Path(place).exists() for place in _DEVICES)


@dataclass(frozen=True)
class AstraBackend:
    """The ASTRA toolbox.

    Options of its own: ``projector`` (``strip`` or ``linear``, on the CPU), and ``gpu`` (true, false; by default
    whether there is one).
    """

    name: str = "astra"
    algorithms: tuple[str, ...] = ("fbp", "sirt", "cgls")
    filtered: tuple[str, ...] = ("fbp",)

    def missing(self) -> str | None:
        """Return why it cannot be used and how to install it, or None."""
        if installed("astra"):
            return None
        return "the ASTRA toolbox is not installed; install with: pip install astra-toolbox"

    def version(self) -> str:
        """Return the version of the ASTRA toolbox."""
        return distribution_version("astra-toolbox")

    def has_gpu(self) -> bool:
        """Return whether the toolbox can use a GPU here."""
        if not (installed("astra") and _may_have_gpu()):
            return False
        import astra

        return bool(astra.use_cuda())

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
        """Reconstruct slices; see `Backend.reconstruct` and the options of the class."""
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
            known_options=_OPTIONS,
        )
        projector = options.get("projector") or _PROJECTOR[asked.algorithm]
        if projector not in PROJECTORS:
            raise ValueError(f"backend astra has no projector {projector!r}; it has {', '.join(PROJECTORS)}")
        gpu = self.has_gpu() if options.get("gpu") is None else bool(options["gpu"])
        if gpu and not self.has_gpu():
            raise ValueError("backend astra finds no GPU here")
        volume = np.zeros((len(asked.sinograms), asked.size, asked.size), dtype=np.float32)
        workers = 1 if gpu else max(1, min(thread_count(threads), len(volume)))
        shares = [range(first, len(volume), workers) for first in range(workers)]
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(lambda share: _reconstruct_share(asked, volume, share, projector, gpu), shares):
                pass
        return mask_outside(volume, mask_ratio)


def _reconstruct_share(asked: Request, volume: NDArray[np.float32], share: range, projector: str, gpu: bool) -> None:
    """Reconstruct some slices, one after the other, with one set of astra's objects."""
    method = {"fbp": "BP", "sirt": "SIRT", "cgls": "CGLS"}[asked.algorithm] + ("_CUDA" if gpu else "")
    weights = angular_weights(asked.angles_deg).astype(np.float32)[:, np.newaxis]
    if asked.algorithm == "fbp" and gpu:
        weights /= _gain_on_gpu(asked)
    rounds = 1 if asked.algorithm == "fbp" else asked.iterations or _ITERATIONS[asked.algorithm]
    with _astra_algorithm(asked, method, "cuda" if gpu else projector) as run:
        for index in share:
            data = asked.sinograms[index]
            if asked.algorithm == "fbp":
                data = filter_projections(data, asked.filter, asked.padding) * weights
            volume[index] = run(data, rounds)


def _gain_on_gpu(asked: Request) -> float:
    """Return what astra's backprojection makes of projections that are one everywhere, per projection, at the axis."""
    ones = np.ones(asked.sinograms.shape[1:], dtype=np.float32)
    with _astra_algorithm(asked, "BP_CUDA", "cuda") as run:
        middle = asked.size // 2
        return float(run(ones, 1)[middle, middle]) / len(ones)


@contextmanager
def _astra_algorithm(asked: Request, method: str, projector: str) -> Iterator[Any]:
    """Yield a function (sinogram, iterations) -> slice; astra's objects are deleted at the end."""
    import astra

    width = asked.sinograms.shape[2]
    projections = astra.create_proj_geom("parallel_vec", width, _vectors(asked, width))
    grid = astra.create_vol_geom(asked.size, asked.size)
    projector_id = astra.create_projector(projector, projections, grid)
    sinogram_id = astra.data2d.create("-sino", projections)
    slice_id = astra.data2d.create("-vol", grid)
    configuration = astra.astra_dict(method)
    configuration["ProjectorId"] = projector_id
    configuration["ProjectionDataId"] = sinogram_id
    configuration["ReconstructionDataId"] = slice_id
    algorithm_id = 0

    def run(sinogram: NDArray[np.float32], iterations: int) -> NDArray[np.float32]:
        nonlocal algorithm_id
        astra.data2d.store(sinogram_id, np.ascontiguousarray(sinogram, dtype=np.float32))
        astra.data2d.store(slice_id, 0)
        # a new algorithm for each slice: an old one remembers where it stopped
        if algorithm_id:
            astra.algorithm.delete(algorithm_id)
        algorithm_id = astra.algorithm.create(configuration)
        astra.algorithm.run(algorithm_id, iterations)
        return np.asarray(astra.data2d.get(slice_id), dtype=np.float32)

    try:
        yield run
    finally:
        if algorithm_id:
            astra.algorithm.delete(algorithm_id)
        astra.data2d.delete([sinogram_id, slice_id])
        astra.projector.delete(projector_id)


def _vectors(asked: Request, width: int) -> NDArray[np.float64]:
    """Return astra's description of each view: ray, middle of the detector, step between detector pixels (x, y up)."""
    angles = np.deg2rad(asked.angles_deg)
    cosine, sine = np.cos(angles), np.sin(angles)
    aside = 0.5 * (width - 1) - asked.centre_px  # of the middle of the detector from the axis
    return np.stack([sine, cosine, aside * cosine, -aside * sine, cosine, -sine], axis=1)


backend = AstraBackend()
