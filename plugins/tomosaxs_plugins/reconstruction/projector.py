"""Projection of slices and its exact transpose, for reconstruction by iteration.

A ray sums one value of every row of the slice that it crosses (of every column, where it runs along the rows), times
the length between two rows, as in P. M. Joseph's method (DOI 10.1109/TMI.1982.4307572). The value is interpolated
linearly between pixels, on lines of one sample a pixel, and between these lines and the detector by a cubic, so that a
whole row has one pair of weights (see `sheared`). Both are of second order in the size of a pixel or better. The
transpose is made of the same weights: ``<A x, y> = <x, A' y>`` to the rounding of float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.forward import from_detector, sum_rows, to_detector, with_margins
from tomosaxs_plugins.reconstruction.parallel import Each, one_by_one
from tomosaxs_plugins.reconstruction.sheared import CHUNK, Half, add_lines, empty_sums, halves

_VIEWS = 64  # views worked on at a time
_FEW = 16  # of them that a thread projects
_ROWS = 64  # rows that a thread backprojects to
_STRIDE = 48  # lengths of lines are multiples of this


class Projector:
    """The rays of a scan through slices of one size.

    Parameters
    ----------
    angles_deg : array_like, shape (angles,)
        Angles in degrees, in any order.
    width : int
        Columns of the detector.
    centre_px : float
        Rotation axis, in pixel centres counted from 0.
    size : int
        Rows and columns of a slice.

    Notes
    -----
    Detector column ``centre + x cos(angle) + y sin(angle)`` sees the pixel x columns and y rows from the axis, which
    is at row and column ``(size - 1) / 2``. Results are the same bits for any number of threads.
    """

    def __init__(self, angles_deg: ArrayLike, width: int, centre_px: float, size: int) -> None:
        self.shape = np.size(angles_deg), width
        self.size = size
        self.centre = float(centre_px)
        self._middle = 0.5 * (size - 1)
        self._halves = halves(np.asarray(angles_deg, dtype=np.float64).ravel())
        self._spans = [self._span(half) for half in self._halves]
        self._limits = np.tile(np.array([0, size], dtype=np.int64), (size, 1))

    def _span(self, half: Half) -> tuple[int, int]:
        """Return the first u of the lines and their length."""
        middle = self._middle
        reach = half.reach((-middle, middle), (-middle, middle))
        first = int(reach[:, 0].min()) - 2
        needed = int(reach[:, 1].max()) + 3 - first + CHUNK
        return first, -(-needed // _STRIDE) * _STRIDE

    def forward(self, image: NDArray[np.float32], each: Each = one_by_one, absolute: bool = False) -> NDArray[Any]:
        """Return the projections of a slice.

        Parameters
        ----------
        image : ndarray, shape (size, size), float32
            A slice, in attenuation per pixel.
        each : callable
            Does the parts of the work, perhaps on threads.
        absolute : bool
            Use the sizes of the weights.

        Returns
        -------
        ndarray, shape (angles, width), float32
            Line integrals.
        """
        result = np.empty(self.shape, dtype=np.float32)
        for half, (first, stride) in zip(self._halves, self._spans, strict=True):
            wide = with_margins(image.T if half.steep else image)

            def project(begin: int, half: Half = half, wide: Any = wide, first: int = first, n: int = stride) -> None:
                few = slice(begin, min(begin + _FEW, len(half.members)))
                near, far = (np.empty((few.stop - begin, n), dtype=np.float32) for _ in range(2))
                rows = np.empty((few.stop - begin, self.shape[1]), dtype=np.float32)
                sum_rows(wide, half.slope[few], first, self._middle, near, far)
                to_detector(near, far, half.step[few], first, self.centre, absolute, rows)
                result[half.members[few]] = rows

            each(project, range(0, len(half.members), _FEW))
        return result

    def backward(self, rows: NDArray[np.float32], each: Each = one_by_one, absolute: bool = False) -> NDArray[Any]:
        """Return the transpose of `forward` applied to projections.

        Parameters
        ----------
        rows : ndarray, shape (angles, width), float32
            Projections.
        each, absolute
            As for `forward`.

        Returns
        -------
        ndarray, shape (size, size), float32
            The sums of what the rays through every pixel carry.
        """
        size = self.size
        result = np.zeros((size, size), dtype=np.float32)
        for half, (first, stride) in zip(self._halves, self._spans, strict=True):
            total = empty_sums(size, size)
            for begin in range(0, len(half.members), _VIEWS):
                some = slice(begin, min(begin + _VIEWS, len(half.members)))
                lines = np.empty((some.stop - begin, 1, stride), dtype=np.float32)

                def spread(
                    at: int, half: Half = half, end: int = some.stop, lines: Any = lines, k: int = first
                ) -> None:
                    few = slice(at, min(at + _FEW, end))
                    part = lines[at - end + len(lines) : few.stop - end + len(lines)]
                    from_detector(rows[half.members[few]], half.step[few], k, self.centre, absolute, part)

                def add(
                    top: int, half: Half = half, s: slice = some, g: Any = lines, k: int = first, t: Any = total
                ) -> None:
                    bottom = min(top + _ROWS, size)
                    add_lines(t, g, half.slope[s], k, self._middle, (0, 0), self._limits, top, bottom)

                each(spread, range(begin, some.stop, _FEW))
                each(add, range(0, size, _ROWS))
            seen = total[:, :size]
            result += seen.T if half.steep else seen
        return result
