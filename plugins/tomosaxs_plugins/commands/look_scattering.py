"""``tomosaxs look`` at scattering data: maps, series, images, calibration images, results."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Quantity
from tomosaxs_plugins.commands.look_recognise import Found
from tomosaxs_plugins.commands.look_report import Report, number_text
from tomosaxs_plugins.commands.look_values import Warn
from tomosaxs_plugins.loaders.image_names import FLAT_WORDS

_NO_LETTER = re.compile(r"[^a-z]+")
_HEADS = {
    "map": "raster map, one value a point", "patterns": "scattering scan, one pattern a point",
    "images": "images", "result": "result of an earlier run",
}  # fmt: skip


def describe(found: Found, report: Report) -> None:
    """Fill facts, warnings and one picture into the report."""
    data = found.source.dataset
    report.head = _HEADS[found.kind] + (" (one image)" if found.kind == "images" and data.shape[0] == 1 else "")
    shape = " x ".join(f"{axis.size} {axis.name}" for axis in data.axes)
    report.facts.append(("shape", f"{shape}, {data.dtype} ({data.nbytes / 1e9:.3g} GB)"))
    report.facts.append(("read by", found.loader))
    for axis in data.axes:
        if axis.values is not None and axis.size > 1 and not axis.name.startswith("detector"):
            report.facts.append((axis.name, f"{axis.values[0]:.6g} to {axis.values[-1]:.6g} {axis.units}"))
    companions = [name for name in data.auxiliaries if name not in ("mask", "missing")]
    if companions:
        report.facts.append(("with it", ", ".join(sorted(companions))))
    for name in ("energy", "wavelength", "distance", "pixel_size_x"):
        quantity = data.metadata.get(name)
        if isinstance(quantity, Quantity):
            report.facts.append((name.replace("_x", "").replace("_", " "), number_text(quantity.value, quantity.units)))
    image = _frame(found)
    if image is not None:
        report.pictures.append(("one frame" + (", logarithmic" if _is_pattern(found) else ""), _shown(found, image)))
        report.warnings += _frame_warnings(image)
    report.warnings += [
        Warn(text.removeprefix("WARNING: ")) for text in found.source.messages if text.startswith("WARNING: ")
    ]
    report.next_command, report.remark = _next(found)


def _is_pattern(found: Found) -> bool:
    return found.kind in ("patterns", "images")


def _frame(found: Found) -> NDArray[np.generic] | None:
    """Return a frame of the middle of the scan, or a map at the first angle."""
    data = found.source.dataset
    if len(data.shape) < 2 or min(data.shape) < 1:
        return None
    keep = data.names[-2:]
    if found.kind == "map":
        keep = tuple(name for name in data.names if name != "rotation_angle")[:2]
    selection = tuple(
        slice(None) if name in keep else slice(size // 2, size // 2 + 1)
        for name, size in zip(data.names, data.shape, strict=True)
    )
    values = found.source.reader.read(selection)
    kept = [size for name, size in zip(data.names, values.shape, strict=True) if name in keep]
    return values.reshape(kept) if len(kept) == 2 and min(kept) > 0 else None


def _shown(found: Found, image: NDArray[np.generic]) -> NDArray[np.float32]:
    values = np.asarray(image, dtype=np.float32)
    if not _is_pattern(found):
        return values
    top = np.iinfo(np.dtype(str(image.dtype))).max if image.dtype.kind in "iu" else np.inf
    bad = ~np.isfinite(values) | (values < 0) | (np.asarray(image) == top)
    logarithm: NDArray[np.float32] = np.log1p(np.where(bad, 0, values)).astype(np.float32)
    logarithm[bad] = np.nan
    return logarithm


def _frame_warnings(image: NDArray[np.generic]) -> list[Warn]:
    made = []
    if image.dtype.kind == "f" and not np.isfinite(image).any():
        made.append(Warn("the frame in the middle holds no values: not measured?"))
    elif image.dtype.kind in "iuf" and float(np.nanmax(image)) <= 0:
        made.append(Warn("the frame in the middle has no counts"))
    return made


def _next(found: Found) -> tuple[str, str]:
    """Return the next command, and what to put into it."""
    path = shlex.quote(str(found.path))
    name = shlex.quote(f"{found.path.stem}.yml")
    data = found.source.dataset
    if found.kind == "result":
        return f"silx view {path}", "or process it further: the plugin result reads it"
    if found.kind == "images":
        if data.shape[0] == 1:
            return (f"tomosaxs calibrate {path} --standard agbeh",
                    "for an image of a calibration standard; for a sample:  tomosaxs integrate CALIBRATION "
                    f"{path}")  # fmt: skip
        if _has_flats(found.path):
            return (f"tomosaxs look {path} --set angles='{{start: 0, stop: 180}}'",
                    "a tomography scan, as it has flats: give its first and last angle; scattering images: "
                    f"tomosaxs integrate CALIBRATION {path}")  # fmt: skip
        return f"tomosaxs integrate CALIBRATION {path}", "CALIBRATION: .poni, NeXus ... as tomosaxs calibrate writes"
    return f"tomosaxs new {path} -o {name}", ""


def _has_flats(path: Path) -> bool:
    """Return whether images of a folder are called flats."""
    if not path.is_dir():
        return False
    return any(not FLAT_WORDS.isdisjoint(_NO_LETTER.split(each.stem.lower())) for each in path.iterdir())
