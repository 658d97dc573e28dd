"""``tomosaxs slice``: one slice of a scan or of a list's result as a picture, in a second or two."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tomosaxs.cli.sweep_slice import SlicePlan
    from tomosaxs.plan import Node
    from tomosaxs.process_list import CheckedList
    from tomosaxs.runner.context import Context, Log

_SAMPLE = 1 << 19  # pixels that tell which values are black and white
_STEPS = "  - plugin: dark_flat_correction\n  - plugin: minus_log\n"
_SEARCH = "  - plugin: find_rotation_axis\n    name: axis\n    on_low_confidence: warn\n"
_RECONSTRUCT = "  - plugin: reconstruct\n    centre: {}\n"


@click.command(name="slice", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("what", metavar="SCAN|LIST.yml", type=click.Path(path_type=Path))
@click.option("--row", "--slice", "row", type=click.IntRange(min=0), metavar="K",
              help="Row of the full detector; default the middle one.")  # fmt: skip
@click.option("--axis", type=float, metavar="PX", help="The rotation axis, where it is known: nothing is searched.")
@click.option("--margin", type=click.IntRange(min=0), metavar="N",
              help="Rows on both sides, where a step works on whole frames.")  # fmt: skip
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]PATH", help="Read this scan with the list.")
@click.option("--set", "settings", multiple=True, metavar="STEP.PARAM=VALUE", help="Change a parameter.")
@click.option("--root", "roots", multiple=True, metavar="OLD=NEW", help="Move paths of the list.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PICTURE.png",
              help="Default the name of the scan or list, and the row.")  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def slice_picture(
    what: Path,
    row: int | None,
    axis: float | None,
    margin: int | None,
    inputs: tuple[str, ...],
    settings: tuple[str, ...],
    roots: tuple[str, ...],
    output: Path | None,
    debug: bool,
) -> None:
    """Reconstruct one slice of SCAN, or make that of what LIST.yml makes, and write it as a picture.

    Only the rows that the slice needs are read, and nothing but the picture is kept. A scan by itself gets the dark
    and flat correction, the logarithm, the search of the rotation axis in this row alone, and the reconstruction. The
    steps of a list get what they get in a run: an axis is found from its rows all over the scan.
    """
    from tomosaxs.cli.sweep_slice import plan_slice
    from tomosaxs.communicator import world
    from tomosaxs.errors import InputError
    from tomosaxs.library import usual_options
    from tomosaxs.runner.context import console
    from tomosaxs.runner.folder import shown

    begun = time.perf_counter()
    if world().size > 1:
        raise InputError("a slice is made by one process: leave mpirun away")
    checked = _checked(what, axis, inputs, settings, roots)
    last = max((each.entry.number for each in checked.steps if each.entry.active and each.spec.outputs), default=0)
    if not last:
        raise InputError(f"{what} has no step that makes data: there is no slice to show")
    sliced = plan_slice(checked, usual_options(), row, margin, keep={last})
    if _is_scan(what):
        sliced.whole = None  # the axis of this very row
    for note in sliced.notes:
        console(note)
    picture, told = _made(sliced, console)
    place = "" if sliced.row is None else f"_row{sliced.row}"
    file = (output or Path(f"{what.stem}{place}.png")).expanduser()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)
    except OSError as error:
        raise InputError(f"-o {file}: {type(error).__name__}: {error}") from None
    click.echo(f"{shown(file)}: {told}; {time.perf_counter() - begun:.1f} s")


def _checked(
    what: Path, axis: float | None, inputs: Sequence[str], settings: Sequence[str], roots: Sequence[str]
) -> CheckedList:
    """Return the checked list: the one named, or the ordinary one for a scan; with the axis that is given."""
    from tomosaxs import library
    from tomosaxs.errors import InputError

    if not _is_scan(what):
        known = [] if axis is None else _axis_settings(what, axis, inputs, settings, roots)
        return library.check(what, inputs=inputs, settings=[*settings, *known], roots=roots)
    if inputs:
        raise InputError("--input goes with a list; a scan is named by itself")
    path = json.dumps(str(what.expanduser().absolute()))
    steps = _STEPS + (_SEARCH if axis is None else "") + _RECONSTRUCT.format("${axis}" if axis is None else repr(axis))
    text = f"title: {json.dumps(what.stem)}\ninput:\n  tomo:\n    plugin: tomography\n    path: {path}\nsteps:\n{steps}"
    return library.check(text, settings=settings, roots=roots)


def _is_scan(what: Path) -> bool:
    return what.suffix.lower() not in (".yml", ".yaml")


def _axis_settings(
    what: Path, axis: float, inputs: Sequence[str], settings: Sequence[str], roots: Sequence[str]
) -> list[str]:
    """Return the settings that give a list its axis: the search's value where it has one, else the centre."""
    from tomosaxs import library
    from tomosaxs.errors import InputError

    steps = library.check(what, inputs=inputs, settings=settings, roots=roots).steps
    searches = [each for each in steps if each.entry.active and each.spec.name == "find_rotation_axis"]
    centred = [each for each in steps if each.entry.active and "centre" in each.spec.parameters.names()]
    if searches:
        return [f"{each.entry.number}.value={axis!r}" for each in searches]
    if centred:
        return [f"{each.entry.number}.centre={axis!r}" for each in centred]
    raise InputError(f"--axis: no step of {what} takes a rotation axis")


