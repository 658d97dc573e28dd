"""Saver `curve_plot`: plots of curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from tomosaxs import Dataset, Param, Result, saver
from tomosaxs_plugins.curves.curve import Curve
from tomosaxs_plugins.curves.plot import PlotOptions, plot_curves
from tomosaxs_plugins.savers.curve_files import check_curves, curves_of

Scale = Literal["linear", "log", "symlog"]


def _check(names: tuple[str, ...], *, datasets: Mapping[str, Dataset], dataset: str, prefix: str, **_: Any) -> None:
    check_curves(datasets, dataset, prefix)


@saver(check=_check)
def curve_plot(
    result: Result,
    folder: Path,
    *,
    dataset: Annotated[str, Param("saved dataset to plot; all that hold curves if empty")] = "",
    prefix: Annotated[str, Param("beginning of the file names; the input's name if empty")] = "",
    format: Annotated[Literal["png", "svg", "pdf"], Param("kind of the files")] = "png",
    together: Annotated[bool, Param("one plot of evenly spread curves; else one plot a frame")] = True,
    most: Annotated[int, Param("curves on one plot at most", ge=1, le=200)] = 20,
    x_scale: Annotated[Scale, Param("horizontal axis")] = "linear",
    y_scale: Annotated[Scale, Param("vertical axis")] = "log",
    legend: Annotated[bool, Param("name the curves")] = True,
    title: Annotated[str, Param("above the plot; the list's title if empty")] = "",
) -> list[Path]:
    """Plot the curves of the result: one picture of some, or one a frame.

    Curves over different coordinates (q, azimuth) are plotted apart. Standard uncertainties are bands. Files of single
    frames are called as those of the saver chi.
    """
    options = PlotOptions(x_scale=x_scale, y_scale=y_scale, title=title or result.title, legend=legend)
    found = curves_of(result, "curve_plot", dataset, prefix, most if together else 0)
    if not together:
        return [plot_curves([curve], folder / f"{name}.{format}", options) for name, curve in found]
    alike: dict[str, list[Curve]] = {}
    for _, curve in found:
        alike.setdefault(curve.x_name, []).append(curve)
    base = prefix or (result.inputs[0].name if result.inputs else "curves")
    written = []
    for name, curves in alike.items():
        own = f"{base}_{name}_curves" if len(alike) > 1 else f"{base}_curves"
        written.append(plot_curves(curves, folder / f"{own}.{format}", options))
    return written
