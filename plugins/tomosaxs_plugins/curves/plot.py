"""Plots of curves with matplotlib: a file of any format that it knows, or a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tomosaxs_plugins.curves.compare import compare_curves
from tomosaxs_plugins.curves.curve import Curve, Floats, label_of

Scale = Literal["linear", "log", "symlog"]

_TEN = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5b5b5b", "#7f3c8d", "#11a579", "#80542f")
_MOST_NAMES = 24


@dataclass(frozen=True)
class PlotOptions:
    """How curves are drawn.

    Parameters
    ----------
    x_scale, y_scale : str
        ``linear``, ``log`` or ``symlog`` (linear around zero, logarithmic beyond).
    title : str
        Above the plot.
    legend : bool
        Whether the curves are named.
    compare : bool
        Draw differences to the first curve, absolute and in per cent, below the curves.
    errors : bool
        Draw standard uncertainties as bands.
    size : (width, height)
        In inches.
    dpi : int
        Pixels an inch, for PNG.
    """

    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    title: str = ""
    legend: bool = True
    compare: bool = False
    errors: bool = True
    size: tuple[float, float] = (8.0, 5.5)
    dpi: int = 150


def plot_curves(curves: Sequence[Curve], path: Path, options: PlotOptions | None = None) -> Path:
    """Draw curves into a file, whose suffix names the format: png, svg, pdf.

    The same curves give the same bytes.

    Raises
    ------
    ValueError
        When there is no curve, the format is not known, or curves cannot be shown on one axis.
    ImportError
        When matplotlib is not installed.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    options = options or PlotOptions()
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    # text stays text in SVG; names of its parts and dates do not change from run to run
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tomosaxs"}):
        figure = Figure(figsize=options.size, dpi=options.dpi, layout="constrained")
        known = sorted(figure.canvas.get_supported_filetypes())
        if kind not in known:
            raise ValueError(f"{path}: the suffix names the format of a plot, one of {', '.join(known)}")
        draw_curves(figure, curves, options)
        dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(path, metadata=dates.get(kind), format=kind)
    return path


def show_curves(curves: Sequence[Curve], options: PlotOptions | None = None) -> bool:
    """Draw curves in a window and wait until it is closed; return False where no window can be opened."""
    from matplotlib import pyplot

    options = options or PlotOptions()
    if not _interactive(pyplot):
        return False
    figure = pyplot.figure(figsize=options.size, layout="constrained")
    draw_curves(figure, curves, options)
    pyplot.show()
    return True


def _interactive(pyplot: Any) -> bool:
    try:
        chosen = str(pyplot.get_backend()).lower()  # asks for a display where none was chosen
    except ImportError:
        return False
    return chosen not in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")


def draw_curves(figure: Any, curves: Sequence[Curve], options: PlotOptions) -> None:
    """Draw curves on a matplotlib figure.

    Raises
    ------
    ValueError
        When there is no curve, or the curves cannot be shown on one axis.
    """
    curves = comparable(curves)
    if options.compare:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _draw_differences(lower, curves, options)
    else:
        upper = lower = figure.subplots()
    for number, curve in enumerate(curves):
        _draw(upper, curve, _colour(number, len(curves)), options)
    _scale(upper, "y", options.y_scale, [curve.y for curve in curves])
    _scale(lower, "x", options.x_scale, [curve.x for curve in curves])
    upper.set_ylabel(label_of(curves[0].y_name, curves[0].y_units))
    lower.set_xlabel(label_of(curves[0].x_name, curves[0].x_units))
    if options.title:
        upper.set_title(options.title)
    if options.legend:
        _name(upper, len(curves))
    for axes in {upper, lower}:
        axes.grid(visible=True, color="#e9edf0", linewidth=0.8)
        axes.set_axisbelow(True)


def comparable(curves: Sequence[Curve]) -> list[Curve]:
    """Return curves with their coordinates in the units of the first.

    A curve whose file tells no units is taken to be in those of the others.

    Raises
    ------
    ValueError
        When there is no curve with points, or one is over another coordinate than the first.
    """
    if not curves or not any(len(curve.x) for curve in curves):
        raise ValueError("there is no point to plot: no curve was given, or skip and clip take all of it")
    units = next((curve.x_units for curve in curves if curve.x_units), "")
    first = curves[0]
    for curve in curves:
        if curve.x_name != first.x_name:
            raise ValueError(f"{curve.name} is over {curve.x_name}, {first.name} over {first.x_name}: plot them apart")
    return [curve.in_units(units) if curve.x_units and units else curve for curve in curves]


