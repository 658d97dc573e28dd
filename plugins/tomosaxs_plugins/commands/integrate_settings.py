"""From the options of `tomosaxs integrate` to a step's parameters, an output folder and a process list."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tomosaxs import GrowingResult, InputError, did_you_mean
from tomosaxs_plugins.commands.integrate_curve_files import CurveFiles
from tomosaxs_plugins.commands.integrate_places import ImagePlaces
from tomosaxs_plugins.commands.integrate_work import Job
from tomosaxs_plugins.integration.calibration import kind_of, read_calibration
from tomosaxs_plugins.integration.calibration_saxsdog import integration_parameters
from tomosaxs_plugins.integration.masks import read_mask

_NO_DETECTOR = (1, 1)
"""Stands for the shape of a detector that the calibration does not tell."""


def one_process() -> None:
    """Refuse to run under mpirun, where every rank would do the same.

    Raises
    ------
    InputError
        When a launcher started several processes.
    """
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"):
        told = os.environ.get(name, "")
        if told.isdigit() and int(told) > 1:
            raise InputError("integrate runs as one process with several threads: leave out mpirun and choose -j")


def _file(path: Path, what: str) -> Path:
    if path.is_file():
        return path.expanduser().absolute()
    if not path.parent.is_dir():
        raise InputError(f"{what}: {path} does not exist (nor does its folder)")
    kind = "is a folder, not a file" if path.is_dir() else "does not exist"
    beside = [each.name for each in path.parent.iterdir() if each.is_file()]
    raise InputError(f"{what}: {path} {kind}{'' if path.is_dir() else did_you_mean(path.name, beside)}")


def parameters(calibration: Path, **options: Any) -> dict[str, Any]:
    """Return the parameters of `azimuthal_integrate` that the options stand for.

    Raises
    ------
    InputError
        When a file does not exist or the range is empty.
    """
    given: dict[str, Any] = {"calibration": _file(calibration, "calibration")}
    given.update(_of_saxsdog(given["calibration"], options["mask"] is None))
    if options["mask"] is not None:
        given["mask"] = _file(options["mask"], "mask")
    given["bins"] = options["npt"] or given.get("bins", 1000)
    if options["range_"] is not None:
        low, high = options["range_"]
        if not 0 <= low < high:
            raise InputError(f"--range: expected 0 <= QMIN < QMAX, got {low:g} {high:g}")
        given["range"] = [low, high]
    if options["polarization"] is not None:
        given["polarization"] = 2.0 * options["polarization"] - 1.0
    given["solid_angle"] = bool(options["solid_angle"])
    given["error_model"] = "poisson"
    return given


def _of_saxsdog(calibration: Path, with_mask: bool) -> dict[str, Any]:
    """Return what a calibration of saxsdog asks for besides its geometry; nothing for others."""
    try:
        if kind_of(calibration) != "saxsdog":
            return {}
        found = integration_parameters(calibration)
    except (ValueError, OSError) as error:
        raise InputError(f"calibration {calibration}: {error}") from None
    del found["calibration"]
    if not with_mask:
        del found["mask"]
    elif not found["mask"].is_file():
        raise InputError(
            f"calibration {calibration}: its mask {found['mask']} does not exist; give another with --mask"
        )
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def told(given: Mapping[str, Any]) -> str:
    """Return the settings in one line, for the log."""

    def text(value: Any) -> Any:
        return value.name if isinstance(value, Path) else f"{value:.12g}" if isinstance(value, float) else value

    texts = [f"{name} {text(value)}" for name, value in given.items() if value is not False and name != "unit"]
    return ", ".join(texts)


def frame_shape(given: Mapping[str, Any]) -> tuple[tuple[int, int] | None, str]:
    """Return the shape that frames must have, and which file tells it: the calibration, else the mask.

    Where neither does, the shape is None.

    Raises
    ------
    InputError
        When calibration or mask cannot be read.
    """
    mask = None
    if "mask" in given:
        try:
            mask = read_mask(given["mask"]).shape
        except (ValueError, OSError) as error:
            raise InputError(f"mask {given['mask']}: {error}") from None
    known = read_calibration(given["calibration"], mask or _NO_DETECTOR).shape
    if known is not None and known not in (_NO_DETECTOR, mask):
        return known, f"calibration {given['calibration'].name}"
    return mask, f"mask {given['mask'].name}" if mask else ""


def resumed_shape(growing: GrowingResult, shape: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the shape of the frames of the earlier result, where calibration and mask do not tell one."""
    earlier = growing.earlier_frames()
    return shape or (None if earlier is None or len(earlier) != 2 else (earlier[0], earlier[1]))


def resume(job: Job) -> None:
    """Take over the curves of an earlier run whose files are unchanged."""
    growing = job.growing
    if job.made is None or growing.earlier_frames() is None:
        growing.log("nothing to resume: there is no result yet")
        return
    growing.resume()
    for path, file in list(growing.files.items()):
        if job.curve_files is not None and not file.problem and not job.curve_files.there(path, file.count):
            del growing.files[path]
    growing.log(f"taken over: {len(growing.files)} images")
    job.look_at_earlier()


def output_folder(chosen: Path | None, places: ImagePlaces) -> Path:
    """Return where the results go: as chosen, else named after the first folder (or file), in the current folder."""
    if chosen is not None:
        return Path(os.path.abspath(chosen.expanduser()))  # noqa: PTH100
    first = places.places[0].path
    return Path.cwd() / f"{first.name if first.is_dir() else first.stem}_curves"


def no_images(given: Mapping[str, Any], folder: Path, places: ImagePlaces) -> list[Path]:
    """Return what is never an image, wherever it lies: calibration, mask, and the folder of the results."""
    files = [given[name] for name in ("calibration", "mask") if name in given]
    named = any(place.path.resolve() == folder.resolve() for place in places.places)
    return [path.resolve() for path in (*files, folder / "result.nxs", *([] if named else [folder]))]


def curve_files(folder: Path, places: ImagePlaces, options: Mapping[str, Any]) -> CurveFiles | None:
    """Return what writes the files of single curves, where any are asked for."""
    chi, plot = bool(options["chi"] or options["inplace"]), options["plot"] or ""
    if not (chi or plot):
        return None
    if plot and importlib.util.find_spec("matplotlib") is None:
        raise InputError("--plot needs matplotlib, which is not installed; install with: pip install 'tomosaxs[plot]'")
    return CurveFiles(None if options["inplace"] else folder, places.root, chi, plot)


def list_text(given: Mapping[str, Any], places: ImagePlaces) -> str:
    """Return the process list that does the same."""
    paths = [
        str(place.path / place.pattern if place.pattern not in ("", "*") else place.path) for place in places.places
    ]
    step = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    tree = {
        "title": "Azimuthal integration",
        "input": {"images": {"plugin": "image_files", "path": paths[0] if len(paths) == 1 else paths}},
        "steps": [{"plugin": "azimuthal_integrate", **step}],
        "output": {"plugin": "nexus"},
    }
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=1000)


def shown(path: Path) -> str:
    """Return a path as a user would write it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
