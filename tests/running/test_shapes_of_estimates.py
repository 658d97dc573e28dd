"""Shapes that follow from estimates: bounds in the plan, the real ones in the result."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from running_commands import here
from test_own_plugins import HEAD, run_everywhere

from tomosaxs import library

PLUGINS = """\
from dataclasses import replace
import numpy as np
from tomosaxs import Dataset, Estimate, InputError, Output, Sinograms, estimator, plugin

def _rows(data: Dataset) -> dict:
    return {"detector_y": np.array([0, data.axis("detector_y").size - 1])}

@estimator(select=_rows, gives=("half", "double"))
def how_wide(data: Sinograms) -> Estimate:
    "Say how many columns to keep."
    return Estimate(float(KEEP), details={"half": np.float64(KEEP // 2), "double": np.array([2 * KEEP])})

def _shape(data: Dataset, *, columns: int | None) -> Output:
    axis, angles = data.axis("detector_x"), data.axis("rotation_angle")
    count = axis.size if columns is None else columns
    if count < 2:
        raise InputError(f"{count} columns are too few")
    return Output((angles, axis.select(slice(0, count))), "float32", data.label, data.units)

@plugin(shape=_shape)
def keep_columns(data: Sinograms, *, columns: int) -> Sinograms:
    "Keep the first columns."
    assert columns is not None
    return data[:, :, :columns] + 0

@plugin
def twice(data: Sinograms) -> Sinograms:
    "Double."
    return 2 * data

@estimator(select=_rows)
def sum_of(data: Sinograms) -> Estimate:
    "Add up."
    return Estimate(float(np.sum(data, dtype=np.float64)), details={"columns": float(data.shape[2])})
"""
STEPS = """\
  - plugin: ./wide.py:how_wide
    name: width
  - plugin: ./wide.py:keep_columns
    columns: ${width.half}
  - plugin: ./wide.py:twice
    name: doubled
    save: true
  - plugin: ./wide.py:sum_of
    name: total
  - plugin: ./wide.py:twice
    name: four
"""


@pytest.fixture
def listing(make_list, tmp_path):
    (tmp_path / "wide.py").write_text(PLUGINS.replace("KEEP", "18"))
    return make_list(STEPS, text=HEAD)


def test_the_shape_is_the_one_that_the_estimate_gives(listing, command, tmp_path) -> None:
    """On any ranks and blocks; later steps, selections and stores follow."""
    run_everywhere(listing, command, tmp_path)
    with h5py.File(tmp_path / "way0" / "result.nxs") as file:
        assert file["entry/doubled/data"].shape[-1] == 9
        np.testing.assert_array_equal(file["entry/four/data"][()], 2 * file["entry/doubled/data"][()])
        assert file["entry/estimates/total/details/columns"][()] == 9
    assert (
        "now known: step 4 keep_columns: tomo (rotation_angle: 91, detector_y: 32, detector_x: 9)"
        in (tmp_path / "way0" / "run.log").read_text()
    )


def test_the_plan_takes_the_bound(listing) -> None:
    plan = library.plan(listing)
    assert next(node for node in plan.nodes if node.saved_as == "four").dataset.shape[-1] == 64


def test_resume_with_another_width(listing, tmp_path) -> None:
    """The estimate of an earlier run is known before the first pass; a changed list gives the other shape."""
    here(listing, tmp_path / "out", keep_work=True)
    text = listing.read_text()
    listing.write_text(text.replace("${width.half}", "${width.double}"))
    found = here(listing, tmp_path / "out", resume=True)
    assert found["doubled"].shape[-1] == 36
    assert "taken from the earlier run: width" in (tmp_path / "out" / "run.log").read_text()


def test_a_value_that_does_not_fit(make_list, command, tmp_path) -> None:
    (tmp_path / "wide.py").write_text(PLUGINS.replace("KEEP", "2"))
    done = command("run", make_list(STEPS, text=HEAD), "-o", tmp_path / "out", ranks=2)
    assert done.status == 1
    assert "step 4 keep_columns: 1 columns are too few" in done.text
    assert not (tmp_path / "out" / "result.nxs").exists()


def test_a_detail_that_is_not_given(make_list, command, tmp_path) -> None:
    (tmp_path / "wide.py").write_text(PLUGINS.replace("KEEP", "18"))
    listing = make_list(STEPS.replace("width.half", "width.halve"), text=HEAD)
    done = command("check", listing)
    assert done.status == 2
    assert (
        "step 4 keep_columns.columns: ${width.halve}: an estimate has no 'halve' (did you mean 'half' or 'value'?)"
        in done.text
    )
