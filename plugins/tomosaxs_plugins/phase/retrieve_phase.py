"""Phase retrieval for in-line phase contrast of one material."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Param, Projections, Scan, Source, plugin
from tomosaxs_plugins.corrections.kernels import minus_logarithm
from tomosaxs_plugins.phase.cosine import CosineFilter
from tomosaxs_plugins.phase.geometry import DIRECTIONS, PhaseSettings, check_size, rows_needed
from tomosaxs_plugins.phase.paganin import paganin_filter
from tomosaxs_plugins.reconstruction.parallel import thread_count

_MEANING = {"transmission": ("transmission", ""), "thickness": ("thickness", "m"), "phase": ("phase", "rad")}


def _settings(parameters: dict[str, Any]) -> PhaseSettings:
    return PhaseSettings(**{each.name: parameters[each.name] for each in fields(PhaseSettings)})


def _check(data: Dataset, **parameters: Any) -> None:
    if not set(DIRECTIONS) <= set(data.names):
        raise InputError(f"phase retrieval works on frames of a camera, axes {' and '.join(DIRECTIONS)}")
    if data.label == "attenuation":
        raise InputError("the data are attenuations: put retrieve_phase before minus_log, it works on transmissions")
    output, settings = parameters["output"], _settings(parameters)
    if output != "transmission" and settings.delta_beta is None:
        raise InputError(f"output {output} needs delta_beta; a length alone does not tell it", parameter="output")
    if output == "thickness" and parameters["delta"] is None:
        raise InputError("the thickness needs delta, the refractive index decrement of the material", parameter="delta")
    check_size(data, settings)


def _shape(data: Dataset, *, output: str, **_: Any) -> Output:
    return Output((data.axis("detector_y"), data.axis("detector_x")), "float32", *_MEANING[output])


def _look(data: Dataset, source: Source | None, **parameters: Any) -> Iterator[str]:
    text = rows_needed(data, _settings(parameters))
    if text:
        yield text
    if data.label == "counts":
        yield "the data are counts: phase retrieval expects transmissions, put dark_flat_correction before it"


def _filter(data: Dataset, parameters: dict[str, Any]) -> CosineFilter:
    settings = _settings(parameters)
    shape = (data.axis("detector_y").size, data.axis("detector_x").size)
    sigmas = settings.sigmas(data)
    return paganin_filter(shape, settings.lengths(data), sigmas, parameters["unsharp_coeff"], parameters["padding"])


def _memory(slices: int, data: Dataset, **parameters: Any) -> float:
    """Input and output, the filter, and in every thread the frame, its coefficients and what comes of them."""
    frame = data.axis("detector_y").size * data.axis("detector_x").size
    one = _filter(data, parameters).workspace
    return slices * frame * (data.dtype.itemsize + 4.0) + one * (1.0 + 3.0 * min(thread_count(), slices))


@plugin(shape=_shape, check=_check, look=_look, memory=_memory, cite="10.1046/j.1365-2818.2002.01010.x")
def retrieve_phase(
    data: Projections,
    scan: Scan,
    *,
    delta_beta: Annotated[float | None, Param("ratio delta/beta of the material's refractive index", gt=0)] = None,
    length: Annotated[
        float | None, Param("instead of delta_beta: L in pixels of the full, unbinned detector", unit="px", ge=0)
    ] = None,
    energy: Annotated[float | None, Param("photon energy; default the scan's", unit="keV", gt=0)] = None,
    distance: Annotated[float | None, Param("from sample to detector; default the scan's", unit="m", ge=0)] = None,
    source_distance: Annotated[
        float | None, Param("from source to sample, where the beam diverges; default a parallel beam", unit="m", gt=0)
    ] = None,
    unsharp_sigma: Annotated[
        float, Param("standard deviation of the unsharp mask, of the full, unbinned detector", unit="px", gt=0)
    ] = 2.0,
    unsharp_coeff: Annotated[float, Param("weight of the unsharp mask; 0 for none", ge=0, le=100)] = 0.0,
    padding: Annotated[
        Literal["edge", "reflect"], Param("how frames go on beyond their edges: as the outermost pixels, or mirrored")
    ] = "edge",
    output: Annotated[
        Literal["transmission", "thickness", "phase"], Param("what is returned; minus_log goes after transmission only")
    ] = "transmission",
    delta: Annotated[float | None, Param("refractive index decrement, for the thickness", gt=0)] = None,
) -> Projections:
    """Retrieve the phase of a sample of one material from its propagation images (Paganin).

    The transmission is filtered in Fourier space, T' = F^-1 { F{T} / (1 + L^2 f^2) }, f in cycles per length. L^2 is
    pi wavelength distance delta/beta, all in physical units; or L is given in pixels, as the `length` of PyHST2
    (PAGANIN_Lmicron over the pixel size). An unsharp mask may follow, (1 + c) T' - c (Gaussian * T'), in the same pass.
    Put it after dark_flat_correction and before minus_log. Pixel sizes, binned or not square, come from the scan; they
    must be those at the sample.

    Output ``thickness`` is -ln(T') / mu with mu = 4 pi beta / wavelength, ``phase`` is (delta/beta) / 2 ln(T').

    Parameters
    ----------
    data : (n, rows, columns) array
        Transmission.

    Returns
    -------
    (n, rows, columns) float32 array
        Transmission without propagation fringes; or thickness in m, or phase in rad.

    Raises
    ------
    InputError
        When energy, distance or pixel size is missing, L is larger than the frame, or a value is NaN or infinite.

    Notes
    -----
    D. Paganin et al., Simultaneous phase and amplitude extraction from a single defocused image of a homogeneous
    object (10.1046/j.1365-2818.2002.01010.x).
    """
    settings = PhaseSettings(delta_beta, length, energy, distance, source_distance, unsharp_sigma, unsharp_coeff)
    _refuse_nan(data, scan)
    lengths = settings.lengths(scan.dataset)
    made = np.asarray(data, dtype=np.float32)
    if any(lengths) or unsharp_coeff:
        one = paganin_filter(data.shape[1:], lengths, settings.sigmas(scan.dataset), unsharp_coeff, padding)
        made = one(data, thread_count())
    if output == "transmission":
        return made
    logarithm, raised = minus_logarithm(made, 1e-6)
    if raised.any():
        scan.note("{count} retrieved transmissions below 1e-06 were raised to it", raised)
    if output == "phase":
        logarithm *= np.float32(-0.5 * (delta_beta or 0.0))
    else:
        logarithm *= np.float32(1.0 / settings.attenuation(scan.dataset, delta or 0.0))
    return logarithm


def _refuse_nan(data: NDArray[Any], scan: Scan) -> None:
    """One NaN would spread over its whole frame."""
    if data.dtype.kind != "f":
        return
    sums = [float(frame.sum(dtype=np.float64)) for frame in data]
    bad = scan.positions[~np.isfinite(sums)]
    if len(bad):
        count = int(np.count_nonzero(~np.isfinite(data)))
        raise InputError(
            f"{count} values are NaN or infinite, first in projection {int(bad[0])}: each would spread over its whole "
            "frame; correct them before this step"
        )
