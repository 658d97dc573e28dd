"""Saver `nexus`: one NeXus file that viewers open on the result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import h5py
from numpy.typing import NDArray

from tomosaxs import InputError, Param, Quantity, Result, SavedDataset, saver
from tomosaxs_plugins.savers.nexus_data import describe_data, is_volume, scattering_units
from tomosaxs_plugins.savers.nexus_tree import RESERVED, write_axis, write_beamline, write_reconstruction, write_record
from tomosaxs_plugins.savers.nexus_write import copy_in_slabs, group, sync
from tomosaxs_plugins.volume.scaling import scaling_of

_CHUNK_VALUES = 1 << 18


def _check(names: tuple[str, ...], **_: Any) -> None:
    """Refuse names that the file needs for something else; called before the run, and again when it is written."""
    for name in names:
        if name in RESERVED or name.startswith("process_") or "/" in name or not name:
            raise InputError(f"result.nxs cannot have a dataset called {name!r}: give the step another name")
        if names.count(name) > 1:
            raise InputError(f"two datasets of the result are called {name!r}: give a step another name")


@saver(check=_check)
def nexus(
    result: Result,
    folder: Path,
    *,
    compression: Annotated[
        Literal["none", "gzip", "lzf"],
        Param("none: contiguous, quick, mapped into memory; others: smaller files"),
    ] = "none",
    level: Annotated[int, Param("effort of gzip", ge=1, le=9)] = 4,
) -> list[Path]:
    """Write result.nxs: every saved dataset, every estimate and how they came about, in NeXus.

    The last dataset is what viewers open. Volumes (z, y, x) follow NXtomoproc, curves over q NXcanSAS.
    Without compression the largest dataset is not copied: its file becomes result.nxs.

    Parameters
    ----------
    result : Result
        What the run produced.
    folder : Path
        Existing folder to write into.

    Returns
    -------
    list of Path
        The file.

    Raises
    ------
    InputError
        When a dataset has a name that the file needs for something else.
    """
    _check(tuple(saved.name for saved in result.datasets))
    target = folder / "result.nxs"
    # of an attempt that was cut short; it may share its bytes with a store, so it must not be truncated
    target.unlink(missing_ok=True)
    adopted = None
    if compression == "none" and result.datasets:
        largest = max(result.datasets, key=lambda saved: saved.dataset.nbytes)
        adopted = largest if _adopt(largest, result, target) else None
    with h5py.File(target, "r+" if adopted else "w") as handle:
        if adopted:
            _strip(handle, adopted.name)
        entry = _write_root(handle, result)
        for saved in result.datasets:
            data_group = group(entry, saved.name, "NXdata")
            if saved is not adopted:
                _copy(data_group, "data", saved.values(), compression, level)
            sigma = saved.sigma()
            if sigma is not None:
                _copy(data_group, "errors", sigma, compression, level)
            describe_data(data_group, saved)
        write_record(entry, result)
        _define(entry, result)
        handle.flush()
    sync(target)
    sync(folder)
    return [target]


def _adopt(saved: SavedDataset, result: Result, target: Path) -> bool:
    """Make the store's own file the result, where it is ours alone and holds nothing but the dataset.

    An earlier result (or a file that has another name too) is never changed: it is copied from.
    """
    file = saved.store.file
    if saved.store.internal != f"/entry/{saved.name}/data" or not file.is_file():
        return False
    if result.folder.resolve() not in file.resolve().parents or file.stat().st_nlink != 1:
        return False
    if result.path.exists() and file.samefile(result.path):
        return False
    with h5py.File(file, "r") as handle:
        if handle[saved.store.internal].id.get_offset() is None:
            return False
    try:
        os.link(file, target)
    except OSError:  # a file system without hard links: the values are copied instead
        return False
    return True


def _strip(handle: h5py.File, name: str) -> None:
    """Leave nothing but the dataset, so that an attempt which was cut short can be repeated."""
    for parent, keep in ((handle, "entry"), (handle["entry"], name), (handle["entry"][name], "data")):
        for attribute in list(parent.attrs):
            del parent.attrs[attribute]
        for child in list(parent):
            if child != keep:
                del parent[child]
    data = handle["entry"][name]["data"]
    for attribute in list(data.attrs):
        del data.attrs[attribute]


def _write_root(handle: h5py.File, result: Result) -> h5py.Group:
    handle.attrs["NX_class"] = "NXroot"
    handle.attrs["default"] = "entry"
    handle.attrs["file_name"] = "result.nxs"
    handle.attrs["file_time"] = result.ended
    handle.attrs["creator"] = "tomosaxs"
    handle.attrs["creator_version"] = result.software.get("tomosaxs", "")
    handle.attrs["HDF5_Version"] = h5py.version.hdf5_version
    handle.attrs["h5py_version"] = h5py.version.version
    entry = group(handle, "entry", "NXentry")
    if result.datasets:
        entry.attrs["default"] = result.datasets[-1].name
    return entry


def _copy(data_group: h5py.Group, name: str, values: NDArray[Any], compression: str, level: int) -> None:
    options: dict[str, Any] = {}
    if compression != "none" and values.ndim and values.size:
        options = {"chunks": _chunks(values.shape), "compression": compression, "shuffle": True}
        if compression == "gzip":
            options["compression_opts"] = level
    made = data_group.create_dataset(name, shape=values.shape, dtype=values.dtype, **options)
    copy_in_slabs(values, made)


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return chunks of about a megabyte: whole trailing axes, as many as fit."""
    chunks, room = [], _CHUNK_VALUES
    for size in reversed(shape):
        chunks.append(max(1, min(size, room)))
        room //= chunks[-1]
    return tuple(reversed(chunks))


def _define(entry: h5py.Group, result: Result) -> None:
    """Say which application definition the entry follows, and write what that one asks for besides."""
    default = result.datasets[-1] if result.datasets else None
    cansas = default is not None and bool(scattering_units(default))
    metadata: dict[str, Quantity | str] = {}
    for saved in result.datasets:  # what the default dataset says counts
        metadata.update(saved.dataset.metadata)
    write_beamline(entry, metadata, cansas=cansas)
    write_axis(entry, result)
    if default is None:
        return
    if cansas:
        entry["definition"] = "NXcanSAS"
        entry.attrs["canSAS_class"] = "SASentry"
        entry.attrs["version"] = "1.1"
    elif is_volume(default) and (default.name == "data" or "data" not in entry):
        entry["definition"] = "NXtomoproc"
        write_reconstruction(entry, result, default)
        data = entry[default.name]["data"]
        grey = scaling_of(default.dataset)
        data.attrs["transform"] = "none" if grey is None else "linear"
        data.attrs["offset"] = 0.0 if grey is None else grey.offset / grey.scale
        data.attrs["scaling"] = 1.0 if grey is None else grey.scale
        if default.name != "data":
            entry["data"] = h5py.SoftLink(f"/entry/{default.name}")
