"""What a file or a folder is: which loader reads it, told from its content."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from tomosaxs import InputError, Source, did_you_mean

HDF5 = (".nxs", ".h5", ".hdf5", ".hdf", ".nx", ".hdf4")
CURVES = (".chi", ".dat", ".csv", ".xy")
LISTS = (".yml", ".yaml")
_COMPANIONS = {"pre_ref", "post_ref", "pre_dark", "post_dark"}


@dataclass(frozen=True, eq=False)
class Found:
    """What was recognised.

    Parameters
    ----------
    path : Path
        What the loader was given.
    kind : str
        ``tomography``, ``map`` (one value or pattern a point of a raster), ``patterns`` (scattering patterns),
        ``images`` or ``result``.
    loader : str
        The plugin that reads it.
    parameters : mapping
        What was given to the loader besides the path.
    others : tuple of str
        What else it could be, and what to give for that.
    series : str
        ``repeats`` where one stream holds several tomograms, ``files`` where a folder does; else empty.
    source : Source
        The described data.
    """

    path: Path
    kind: str
    loader: str
    source: Source
    parameters: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    series: str = ""


def recognise(path: Path, loader: str = "", parameters: Mapping[str, Any] | None = None) -> Found:
    """Return what a path is, as the first loader tells that knows it.

    Parameters
    ----------
    path : Path
        A file or a folder.
    loader : str, optional
        The plugin to use, for instance what a site profile names; default: all that may fit are tried.
    parameters : mapping, optional
        Parameters of that loader.

    Raises
    ------
    InputError
        In one line: what was tried, and what each of them misses.
    """
    logging.getLogger("fabio").setLevel(logging.CRITICAL)  # what it cannot read is told in one line, by us
    _check_there(path)
    _refuse_other_files(path)
    tried: list[tuple[str, str]] = []
    for name in [loader] if loader else _candidates(path):
        try:
            given = dict(parameters or {})
            source = _load(name, path, given)
        except InputError as error:
            tried.append((name, str(error)))
            continue
        others = tuple(_without(path, text) for _, text in tried if "choose " in text or "give angles" in text)
        return Found(path, _kind(name, source), name, source, given, others)
    raise InputError(_nothing(path, tried))


def _check_there(path: Path) -> None:
    if path.exists():
        return
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"{path} does not exist: there is no folder {folder}")
    near = did_you_mean(path.name, sorted(each.name for each in folder.iterdir())[:500])
    raise InputError(f"{path} does not exist{near if len(near) < 300 else ''}")


def _refuse_other_files(path: Path) -> None:
    """Name the right command for files that are no scans."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes)")
    if suffix in LISTS:
        raise InputError(f"{path} is a YAML file: a process list is checked by  tomosaxs check {path}")
    if suffix == ".poni":
        raise InputError(
            f"{path} is a calibration: look at the images it belongs to, then  tomosaxs integrate {path} IMAGES"
        )
    if suffix in HDF5 and not h5py.is_hdf5(path):
        raise InputError(f"{path} is no HDF5 file whatever its name says (it does not begin as one): copy it again")
    if suffix in CURVES:
        raise InputError(f"{path} is a curve: see it with  tomosaxs plot {path}")


def _candidates(path: Path) -> list[str]:
    """Return the loaders that may read it, the likeliest first."""
    if path.is_dir():
        inside = [each for each in path.iterdir() if each.is_file() and not each.name.startswith(".")]
        nexus = [each for each in inside if each.suffix.lower() in HDF5]
        if (path / "result.nxs").is_file():
            return ["result"]
        if any(each.stem in _COMPANIONS or each.stem == path.name for each in nexus):
            return ["tomography"]
        if nexus and len(nexus) >= len(inside) / 2:
            return ["tomography", "scattering_scan"]
        return ["tomography", "image_files"]
    if _is_hdf5(path):
        return ["tomography", "raster_map", "scattering_scan", "result"]
    return ["image_files"]


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(8) == b"\x89HDF\r\n\x1a\n"


def _load(name: str, path: Path, parameters: Mapping[str, Any]) -> Source:
    from tomosaxs import load

    given = path / "result.nxs" if name == "result" and path.is_dir() else path
    try:
        return load(name, given, **parameters)
    except (OSError, ValueError, KeyError) as error:  # what a damaged file may raise deep in a library
        raise InputError(f"{path}: {error}") from None


def _kind(loader: str, source: Source) -> str:
    names = source.dataset.names
    if loader in ("result", "tomography"):
        return loader
    if loader in ("raster_map", "scattering_scan"):
        return "patterns" if "detector_x" in names else "map"
    if "rotation_angle" in names and "detector_x" in names:
        return "tomography"
    return "images"


def _without(path: Path, text: str) -> str:
    return text.removeprefix(f"{path}: ").removeprefix(f"{path} ")


def _nothing(path: Path, tried: list[tuple[str, str]]) -> str:
    """Say in one line what was tried and what is missing."""
    if len(tried) == 1 or len({text for _, text in tried}) == 1:
        return tried[0][1]
    for name, text in tried:
        if name == "tomography" and "no rotation angles" in text and path.is_dir():  # images that lack only these
            command = f"tomosaxs look {shlex.quote(str(path))} --set angles='{{start: 0, stop: 180}}'"
            return f"{text}. For instance:  {command}"
    parts = [f"{name}: {_without(path, text)}" for name, text in tried]
    return f"{path} is nothing that is known here. Tried: " + "; ".join(parts)
