"""Reconstruction by iteration: SIRT, CGLS, and total variation by FISTA, on the projector and its exact transpose.

Every slice is solved by itself, with step sizes and a stopping rule of its own: what it becomes does not depend on the
others. Costs never rise:

- ``sirt``, simultaneous iterative reconstruction (Gilbert, DOI 10.1016/0022-5193(72)90180-4): gradient steps on the
  residual, every ray weighted with one over its sum of weights and every pixel likewise. With the sizes of the
  weights in these sums (the projector has small negative ones) any relaxation below 2 lets the weighted residual fall.
- ``cgls``, conjugate gradients on the normal equations (Hestenes and Stiefel, DOI 10.6028/jres.049.044): the smallest
  residual that so many steps can reach.
- ``fista_tv``: minimises ``|A x - b|**2 / 2 + weight L TV(x)`` by the monotone version of FISTA (Beck and Teboulle,
  DOI 10.1109/TIP.2009.2028250); L bounds the largest eigenvalue of ``A' A``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.reconstruction.iteration import History, Wishes
from tomosaxs_plugins.reconstruction.parallel import Each, one_by_one
from tomosaxs_plugins.reconstruction.projector import Projector

_RELAXATION = 1.4  # about what the sizes of the weights take from the steps
_INNER = 20  # steps of the total variation in each iteration
_LARGEST = 3  # rounds that bring the bound on the largest eigenvalue near to it

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Scales:
    """What steps are scaled with; the same for all slices of a scan.

    Parameters
    ----------
    rays : ndarray, shape (angles, width), float32
        Projection of a slice of ones.
    row_steps : ndarray, shape (angles, width), float32
        One over the sum of the sizes of the weights of every ray, zero where there are none.
    pixel_steps : ndarray, shape (size, size), float32
        The same for every pixel.
    largest : float
        Bound on the largest eigenvalue of ``A' A``.
    """

    rays: NDArray[np.float32]
    row_steps: NDArray[np.float32]
    pixel_steps: Image
    largest: float


def scales_of(projector: Projector, each: Each = one_by_one) -> Scales:
    """Return what the steps of all methods are scaled with.

    The bound on the eigenvalue is that of Collatz and Wielandt, ``max (M v) / v`` for a matrix of the sizes of the
    weights and any positive v.
    """
    ones = np.ones((projector.size, projector.size), dtype=np.float32)
    there = projector.forward(ones, each, absolute=True)
    back = projector.backward(np.ones(projector.shape, dtype=np.float32), each, absolute=True)
    vector, largest = ones, 0.0
    for _ in range(_LARGEST):
        image = projector.backward(projector.forward(vector, each, absolute=True), each, absolute=True)
        seen = vector > 0
        largest = float((image[seen] / vector[seen]).max()) if seen.any() else 0.0
        vector = image / np.float32(max(float(image.max()), 1e-30))
    return Scales(projector.forward(ones, each), _inverse(there), _inverse(back), max(largest, 1e-30))


def _inverse(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one over sums that are not negligible, else zero."""
    small = sums <= 1e-3 * sums.max(initial=0.0)
    return np.asarray(np.where(small, np.float32(0.0), np.float32(1.0) / np.where(small, np.float32(1.0), sums)))


def iterate(
    data: NDArray[np.float32],
    projector: Projector,
    scales: Scales,
    wishes: Wishes,
    start: Image | None = None,
    each: Each = one_by_one,
) -> tuple[Image, History]:
    """Reconstruct one slice.

    Parameters
    ----------
    data : ndarray, shape (angles, width), float32
        Line integrals, a pixel being the unit of length.
    projector : Projector
        The rays.
    scales : Scales
        Of the projector.
    wishes : Wishes
        What is asked for.
    start : ndarray, shape (size, size), float32, optional
        Slice to begin with; zeros by default.
    each : callable
        Does the parts of the work, perhaps on threads.

    Returns
    -------
    (ndarray, History)
        The slice in attenuation per pixel, shape (size, size), float32, and how the cost fell.
    """
    first = np.zeros((projector.size, projector.size), dtype=np.float32) if start is None else start.copy()
    if wishes.nonnegative:
        np.maximum(first, 0, out=first)
    method: Callable[..., tuple[Image, History]] = {"sirt": _sirt, "cgls": _cgls, "fista_tv": _tv}[wishes.method]
    return method(data, projector, scales, wishes, first, each)