def _draw(axes: Any, curve: Curve, colour: Any, options: PlotOptions) -> None:
    if options.errors and curve.sigma is not None:
        low, high = curve.y - curve.sigma, curve.y + curve.sigma
        if options.y_scale == "log":  # a band that reaches below zero goes to the lower edge
            positive = curve.y[np.isfinite(curve.y) & (curve.y > 0)]
            low = np.maximum(low, 0.01 * float(positive.min()) if positive.size else 0.01)
            high = np.where(high > low, high, np.nan)  # empty bins that are zeros: a corner at log 0 spoils the band
        axes.fill_between(curve.x, low, high, color=colour, alpha=0.25, linewidth=0)
    # a point between two empty bins is no line: it needs a mark to be seen
    alone = np.isfinite(curve.y) & ~_beside(np.isfinite(curve.y))
    axes.plot(curve.x, curve.y, color=colour, linewidth=1.2, label=curve.name or "curve")
    if alone.any():
        axes.plot(curve.x[alone], curve.y[alone], ".", color=colour, markersize=4)


def _beside(usable: Any) -> Any:
    found = np.zeros(len(usable), dtype=bool)
    found[1:] |= usable[:-1]
    found[:-1] |= usable[1:]
    return found


def _colour(number: int, count: int) -> Any:
    if count <= len(_TEN):
        return _TEN[number]
    import matplotlib as mpl

    return mpl.colormaps["viridis"](0.95 * number / (count - 1))


def _scale(axes: Any, which: str, scale: Scale, values: list[Floats]) -> None:
    every = np.concatenate(values)
    every = np.abs(every[np.isfinite(every) & (every != 0)])
    more: dict[str, Any] = {}
    if scale == "symlog":
        more = {"linthresh": float(np.percentile(every, 2)) if every.size else 1.0}
    elif scale == "log":
        more = {"nonpositive": "mask"}
    getattr(axes, f"set_{which}scale")(scale, **more)
    if scale == "log" and which == "y":
        positive = np.concatenate(values)
        positive = positive[np.isfinite(positive) & (positive > 0)]
        if positive.size:  # bands that were cut off must not stretch the axis
            axes.set_ylim(float(positive.min()) / 1.5, float(positive.max()) * 1.5)


def _name(axes: Any, count: int) -> None:
    handles, names = axes.get_legend_handles_labels()
    if count > _MOST_NAMES:
        chosen = np.linspace(0, count - 1, _MOST_NAMES).round().astype(int)
        handles, names = [handles[each] for each in chosen], [names[each] for each in chosen]
    axes.legend(handles, names, fontsize="small", frameon=True, framealpha=0.85)


def _draw_differences(axes: Any, curves: Sequence[Curve], options: PlotOptions) -> None:
    """Differences on the left, per cent (dotted) on the right; both axes have their zero at one height."""
    right = axes.twinx()
    found = compare_curves(curves)
    for number, each in enumerate(found, start=1):
        colour = _colour(number, len(curves))
        axes.plot(each.x, each.difference, color=colour, linewidth=1.0)
        if options.errors and each.sigma is not None:
            band = each.difference - each.sigma, each.difference + each.sigma
            axes.fill_between(each.x, *band, color=colour, alpha=0.2, linewidth=0)
        right.plot(each.x, each.percent, color=colour, linewidth=1.0, linestyle=":")
    axes.axhline(0, color="#8a959f", linewidth=0.8)
    axes.set_ylim(-(edge := _edge([each.difference for each in found])), edge)
    right.set_ylim(-(edge := _edge([each.percent for each in found])), edge)
    axes.set_ylabel(f"difference to\n{curves[0].name}" if curves[0].name else "difference")
    right.set_ylabel("relative (%), dotted")


def _edge(values: list[Floats]) -> float:
    """Return half the height of an axis around zero; a few wild points beside the beam stop do not count."""
    every = np.abs(np.concatenate(values))
    every = every[np.isfinite(every)]
    return 1.15 * float(np.percentile(every, 99.5)) or 1.0 if every.size else 1.0
