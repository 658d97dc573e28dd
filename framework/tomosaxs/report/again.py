"""Write the report of a finished run again, from result.nxs alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tomosaxs.dataset import Axis, Dataset
from tomosaxs.errors import InputError
from tomosaxs.plugin import Estimate
from tomosaxs.report.page import write_report
from tomosaxs.result import InputRecord, Result, SavedDataset, StepRecord
from tomosaxs.store import Store


def report_again(folder: Path) -> Path:
    """Write report.html of the run in `folder` again and return its path.

    The plan, and sections that other packages added, are not kept in result.nxs and are left out.

    Raises
    ------
    InputError
        When there is no result, or it was not written by tomosaxs.
    """
    result = read_result(Path(folder).resolve())
    target = result.folder / "report.html"
    part = target.with_suffix(".part")
    write_report(result, part, plan_text="")
    part.replace(target)
    return target


def read_result(folder: Path) -> Result:
    """Read result.nxs of a folder; datasets stay in the file until they are looked at.

    Raises
    ------
    InputError
        When there is no result, or it was not written by tomosaxs.
    """
    path = folder / "result.nxs"
    if not path.is_file():
        raise InputError(f"{folder} holds no result.nxs: there is nothing to report")
    try:
        with h5py.File(path, "r") as handle:
            return _read(handle["entry"], folder, path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a result that tomosaxs wrote: {error}") from error


def _read(entry: h5py.Group, folder: Path, path: Path) -> Result:
    note, execution = entry["process_list"], entry["execution"]
    list_file = Path(_text(note["file_name"])) if "file_name" in note else None
    settings = tuple(line for line in _text(entry["settings/data"]).splitlines() if line)
    result = Result(
        folder, path, _text(entry["title"]), _text(note["data"]), list_file, settings, _text(execution["command"])
    )
    result.datasets = _datasets(entry, path)
    steps = [entry[name] for name in entry if name.startswith("process_") and name != "process_list"]
    result.steps = [_step(group) for group in sorted(steps, key=lambda group: int(group["sequence_index"][()]))]
    result.inputs = [_input(group) for group in sorted(entry["inputs"].values(), key=lambda g: int(g.attrs["order"]))]
    estimates = entry["estimates"]
    for name in sorted(estimates, key=lambda name: int(estimates[name].attrs["order"])):
        group = estimates[name]
        result.estimates[name] = _estimate(group)
        if "key" in group.attrs:
            result.estimate_keys[name] = str(group.attrs["key"])
    result.site = _site(entry)
    result.software = {name: _text(item) for name, item in entry["software"].items()}
    result.messages = _texts(execution["messages"])
    result.remarks = _texts(execution["remarks"]) if "remarks" in execution else []
    result.started = _text(entry["start_time"]) if "start_time" in entry else ""
    result.ended = _text(entry["end_time"]) if "end_time" in entry else ""
    result.seconds = float(entry["duration"][()])
    result.ranks, result.threads = int(execution["ranks"][()]), int(execution["threads"][()])
    result.peak_memory = int(execution["peak_memory"][()])
    moved = execution.get("bytes", {})
    result.bytes_moved = {name: [int(count) for count in item[()]] for name, item in moved.items()}
    return result


def _site(entry: h5py.Group) -> dict[str, Any]:
    if "site" not in entry:
        return {}
    group = entry["site"]
    texts = {name: _text(group[name]) for name in ("name", "title", "acknowledgement")}
    return {**texts, "papers": tuple(_texts(group["papers"]))}


def _text(item: h5py.Dataset) -> str:
    return str(item.asstr()[()])


def _texts(item: h5py.Dataset) -> list[str]:
    return [str(text) for text in item.asstr()[()]]


def _datasets(entry: h5py.Group, path: Path) -> list[SavedDataset]:
    """Return the datasets, the default one last."""
    default = str(entry.attrs.get("default", ""))
    names = [
        name
        for name in entry
        if isinstance(entry.get(name, getlink=True), h5py.HardLink)
        and entry[name].attrs.get("NX_class") == "NXdata"
        and "key" in entry[name].attrs
    ]
    return [_dataset(entry[name], name, path) for name in sorted(names, key=lambda name: name == default)]


def _dataset(group: h5py.Group, name: str, path: Path) -> SavedDataset:
    data = group["data"]
    names = [str(axis) for axis in group.attrs.get("axes", ())]
    axes = tuple(_axis(group, axis, size) for axis, size in zip(names, data.shape, strict=True))
    units = str(data.attrs.get("units_as_computed", data.attrs.get("units", "")))
    dataset = Dataset(axes, data.dtype, _text(group["title"]), "" if units == "arbitrary" else units)
    key, step = str(group.attrs["key"]), str(group.attrs.get("step", ""))
    sigma = Store(path, f"/entry/{name}/errors") if "errors" in group else None
    return SavedDataset(name, dataset, Store(path, f"/entry/{name}/data"), key, step, sigma)


def _axis(group: h5py.Group, name: str, size: int) -> Axis:
    stored = group[name]
    position = f"{name}_position"
    index = group[position][...] if position in group else np.arange(size)
    full = int(stored.attrs.get("full_size", size))
    units = str(stored.attrs.get("units", ""))
    kinds = ("names", "units", "descriptions")
    texts = [_texts(group[f"{name}_{kind}"]) for kind in kinds] if f"{name}_descriptions" in group else []
    labels = tuple((one, two, three) for one, two, three in zip(*texts, strict=True))
    called = "q" if name == "Q" else name
    return Axis(called, size, stored[...], units, index.astype(np.intp), full, labels=labels)


def _step(group: h5py.Group) -> StepRecord:
    cited = [group[name] for name in sorted(group) if name.startswith("citation_")]
    return StepRecord(
        int(group["step_number"][()]), _text(group["name"]), _text(group["plugin"]), _text(group["version"]),
        _text(group["description"]), json.loads(_text(group["parameters_given/data"])),
        json.loads(_text(group["parameters/data"])), tuple(_text(each["doi"]) for each in cited),
        float(group["seconds"][()]), float(group["relative_tolerance"][()]), bool(group["reused"][()]),
    )  # fmt: skip


def _input(group: h5py.Group) -> InputRecord:
    sizes = [int(size) for size in group["sizes"][...]]
    files = [Path(text) for text in _texts(group["files"])]
    return InputRecord(
        _text(group["name"]), _text(group["plugin"]), Path(_text(group["path"])),
        tuple(zip(files, sizes, _texts(group["checksums"]), strict=True)),
        tuple(int(size) for size in group["shape"][...]), tuple(_texts(group["axes"])),
        tuple(_texts(group["messages"])),
    )  # fmt: skip


def _estimate(group: h5py.Group) -> Estimate:
    details = {name: _any(item) for name, item in group["details"].items()} if "details" in group else {}
    pictures = group.get("pictures", {})
    return Estimate(
        _any(group["value"]), str(group["value"].attrs.get("units", "")), float(group["uncertainty"][()]),
        float(group["confidence"][()]), tuple(_texts(group["messages"])), details,
        {name: item["data"][...] for name, item in pictures.items()},
    )  # fmt: skip


def _any(item: h5py.Dataset) -> Any:
    if h5py.check_string_dtype(item.dtype) is not None:
        return _texts(item) if item.shape else _text(item)
    return item[()]