def _dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the sum of the products, in double precision and in a fixed order."""
    return float(np.sum(np.multiply(one, other, dtype=np.float64)))


class _Course:
    """Keeps the history of a slice, and says when to stop."""

    def __init__(self, data: NDArray[np.float32], zero_cost: float, tolerance: float) -> None:
        self.history = History()
        self._norm, self._zero, self._tolerance = max(_dot(data, data), 1e-300), max(zero_cost, 1e-300), tolerance

    def goes_on(self, residual: NDArray[np.float32], cost: float, final: bool = True) -> bool:
        """Take the state after an iteration; return whether another one is worth it."""
        past = self.history.cost[-1] if self.history.cost else None
        self.history.residual.append((_dot(residual, residual) / self._norm) ** 0.5)
        self.history.cost.append(cost / self._zero)
        return past is None or not final or not past - self.history.cost[-1] < self._tolerance * past


def _sirt(
    data: NDArray[np.float32], projector: Projector, scales: Scales, wishes: Wishes, image: Image, each: Each
) -> tuple[Image, History]:
    """Take gradient steps on the weighted residual."""
    steps = np.float32(_RELAXATION) * scales.pixel_steps
    weighted = data * scales.row_steps
    course = _Course(data, _dot(weighted, data), wishes.tolerance)
    for number in range(wishes.iterations + 1):
        residual = data - projector.forward(image, each)
        weighted = residual * scales.row_steps
        if not course.goes_on(residual, _dot(weighted, residual)) or number == wishes.iterations:
            break
        image += steps * projector.backward(weighted, each)
        if wishes.nonnegative:
            np.maximum(image, 0, out=image)
    return image, course.history


def _cgls(
    data: NDArray[np.float32], projector: Projector, scales: Scales, wishes: Wishes, image: Image, each: Each
) -> tuple[Image, History]:
    """Take steps along conjugate directions."""
    residual = data - projector.forward(image, each)
    course = _Course(data, _dot(data, data), wishes.tolerance)
    course.goes_on(residual, _dot(residual, residual))
    direction = gradient = projector.backward(residual, each)
    size = _dot(gradient, gradient)
    for _ in range(wishes.iterations):
        seen = projector.forward(direction, each)
        length = _dot(seen, seen)
        if not length > 0:
            break
        image += np.float32(size / length) * direction
        residual -= np.float32(size / length) * seen
        if not course.goes_on(residual, _dot(residual, residual)):
            break
        gradient = projector.backward(residual, each)
        size, before = _dot(gradient, gradient), size
        direction = gradient + np.float32(size / before) * direction
    return image, course.history


def _tv(
    data: NDArray[np.float32], projector: Projector, scales: Scales, wishes: Wishes, image: Image, each: Each
) -> tuple[Image, History]:
    """Take monotone FISTA steps: a gradient step on the residual, then the nearest slice of less variation."""
    from tomosaxs_plugins.reconstruction.total_variation import nearest_smooth, total_variation

    mean = float(np.sum(np.abs(data), dtype=np.float64)) / max(float(scales.rays.sum(dtype=np.float64)), 1e-30)
    price = wishes.regularisation * mean
    pace = np.float32(1.0 / scales.largest)

    def cost_of(candidate: Image, residual: NDArray[np.float32]) -> float:
        return 0.5 * _dot(residual, residual) / scales.largest + price * total_variation(candidate)

    seen = projector.forward(image, each)
    cost = cost_of(image, seen - data)
    course = _Course(data, 0.5 * _dot(data, data) / scales.largest, wishes.tolerance)
    course.goes_on(seen - data, cost)
    ahead, seen_ahead, momentum = image, seen, 1.0
    dual = np.zeros((2, *image.shape), dtype=np.float32)
    for _ in range(wishes.iterations):
        found = ahead - pace * projector.backward(seen_ahead - data, each)
        if price > 0:
            raw, found = found, np.empty_like(found)
            nearest_smooth(raw, price, wishes.nonnegative, _INNER, dual, found)
        elif wishes.nonnegative:
            np.maximum(found, 0, out=found)
        seen_found = projector.forward(found, each)
        new_cost = cost_of(found, seen_found - data)
        better = new_cost <= cost
        last, seen_last = image, seen
        if better:
            image, seen, cost = found, seen_found, new_cost
        following = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum) ** 0.5)
        on, back = np.float32(momentum / following), np.float32((momentum - 1.0) / following)
        ahead = image + on * (found - image) + back * (image - last)
        seen_ahead = seen + on * (seen_found - seen) + back * (seen - seen_last)
        momentum = following
        if not course.goes_on(seen - data, cost, better):
            break
    return image, course.history
