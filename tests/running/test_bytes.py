"""Bytes read and written: what a run says is what the system counts, and an input is read once."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

IO = Path("/proc/self/io")
LIST = """\
title: Bytes
input:
  tomo:
    plugin: tomography
    path: {scan}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: find_rotation_axis
    name: axis
    rows: 1
  - plugin: reconstruct
    centre: ${{axis}}
    backend: tomosaxs
    save: true
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> Path:
    """A scan of 5 MB: 181 angles, 32 rows, 384 columns."""
    path = tmp_path_factory.mktemp("wide") / "scan.nxs"
    settings = ScanSettings(projections=181, rows=32, columns=384, centre=190.6, closed=True, flats=3, darks=3)
    micro_ct_scan(path, smooth_phantom(384, 32, 0.02), settings, seed=4)
    return path


def stored_as(scan: Path, target: Path, **layout: object) -> Path:
    """Copy a scan with its frames stored in another way."""
    with h5py.File(scan) as old, h5py.File(target, "w") as new:
        frames = old["entry/instrument/detector/data"]
        old.copy("entry/sample", new, "entry/sample")
        detector = new.create_group("entry/instrument/detector")
        for name in old["entry/instrument/detector"]:
            if name != "data":
                old.copy(f"entry/instrument/detector/{name}", detector)
        for name in ("entry", "entry/instrument", "entry/instrument/detector"):
            new[name].attrs.update(old[name].attrs)
        new.copy(old["entry/definition"], "entry/definition")
        detector.create_dataset("data", data=frames[()], **layout).attrs.update(frames.attrs)
    return target


def moved(folder: Path) -> dict[str, np.ndarray]:
    with h5py.File(folder / "result.nxs") as handle:
        return {name: item[()] for name, item in handle["entry/execution/bytes"].items()}


def run(tmp_path: Path, scan: Path, **options: object) -> tuple[Path, list[str]]:
    listing = tmp_path / "list.yml"
    listing.write_text(LIST.format(scan=scan))
    lines: list[str] = []
    out = tmp_path / "out"
    tomosaxs.run(listing, output=out, log=lines.append, **options)
    return out, lines


@pytest.mark.parametrize(
    "layout", [{}, {"chunks": (1, 32, 384)}, {"chunks": (16, 1, 384)}], ids=["one piece", "frames", "rows"]
)
def test_an_input_is_read_once(layout, wide, tmp_path, monkeypatch) -> None:
    """Input, samples for checksums, and the rows of the axis search: not more than 1.1 times input and output."""
    monkeypatch.setattr("tomosaxs.runner.checksums.WHOLE_UP_TO", 1 << 20)
    scan = stored_as(wide, tmp_path / "scan.nxs", **layout)
    out, lines = run(tmp_path, scan, block=8)
    size, volume = scan.stat().st_size, 32 * 384 * 384 * 4
    found = {name: int(counts.sum()) for name, counts in moved(out).items()}
    assert found["result_written"] == volume
    assert found["work_read"] == found["work_written"] == 0
    samples = found.pop("checksum_read")
    assert 0 < samples <= 64 * 65536
    assert size * 0.97 < found["input_read"] <= size * 1.07
    assert sum(found.values()) <= 1.1 * (size + volume)
    [line] = [each for each in lines if each.startswith("read ")]
    assert "of inputs" in line
    assert "of results" in line


def test_what_is_counted_is_what_the_system_counts(wide, tmp_path) -> None:
    if not IO.exists():
        pytest.skip("the system does not count the bytes of a process")
    run(tmp_path, wide, block=8)  # what is imported and compiled is read now

    def asked() -> dict[str, int]:
        return {name: int(count) for name, count in (line.split(": ") for line in IO.read_text().splitlines())}

    before = asked()
    out, _ = run(tmp_path, wide, block=8)
    after = asked()
    read, written = after["rchar"] - before["rchar"], after["wchar"] - before["wchar"]
    found = {name: int(counts.sum()) for name, counts in moved(out).items()}
    counted_read = found["input_read"] + found["checksum_read"]
    assert counted_read <= read <= counted_read * 1.05 + 1e6  # the list, metadata, keys of plugins and input
    assert found["result_written"] <= written <= found["result_written"] * 1.02 + 3e6  # report, journal, record
