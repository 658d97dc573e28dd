"""tomosaxs try: the plugin gets what it would get in a run, and its author learns what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import tomosaxs
from tomosaxs.cli.try_plugin import try_plugin
from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

MINE = """
from typing import Annotated
import numpy as np
from tomosaxs import Estimate, Param, Pointwise, Projections, Scan, Sinograms, VolumeSlices, estimator, plugin

@plugin
def on_frames(data: Projections, *, add: Annotated[float, Param("number", le=9)] = 1.0) -> Projections:
    "Add a number."
    return data + np.float32(add)

@plugin
def on_rows(data: Sinograms) -> Sinograms:
    "Twice."
    return 2 * data

@plugin
def on_slices(data: VolumeSlices) -> VolumeSlices:
    "Everything that is wrong."
    out = data.astype(float) - data.mean()
    data[:] = 0
    out[:, :2] = np.nan
    return out

@plugin
def idle(data: Pointwise) -> Pointwise:
    "Nothing."
    return data

@plugin(halo={"rotation_angle": 2})
def near(data: Projections) -> Projections:
    "Mean over five angles."
    return np.stack([data[max(0, i - 2) : i + 3].mean(axis=0) for i in range(len(data))])

@plugin
def files(data: VolumeSlices, scan: Scan) -> None:
    "No data."

@estimator
def value(data: Sinograms) -> Estimate:
    "A value."
    return Estimate(1.0)
"""
LIST = """\
input:
  tomo:
    plugin: tomography
    path: scan.nxs
steps:
  - plugin: dark_flat_correction
    name: corrected
  - plugin: minus_log
  - plugin: reconstruct
    centre: 25.0
"""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scan, a list that reads it and the plugins."""
    folder = tmp_path_factory.mktemp("try")
    settings = ScanSettings(projections=60, rows=8, columns=48, centre=25.0, subsample=1)
    micro_ct_scan(folder / "scan.nxs", smooth_phantom(48, 8, 0.02), settings, seed=1)
    (folder / "mine.py").write_text(MINE)
    (folder / "list.yml").write_text(LIST)
    return folder / "scan.nxs"


@pytest.fixture
def call(scan: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``tomosaxs try ./mine.py:NAME`` beside the scan."""
    monkeypatch.chdir(scan.parent)
    return lambda name, *words: CliRunner().invoke(try_plugin, [f"./mine.py:{name}", *words])


def saved(folder: Path, name: str) -> np.ndarray:
    """Return a dataset of a result."""
    with h5py.File(folder / "result.nxs") as handle:
        return np.array(handle[f"entry/{name}/data"])


def test_a_plugin_on_projections(scan: Path, call: Callable[..., Result]) -> None:
    """It gets the corrected projection of that number, before the logarithm."""
    done = call("on_frames", "scan.nxs", "--slice", "7", "--set", "add=3")
    assert done.exit_code == 0, done.output
    assert "on_frames behind step 1 dark_flat_correction, projection 7" in done.output
    folder = scan.parent / "on_frames_try"
    before, after = saved(folder, "dark_flat_correction"), saved(folder, "on_frames")
    assert before.shape == after.shape == (3, 8, 48)  # with a neighbour on both sides
    whole = tomosaxs.run(scan.parent / "list.yml", settings=["corrected.save=true"], output=scan.parent / "whole",
                         log=lambda line: None)  # fmt: skip
    assert np.array_equal(before, whole["corrected"][6:9])
    assert np.array_equal(after, before + np.float32(3))
    assert re.search(r"difference\s+3\s+", done.output)
    assert "for the 60 of the whole scan" in done.output
    assert "hint" not in done.output
    with Image.open(folder / "try.png") as picture:
        assert picture.size[0] > 2 * picture.size[1]
    assert "before and after" in (folder / "report.html").read_text()


def test_a_plugin_on_slices_and_what_is_wrong_with_it(scan: Path, call: Callable[..., Result]) -> None:
    done = call("on_slices", "--list", "list.yml", "--slice", "5", "-o", "there")
    assert done.exit_code == 0, done.output
    assert "on_slices behind step 3 reconstruct, detector row 5" in done.output
    assert "for the 8 of the whole scan" in done.output
    assert "returns float64" in done.output
    assert "changes its input in place" in done.output
    assert "comes out differently when it is processed alone" in done.output
    assert "96 values became not a number" in done.output
    whole = tomosaxs.run(scan.parent / "list.yml", output=scan.parent / "whole", log=lambda line: None)
    assert np.array_equal(saved(scan.parent / "there", "reconstruct")[1], whole["reconstruct"][5])


def test_where_it_runs_in_a_list(call: Callable[..., Result]) -> None:
    assert "on_rows behind step 2 minus_log, detector row 4" in call("on_rows", "--list", "list.yml").output
    there = call("on_rows", "--list", "list.yml", "--after", "corrected").output
    assert "on_rows behind step 1 corrected" in there
    wrong = call("on_rows", "--list", "list.yml", "--after", "reconstruct").exception
    assert "on_rows works on Sinograms" in str(wrong)
    assert "no step is called that" in str(call("on_rows", "--list", "list.yml", "--after", "nowhere").exception)


def test_neighbours_and_nothing_done(scan: Path, call: Callable[..., Result]) -> None:
    done = call("near", "scan.nxs", "--slice", "30")
    assert "2 frames on both sides are read" in done.output
    assert saved(scan.parent / "near_try", "near").shape == (5, 8, 48)
    assert "nothing changed in this slice" in call("idle", "scan.nxs").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("files", "scan.nxs"), "try shows steps that make data"),
        (("value", "scan.nxs"), "value is an estimator"),
        (("on_rows",), "which scan"),
        (("on_rows", "scan.nxs", "--after", "minus_log"), "give --list too"),
        (("on_frames", "scan.nxs", "--set", "ad=3"), "no parameter 'ad'.*did you mean 'add'"),
        (("on_frames", "scan.nxs", "--set", "add=many"), "add: expected number, got text 'many'"),
        (("on_frames", "scan.nxs", "--slice", "60"), "rotation_angle 0 to 59"),
        (("on_frames", "nowhere.nxs"), "nowhere.nxs"),
    ],
)
def test_what_cannot_be_tried_is_said(call: Callable[..., Result], words: tuple[str, ...], message: str) -> None:
    error = call(*words).exception
    assert isinstance(error, tomosaxs.TomosaxsError)
    assert re.search(message, str(error))
