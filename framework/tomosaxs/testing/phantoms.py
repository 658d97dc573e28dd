"""Phantoms with exact parallel-beam line integrals: ellipsoids, cylinders and smooth blobs.

Every shape is a function of one reduced radius rho, in the frame of its semi-axes (a, b, c), turned about
the rotation axis by `angle`:

    rho^2 = (x'/a)^2 + (y'/b)^2 + (z'/c)^2        (cylinders: without the last term, for |z'| <= c)

A ray at the rotation angle theta meets the detector at ``centre + x cos(theta) + y sin(theta)``. Seen from
the shape, the ray is a straight line; its smallest reduced radius is u with u^2 = (t/r)^2 + (z'/c)^2, where t
is the distance of the ray from the projected centre and r^2 = a^2 cos^2(theta - angle) + b^2 sin^2(theta -
angle), and the integral over the ray is (a b / r) times the integral of the radial profile over
sqrt(u^2 + v^2), v from -infinity to infinity. That last integral is closed for every profile here
(Kak and Slaney, Principles of Computerized Tomographic Imaging, 10.1137/1.9780898719277, section 3.1).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Shape(ABC):
    """One body of a phantom; its subclasses say how the value falls with the reduced radius.

    Parameters
    ----------
    centre : (x, y, z) floats
        Position relative to the rotation axis and the middle detector row, in the phantom's unit of length
        (detector pixels unless a pixel size is given when it is projected).
    semi_axes : (a, b, c) floats
        Along x', y' and z; standard deviations for `Gaussian`, c is half the height of a `Cylinder`.
    angle : float
        Turn about z in degrees, from x towards y.
    value : float
        Value in the middle of the body, per unit of length; values of overlapping bodies add, so that a
        pore is a body with a negative value.
    """

    centre: tuple[float, float, float]
    semi_axes: tuple[float, float, float]
    angle: float = 0.0
    value: float = 1.0

    def __post_init__(self) -> None:
        if min(self.semi_axes) <= 0:
            raise ValueError(f"semi-axes of a phantom's body must be positive, given {self.semi_axes}")

    @property
    def reach(self) -> float:
        """Reduced radius beyond which the value is zero."""
        return 1.0

    @abstractmethod
    def profile(self, squared: Float) -> Float:
        """Return the value at squared reduced radii, relative to the middle."""

    @abstractmethod
    def ray(self, squared: Float) -> Float:
        """Return the integral of the profile over a ray, by its smallest squared reduced radius."""

    def height(self, z: Float) -> Float:
        """Return what the distance `z` from the centre's height adds to the squared reduced radius."""
        return np.asarray(np.square(z / self.semi_axes[2]))


@dataclass(frozen=True)
class Ellipsoid(Shape):
    """Homogeneous ellipsoid with a sharp edge."""

    def profile(self, squared: Float) -> Float:
        """Return the value at squared reduced radii, relative to the middle."""
        return np.where(squared <= 1.0, 1.0, 0.0)

    def ray(self, squared: Float) -> Float:
        """Return the integral of the profile over a ray."""
        return np.asarray(2.0 * np.sqrt(np.maximum(1.0 - squared, 0.0)))


@dataclass(frozen=True)
class SoftEllipsoid(Shape):
    """Ellipsoid whose value falls as (1 - rho^2)^power: the higher the power, the smoother the edge.

    Parameters
    ----------
    power : float
        Greater than 0; from 2 on value and slope are continuous.
    """

    power: float = 2.0

    def profile(self, squared: Float) -> Float:
        """Return the value at squared reduced radii, relative to the middle."""
        return np.asarray(np.maximum(1.0 - squared, 0.0) ** self.power)

    def ray(self, squared: Float) -> Float:
        """Return the integral of the profile over a ray."""
        beta = math.sqrt(math.pi) * math.exp(math.lgamma(self.power + 1) - math.lgamma(self.power + 1.5))
        return np.asarray(beta * np.maximum(1.0 - squared, 0.0) ** (self.power + 0.5))


@dataclass(frozen=True)
class Gaussian(Shape):
    """Gaussian blob; the semi-axes are standard deviations. It is cut at eight of them (1e-14)."""

    @property
    def reach(self) -> float:
        """Reduced radius beyond which the value is taken as zero."""
        return 8.0

    def profile(self, squared: Float) -> Float:
        """Return the value at squared reduced radii, relative to the middle."""
        return np.asarray(np.exp(-0.5 * squared))

    def ray(self, squared: Float) -> Float:
        """Return the integral of the profile over a ray."""
        return np.asarray(math.sqrt(2.0 * math.pi) * np.exp(-0.5 * squared))


@dataclass(frozen=True)
class Cylinder(Ellipsoid):
    """Homogeneous upright cylinder of elliptical section and height 2 c."""

    def height(self, z: Float) -> Float:
        """Return 0 inside the height of the cylinder, infinity outside."""
        return np.where(np.abs(z) <= self.semi_axes[2], 0.0, np.inf)


