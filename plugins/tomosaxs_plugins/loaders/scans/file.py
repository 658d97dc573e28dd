"""One file of a scattering scan as it was read, and what goes with its detector: mask and geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Quantity
from tomosaxs_plugins.loaders.hdf5 import is_number, numbers, units_of
from tomosaxs_plugins.loaders.metadata import describe
from tomosaxs_plugins.loaders.nxtomo import definition_of
from tomosaxs_plugins.loaders.readers import HDF5Reader
from tomosaxs_plugins.loaders.scans.layout import Detector, own_contents
from tomosaxs_plugins.loaders.scans.points import Placed
from tomosaxs_plugins.loaders.scans.stages import direction_of
from tomosaxs_plugins.loaders.scans.values import Values


@dataclass(eq=False)
class ScanFile:
    """One file as it was read.

    Parameters
    ----------
    path : Path
    detector : Detector
    reader : HDF5Reader
        Its frames as they are stored.
    placed : Placed
        Where they belong.
    values : dict of str to Values
        Companions.
    angles : dict of str to float
        Rotation angles in degrees at which the whole file may have been taken, by path, the likeliest first.
    core : tuple of str
        Names of the detector's axes in the order in which they are stored.
    messages : list of str
    behind : list of Path
        Other files that hold the frames.
    """

    path: Path
    detector: Detector
    reader: HDF5Reader
    placed: Placed
    values: dict[str, Values]
    angles: dict[str, float]
    core: tuple[str, str]
    messages: list[str]
    behind: list[Path] = field(default_factory=list)

    @property
    def definition(self) -> str:
        """The NeXus definition that the entry states, or how else it was recognised."""
        groups = self.detector.found.groups
        stated = [definition_of(groups[base])[0] for base in self.detector.bases if base in groups]
        return next((each for each in stated if each), "frames without a stated definition")

    @property
    def missing(self) -> int:
        """Number of points that were not measured."""
        return int(np.count_nonzero(self.placed.where < 0))


def with_coordinates(placed: Placed, detector: Detector) -> Placed:
    """Give axes that only count the coordinates that the file stores under their name beside the frames."""
    axes = []
    for axis in placed.axes:
        paths = [f"{home}/{axis.name}" for home in detector.homes]
        dataset = next((detector.found.datasets[path] for path in paths if path in detector.found.datasets), None)
        known = axis.values is not None or direction_of(axis.name)  # stages were looked at before, with their units
        if not known and dataset is not None and is_number(dataset) and dataset.shape == (axis.size,):
            axis = replace(axis, values=numbers(dataset), units=units_of(dataset))
        axes.append(axis)
    return replace(placed, axes=tuple(axes))


def mask_of(files: Sequence[ScanFile]) -> tuple[Auxiliary | None, list[str]]:
    """Return the detector's pixel mask (True: do not use), put together from all files, and messages."""
    whole: NDArray[np.bool_] | None = None
    for number, each in enumerate(files):
        found, name = each.detector.found.datasets, each.detector.name
        homes = [own_contents(each.detector)[1], *each.detector.homes]
        homes += [f"{base}/instrument/{name}" for base in each.detector.bases]
        path = next((f"{home}/pixel_mask" for home in homes if f"{home}/pixel_mask" in found), None)
        if path is None or found[path].shape != each.detector.frame or not is_number(found[path]):
            continue
        mask = np.asarray(found[path][()]) != 0
        if whole is None:
            whole, note = mask, f"mask: {path}, {np.count_nonzero(mask)} pixels are not used"
        elif not np.array_equal(mask, whole):
            whole = whole | mask
            note = f"mask: {path}, not the same in all files: {np.count_nonzero(whole)} pixels are not used"
        del number
    if whole is None:
        return None, []
    return Auxiliary(files[0].core, ArrayReader(whole)), [note]


def metadata_of(files: Sequence[ScanFile]) -> tuple[dict[str, Quantity | str], list[str]]:
    """Return geometry, wavelength and names that the first file states, and messages."""
    every = [_describe(each) for each in files]
    metadata, said = every[0]
    for name, value in metadata.items():
        others = [other.get(name) for other, _ in every[1:]]
        if isinstance(value, Quantity) and any(
            isinstance(each, Quantity) and not _same(each, value) for each in others
        ):
            said.append(f"WARNING: {name} is not the same in all files; that of {files[0].path.name} is taken")
    return metadata, said


def _same(a: Quantity, b: Quantity) -> bool:
    return a.units == b.units and bool(np.isclose(a.value, b.value, rtol=1e-4))


def _describe(each: ScanFile) -> tuple[dict[str, Quantity | str], list[str]]:
    found, group = own_contents(each.detector)
    metadata: dict[str, Quantity | str] = {}
    said: list[str] = []
    for base in [base for base in each.detector.bases if base] or [""]:
        more, notes = describe(found, base, group, keep_bare=True)
        said += [note for note in notes if note not in said]
        metadata = {**more, **metadata}
    return metadata, said