def _made(sliced: SlicePlan, log: Log) -> tuple[bytes, str]:
    """Run the plan in a temporary folder; return the picture as a file and what to say of it."""
    from tomosaxs.cli.sweep_slice import picture_of
    from tomosaxs.report.page import value_text
    from tomosaxs.report.pictures import png_bytes, robust_limits, to_grey
    from tomosaxs.report.svg import number_text, pretty_units
    from tomosaxs.runner.sections import reader_of

    with TemporaryDirectory(prefix="tomosaxs_slice_") as folder:
        context = _run(sliced, Path(folder), log)
        node = _shown(context)
        values = reader_of(node).read((slice(None),) * len(node.dataset.axes))
        image = picture_of(values, node.dataset.axes, sliced.row)
    limits = robust_limits(thinned(image, _SAMPLE))
    units = f" {pretty_units(node.dataset.units)}" if node.dataset.units else ""
    told = [f"{name} = {value_text(estimate)}" for name, estimate in context.estimates.items()]
    told.insert(0, "all data" if sliced.row is None else f"detector row {sliced.row}")
    told.append(f"black {number_text(limits[0])}, white {number_text(limits[1])}{units}")
    return png_bytes(to_grey(image, limits)), ", ".join(told)


def thinned(image: NDArray[Any], most: int) -> NDArray[Any]:
    """Return every so manieth pixel of both directions, so that about as many are left as asked for, or more."""
    step = max(1, int((image.size / most) ** 0.5))
    return image[::step, ::step]


def _run(sliced: SlicePlan, folder: Path, log: Log) -> Context:
    """Find the values over the whole scan, then make the slice."""
    from tomosaxs.communicator import world
    from tomosaxs.registry import manager
    from tomosaxs.runner.context import Context

    found = Context(sliced.plan, world(), folder, log, hooks=manager().hook)
    for plan in (sliced.whole, sliced.plan):
        if plan is not None:
            context = replace(found, plan=plan, folder=folder / ("whole" if plan is sliced.whole else "slice"))
            _passes(context)
    return context


def _passes(context: Context) -> None:
    """Run the passes of a plan whose values are not known yet."""
    from tomosaxs.plan import refine
    from tomosaxs.runner.estimates import run_estimate
    from tomosaxs.runner.resume import place_stores
    from tomosaxs.runner.sections import run_section

    context.work.mkdir(parents=True)
    place_stores(context, False)
    refine(context.plan, context.estimates)
    for one in context.plan.passes:
        if one.estimator is None:
            run_section(context, one)
        elif one.estimator.label not in context.estimates:
            context.estimates[one.estimator.label] = run_estimate(context, one)
            refine(context.plan, context.estimates)


def _shown(context: Context) -> Node:
    """Return the dataset that is shown: the last one that is saved.

    Raises
    ------
    InputError
        When it is several, of a sweep.
    """
    from tomosaxs.errors import InputError

    node = context.plan.saved[-1]
    if node.swept:
        raise InputError("the list sweeps a parameter: tomosaxs sweep shows the slices side by side")
    return node
