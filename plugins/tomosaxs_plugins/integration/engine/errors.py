"""Error models: what the variance of a pixel's counts is."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

NAMED = ("none", "poisson", "azimuthal", "data")
"""Error models that have a name; any other text is an expression of the counts I."""

Kind = Literal["none", "counts", "azimuthal", "given"]


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """How variances of pixels are found.

    Parameters
    ----------
    kind : {"none", "counts", "azimuthal", "given"}
        No variance; `offset` + `slope` times the counts; found from the spread in a bin; given for every value.
    offset, slope : float
        See kind ``counts``.
    variance : callable, optional
        Makes the variances of frames (n, rows, columns) from their counts, for kind ``given``; None: the caller has
        standard uncertainties of the data.
    """

    kind: Kind = "none"
    offset: float = 0.0
    slope: float = 1.0
    variance: Callable[[NDArray[Any]], NDArray[np.float64]] | None = None

    def pixel_variance(self, shape: tuple[int, int], dark: DarkCounts | None) -> NDArray[np.float64] | None:
        """Return (rows, columns): the part of the variance that does not depend on a frame's counts, over `slope`.

        That is the offset of the model, and the variance of the dark counts that are subtracted, by the same model.
        None where there is no such part.
        """
        if self.kind == "counts":
            offset = self.offset / self.slope
            if dark is None:
                return np.full(shape, offset) if offset else None
            return offset + (offset + np.maximum(dark.measured, 0.0)) / dark.frames * dark.scale**2
        if dark is None or self.variance is None:
            return None
        return self.variance(dark.measured) / dark.frames * dark.scale**2


@dataclass(frozen=True, eq=False)
class DarkCounts:
    """Counts that come without scattered photons.

    Parameters
    ----------
    measured : (rows, columns) float64 array
        Mean of the dark frames; finite.
    frames : (rows, columns) int array
        Of how many frames it is the mean; at least 1.
    scale : float
        Times this the dark counts of a frame, for instance exposure over that of the dark frames.
    """

    measured: NDArray[np.float64]
    frames: NDArray[np.int64]
    scale: float = 1.0

    @property
    def counts(self) -> NDArray[np.float64]:
        """(rows, columns): what is subtracted from every frame."""
        return self.measured * self.scale


def error_model(text: str) -> ErrorModel:
    """Return the error model that a list names: one of `NAMED`, or the variance as an expression of the counts ``I``.

    ``poisson`` is the same as ``I``. An expression like ``I / 0.8 + 25`` (gain, and noise of reading out) costs no
    more; others are worked out pixel by pixel.

    Raises
    ------
    ValueError
        When it is neither.
    """
    if text in ("none", "azimuthal"):
        return ErrorModel("none" if text == "none" else "azimuthal")
    if text == "poisson":
        return ErrorModel("counts")
    if text == "data":
        return ErrorModel("given")
    try:
        from tomosaxs_plugins.scattering.expressions import evaluate, names_in, unknown
    except ImportError:
        raise ValueError(
            f"error_model {text!r}: {', '.join(NAMED)} exist; an expression needs numexpr: pip install numexpr"
        ) from None
    strange = unknown(names_in(text), ("I",))
    if strange:
        raise ValueError(
            f"error_model {text!r}: {', '.join(strange)} is unknown; expected {', '.join(NAMED)}, or the "
            "variance as an expression of the counts I, for instance I / 0.8 + 25"
        )
    line = _line(ast.parse(text.strip(), mode="eval").body)
    if line is not None and line[1] != 0:
        offset, slope = line
        if not (np.isfinite(offset) and np.isfinite(slope) and offset >= 0 and slope > 0):
            raise ValueError(f"error_model {text!r}: a variance that falls with the counts, or is negative")
        return ErrorModel("counts", offset, slope)

    def variance(counts: NDArray[Any]) -> NDArray[np.float64]:
        found = evaluate(text, {"I": np.asarray(counts, dtype=np.float64)})
        return np.ascontiguousarray(np.broadcast_to(found, counts.shape), dtype=np.float64)

    if not np.all(variance(np.arange(1.0, 3.0)) >= 0):
        raise ValueError(f"error_model {text!r} gives no variance for 1 or 2 counts: {variance(np.arange(1.0, 3.0))}")
    return ErrorModel("given", variance=variance)


def _line(node: ast.expr) -> tuple[float, float] | None:
    """Return offset and slope where an expression is a straight line in I, else None."""
    if isinstance(node, ast.Constant):
        return float(node.value), 0.0  # type: ignore[arg-type]  # only numbers are allowed
    if isinstance(node, ast.Name):
        return (0.0, 1.0) if node.id == "I" else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        inner = _line(node.operand)
        sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
        return None if inner is None else (sign * inner[0], sign * inner[1])
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _line(node.left), _line(node.right)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Add):
        return left[0] + right[0], left[1] + right[1]
    if isinstance(node.op, ast.Sub):
        return left[0] - right[0], left[1] - right[1]
    if isinstance(node.op, ast.Mult) and 0.0 in (left[1], right[1]):
        factor, line = (left, right) if left[1] == 0 else (right, left)
        return factor[0] * line[0], factor[0] * line[1]
    if isinstance(node.op, ast.Div) and right[1] == 0 and right[0] != 0:
        return left[0] / right[0], left[1] / right[0]
    return None
