"""Backend ``tomopy``: gridrec, a direct Fourier reconstruction (Dowd et al., DOI 10.1117/12.363725).

What the adapter puts right, so that the result is attenuation per pixel on the common grid (read from the source of
tomopy 1.15.2 and confirmed by the conformance tests):

- gridrec keeps rows upside down and its origin at pixel ``size // 2`` (``(size + 1) // 2`` for odd sizes), and lets
  values wrap around: projections are zero padded to at least twice their width and shifted, exactly, in Fourier
  space; this also places a sub-pixel rotation axis;
- its gain is that of its interpolation kernel, a prolate spheroidal function (bandwidth parameter 7) cut at two grid
  points while its correction assumes a wider one: the ratio of the two is known and divided out;
- it sets frequency zero of the filter to zero, which lowers everything by a constant that is known from the total of
  the projections and is added again;
- it weights all projections equally: they are multiplied by the angular weights beforehand;
- it computes slices in pairs, which talk to each other weakly: each slice is given alone.

What remains is an error of 0.1 to 1 per cent. ``fbp`` is gridrec with the filter asked for, since tomopy's own
``fbp`` does not filter. tomopy's iterative methods are not offered.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.backends.base import Request, checked, distribution_version, installed
from tomosaxs_plugins.reconstruction.filters import filter_response, pad
from tomosaxs_plugins.reconstruction.grid import mask_outside
from tomosaxs_plugins.reconstruction.parallel import thread_count

_BANDWIDTH = 7.0  # of gridrec's kernel
_CUT = 2.0  # grid points on each side that gridrec uses of it
_EIGENVALUE = 0.99998546
_SMALLEST_LENGTH = 512  # below, the kernel's aliases show and padding costs next to nothing


@dataclass(frozen=True)
class TomopyBackend:
    """tomopy's gridrec on the CPU."""

    name: str = "tomopy"
    algorithms: tuple[str, ...] = ("fbp", "gridrec")
    filtered: tuple[str, ...] = ("fbp", "gridrec")

    def missing(self) -> str | None:
        """Return why it cannot be used and how to install it, or None."""
        if installed("tomopy"):
            return None
        return "tomopy is not installed; it comes from conda-forge: conda install -c conda-forge tomopy"

    def version(self) -> str:
        """Return tomopy's version."""
        return distribution_version("tomopy")

    def has_gpu(self) -> bool:
        """Return False: gridrec computes on the CPU."""
        return False

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
        )
        volume = np.empty((len(asked.sinograms), asked.size, asked.size), dtype=np.float32)
        if len(volume):
            _gridrec(asked, threads, volume)
        return mask_outside(volume, mask_ratio)


def _gridrec(asked: Request, threads: int | None, volume: NDArray[np.float32]) -> None:
    """Fill the volume."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about optional parts of tomopy that are not used here
        import tomopy

    size, width = asked.size, asked.sinograms.shape[2]
    length = _SMALLEST_LENGTH
    while length < 2 * max(size, width):
        length *= 2
    response = filter_response(asked.filter, length)
    gain, correction = _kernel(size, length)
    projections = _prepared(asked, length)
    raw = tomopy.recon(
        projections,
        np.deg2rad(asked.angles_deg),
        center=length // 2,
        sinogram_order=True,
        algorithm="gridrec",
        filter_name="custom",
        filter_par=(2.0 / gain * response[:-1]).astype(np.float32),
        num_gridx=size,
        num_gridy=size,
        ncore=thread_count(threads),
        nchunk=1,
    )
    lost = np.pi * response[0] / length * projections.sum(axis=2, dtype=np.float64).mean(axis=1)
    np.multiply(raw[:, ::-1], correction, out=volume)
    volume += lost[:, np.newaxis, np.newaxis].astype(np.float32)


def _prepared(asked: Request, length: int) -> NDArray[np.float32]:
    """Return weighted, padded projections with the common origin where gridrec has its own."""
    angles = np.deg2rad(asked.angles_deg)
    weights = angular_weights(asked.angles_deg) * len(angles) / np.pi
    aside = 0.5 if asked.size % 2 == 0 else 1.0  # gridrec's origin, in pixels from the middle of the slice
    shift = length // 2 - asked.centre_px - aside * (np.cos(angles) + np.sin(angles))
    phase = np.exp(-2j * np.pi * np.fft.rfftfreq(length) * shift[:, np.newaxis]) * weights[:, np.newaxis]
    prepared = np.empty((*asked.sinograms.shape[:2], length), dtype=np.float32)
    for one, place in zip(asked.sinograms, prepared, strict=True):
        place[...] = np.fft.irfft(np.fft.rfft(pad(one, length, asked.padding)) * phase, n=length)
    return prepared


def _kernel(size: int, length: int) -> tuple[float, NDArray[np.float32]]:
    """Return gridrec's gain at the rotation axis, and what its values must be multiplied by elsewhere."""
    from scipy.special import pro_ang1

    def wave(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        return np.asarray(pro_ang1(0, 0, _BANDWIDTH, np.abs(x))[0])

    integral = _CUT * np.sqrt(2.0 * np.pi * _EIGENVALUE / _BANDWIDTH)
    applied = np.sqrt(np.pi / (2.0 * _BANDWIDTH * _EIGENVALUE)) / 1.2
    place = np.arange(size) - 0.5 * (size - 1)
    profile = wave(2.0 * place / length) / wave(2.0 * np.pi * _CUT * place / (_BANDWIDTH * length))
    return 2.0 * float(integral * applied) ** 2, (profile[:, np.newaxis] * profile).astype(np.float32)


backend = TomopyBackend()
