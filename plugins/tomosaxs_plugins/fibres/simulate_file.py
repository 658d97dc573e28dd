"""Simulated scans in NeXus files: written once, and used again where they were made with the same parameters."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError
from tomosaxs_plugins.fibres.beam_path_file import put_beam_paths
from tomosaxs_plugins.fibres.simulate_frames import FrameSimulation
from tomosaxs_plugins.loaders.hdf5 import open_file, text_of

VERSION = 1
"""Of what the numbers of a simulation mean: files of another version are not used again."""
_RECORD = "entry/simulation/parameters"


def simulated_file(path: Path, simulation: FrameSimulation, parameters: Mapping[str, Any]) -> bool:
    """Write a simulated scan to `path`, or find it there; whoever of several processes comes first writes.

    Parameters
    ----------
    path : Path
        NeXus file; it appears when it is whole.
    simulation : FrameSimulation
        Sample and frames.
    parameters : mapping
        What it was made with, as JSON values; they must be those of a file that is there already.

    Returns
    -------
    bool
        Whether the file was written now by this process.

    Raises
    ------
    InputError
        When the file that is there is no simulated scan, or one made with other parameters; or it cannot be written.
    """
    record = json.dumps({**parameters, "version": VERSION}, sort_keys=True)
    if path.exists():
        _check_same(path, record)
        return False
    try:
        with _alone(path):
            if path.exists():  # another rank was faster
                _check_same(path, record)
                return False
            _write(path, simulation, record)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None
    return True


def _check_same(path: Path, record: str) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; a simulated scan is written to a file")
    cure = "give another path, or remove the file"
    try:
        file = open_file(path)
    except InputError as error:
        raise InputError(f"{error}: it is no simulated scan and is left as it is; {cure}") from None
    found = file.handle.get(_RECORD)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{path} exists and is no simulated scan: it is left as it is; {cure}")
    have, want = json.loads(text_of(found[()])), json.loads(record)
    names = sorted(name for name in {*have, *want} if have.get(name) != want.get(name))
    if names:
        told = ", ".join(f"{name}: {have.get(name)!r} there, {want.get(name)!r} wanted" for name in names)
        raise InputError(f"{path} was simulated with other parameters ({told}): it is left as it is; {cure}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock beside a file; waits for other processes that have it."""
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _write(path: Path, simulation: FrameSimulation, record: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w") as file:
            file.attrs["default"] = "entry"
            entry = _group(file, "entry", "NXentry")
            entry.attrs["default"] = "SAXS"
            entry["title"] = "simulated scan of fibres"
            _group(entry, "sample", "NXsample")["name"] = "simulated fibres"
            _put_instrument(entry, simulation)
            put_beam_paths(entry, simulation.told(), fibre_table(simulation))
            record_group = _group(entry, "simulation", "NXprocess")
            record_group["program"] = "tomosaxs simulate_fibre_scan"
            record_group["parameters"] = record
            _put_frames(entry, simulation)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _put_instrument(entry: h5py.Group, simulation: FrameSimulation) -> None:
    camera = simulation.settings.camera
    instrument = _group(entry, "instrument", "NXinstrument")
    detector = _group(instrument, "SAXS", "NXdetector")
    values = {
        "distance": (camera.distance, "m"),
        "x_pixel_size": (camera.pixel, "m"),
        "y_pixel_size": (camera.pixel, "m"),
        "beam_center_x": (camera.centre[1], "px"),
        "beam_center_y": (camera.centre[0], "px"),
    }
    for name, (value, units) in values.items():
        detector[name] = value
        detector[name].attrs["units"] = units
    detector["pixel_mask"] = simulation.mask.astype(np.uint8)
    source = _group(instrument, "monochromator", "NXmonochromator")
    source["wavelength"] = camera.wavelength_nm
    source["wavelength"].attrs["units"] = "nm"


def _put_frames(entry: h5py.Group, simulation: FrameSimulation) -> None:
    """Write all frames, one chunk each."""
    shape = simulation.shape
    home = _group(entry, "SAXS", "NXdata")
    home.attrs["signal"] = "data"
    home.attrs["axes"] = ["y", "rotation_angle", "x", ".", "."]
    axes = (
        ("y", simulation.y_mm, "mm"),
        ("rotation_angle", simulation.rotations, "deg"),
        ("x", simulation.positions, "mm"),
    )
    for name, values, units in axes:
        home[name] = values
        home[name].attrs["units"] = units
    data = home.create_dataset(
        "data", shape, simulation.dtype, chunks=(1, 1, 1, *shape[3:]), compression="gzip", compression_opts=1,
        shuffle=True,
    )  # fmt: skip
    data.attrs["units"] = "counts"
    beams = np.arange(shape[2])
    for number in range(shape[0]):
        for rotation in range(shape[1]):
            data[number, rotation] = simulation.frames(number, rotation, beams)


def fibre_table(simulation: FrameSimulation) -> dict[str, NDArray[Any]]:
    """Return the truth of all fibres, one column a quantity; amplitudes as frames have them."""
    made: dict[str, list[NDArray[Any]]] = {}
    for number, sample in enumerate(simulation.samples):
        fibres = sample.fibres
        columns: dict[str, NDArray[Any]] = {
            "id": sample.identifiers,
            "slice": np.full(len(sample.x), number),
            "x": sample.x,
            "z": sample.z,
            "q0": fibres.q0,
            "wa": fibres.wa,
            "wmu": fibres.wmu,
            "delta": fibres.delta,
            "amplitude": fibres.amplitude * simulation.scale,
            "height": fibres.height * simulation.scale,
            "alpha": fibres.alpha_deg,
            "beta": fibres.beta_deg,
        }
        for name, column in columns.items():
            made.setdefault(name, []).append(column)
    return {name: np.concatenate(parts) for name, parts in made.items()}
