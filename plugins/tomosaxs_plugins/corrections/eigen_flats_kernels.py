"""Eigen-flats: how the beam changes from flat to flat, and how much of each change a projection holds.

The mean flat and the principal components of the flats span what the beam looks like. The weights of the components
are those that make the corrected projection smoothest, in the sense of the least total variation of its logarithm; or,
where it is known which columns see no sample, those that make these 1.

V. Van Nieuwenhove et al., Dynamic intensity normalization using eigen flat fields in X-ray imaging, Opt. Express 23
(2015) 27975 (10.1364/OE.23.027975). Theirs is the idea; number of components, logarithm and search are our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_EDGE = 2.0  # an eigenvalue stands out where it is this many times the median one, which is noise
_LEAST = 1e-5  # relative change of the beam that is not worth a component
_ITERATIONS = 20
_ENOUGH = 1e-4  # steps smaller than this part of what the flats show end the search


@dataclass(frozen=True, eq=False)
class EigenFlats:
    """What was found in the flats.

    Attributes
    ----------
    images : (1 + components, rows, columns) float32 array
        Mean flat less dark over its level, then how it changes: the shape of the beam is the first plus weights times
        the others.
    levels : (flats,) array
        Mean of every flat less dark.
    scores : (flats, components) array
        Weights of the components in the flats.
    explained : float
        Share of the flats' variance that the components hold.
    """

    images: NDArray[np.float32]
    levels: Float
    scores: Float
    explained: float

    @property
    def components(self) -> int:
        """Number of components."""
        return len(self.images) - 1


def binned(image: NDArray[Any], size: int) -> Float:
    """Return means of size x size pixels; rows and columns that are left over are not used."""
    down, across = (max(1, min(size, length)) for length in image.shape)
    rows, columns = image.shape[0] // down, image.shape[1] // across
    part = image[: rows * down, : columns * across].astype(np.float64)
    return np.asarray(part.reshape(rows, down, columns, across).mean(axis=(1, 3)))


def eigen_flats(
    read: Callable[[int], NDArray[Any]], count: int, dark: NDArray[Any], size: int, wanted: int | None, most: int
) -> EigenFlats:
    """Return mean and principal components of flats.

    Parameters
    ----------
    read : callable
        Returns flat number k as (rows, columns); each is asked for twice, so that not all are held.
    count : int
        Number of flats.
    dark : (rows, columns) array
        Mean dark.
    size : int
        Components are looked for in means of so many pixels along each side, where there is less noise.
    wanted : int or None
        Number of components; None takes those that stand out of the noise, `most` at most.
    """
    levels = np.empty(count)
    small = []
    mean = np.zeros(dark.shape)
    for number in range(count):
        flat = read(number) - dark
        levels[number] = flat.mean(dtype=np.float64)
        if not levels[number] > 0:
            raise ValueError(f"flat {number} is not brighter than the dark")
        flat = flat / np.float32(levels[number])
        mean += flat
        small.append(binned(flat, size))
    mean /= count
    middle = binned(mean, size)
    weight = np.sqrt(np.maximum(middle, 0.0))  # counts: noise of the same variance everywhere
    seen = middle > 0.01 * np.median(middle)
    spread = np.stack([(one[seen] / middle[seen] - 1.0) * weight[seen] for one in small])
    values, vectors = np.linalg.eigh(np.einsum("ip,jp->ij", spread, spread))  # einsum: no BLAS, no threads
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    used = _standing_out(values, spread.size, most) if wanted is None else min(wanted, count - 1)
    vectors = vectors[:, :used] * np.where(vectors[:1, :used] < 0, -1.0, 1.0)
    images = np.zeros((1 + used, *dark.shape), np.float32)
    images[0] = mean
    for number in range(count if used else 0):
        change = (read(number) - dark) / np.float32(levels[number]) - images[0]
        for component, share in zip(images[1:], vectors[number], strict=True):
            component += np.float32(share) * change
    total = float(values.sum())
    return EigenFlats(images, levels, vectors, float(values[:used].sum()) / total if total else 1.0)


def _standing_out(values: Float, size: int, most: int) -> int:
    """Return how many of the decreasing eigenvalues are more than noise.

    Noise alone gives eigenvalues that are nearly alike, because there are many more pixels than flats. Their median is
    noise as long as fewer than half of them are not.
    """
    inner = values[:-1]  # the last is zero: the mean was taken away
    if len(inner) < 2:
        return 0
    floor = max(_EDGE * float(np.median(inner)), _LEAST**2 * size)
    return min(int(np.count_nonzero(inner > floor)), (len(inner) + 1) // 2, most)


@dataclass(frozen=True, eq=False)
class BeamFit:
    """Search for the level and the weights of the components in projections.

    Parameters
    ----------
    mean : (rows, columns) array
        Binned shape of the beam.
    changes : (components, rows, columns) array
        Binned components.
    limits : (components,) array
        Largest magnitude that a weight may have: twice what it is in any flat.
    size, air : int
        Pixels that are binned along each side; columns at each side that see no sample, 0 where that is not known.
    """

    mean: Float
    changes: Float
    limits: Float
    size: int
    air: int

    @classmethod
    def of(cls, flats: EigenFlats, size: int, air: int) -> BeamFit:
        """Return the search with images binned by `size`."""
        small = np.stack([_reduced(image, size, air) for image in flats.images])
        limits = 2.0 * np.abs(flats.scores).max(axis=0, initial=0.0)
        return cls(small[0], small[1:], limits, size, air)

    def __call__(self, projection: NDArray[Any], level: float, start: Float) -> tuple[float, Float]:
        """Return level and weights of the beam in a projection.

        Without air the weights leave the least total variation of the corrected projection's logarithm, and the level
        is the one given; else level and weights are those that make the air 1, with the least sum of magnitudes.

        Parameters
        ----------
        projection : (rows, columns) array
            Less dark.
        level, start : float, (components,) array
            Where to begin: those of the flats around it in time.
        """
        small = _reduced(projection, self.size, self.air)
        seen = np.log(np.maximum(small, 1e-3 * level))
        weights, brightness, softness = start.copy(), np.log(level), 0.0
        for _ in range(_ITERATIONS):  # least squares, weighted so that they become the sum of magnitudes
            shape = np.maximum(self.mean + np.einsum("j,jyx->yx", weights, self.changes), 1e-3)
            residual = seen - np.log(shape)
            slopes = [change / shape for change in self.changes]
            if self.air:
                residual = residual.ravel() - brightness
                slopes = [*(slope.ravel() for slope in slopes), np.ones(residual.shape)]
            else:
                residual, slopes = _differences(residual), [_differences(slope) for slope in slopes]
            softness = softness or 0.05 * float(np.median(np.abs(residual))) + 1e-9
            step = _least_squares(slopes, residual, 1.0 / np.sqrt(np.square(residual) + softness**2))
            before = weights
            weights = np.clip(weights + step[: len(weights)], -self.limits, self.limits)
            brighter = float(step[-1]) if self.air else 0.0
            brightness += brighter
            if np.all(np.abs(weights - before) <= _ENOUGH * self.limits) and abs(brighter) <= _ENOUGH:
                break
        return float(np.exp(brightness)), weights


def _reduced(image: NDArray[Any], size: int, air: int) -> Float:
    """Return the binned image, or only the columns that see no sample."""
    if not air:
        return binned(image, size)
    return np.concatenate([binned(image[:, :air], size), binned(image[:, -air:], size)], axis=1)


def _least_squares(slopes: list[Float], residual: Float, trust: Float) -> Float:
    """Return the weighted least-squares solution, zero where nothing determines it."""
    weighted = [slope * trust for slope in slopes]
    matrix = np.array([[_sum(one, other) for other in slopes] for one in weighted])
    right = np.array([_sum(one, residual) for one in weighted])
    scale = float(np.trace(matrix)) / len(matrix)
    if not scale > 0:
        return np.zeros_like(right)
    return np.asarray(np.linalg.solve(matrix + 1e-9 * scale * np.eye(len(matrix)), right))


def _differences(image: Float) -> Float:
    """Return differences of neighbours in both directions, flat."""
    return np.concatenate([np.diff(image, axis=0).ravel(), np.diff(image, axis=1).ravel()])


def _sum(one: Float, other: Float) -> float:
    """Return the sum of products, without BLAS: the same for any number of threads."""
    return float(np.einsum("i,i->", one, other))
