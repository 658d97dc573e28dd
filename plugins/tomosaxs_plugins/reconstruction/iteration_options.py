"""What `reconstruct` does about iterative algorithms and tilted axes: checks, axes of rows, what is reported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Scan, backends
from tomosaxs_plugins.reconstruction.iteration import History

OPTIONS: dict[str, Any] = {"nonnegative": False, "regularisation": None, "tolerance": 0.0, "initial": "zero"}
"""Parameters of the iterative algorithms of the own backend, and what they are when nothing is said."""

CURVE = "residual_of_middle_slice"
"""Name under which the residual of the middle slice before and after every iteration is kept."""

_NOT_OF = {"nonnegative": ("cgls",), "regularisation": ("sirt", "cgls")}
_LEANING = 0.5  # pixels that the ends of a tilted row may leave their slice by
_STEPS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def refuse_options(name: str, algorithm: str, parameters: dict[str, Any]) -> None:
    """Refuse what an algorithm has no use for.

    Raises
    ------
    InputError
        When a parameter of iterative algorithms is given to one that lacks it, or the tilt is not small.
    """
    backend = backends("reconstruct")[name].load()
    iterative = algorithm not in (*backend.filtered, "backproject")
    for option, usual in OPTIONS.items():
        if parameters[option] == usual:
            continue
        if not iterative or option not in getattr(backend, "known_options", ()):
            raise InputError(
                f"algorithm {algorithm} of backend {name} has no {option}; sirt, cgls and fista_tv of backend tomosaxs "
                "iterate",
                parameter=option,
            )
        if algorithm in _NOT_OF.get(option, ()):
            others = [word for word in ("sirt", "cgls", "fista_tv") if word not in _NOT_OF[option]]
            have = "have" if len(others) > 1 else "has"
            raise InputError(f"algorithm {algorithm} has no {option}; {' and '.join(others)} {have}", parameter=option)
    if iterative and parameters["filter"] != "ramp" and parameters["initial"] != "fbp":
        raise InputError(
            f"algorithm {algorithm} filters nothing: leave the filter out, or begin with initial: fbp",
            parameter="filter",
        )
    refuse_tilt(parameters["tilt"])


def refuse_tilt(tilt: float | None) -> None:
    """Refuse a tilt that is unknown or not small."""
    if tilt is not None and not (math.isfinite(tilt) and abs(tilt) <= 1):
        raise InputError(
            f"the tilt is {tilt} deg; it must be known and within -1 to 1: correct_tilt turns the projections by more",
            parameter="tilt",
        )


def axes_of_rows(scan: Scan, axis: float, tilt: float, columns: int, pitch: float) -> float | NDArray[np.float64]:
    """Return the axis of every slice, where it leans: ``tan(tilt)`` columns a row from the middle row of the data.

    Parameters
    ----------
    scan : Scan
        Of the sinograms.
    axis : float
        Column of the axis at the middle row, counted in the columns that are reconstructed.
    tilt : float
        Degrees, positive where the column grows with the row.
    columns : int
        Number of columns.
    pitch : float
        Unbinned columns from one of them to the next.

    Raises
    ------
    InputError
        When the tilt is unknown or large, the slices are no rows of a detector, or the axis leaves it.
    """
    refuse_tilt(tilt)
    if tilt == 0:
        return axis
    if scan.sliced[-1] != "detector_y":
        raise InputError(
            f"slices along {scan.sliced[-1]!r} have no tilted axis; rows of a detector have", parameter="tilt"
        )
    rows = scan.axis("detector_y")
    places = rows.centres[np.unravel_index(scan.index, [scan.axis(name).size for name in scan.sliced])[-1]]
    middle = 0.5 * float(rows.centres[0] + rows.centres[-1])
    found = axis + math.tan(math.radians(tilt)) * (places - middle) / pitch
    leaning = 0.5 * columns * pitch * math.sin(math.radians(abs(tilt))) / rows.pitch
    if leaning > _LEANING:
        scan.note(
            f"the axis leans by {tilt:.4g} deg: the ends of a row lie {leaning:.2g} rows off its slice, which mixes "
            "slices there: correct_tilt turns the projections"
        )
    if not np.all((found >= 0) & (found <= columns - 1)):
        raise InputError(
            f"with a tilt of {tilt} deg the axis leaves the columns that are reconstructed", parameter="tilt"
        )
    return np.asarray(found, dtype=np.float64)


def same_axis(
    run: slice, axes: float | NDArray[np.float64], several: bool
) -> Iterator[tuple[slice, float | NDArray[np.float64]]]:
    """Yield the slices that a backend can take together, and their axis or axes.

    Parameters
    ----------
    run : slice
        Slices of the block.
    axes : float or ndarray, shape (slices of the block,)
        One axis, or one for every slice.
    several : bool
        Whether the backend takes an axis for every slice.
    """
    if not isinstance(axes, np.ndarray):
        yield run, axes
    elif several:
        yield run, axes[run]
    else:
        for number in range(run.start, run.stop):
            yield slice(number, number + 1), float(axes[number])


def tell_course(scan: Scan, algorithm: str, histories: Sequence[History], asked: int | None) -> None:
    """Tell how the slices went on: classes of residuals and iterations, and the curve of the middle slice.

    Parameters
    ----------
    scan : Scan
        Of the sinograms.
    algorithm : str
        Name of the method.
    histories : sequence of History
        One a slice.
    asked : int or None
        Iterations that were asked for.
    """
    ends = np.array([each.residual[-1] for each in histories])
    done = np.array([len(each.residual) - 1 for each in histories])
    for low, high in zip(_STEPS, (*_STEPS[1:], math.inf), strict=True):
        here = ((ends >= low) & (ends < high)).astype(np.intp)
        share = f"{100 * low:g} to {100 * high:g} %" if high < math.inf else f"above {100 * low:g} %"
        if here.any():
            scan.remark(f"{algorithm}: {{count}} slices ended with a residual of {share} of their projections", here)
    for number in np.unique(done):
        here = (done == number).astype(np.intp)
        scan.remark(f"{algorithm}: {{count}} slices took {_rounded(int(number), asked)} iterations", here)
    total = int(np.prod([scan.axis(name).size for name in scan.sliced]))
    middle = np.flatnonzero(scan.index == total // 2)
    if len(middle):
        history = histories[int(middle[0])]
        scan.keep(CURVE, np.array(history.residual))
        scan.keep("cost_of_middle_slice", np.array(history.cost))


def _rounded(number: int, asked: int | None) -> str:
    """Return a number of iterations, or the ten that it lies in where the iterations stopped by themselves."""
    if number == asked or asked is None:
        return str(number)
    return f"{number // 10 * 10} to {number // 10 * 10 + 9}"
