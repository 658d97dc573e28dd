"""Everything of a result but its datasets: steps, list, inputs, software, estimates, instrument, sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from tomosaxs import Estimate, Quantity, Result, SavedDataset
from tomosaxs_plugins.savers.nexus_write import (
    as_json,
    clean_text,
    group,
    put_any,
    put_note,
    put_number,
    put_text,
    put_texts,
    safe_name,
)

RESERVED = frozenset(
    {
        "title", "definition", "start_time", "end_time", "duration", "run", "program_name", "instrument",
        "sample", "reconstruction", "estimates", "process_list", "settings", "inputs", "software",
        "execution", "metadata", "control",
    }
)  # fmt: skip
"""Names in the entry that a saved dataset cannot have."""


def write_record(entry: h5py.Group, result: Result) -> None:
    """Write how the result came about."""
    put_text(entry, "title", result.title or "untitled")
    put_text(entry, "run", result.started or "unknown")
    for name, moment in (("start_time", result.started), ("end_time", result.ended)):
        if moment:
            put_text(entry, name, moment)
    put_number(entry, "duration", result.seconds, "s")
    program = put_text(entry, "program_name", "tomosaxs")
    program.attrs["version"] = _version(result)
    program.attrs["configuration"] = clean_text(result.command)
    file_name = str(result.list_file) if result.list_file is not None else ""
    put_note(entry, "process_list", result.list_text, "application/yaml", file_name)
    put_note(entry, "settings", "\n".join(result.settings), "text/plain")
    _write_steps(entry, result)
    _write_inputs(entry, result)
    _write_estimates(entry, result)
    _write_site(entry, result)
    software = group(entry, "software", "NXcollection")
    for name, version in result.software.items():
        put_text(software, safe_name(name), version)
    _write_execution(entry, result)


def _version(result: Result) -> str:
    return clean_text(result.software.get("tomosaxs", "unknown"))


def _write_steps(entry: h5py.Group, result: Result) -> None:
    for place, step in enumerate(result.steps, 1):
        made = group(entry, f"process_{place:02d}_{safe_name(step.label)}", "NXprocess")
        made.attrs["canSAS_class"] = "SASprocess"
        put_text(made, "name", step.label)
        put_text(made, "program", "tomosaxs")
        put_text(made, "plugin", step.plugin)
        put_text(made, "version", step.version or _version(result))
        put_text(made, "description", step.summary)
        if result.ended:
            put_text(made, "date", result.ended)
        made.create_dataset("sequence_index", data=np.int64(place))
        made.create_dataset("step_number", data=np.int64(step.number))
        put_note(made, "parameters_given", as_json(step.given), "application/json")
        put_note(made, "parameters", as_json(step.resolved), "application/json")
        put_number(made, "seconds", step.seconds, "s")
        put_number(made, "relative_tolerance", step.determinism)
        made.create_dataset("reused", data=np.int8(step.reused))
        for name, array in step.kept.items():
            kept = np.asarray(array)
            packed = {"compression": "gzip", "shuffle": True} if kept.size > 1 << 12 else {}
            made.create_dataset(safe_name(name), data=kept.astype(np.uint8) if kept.dtype == bool else kept, **packed)
        for number, doi in enumerate(step.citations, 1):
            cited = group(made, f"citation_{number}", "NXcite")
            put_text(cited, "description", f"method of the step {step.label}")
            put_text(cited, "doi", doi)
            put_text(cited, "url", f"https://doi.org/{doi}")


def _write_inputs(entry: h5py.Group, result: Result) -> None:
    inputs = group(entry, "inputs", "NXcollection")
    for place, each in enumerate(result.inputs, 1):
        made = group(inputs, safe_name(each.name), "NXcollection")
        made.attrs["order"] = np.int64(place)
        put_text(made, "name", each.name)
        put_text(made, "plugin", each.plugin)
        put_text(made, "path", each.path)
        made.create_dataset("shape", data=np.asarray(each.shape, dtype=np.int64))
        put_texts(made, "axes", each.axes)
        put_texts(made, "messages", each.messages)
        put_texts(made, "files", [path for path, _, _ in each.files])
        made.create_dataset("sizes", data=np.asarray([size for _, size, _ in each.files], dtype=np.int64))
        made["sizes"].attrs["units"] = "bytes"
        put_texts(made, "checksums", [checksum for _, _, checksum in each.files])
        made["checksums"].attrs["algorithm"] = "sha256"


def _write_site(entry: h5py.Group, result: Result) -> None:
    """Write which beamline the data come from, and what it asks for in publications."""
    if not result.site:
        return
    made = group(entry, "site", "NXcollection")
    for name in ("name", "title", "acknowledgement"):
        put_text(made, name, result.site[name])
    put_texts(made, "papers", result.site["papers"])


def _write_estimates(entry: h5py.Group, result: Result) -> None:
    estimates = group(entry, "estimates", "NXcollection")
    for place, (name, estimate) in enumerate(result.estimates.items(), 1):
        made = group(estimates, safe_name(name), "NXcollection")
        made.attrs["order"] = np.int64(place)
        if name in result.estimate_keys:
            made.attrs["key"] = result.estimate_keys[name]
        _write_estimate(made, estimate)


def _write_estimate(made: h5py.Group, estimate: Estimate) -> None:
    number = np.asarray(estimate.value) if not isinstance(estimate.value, (str, Mapping)) else None
    if number is not None and number.ndim == 0 and number.dtype.kind in "biuf":
        value = put_number(made, "value", float(number))
    else:
        value = put_any(made, "value", estimate.value)
    value.attrs["units"] = clean_text(estimate.units)
    put_number(made, "uncertainty", estimate.uncertainty, estimate.units)
    put_number(made, "confidence", estimate.confidence)
    put_texts(made, "messages", estimate.messages)
    if estimate.details:
        details = group(made, "details", "NXcollection")
        for name, detail in estimate.details.items():
            put_any(details, safe_name(name), detail)
    if estimate.pictures:
        pictures = group(made, "pictures", "NXcollection")
        for name, picture in estimate.pictures.items():
            image = np.asarray(picture)
            shown = group(pictures, safe_name(name), "NXdata")
            shown.attrs["signal"] = "data"
            data = shown.create_dataset("data", data=image)
            data.attrs["interpretation"] = "rgb-image" if image.ndim == 3 else "image"


def _write_execution(entry: h5py.Group, result: Result) -> None:
    made = group(entry, "execution", "NXcollection")
    put_text(made, "command", result.command)
    made.create_dataset("ranks", data=np.int64(result.ranks))
    made.create_dataset("threads", data=np.int64(result.threads))
    made.create_dataset("peak_memory", data=np.int64(result.peak_memory))
    made["peak_memory"].attrs["units"] = "bytes"
    if result.bytes_moved:
        moved = group(made, "bytes", "NXcollection")
        for name, counts in result.bytes_moved.items():  # one number a rank
            moved.create_dataset(name, data=np.array(counts, dtype=np.int64)).attrs["units"] = "bytes"
    put_texts(made, "messages", result.messages)
    put_texts(made, "remarks", result.remarks)


def write_beamline(entry: h5py.Group, metadata: Mapping[str, Quantity | str], *, cansas: bool) -> None:
    """Write instrument, source, beam, detector and sample from what the scan said."""
    rest = dict(metadata)

    def text(*names: str, default: str) -> str:
        return next((str(rest.pop(name)) for name in names if isinstance(rest.get(name), str)), default)

    instrument = group(entry, "instrument", "NXinstrument")
    put_text(instrument, "name", text("instrument_name", "beamline", "instrument", default="unknown"))
    source = group(instrument, "source", "NXsource")
    put_text(source, "type", text("source_type", default="unknown"))
    put_text(source, "name", text("source_name", "source", "facility", default="unknown"))
    put_text(source, "probe", text("probe", "source_probe", default="x-ray"))
    sample = group(entry, "sample", "NXsample")
    put_text(sample, "name", text("sample_name", default="unknown"))
    detector = group(instrument, "detector", "NXdetector")
    put_text(detector, "name", text("detector_name", default="unknown"))
    beam = group(instrument, "beam", "NXbeam")
    places = {
        "pixel_size_x": (detector, "x_pixel_size"), "pixel_size_y": (detector, "y_pixel_size"),
        "distance": (detector, "distance"), "energy": (beam, "incident_energy"),
        "wavelength": (beam, "incident_wavelength"), "thickness": (sample, "thickness"),
    }  # fmt: skip
    for name, (where, called) in places.items():
        quantity = rest.get(name)
        if isinstance(quantity, Quantity):
            put_number(where, called, quantity.value, quantity.units)
            del rest[name]
    if "distance" in detector and cansas:
        detector["SDD"] = detector["distance"]
    if cansas:
        kinds = {
            "SASinstrument": instrument,
            "SASsource": source,
            "SASdetector": detector,
            "SASsample": sample,
        }
        for kind, where in kinds.items():
            where.attrs["canSAS_class"] = kind
    if rest:
        other = group(entry, "metadata", "NXcollection")
        for name, item in rest.items():
            if isinstance(item, Quantity):
                put_number(other, safe_name(name), item.value, item.units)
            else:
                put_text(other, safe_name(name), item)


def _reconstruction_step(result: Result) -> Any | None:
    """Return the last step that reconstructed with one rotation axis."""
    found = [step for step in result.steps if step.plugin == "reconstruct"]
    return found[-1] if found else None


def write_axis(entry: h5py.Group, result: Result) -> None:
    """Write the rotation axis that was used where NXtomo has it: 0-based, on the full, unbinned detector row."""
    step = _reconstruction_step(result)
    centre = None if step is None else step.resolved.get("centre")
    if isinstance(centre, (int, float)) and not isinstance(centre, bool):
        detector = entry["instrument/detector"]
        put_number(detector, "x_rotation_axis_pixel_position", float(centre), "px")


def write_reconstruction(entry: h5py.Group, result: Result, volume: SavedDataset) -> None:
    """Write the NXprocess ``reconstruction`` that NXtomoproc asks for; details are in the steps."""
    made = group(entry, "reconstruction", "NXprocess")
    put_text(made, "program", "tomosaxs")
    put_text(made, "version", _version(result))
    put_text(made, "date", result.ended or "unknown")
    parameters = group(made, "parameters", "NXparameters")
    put_text(parameters, "raw_file", result.inputs[0].path if result.inputs else "unknown")
    first = _reconstruction_step(result)
    records = [record for record in result.steps if record is first or record.label == volume.step]
    for record in records:
        for name, value in record.resolved.items():
            if safe_name(name) not in parameters:
                _put_parameter(parameters, safe_name(name), value)
    for axis in volume.dataset.axes:
        if axis.values is not None and axis.size > 1 and f"voxel_size_{axis.name}" not in parameters:
            step = abs(float(axis.values[-1] - axis.values[0])) / (axis.size - 1)
            put_number(parameters, f"voxel_size_{axis.name}", step, axis.units)


def _put_parameter(parameters: h5py.Group, name: str, value: Any) -> None:
    if value is None:
        put_text(parameters, name, "none")
    elif isinstance(value, (dict, list, tuple)):
        put_text(parameters, name, as_json(value))
    else:
        put_any(parameters, name, value)