@dataclass(frozen=True)
class Phantom:
    """Sum of bodies, with exact line integrals and a rendering on the reconstruction grid.

    Parameters
    ----------
    shapes : iterable of Shape
    """

    shapes: tuple[Shape, ...]

    def __init__(self, shapes: Iterable[Shape]) -> None:
        object.__setattr__(self, "shapes", tuple(shapes))

    def __iter__(self) -> Iterator[Shape]:
        return iter(self.shapes)

    def __add__(self, other: Phantom) -> Phantom:
        return Phantom((*self.shapes, *other.shapes))

    def scaled(self, factor: float) -> Phantom:
        """Return the phantom with all values multiplied by `factor`."""
        return Phantom(replace(shape, value=shape.value * factor) for shape in self.shapes)

    def moved(self, z: float) -> Phantom:
        """Return the phantom moved by `z` along the rotation axis."""
        return Phantom(replace(shape, centre=(*shape.centre[:2], shape.centre[2] + z)) for shape in self.shapes)

    def projections(
        self,
        angles: ArrayLike,
        rows: int,
        columns: int,
        centre: float | Sequence[float] | Float | None = None,
        pixel: float = 1.0,
        subsample: int = 1,
    ) -> Float:
        """Return exact line integrals.

        Parameters
        ----------
        angles : (n,) array_like
            Rotation angles in degrees.
        rows, columns : int
            Detector size in pixels; the phantom's z = 0 is at row (rows - 1) / 2.
        centre : float or (n,) floats, optional
            Rotation axis in 0-based pixel centres, one for all or one for each angle (a drifting stage);
            default the detector's middle, (columns - 1) / 2.
        pixel : float
            Pixel size in the phantom's unit of length.
        subsample : int
            Rays along each side of a pixel, averaged; 1 is the ray through the middle of the pixel.

        Returns
        -------
        (n, rows, columns) float64 array
            Dimensionless where the values are attenuation per unit of length.
        """
        turns = np.deg2rad(np.atleast_1d(np.asarray(angles, dtype=float)))
        axis = np.broadcast_to((columns - 1) / 2 if centre is None else np.asarray(centre, float), turns.shape)
        result = np.zeros((len(turns), rows, columns))
        for shape in self.shapes:
            _add_projections(result, shape, turns, axis, pixel, subsample)
        return result

    def volume(self, size: int, rows: int, pixel: float = 1.0, subsample: int = 1) -> Float:
        """Return the values on the reconstruction grid, the rotation axis at pixel (size - 1) / 2.

        Parameters
        ----------
        size, rows : int
            Width of the square slices, number of slices.
        pixel : float
            Voxel size in the phantom's unit of length.
        subsample : int
            Points along each edge of a voxel, averaged; 1 samples the middle of the voxel.

        Returns
        -------
        (rows, size, size) float64 array
            Axes (z, y, x), per unit of length.
        """
        result = np.zeros((rows, size, size))
        for shape in self.shapes:
            _add_volume(result, shape, pixel, subsample)
        return result


def _window(middle: float, half: float, size: int) -> tuple[int, int]:
    """Return the range of whole pixels of an axis of `size` that a body can touch."""
    return max(math.floor(middle - half), 0), min(math.ceil(middle + half) + 1, size)


def _points(first: int, last: int, subsample: int) -> Float:
    """Return `subsample` points in each of the pixels first .. last - 1, evenly spaced, in pixels."""
    fine = np.arange(first * subsample, last * subsample, dtype=float)
    return np.asarray((fine + 0.5) / subsample - 0.5)


def _add_projections(result: Float, shape: Shape, turns: Float, axis: Float, pixel: float, subsample: int) -> None:
    rows, columns = result.shape[1:]
    (x, y, z), (a, b, c) = shape.centre, shape.semi_axes
    first, last = _window(z / pixel + (rows - 1) / 2, shape.reach * c / pixel + 1, rows)
    if first >= last:
        return
    height = shape.height((_points(first, last, subsample) - (rows - 1) / 2) * pixel - z)
    turn = turns - math.radians(shape.angle)
    radii = np.hypot(a * np.cos(turn), b * np.sin(turn))
    shadows = axis + (x * np.cos(turns) + y * np.sin(turns)) / pixel
    for frame, radius, shadow in zip(result, radii, shadows, strict=True):
        left, right = _window(shadow, shape.reach * radius / pixel + 1, columns)
        if left >= right:
            continue
        across = np.square((_points(left, right, subsample) - shadow) * (pixel / radius))
        block = shape.ray(height[:, None] + across) * (shape.value * a * b / radius)
        frame[first:last, left:right] += _binned(block, subsample)


def _add_volume(result: Float, shape: Shape, pixel: float, subsample: int) -> None:
    rows, size = result.shape[:2]
    (x, y, z), (a, b, c) = shape.centre, shape.semi_axes
    turn = math.radians(shape.angle)
    wide = shape.reach * math.hypot(a * math.cos(turn), b * math.sin(turn)) / pixel + 1
    deep = shape.reach * math.hypot(a * math.sin(turn), b * math.cos(turn)) / pixel + 1
    left, right = _window(x / pixel + (size - 1) / 2, wide, size)
    near, far = _window(y / pixel + (size - 1) / 2, deep, size)
    first, last = _window(z / pixel + (rows - 1) / 2, shape.reach * c / pixel + 1, rows)
    if left >= right or near >= far or first >= last:
        return
    dx = (_points(left, right, subsample) - (size - 1) / 2) * pixel - x
    dy = ((_points(near, far, subsample) - (size - 1) / 2) * pixel - y)[:, None]
    across = np.square((dx * math.cos(turn) + dy * math.sin(turn)) / a)
    across += np.square((dy * math.cos(turn) - dx * math.sin(turn)) / b)
    height = shape.height((_points(first, last, subsample) - (rows - 1) / 2) * pixel - z)
    for fine, squared in enumerate(height):
        if squared <= shape.reach**2:
            layer = _binned(shape.profile(across + squared), subsample) * (shape.value / subsample)
            result[first + fine // subsample, near:far, left:right] += layer


def _binned(block: Float, subsample: int) -> Float:
    """Average the last two axes in groups of `subsample`."""
    if subsample == 1:
        return block
    # sums of strided parts: means over axes of a few entries take several times longer
    lines = block[::subsample].copy()
    for number in range(1, subsample):
        lines += block[number::subsample]
    sums = lines[:, ::subsample].copy()
    for number in range(1, subsample):
        sums += lines[:, number::subsample]
    return np.asarray(sums / subsample**2)
