"""``tomosaxs convert-beam-paths``: the nested arrays of the published pipeline become a beam-path table in NeXus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

_FILES = {
    "alpha": "full_alpha_index_matrices.npy",
    "beta": "full_beta_index_matrices.npy",
    "fibres": "full_fibre_index_matrices.npy",
    "weights": "full_fibre_weight_matrices.npy",
}


@click.command("convert-beam-paths")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="New NeXus file.")
@click.option(
    "--angles", required=True, nargs=2, type=float, metavar="FIRST LAST", help="First and last rotation, deg."
)
@click.option("--alpha", default=_FILES["alpha"], show_default=True, help="File of alpha, in the folder.")
@click.option("--beta", default=_FILES["beta"], show_default=True, help="File of beta.")
@click.option("--fibres", default=_FILES["fibres"], show_default=True, help="File of the numbers of fibres.")
@click.option("--weights", default=_FILES["weights"], show_default=True, help="File of weights and numbers.")
@click.option("--x", "x_range", nargs=2, type=float, metavar="START STEP", help="Positions of the beam, mm.")
@click.option("--y", "y_range", nargs=2, type=float, metavar="START STEP", help="Heights of the slices, mm.")
@click.option(
    "--alpha-from", type=click.Choice(["tracing", "vertical"]), default="tracing", show_default=True,
    help="What alpha counts from: as tracing writes it (90 + alpha, or 270 - alpha from 90 on), or from the vertical.",
)  # fmt: skip
@click.option(
    "--trust-pickle", "trusted", multiple=True, metavar="FILE", help="A file that you trust; once for each of them."
)
@click.option("--force", is_flag=True, help="Replace an output that exists.")
def convert_beam_paths(
    folder: Path, output: Path, angles: tuple[float, float], alpha: str, beta: str, fibres: str, weights: str,
    x_range: tuple[float, float] | None, y_range: tuple[float, float] | None, alpha_from: str,
    trusted: tuple[str, ...], force: bool,
) -> None:  # fmt: skip
    """Convert the nested object arrays in FOLDER to a beam-path table that reconstruct_fibres takes.

    The arrays [rotation][slice] of grids [depth][beam] are .npy files of Python objects, which are pickles. A pickle
    can make the computer that opens it do anything: without --trust-pickle none is opened. Of those that you trust,
    only numpy arrays, lists, numbers and text are admitted; whatever else a file asks for is refused.
    """
    from tomosaxs import InputError
    from tomosaxs_plugins.fibres.beam_path_file import write_beam_paths
    from tomosaxs_plugins.fibres.nested_grids import from_grids

    names = {"alpha": alpha, "beta": beta, "fibres": fibres, "weights": weights}
    paths = {name: folder / each for name, each in names.items()}
    _check_there(folder, paths)
    if output.exists() and not force:
        raise InputError(f"{output} exists; --force replaces it")
    _check_trusted(paths, trusted)
    grids = {name: _read(path) for name, path in paths.items()}
    rotations = np.linspace(*angles, len(grids["weights"]))
    beams = len(grids["weights"][0][0][0]) if x_range else 0
    slices = len(grids["weights"][0]) if y_range else 0
    try:
        made = from_grids(
            grids["alpha"], grids["beta"], grids["fibres"], grids["weights"], rotations,
            fold_alpha=alpha_from == "tracing",
            x_mm=_steps(x_range, beams), y_mm=_steps(y_range, slices),
        )  # fmt: skip
    except ValueError as error:
        raise InputError(f"{folder}: {error}") from None
    write_beam_paths(output, made.table)
    r, y, x = made.table.shape
    click.echo(
        f"{output}: {r} rotations ({rotations[0]:g} to {rotations[-1]:g} deg), {y} slices, {x} beams, "
        f"{len(np.unique(made.table.fibre))} fibres, {len(made.table.fibre)} entries"
    )
    for what, count in made.counts.items():
        click.echo(f"{count} {what}")
    if x_range is None:
        click.echo("positions of the beam are not known: with --x START STEP fibres can be put into a map")


def _steps(start_and_step: tuple[float, float] | None, count: int) -> NDArray[np.float64] | None:
    if start_and_step is None:
        return None
    return np.asarray(start_and_step[0] + start_and_step[1] * np.arange(count), dtype=np.float64)


def _check_there(folder: Path, paths: dict[str, Path]) -> None:
    from tomosaxs import InputError

    for name, path in paths.items():
        if not path.is_file():
            have = ", ".join(sorted(each.name for each in folder.glob("*.npy"))) or "none"
            raise InputError(f"{path} does not exist; .npy files in {folder}: {have}; name it with --{name} FILE")


def _check_trusted(paths: dict[str, Path], trusted: tuple[str, ...]) -> None:
    """Refuse files of Python objects that are not named as trusted."""
    from tomosaxs import InputError
    from tomosaxs_plugins.fibres.object_arrays import holds_objects

    try:
        objects = [path for path in paths.values() if holds_objects(path)]
    except ValueError as error:
        raise InputError(str(error)) from None
    known = {path.resolve() for path in paths.values()}
    allowed = set()
    for text in trusted:
        places = [place.resolve() for place in (Path(text), next(iter(paths.values())).parent / text)]
        match = next((place for place in places if place in known), None)
        if match is None:
            raise InputError(f"--trust-pickle {text}: it is none of the files that are read: {_listed(paths)}")
        allowed.add(match)
    refused = [path for path in objects if path.resolve() not in allowed]
    if refused:
        options = " ".join(f"--trust-pickle {path.name}" for path in refused)
        raise InputError(
            f"{', '.join(path.name for path in refused)} in {refused[0].parent} hold Python objects, that is, pickles. "
            "A pickle is a program: one that somebody changed can do whatever you can. Nothing was opened. If you know "
            f"where these files come from, say so: {options}. "
            "Even then only arrays, lists, numbers and text are admitted"
        )


def _listed(paths: dict[str, Path]) -> str:
    return ", ".join(path.name for path in paths.values())


def _read(path: Path) -> Any:
    from tomosaxs import InputError
    from tomosaxs_plugins.fibres.object_arrays import read_objects

    click.echo(f"reading {path}: arrays, lists, numbers and text are admitted, nothing else")
    try:
        return read_objects(path)
    except ValueError as error:
        raise InputError(str(error)) from None
