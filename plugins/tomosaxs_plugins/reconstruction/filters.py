"""Ramp filters for filtered backprojection.

The ramp is built in the spatial domain, where its samples are known exactly, and then transformed: sampling
``|frequency|`` directly would put a zero at frequency zero and lower all values by a constant (Kak and Slaney,
Principles of Computerized Tomographic Imaging, DOI 10.1137/1.9780898719277, section 3.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FILTERS: tuple[str, ...] = ("ramp", "shepp-logan", "cosine", "hann", "hamming", "parzen")
"""Names of the filters: the plain ramp, and the ramp times a smooth window."""

PADDINGS: tuple[str, ...] = ("zero", "edge")
"""What is assumed beyond the detector: nothing, or that the outermost values go on."""


def quick_length(least: int) -> int:
    """Return the smallest number without prime factors above 5 that is not below the given one.

    Parameters
    ----------
    least : int
        At least 1.

    Returns
    -------
    int
        Transforms of this length are quick.
    """
    length = least
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def padded_length(width: int, reach: int | None = None) -> int:
    """Return a length, quick to transform, in which filtering does not wrap around.

    Parameters
    ----------
    width : int
        Number of detector columns.
    reach : int, optional
        Largest distance in pixels between a detector column and a position at which the filtered projection is
        needed. By default the positions on the detector itself: ``width - 1``.

    Returns
    -------
    int
        An even length, at least twice the width, and at least twice the reach.

    Raises
    ------
    ValueError
        If the width is smaller than one.
    """
    if width < 1:
        raise ValueError(f"a detector needs at least one column, not {width}")
    needed = max(2 * width, 2 * (width - 1 if reach is None else reach), 16)
    return 2 * quick_length((needed + 1) // 2)


def ramp_response(length: int) -> NDArray[np.float64]:
    """Return the frequency response of the band-limited ramp, for a real transform of the given even length.

    Parameters
    ----------
    length : int
        Length of the (padded) projection, even.

    Returns
    -------
    ndarray, shape (length // 2 + 1,)
        Response in cycles per pixel; very nearly the frequency itself, with a small positive value at zero.

    Raises
    ------
    ValueError
        If the length is odd or not positive.
    """
    if length < 2 or length % 2:
        raise ValueError(f"the length of a filter must be even and positive, not {length}")
    distance = np.minimum(np.arange(length), length - np.arange(length))
    kernel = np.zeros(length)
    odd = distance % 2 == 1
    kernel[odd] = -1.0 / (np.pi * distance[odd]) ** 2
    kernel[0] = 0.25
    return np.ascontiguousarray(np.fft.rfft(kernel).real)


def window(name: str, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smooth window of a filter.

    Parameters
    ----------
    name : str
        One of `FILTERS`; the window of ``ramp`` is one everywhere.
    frequency : ndarray
        Frequency in cycles per pixel, 0 to 0.5 (the highest that a detector can see).

    Returns
    -------
    ndarray
        Factor of the same shape, one at frequency zero.

    Raises
    ------
    ValueError
        If there is no such filter.
    """
    part = 2.0 * np.asarray(frequency, dtype=np.float64)  # of the highest frequency
    if name == "ramp":
        return np.ones_like(part)
    if name == "shepp-logan":
        return np.sinc(0.5 * part)
    if name == "cosine":
        return np.cos(0.5 * np.pi * part)
    if name == "hann":
        return np.asarray(0.5 + 0.5 * np.cos(np.pi * part))
    if name == "hamming":
        return np.asarray(0.54 + 0.46 * np.cos(np.pi * part))
    if name == "parzen":
        inner = 1.0 - 6.0 * part**2 * (1.0 - part)
        return np.where(part <= 0.5, inner, 2.0 * (1.0 - np.minimum(part, 1.0)) ** 3)
    raise ValueError(f"no filter is called {name!r}; there are {', '.join(FILTERS)}")


def filter_response(name: str, length: int) -> NDArray[np.float64]:
    """Return the frequency response of a filter: ramp times window.

    Parameters
    ----------
    name : str
        One of `FILTERS`.
    length : int
        Length of the padded projection, even (see `padded_length`).

    Returns
    -------
    ndarray, shape (length // 2 + 1,)
        Response for the frequencies of ``numpy.fft.rfftfreq(length)``.

    Raises
    ------
    ValueError
        If there is no such filter, or the length is odd.
    """
    frequency = np.asarray(np.fft.rfftfreq(length), dtype=np.float64)
    return ramp_response(length) * window(name, frequency)


def pad(projections: NDArray[np.float32], length: int, padding: str = "zero") -> NDArray[np.float32]:
    """Extend the last axis to a length, at its end; the transform is cyclic, so the end is also the other side.

    Parameters
    ----------
    projections : ndarray, shape (..., columns)
        Rows of a sinogram.
    length : int
        New length.
    padding : {"zero", "edge"}
        Zeros, or the last value on the first half of what is added and the first value on the second half.

    Returns
    -------
    ndarray, shape (..., length)
        A float32 copy.

    Raises
    ------
    ValueError
        If the padding is unknown or the length too short.
    """
    width = projections.shape[-1]
    if length < width:
        raise ValueError(f"{width} columns do not fit into {length}")
    if padding not in PADDINGS:
        raise ValueError(f"no padding is called {padding!r}; there are {', '.join(PADDINGS)}")
    padded = np.zeros((*projections.shape[:-1], length), dtype=np.float32)
    padded[..., :width] = projections
    if padding == "edge":
        middle = width + (length - width) // 2
        padded[..., width:middle] = projections[..., -1:]
        padded[..., middle:] = projections[..., :1]
    return padded


def filter_projections(
    projections: NDArray[np.float32], name: str = "ramp", padding: str = "zero"
) -> NDArray[np.float32]:
    """Filter the rows of a sinogram.

    Parameters
    ----------
    projections : ndarray, shape (..., columns)
        Rows of a sinogram: attenuation (line integrals in pixels times attenuation per pixel).
    name : str
        One of `FILTERS`.
    padding : {"zero", "edge"}
        What is assumed beyond the detector.

    Returns
    -------
    ndarray, shape (..., columns)
        Filtered projections, float32, in attenuation per pixel; the integral of their backprojection over pi
        radians is the object.

    Raises
    ------
    ValueError
        If the filter or the padding is unknown.
    """
    import scipy.fft  # takes longer to import than all else that planning a list needs

    width = projections.shape[-1]
    length = padded_length(width)
    response = filter_response(name, length).astype(np.float32)
    spectrum = scipy.fft.rfft(pad(projections, length, padding), axis=-1)
    spectrum *= response
    return np.ascontiguousarray(scipy.fft.irfft(spectrum, n=length, axis=-1)[..., :width])
