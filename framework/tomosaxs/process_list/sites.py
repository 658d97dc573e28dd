"""Site profiles: how a beamline stores its scans, and what it asks for in publications."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from tomosaxs.dataset import Quantity, Source
from tomosaxs.errors import InputError, did_you_mean
from tomosaxs.process_list.site_reader import read_profile

FOLDER_VARIABLE = "TOMOSAXS_SITES"
_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Site:
    """A beamline as its profile describes it.

    Parameters
    ----------
    name, title : str
        The word in lists and on the command line; the beamline's full name.
    loader : str
        Loader of its scans; `parameters` are that loader's defaults here.
    raw_root, scan : str
        Folder of the raw data, and the rule that leads from a scan number to a path in it, with fields in braces.
    fields : mapping
        Values of fields other than ``number``.
    output_root : str
        Where results belong; fields in braces.
    energy : float or None
        Photon energy in keV, used where a scan does not state one.
    rotation : str
        ``reversed`` where the stored angles count against the turn that tomosaxs assumes.
    acknowledgement : str
        What the beamline asks users to write.
    papers : tuple of str
        DOIs to cite.
    file : Path or None
        The profile.
    """

    name: str
    title: str = ""
    loader: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    raw_root: str = ""
    scan: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    output_root: str = ""
    energy: float | None = None
    rotation: str = "as_stored"
    acknowledgement: str = ""
    papers: tuple[str, ...] = ()
    file: Path | None = None

    def record(self) -> dict[str, Any]:
        """Return what a result keeps of it."""
        return {
            "name": self.name, "title": self.title or self.name, "acknowledgement": self.acknowledgement,
            "papers": tuple(self.papers),
        }  # fmt: skip

    def changes(self) -> dict[str, Any]:
        """Return what of it changes values or metadata of a dataset, for keys of content."""
        return {"energy": self.energy, "rotation": self.rotation}

    def applied(self, source: Source) -> Source:
        """Return the source with the site's energy, where it states none, and direction of rotation."""
        dataset, messages = source.dataset, list(source.messages)
        if self.energy is not None and "energy" not in dataset.metadata:
            dataset = replace(dataset, metadata={**dataset.metadata, "energy": Quantity(self.energy, "keV")})
            messages.append(f"energy {self.energy:g} keV from the site profile {self.name}")
        if self.rotation == "reversed" and "rotation_angle" in dataset.names:
            axes = tuple(
                replace(axis, values=-np.asarray(axis.values))
                if axis.name == "rotation_angle" and axis.values is not None
                else axis
                for axis in dataset.axes
            )
            dataset = replace(dataset, axes=axes)
            messages.append(f"angles taken with the opposite sign (site profile {self.name})")
        return replace(source, dataset=dataset, messages=tuple(messages))

    @property
    def results(self) -> str:
        """The folder of results, its fields filled in; empty where there is none, or a field is not known."""
        if not self.output_root or _fields_of(self.output_root) - set(self.fields):
            return ""
        return self.output_root.format_map(self.fields)

    def path_of(self, number: str) -> Path:
        """Return the scan with a number.

        Fields of the rule that have no value here are looked for on disk.

        Raises
        ------
        InputError
            When there is no rule, no such scan, or several of that number.
        """
        if not self.scan:
            raise InputError(f"site {self.name}: no rule leads from a scan number to a path: give the path")
        pattern = Path(self.raw_root.format_map(_Filled(self.fields, number))) / self.scan.format_map(
            _Filled(self.fields, number)
        )
        if "*" not in str(pattern):
            if not pattern.exists():
                raise InputError(f"site {self.name}: scan {number} would be {pattern}, which does not exist")
            return pattern
        fixed = Path(*_until_star(pattern))
        found = sorted(fixed.glob(str(pattern.relative_to(fixed)))) if fixed.is_dir() else []
        if len(found) == 1:
            return found[0]
        unknown = sorted(name for name in _fields_of(self.raw_root, self.scan) if name not in {"number", *self.fields})
        hint = f"give {' and '.join(unknown)}: --site {self.name},{','.join(f'{name}=...' for name in unknown)}"
        if not found:
            there = "" if fixed.is_dir() else f" (there is no folder {fixed})"
            raise InputError(f"site {self.name}: no scan {number} at {pattern}{there}; {hint}, or give the path itself")
        shown = ", ".join(str(each) for each in found[:5]) + (", ..." if len(found) > 5 else "")
        raise InputError(f"site {self.name}: {len(found)} scans have the number {number} ({shown}); {hint}")


