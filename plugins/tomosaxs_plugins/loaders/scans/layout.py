"""What a scattering file holds: its detectors, under all the names that NXsas, NXxrd, I22 and DAWN give them."""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass, field, replace

import h5py
import numpy as np

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.loaders.hdf5 import OpenFile, class_of, is_number, numbers, text_of, units_of
from tomosaxs_plugins.loaders.links import Found, dataset_at, walk
from tomosaxs_plugins.loaders.nxtomo import definition_of
from tomosaxs_plugins.loaders.scans.stages import Stage, direction_of, is_demand

_COUNTER = re.compile(r"^(i0|io|it|i1|monitor|control|ionc.*|.*diode.*|.*monitor.*)$|_(sum|mean|max|min|total|azi.*)$")
_OTHERS = ("NXstxm", "NXfluo", "NXtomo", "NXtomoproc", "NXcanSAS")
"""Definitions whose data are no scattering frames."""
_GENERAL = ("detector", "instrument", "data", "entry", "entry1")
_LARGEST = 10**8
"""Positions beyond this number of values are none."""


@dataclass(eq=False)
class Detector:
    """A detector: its frames and everything that the file calls it.

    Parameters
    ----------
    file : OpenFile
    found : Found
        Contents of the file.
    data : h5py.Dataset
        (\\*points, rows, columns).
    paths : list of str
        All paths that lead to the frames.
    bases : list of str
        Entries around them, the innermost first; the empty text for the root.
    """

    file: OpenFile
    found: Found
    data: h5py.Dataset
    paths: list[str]
    bases: list[str] = field(default_factory=list)

    @property
    def points(self) -> tuple[int, ...]:
        """Shape of the scan as it is stored."""
        return tuple(int(n) for n in self.data.shape[:-2])

    @property
    def frame(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return int(self.data.shape[-2]), int(self.data.shape[-1])

    @property
    def homes(self) -> list[str]:
        """Groups that hold the frames."""
        return list(dict.fromkeys(path.rsplit("/", 1)[0] for path in self.paths))

    @property
    def names(self) -> list[str]:
        """What the file calls the detector, telling names first."""
        found = [home.rsplit("/", 1)[1] for home in self.homes if home]
        found += [base.rsplit("/", 1)[1] for base in self.bases if base.count("/") > 1]
        order = {name: number for number, name in enumerate(_GENERAL, start=1)}
        return sorted(dict.fromkeys(found), key=lambda name: order.get(name.lower(), 0))

    @property
    def name(self) -> str:
        """The most telling of its names."""
        return self.names[0] if self.names else "data"

    def __str__(self) -> str:
        return f"{self.name} ({self.paths[0]}, {' x '.join(map(str, self.data.shape))})"


def open_detectors(file: OpenFile, entry: str = "") -> list[Detector]:
    """Return the detectors of a file, or of one entry of it."""
    found = walk(file.handle, 5)
    made: list[Detector] = []
    inside = "/" + entry.strip("/") if entry else ""
    for path, dataset in found.datasets.items():
        if not path.startswith(inside) or not _holds_frames(found, path, dataset):
            continue
        same = next((each for each in made if each.data == dataset), None)
        if same is None:
            made.append(Detector(file, found, dataset, [path]))
        else:
            same.paths.append(path)
    for each in made:
        each.bases = _bases(found, each.paths)
    return made


def _holds_frames(found: Found, path: str, dataset: h5py.Dataset) -> bool:
    if not is_number(dataset) or dataset.dtype.kind == "b" or dataset.ndim < 2 or min(dataset.shape[-2:]) < 2:
        return False
    home, leaf = path.rsplit("/", 1)
    group = found.groups.get(home)
    signal = text_of(group.attrs.get("signal", "")) if group is not None else ""
    if leaf != "data" and (leaf != signal or classes_of(found).get(home) != "NXdata"):
        return False
    if classes_of(found).get(home) in ("NXmonitor", "NXprocess", "NXsample"):
        return False
    parts = [part.lower() for part in home.split("/") if part]
    if parts and _COUNTER.search(parts[-1]):
        return False
    around = ["/" + "/".join(home.strip("/").split("/")[: n + 1]) for n in range(len(parts))]
    return not any(each in found.groups and definition_of(found.groups[each])[0] in _OTHERS for each in around[:2])


def _bases(found: Found, paths: list[str]) -> list[str]:
    """Return the entries around a dataset, the innermost first."""
    around: list[str] = []
    for path in paths:
        parts = path.strip("/").split("/")[:-1]
        for depth in (2, 1):
            base = "/" + "/".join(parts[:depth])
            if len(parts) < depth or base in around:
                continue
            if depth == 1 or classes_of(found).get(base) in ("NXentry", "NXsubentry"):
                around.append(base)
    return [*sorted(around, key=lambda base: -base.count("/")), ""]


def choose_detector(file: OpenFile, name: str, entry: str, data_path: str) -> tuple[Detector, list[str]]:
    """Return the detector to read, and what is to be said of the choice.

    Parameters
    ----------
    name : str
        One of its names, or part of one, in any case; ``auto`` for the only one, or the one called SAXS.
    entry : str
        HDF5 path of an entry to look into; empty for all.
    data_path : str
        HDF5 path of the frames; then the others do not count.

    Raises
    ------
    InputError
        When there is none or the choice is not clear; the message lists what there is.
    """
    if data_path:
        return _at_path(file, data_path), []
    every = open_detectors(file, entry)
    if not every:
        raise InputError(_nothing(file))
    if name != "auto":
        wanted = name.lower()
        fitting = [each for each in every if wanted in [one.lower() for one in each.names]]
        fitting = fitting or [each for each in every if any(wanted in one.lower() for one in each.names)]
        if len(fitting) != 1:
            known = [one for each in every for one in each.names]
            hint = did_you_mean(name, known) if not fitting else ""
            raise InputError(
                f"{file.path} has {len(fitting) or 'no'} detectors called {name!r}{hint}: {_listed(every)}; "
                "say data_path: where the name does not tell",
                parameter="detector",
            )
        return fitting[0], []
    if len(every) == 1:
        return every[0], []
    saxs = [each for each in every if any("saxs" in one.lower() for one in each.names)]
    if len(saxs) == 1:
        others = [each for each in every if each is not saxs[0]]
        names = ", ".join(each.name for each in others)
        return saxs[0], [f"also in the file: {names}; detector: {others[0].name} takes it"]
    raise InputError(
        f"{file.path} has {len(every)} detectors: {_listed(every)}: choose with detector: NAME, or data_path:",
        parameter="detector",
    )


def _listed(every: list[Detector]) -> str:
    return ", ".join(str(each) for each in every)


def _at_path(file: OpenFile, path: str) -> Detector:
    data = dataset_at(file, path, "data_path")
    if not is_number(data) or data.ndim < 2:
        raise InputError(f"{file.path}: {data.name} has shape {data.shape} and type {data.dtype}: no frames")
    found = walk(file.handle, 5)
    paths = ["/" + path.strip("/"), *(each for each, dataset in found.datasets.items() if dataset == data)]
    paths = list(dict.fromkeys(paths))
    return Detector(file, found, data, paths, _bases(found, [each for each in paths if each in found.datasets]))


def _nothing(file: OpenFile) -> str:
    found = walk(file.handle, 6)
    if found.broken:
        return f"{found.broken[0]}; the file holds no other frames of a detector"
    have = [
        f"{path} ({' x '.join(map(str, dataset.shape))} {dataset.dtype})"
        for path, dataset in found.datasets.items()
        if is_number(dataset) and dataset.ndim >= 3
    ]
    text = f"numbers of three and more dimensions in it: {', '.join(have[:12])}" if have else "it holds no stack at all"
    return (
        f"{file.path}: no frames of a detector were recognised (NXsas, NXxrd, I22 and DAWN layouts are known); {text}. "
        "Give data_path: PATH of the frames, and axes: [names of the axes of the scan, detector_y, detector_x]"
    )


def stages_of(detector: Detector) -> list[Stage]:
    """Return the stage positions of a file, those that lie nearest to the frames first."""
    found, made = detector.found, []
    seen: list[h5py.Dataset] = []
    for path in _places(detector):
        dataset = found.datasets[path]
        home, leaf = path.rsplit("/", 1)
        name = direction_of(leaf)
        if not name and leaf.lower() in ("value", "value_set", "data", "position", "demand_value"):
            name = direction_of(home.rsplit("/", 1)[-1])
        usable = is_number(dataset) and 0 < dataset.size < _LARGEST and dataset not in seen
        if name and usable and dataset.ndim <= max(3, len(detector.points)):
            seen.append(dataset)
            values = numbers(dataset)
            made.append(Stage(name, path, values, units_of(dataset), is_demand(leaf)))
    return made


def _places(detector: Detector) -> list[str]:
    """Return paths of datasets that may be positions, the likeliest first."""
    found = detector.found
    plots = [home for home in detector.homes if not _is_detector(found, home)]
    homes = [*plots, *(f"{home}_sum" for home in plots)]
    for base in detector.bases:
        homes += [f"{base}/{name}_sum" for name in detector.names]
        homes += [f"{base}/data", *(path for path in found.groups if path.startswith(base) and path.endswith("_sum"))]
        homes += [f"{base}/sample", f"{base}/sample/transformations"]
        homes += [
            path
            for path in found.groups
            if path.startswith((f"{base}/instrument/", f"{base}/sample/", f"{base}/positioners"))
            and not _is_detector(found, path)
        ]
    homes.append("")
    order = {home: number for number, home in reversed(list(enumerate(dict.fromkeys(homes))))}
    inside = [path for path in found.datasets if path.rsplit("/", 1)[0] in order]
    return sorted(inside, key=lambda path: order[path.rsplit("/", 1)[0]])


_CLASSES: weakref.WeakKeyDictionary[Found, dict[str, str]] = weakref.WeakKeyDictionary()


def classes_of(found: Found) -> dict[str, str]:
    """Return the NeXus classes of all groups by path; attributes are slow to read, so each is read once."""
    known = _CLASSES.get(found)
    if known is None:
        known = _CLASSES[found] = {path: class_of(group) for path, group in found.groups.items()}
    return known


def _is_detector(found: Found, path: str) -> bool:
    return classes_of(found).get(path) == "NXdetector"


def stated_axes(detector: Detector) -> tuple[tuple[str, ...], list[str]]:
    """Return the names that the file gives to the stored axes of the scan; empty texts where it says nothing."""
    points = len(detector.points)
    for home in detector.homes:
        group = detector.found.groups.get(home)
        raw = group.attrs.get("axes") if group is not None else None
        if raw is None:
            continue
        words = [text_of(each) for each in np.atleast_1d(raw)]
        if len(words) == 1 and points + 2 != 1:
            words = words[0].replace(",", ":").strip("[]").split(":")
        if not any(words):
            continue
        if len(words) not in (points, points + 2):
            return ("",) * points, [f"axes attribute of {home} says {', '.join(words)} for {points + 2} dimensions"]
        names = [direction_of(word) or _plain(word) for word in words[:points]]
        return tuple(name if names.count(name) == 1 else "" for name in names), []
    return ("",) * points, []


def _plain(word: str) -> str:
    bare = word.strip().lower()
    usable = re.fullmatch(r"[a-z_][a-z0-9_]*", bare) and not bare.startswith("detector_")
    return bare if usable and bare not in ("data", "q") else ""


def own_contents(detector: Detector) -> tuple[Found, str]:
    """Return the contents of the file without other detectors, and the path of this detector's group.

    So no distance or beam centre of the WAXS detector passes for one of the SAXS detector.
    """
    found = detector.found
    groups = [path for path in found.groups if _is_detector(found, path)]
    names = [name.lower() for name in detector.names if name.lower() not in ("data", "instrument")]
    beside = [path for path in found.groups if path.rsplit("/", 2)[-2] == "instrument" and path not in groups]
    own = [path for path in [*groups, *beside] if path in detector.homes or path.rsplit("/", 1)[1].lower() in names]
    if not own and len(groups) == 1:
        own = groups
    others = tuple(f"{path}/" for path in groups if path not in own)
    kept = {path: dataset for path, dataset in found.datasets.items() if not (others and path.startswith(others))}
    about_the_beam = [path for path, name in classes_of(found).items() if name in ("NXmonochromator", "NXbeam")]
    shown = {path: found.groups[path] for path in [*(each for each in groups if each in own), *about_the_beam]}
    return replace(found, datasets=kept, groups=shown), own[0] if own else detector.homes[0]
