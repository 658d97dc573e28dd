"""``tomosaxs plot``: curves of files on one plot."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tomosaxs import InputError, did_you_mean

if TYPE_CHECKING:
    from tomosaxs_plugins.curves.curve import Curve

_SCALES = click.Choice(["linear", "log", "symlog"])
_WITHOUT_WINDOW = Path("plot.png")
_MOST = 50


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="File to write; its suffix names the format: png, svg, pdf."
)
@click.option("-c", "--compare", is_flag=True, help="Draw differences to the first curve too, absolute and in %.")
@click.option("-l", "--log", is_flag=True, help="Logarithmic intensity, the same as --yaxistype log.")
@click.option("-x", "--xaxistype", "--xaxsistype", "x_scale", type=_SCALES, default="linear", help="Horizontal axis.")
@click.option("-y", "--yaxistype", "--yaxsistype", "y_scale", type=_SCALES, help="Vertical axis; default linear.")
@click.option("-n", "--no-legend", is_flag=True, help="Leave out the names of the curves.")
@click.option("-t", "--title", default="", help="Title above the plot.")
@click.option("-s", "--skip", type=click.IntRange(min=0), default=0, help="Leave out so many points at the beginning.")
@click.option("-k", "--clip", type=click.IntRange(min=0), default=0, help="Leave out so many points at the end.")
@click.option("-f", "--frames", default="", help="Curves of NeXus files by number, for instance 0,5,10:20; first is 0.")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def plot(files: tuple[Path, ...], out: Path | None, frames: str, skip: int, clip: int, debug: bool, **how: Any) -> None:
    """Plot curves: .chi, NeXus (result.nxs, NXcanSAS), columns of text.

    Standard uncertainties are drawn as bands. Without --out a window is opened; where there is no display,
    plot.png is written. Of a NeXus file with many curves 50 are drawn, evenly spread, unless --frames names others.
    """
    from tomosaxs_plugins.curves.plot import PlotOptions, plot_curves, show_curves

    if how["log"] and how["y_scale"] not in (None, "log"):
        raise InputError(f"--log and --yaxistype {how['y_scale']} contradict each other")
    options = PlotOptions(
        x_scale=how["x_scale"], y_scale="log" if how["log"] else how["y_scale"] or "linear",
        title=how["title"], legend=not how["no_legend"], compare=how["compare"],
    )  # fmt: skip
    try:
        curves = [each.cut(skip, clip) for each in _read(files, frames)]
        if out is None and not show_curves(curves, options):
            click.echo(f"there is no display: the plot goes to {_WITHOUT_WINDOW}")
            out = _WITHOUT_WINDOW
        if out is not None:
            click.echo(f"wrote {plot_curves(curves, out, options)}")
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None


def _read(files: tuple[Path, ...], frames: str) -> list[Curve]:
    from tomosaxs_plugins.curves.read import read_curves

    found: list[Curve] = []
    known = Counter(path.stem for path in files)
    for path in files:
        if not path.is_file():
            beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            kind = "is a folder" if path.is_dir() else f"does not exist{did_you_mean(path.name, beside)}"
            raise InputError(f"{path} {kind}")
        curves, count = read_curves(path, _numbers(frames), _MOST)
        if known[path.stem] > 1:  # result.nxs of several folders
            curves = [replace(each, name=f"{path.with_suffix('')}: {each.name}") for each in curves]
        if len(curves) < count and not frames:
            click.echo(f"{path}: {len(curves)} of {count} curves, evenly spread; --frames takes others")
        found += curves
    return found


def _numbers(text: str) -> list[int] | None:
    """Return the numbers that ``0,5,10:20`` or ``0:100:10`` stand for; the end of a range is not in it."""
    if not text:
        return None
    found: list[int] = []
    try:
        for part in text.split(","):
            bounds = [int(each) for each in part.split(":")]
            found += bounds if len(bounds) == 1 else range(*bounds)
    except (ValueError, TypeError):
        raise InputError(f"--frames {text}: expected numbers and ranges such as 0,5,10:20") from None
    if not found:
        raise InputError(f"--frames {text} names no curve")
    return found
