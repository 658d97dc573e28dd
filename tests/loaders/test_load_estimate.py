"""Values of an earlier run: as they were found, by name, or a message that says what there is."""

import math

import h5py
import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs.testing import ScanSettings, example_source, micro_ct_scan, run_plugin, smooth_phantom


@pytest.fixture
def earlier(tmp_path):
    path = tmp_path / "result.nxs"
    with h5py.File(path, "w") as file:
        axis = file.create_group("entry/estimates/axis")
        axis["value"], axis["uncertainty"], axis["confidence"] = 23.25, 0.03, 0.9
        axis["value"].attrs["units"] = "px"
        file["entry/estimates/limits/value"] = [-1.5, 200.0]
    return path


def test_a_value_comes_as_it_was_found(earlier):
    found = run_plugin("load_estimate", example_source(), {"path": earlier}, ranks=2)
    assert (found.value, found.units, found.uncertainty, found.confidence) == (23.25, "px", 0.03, 0.9)
    limits = run_plugin("load_estimate", example_source("VolumeSlices"), {"path": earlier, "estimate": "limits"})
    assert limits.value == [-1.5, 200.0]
    assert math.isnan(limits.uncertainty)


def test_what_is_not_there(earlier, tmp_path):
    with pytest.raises(InputError, match=r"no estimate 'axes'.*axis"):
        run_plugin("load_estimate", example_source(), {"path": earlier, "estimate": "axes"})
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.ones(3)
    with pytest.raises(InputError, match="no estimate 'axis'"):
        run_plugin("load_estimate", example_source(), {"path": tmp_path / "other.h5"})


def test_a_second_scan_is_reconstructed_with_the_axis_of_the_first(tmp_path):
    import tomosaxs

    settings = ScanSettings(projections=31, rows=4, columns=48, centre=23.2, closed=True, flats=2, darks=2)
    micro_ct_scan(tmp_path / "scan.nxs", smooth_phantom(48, 4, 0.02), settings, seed=3)
    corrected = "  - plugin: dark_flat_correction\n  - plugin: minus_log\n"
    steps = corrected + "{axis}  - plugin: reconstruct\n    centre: ${{axis}}\n"
    head = "input:\n  tomo:\n    plugin: tomography\n    path: scan.nxs\nsteps:\n"
    given = "  - plugin: find_rotation_axis\n    name: axis\n    value: 23.25\n"
    (tmp_path / "one.yml").write_text(head + steps.format(axis=given))
    first = tomosaxs.run(tmp_path / "one.yml", output=tmp_path / "one", log=lambda text: None)
    taken = "  - plugin: load_estimate\n    name: axis\n    path: one/result.nxs\n"
    (tmp_path / "two.yml").write_text(head + steps.format(axis=taken))
    second = tomosaxs.run(tmp_path / "two.yml", output=tmp_path / "two", log=lambda text: None)
    assert second.estimates["axis"].value == 23.25
    np.testing.assert_array_equal(second.data, first.data)