class _Filled(dict[str, Any]):
    """Fields by name; ``*`` for one that has no value."""

    def __init__(self, fields: Mapping[str, str], number: str) -> None:
        super().__init__({name: str(value) for name, value in fields.items()})
        self["number"] = int(number) if number.isdigit() else number

    def __missing__(self, key: str) -> _Star:
        return _Star()


class _Star:
    def __format__(self, spec: str) -> str:
        return "*"


def _until_star(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        if "*" in part:
            break
        parts.append(part)
    return parts


def _fields_of(*texts: str) -> set[str]:
    return {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}


def known_sites() -> dict[str, Path]:
    """Return every profile that has a name: those of packages, and over them those of $TOMOSAXS_SITES.

    Raises
    ------
    InputError
        When the variable names no folder.
    """
    folders = list(_of_packages())
    own = os.environ.get(FOLDER_VARIABLE, "")
    if own:
        if not Path(own).is_dir():
            raise InputError(f"{FOLDER_VARIABLE}={own} is not a folder")
        folders.append(Path(own))
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.y*ml")) if path.suffix in _SUFFIXES}


@lru_cache(maxsize=1)
def _of_packages() -> tuple[Path, ...]:
    from tomosaxs import registry

    return tuple(registry.site_folders())


def find_site(text: str, folder: Path | None = None) -> Site:
    """Return a site by its name or the path of its profile, with fields behind it.

    Parameters
    ----------
    text : str
        ``i13``, ``./beamline.yml``, ``i13,year=2024,visit=mt9377-2``.
    folder : Path, optional
        Where a relative path belongs; default the current folder.

    Raises
    ------
    InputError
        When there is none (known ones are named), or a field cannot be used.
    ListError
        When the profile is wrong, with its lines.
    """
    name, *pairs = [part.strip() for part in text.split(",")]
    file = _file_of(name, folder or Path())
    site = _site(read_profile(file), file, ())
    fields = dict(site.fields)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"site {text!r}: expected NAME,FIELD=VALUE, got {pair!r}")
        fields[key.strip()] = value.strip()
    for key, value in fields.items():
        if not re.fullmatch(r"[\w.+-]+", str(value)) or str(value) in (".", ".."):
            raise InputError(f"site {name}: field {key}={value!r} cannot be part of a path")
        if key not in _fields_of(site.raw_root, site.scan, site.output_root):
            known = sorted(_fields_of(site.raw_root, site.scan, site.output_root) - {"number"})
            raise InputError(f"site {name}: no field is called {key!r}{did_you_mean(key, known)}")
    return replace(site, fields=fields)


def _file_of(name: str, folder: Path) -> Path:
    if name.endswith(_SUFFIXES) or "/" in name:
        path = folder / Path(name).expanduser()
        if not path.is_file():
            raise InputError(f"there is no site profile {path}")
        return path
    known = known_sites()
    if name not in known:
        raise InputError(
            f"no site is called {name!r}{did_you_mean(name, known)}; one of your own: a path, or a file NAME.yml in "
            f"the folder ${FOLDER_VARIABLE}"
        )
    return known[name]


def _site(keys: dict[str, Any], file: Path, seen: tuple[Path, ...]) -> Site:
    base = keys.pop("based_on", "")
    papers = keys.pop("papers", [])
    made = {**keys, "papers": tuple(papers if isinstance(papers, list) else [papers]), "file": file}
    made.setdefault("name", file.stem)
    if "energy" in made:
        made["energy"] = float(made["energy"])
    if not base:
        return Site(**made)
    parent = _file_of(base, file.parent)
    if parent in seen or parent == file:
        raise InputError(f"{file}: based_on leads in a circle: {base}")
    if not papers:
        made.pop("papers")
    return replace(_site(read_profile(parent), parent, (*seen, file)), **made)
