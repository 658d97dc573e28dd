"""result.nxs: opens on the result, follows its definitions, holds the values and how they came about."""

import dataclasses
import json
import logging
import os
import re

import h5py
import numpy as np
import pytest
from handmade_results import LIST_TEXT, curves, result, saved, volume

from tomosaxs import Axis, Estimate, InputError
from tomosaxs.store import Store, flush
from tomosaxs_plugins.savers.nexus import nexus
from tomosaxs_plugins.savers.nexus_tree import RESERVED
from tomosaxs_plugins.volume.scaling import Scaling


def write(made, **options):
    folder = made.folder / ".work" / "out"
    folder.mkdir(parents=True, exist_ok=True)
    (path,) = nexus(made, folder, **options)
    assert path == folder / "result.nxs"
    return path


def validation_errors(path):
    """Return how many errors nexusformat's validator counts (and show what it said)."""
    validate = pytest.importorskip("nexusformat.nexus.validate")
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    validate.logger.addHandler(handler)
    try:
        validate.validate_application(str(path))
    finally:
        validate.logger.removeHandler(handler)
    told = "\n".join(seen)
    count = re.search(r"Total number of errors: (\d+)", told)
    assert count, "the validator did not come to its end"
    return int(count[1])


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "level": 1}, {"compression": "lzf"}])
@pytest.mark.parametrize(("maker", "names"), [
    (volume, ["z", "y", "x"]), (curves, ["rotation_angle", "y", "x", "Q"]),
])  # fmt: skip
def test_viewers_open_on_the_result(tmp_path, maker, names, options):
    made = result(tmp_path, maker(tmp_path))
    expected = np.array(made.data)
    path = write(made, **options)
    silx_io = pytest.importorskip("silx.io")
    from silx.io import nxdata

    with silx_io.open(str(path)) as handle:
        found = nxdata.get_default(handle)
        assert found is not None
        assert found.is_valid
        assert found.group.name == f"/entry/{made.datasets[0].name}"
        np.testing.assert_array_equal(found.signal[()], expected)
        assert found.axes_dataset_names == names
    nexus_module = pytest.importorskip("nexusformat.nexus")
    plotted = nexus_module.nxload(str(path)).plottable_data
    assert plotted.nxsignal.shape == expected.shape
    assert [axis.nxname for axis in plotted.nxaxes] == names


def with_errors(made):
    sigma = Store(made.store.file.with_name("sigma.h5"), "/errors")
    sigma.create(made.dataset.shape, np.dtype(np.float32))
    mapped = sigma.open("r+")
    mapped[...] = 0.5
    flush(mapped)
    sigma.finish({})
    return dataclasses.replace(made, uncertainty=sigma)


def one_curve(folder):
    axis = Axis("q", 9, np.linspace(0.1, 5, 9), "nm^-1")
    return saved(folder, "one", np.ones(9, np.float32), (axis,), label="intensity")


@pytest.mark.parametrize("maker", [volume, curves, one_curve])
def test_viewers_find_the_errors(tmp_path, maker):
    made = result(tmp_path, with_errors(maker(tmp_path)))
    path = write(made)
    shape = made.data.shape
    silx_io = pytest.importorskip("silx.io")
    from silx.io import nxdata

    with silx_io.open(str(path)) as handle:
        found = nxdata.get_default(handle)
        assert found is not None
        assert (found.is_valid, found.issues) == (True, [])
        assert found.errors.shape == shape
        assert found.errors[(0,) * len(shape)] == 0.5
    nexus_module = pytest.importorskip("nexusformat.nexus")
    assert nexus_module.nxload(str(path)).plottable_data.nxerrors.shape == shape


def test_the_default_is_the_last_dataset(tmp_path):
    made = result(tmp_path, volume(tmp_path), curves(tmp_path))
    with h5py.File(write(made)) as handle:
        assert handle.attrs["default"] == "entry"
        assert handle["entry"].attrs["default"] == "azimuthal_integrate"
        for each in made.datasets:
            group = handle["entry"][each.name]
            assert group.attrs["NX_class"] == "NXdata"
            assert group.attrs["key"] == each.key
            np.testing.assert_array_equal(group["data"][...], each.values())


def test_volume_follows_nxtomoproc(tmp_path):
    path = write(result(tmp_path, volume(tmp_path)))
    with h5py.File(path) as handle:
        entry = handle["entry"]
        assert entry["definition"].asstr()[()] == "NXtomoproc"
        assert entry["title"].asstr()[()] == "Tooth <script>alert('x')</script>"
        source = entry["instrument/source"]
        assert source.attrs["NX_class"] == "NXsource"
        assert source["probe"].asstr()[()] == "x-ray"
        assert {"type", "name"} <= set(source)
        assert entry["sample/name"].asstr()[()] == "tooth & root"
        process = entry["reconstruction"]
        assert process.attrs["NX_class"] == "NXprocess"
        assert process["program"].asstr()[()] == "tomosaxs"
        assert process["version"].asstr()[()] == "0.1.0"
        assert process["date"].asstr()[()] == "2026-01-02T03:04:40+00:00"
        assert process["parameters/raw_file"].asstr()[()] == "/data/scan.nxs"
        assert process["parameters/backend"].asstr()[()] == "astra"
        data = entry["data"]
        assert data.attrs["NX_class"] == "NXdata"
        assert data["data"].shape == (len(data["z"]), len(data["y"]), len(data["x"])) == (6, 40, 50)
        assert data["data"].attrs["units"] == "1/m"
        assert all(data[name].attrs["units"] == "m" and data[name].dtype.kind == "f" for name in "xyz")
        assert list(data.attrs["axes"]) == ["z", "y", "x"]
        assert [data.attrs[f"{name}_indices"] for name in "zyx"] == [0, 1, 2]
        np.testing.assert_allclose(np.diff(data["x"][...]), 3.25e-6, rtol=1e-9)
        # rows were cropped: 100 .. 105 of 200
        assert data["z"].attrs["first"] == 100
        assert data["z"].attrs["full_size"] == 200
        np.testing.assert_array_equal(data["z_position"][...], np.arange(100, 106))
        assert entry["instrument/detector/x_pixel_size"][()] == 3.25
        assert entry["instrument/beam/incident_energy"].attrs["units"] == "keV"
        assert entry["metadata/dose"][()] == 2.0
    assert validation_errors(path) == 0


def test_the_axis_and_the_voxels_are_written_back(tmp_path):
    with h5py.File(write(result(tmp_path, volume(tmp_path)))) as handle:
        detector = handle["entry/instrument/detector"]
        assert detector["x_rotation_axis_pixel_position"][()] == 85.47
        assert detector["x_pixel_size"][()] == 3.25
        parameters = handle["entry/reconstruction/parameters"]
        for name in "zyx":
            np.testing.assert_allclose(parameters[f"voxel_size_{name}"][()], 3.25e-6)
            assert parameters[f"voxel_size_{name}"].attrs["units"] == "m"


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_levels_open_in_viewers_and_state_their_scale(tmp_path, kind):
    values = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (4, 8, 9)).astype(kind)
    axes = tuple(Axis(name, size, np.arange(size) * 1e-6, "m") for name, size in zip("zyx", values.shape, strict=True))
    scaling = Scaling(0.25, -3.0, "1/m", "attenuation")
    made = result(tmp_path, saved(tmp_path, "rescale", values, axes, metadata=scaling.metadata()))
    path = write(made)
    with h5py.File(path) as handle:
        group = handle["entry/rescale"]
        # NXdata: value = (data + offset) * scaling_factor
        back = (values + group["data_offset"][()]) * group["data_scaling_factor"][()]
        np.testing.assert_allclose(back, values * 0.25 - 3.0)
        assert group["data_scaling_factor"].attrs["units"] == "1/m"
        said = group["data"].attrs
        assert (said["scale_factor"], said["add_offset"], said["quantity"]) == (0.25, -3.0, "attenuation")
        assert (said["transform"], said["offset"], said["scaling"]) == ("linear", -12.0, 0.25)
        assert "backend" in handle["entry/reconstruction/parameters"]  # also when another step came after
    assert validation_errors(path) == 0
    silx_io = pytest.importorskip("silx.io")
    from silx.io import nxdata

    with silx_io.open(str(path)) as handle:
        found = nxdata.get_default(handle)
        assert found is not None
        assert found.is_valid
        assert found.signal.dtype == kind
        np.testing.assert_array_equal(found.signal[()], values)


def test_curves_follow_nxcansas(tmp_path):
    made = result(tmp_path, curves(tmp_path, units="counts"))
    path = write(made)
    with h5py.File(path) as handle:
        entry = handle["entry"]
        assert entry["definition"].asstr()[()] == "NXcanSAS"
        assert entry.attrs["canSAS_class"] == "SASentry"
        assert entry.attrs["version"] == "1.1"
        assert {"title", "run"} <= set(entry)
        data = entry["azimuthal_integrate"]
        assert data.attrs["canSAS_class"] == "SASdata"
        assert data.attrs["signal"] == "I"
        assert list(data.attrs["I_axes"]) == list(data.attrs["axes"]) == ["rotation_angle", "y", "x", "Q"]
        assert data.attrs["Q_indices"] == 3
        assert data["Q"].attrs["units"] == "1/nm"
        # the only word NXcanSAS has for anything that is not a cross-section; the truth stands beside it
        assert data["I"].attrs["units"] == "arbitrary"
        assert data["I"].attrs["units_as_computed"] == "counts"
        assert data["I"] == data["data"]  # one object under two names: nothing is stored twice
        np.testing.assert_array_equal(data["Q"][...], made.datasets[0].dataset.axes[-1].values)
        mask = data[data.attrs["mask"]][...]
        np.testing.assert_array_equal(mask, np.isnan(data["I"][...]))
        assert mask.sum() == 60
        assert list(data["rotation_angle"]) == [0, 90, 45]
        assert data["y"].attrs["units"] == "px"
    assert validation_errors(path) == 0


def test_how_the_result_came_about(tmp_path):
    made = result(tmp_path, volume(tmp_path))
    with h5py.File(write(made)) as handle:
        entry = handle["entry"]
        assert entry["process_list/data"].asstr()[()] == LIST_TEXT
        assert entry["process_list/type"].asstr()[()] == "application/yaml"
        assert entry["settings/data"].asstr()[()] == "axis.size=3\nreconstruct.backend=astra"
        steps = sorted(name for name in entry if entry[name].attrs.get("NX_class") == "NXprocess")
        assert steps[:3] == ["process_01_dark_flat_correction", "process_02_axis", "process_03_reconstruct"]
        step = entry[steps[2]]
        assert [entry[name]["sequence_index"][()] for name in steps[:3]] == [1, 2, 3]
        assert step["plugin"].asstr()[()] == "reconstruct"
        assert json.loads(step["parameters_given/data"].asstr()[()]) == {"centre": "${axis}"}
        assert json.loads(step["parameters/data"].asstr()[()]) == {
            "centre": 85.47, "backend": "astra", "limits": [0.0, "inf"], "file": "/a/b",
        }  # fmt: skip
        assert step["citation_1/doi"].asstr()[()] == "10.1016/j.ultramic.2015.05.002"
        assert step["citation_1"].attrs["NX_class"] == "NXcite"
        assert step["seconds"][()] == 12.5
        assert step["seconds"].attrs["units"] == "s"
        assert step["relative_tolerance"][()] == 1e-6
        assert step["reused"][()] == 1
        scan = entry["inputs/tomo"]
        assert list(scan["files"].asstr()) == ["/data/scan.nxs"]
        assert list(scan["checksums"].asstr()) == ["00ff"]
        assert list(scan["sizes"]) == [1234]
        assert entry["software/numpy"].asstr()[()] == "2.4.6"
        assert entry["execution/ranks"][()] == 2


def test_estimates(tmp_path):
    made = result(tmp_path, volume(tmp_path))
    made.estimates["mean"] = Estimate(np.arange(6.0).reshape(2, 3), "counts")
    made.estimates["axis"].details["ragged"] = [[1], [2, 3]]
    with h5py.File(write(made)) as handle:
        axis = handle["entry/estimates/axis"]
        assert axis["value"].shape == ()
        assert axis["value"].dtype == np.float64
        assert axis["value"][()] == 85.47
        assert axis["value"].attrs["units"] == axis["uncertainty"].attrs["units"] == "px"
        assert (axis["uncertainty"][()], axis["confidence"][()]) == (0.03, 0.93)
        assert axis.attrs["key"] == "abc123"
        assert list(axis["messages"].asstr()) == ["looked at 20 rows"]
        assert len(axis["details/row_axes"]) == 20
        assert json.loads(axis["details/ragged"].asstr()[()]) == [[1], [2, 3]]
        assert axis["pictures/candidate_axes/data"].shape == (60, 200)
        mean = handle["entry/estimates/mean"]
        assert mean["value"].shape == (2, 3)
        assert np.isnan(mean["confidence"][()])


def test_a_result_of_estimates_only(tmp_path):
    with h5py.File(write(result(tmp_path))) as handle:
        assert handle["entry/estimates/axis/value"][()] == 85.47
        assert "default" not in handle["entry"].attrs


def test_the_largest_dataset_is_not_copied_and_an_attempt_can_be_repeated(tmp_path):
    made = result(tmp_path, curves(tmp_path), volume(tmp_path, shape=(8, 60, 60)))
    store = made.datasets[1].store
    expected = [np.array(each.values()) for each in made.datasets]
    with h5py.File(store.file) as handle:
        offset = handle[store.internal].id.get_offset()
    first = write(made)
    assert first.samefile(store.file)
    made.estimates.clear()
    made.datasets[0] = saved(tmp_path, "other", np.ones(3, np.float32), (Axis("x", 3),))
    second = write(made)
    assert second.samefile(store.file)
    with h5py.File(second) as handle:
        assert handle["entry/reconstruct/data"].id.get_offset() == offset
        assert "azimuthal_integrate" not in handle["entry"]
        assert not len(handle["entry/estimates"])
    np.testing.assert_array_equal(made.data, expected[1])
    np.testing.assert_array_equal(made["other"], np.ones(3))


def test_an_earlier_result_is_never_changed(tmp_path):
    made = result(tmp_path, volume(tmp_path))
    os.replace(write(made), made.path)
    (tmp_path / ".work" / "key-reconstruct" / "data.h5").unlink()
    before = made.path.read_bytes()
    made.datasets[0] = type(made.datasets[0])(
        "reconstruct", made.datasets[0].dataset, Store(made.path, "/entry/reconstruct/data"), "k", "reconstruct"
    )
    path = write(made)
    assert not path.samefile(made.path)
    assert made.path.read_bytes() == before
    with h5py.File(path) as handle:
        np.testing.assert_array_equal(handle["entry/reconstruct/data"][...], made.data)


def test_a_store_that_is_the_earlier_result_under_another_name_is_not_changed(tmp_path):
    made = result(tmp_path, volume(tmp_path))
    path = write(made)
    os.replace(path, tmp_path / "kept.nxs")  # shares its bytes with the store, which was kept
    before = (tmp_path / "kept.nxs").read_bytes()
    made.estimates.clear()
    assert not write(made).samefile(tmp_path / "kept.nxs")
    assert (tmp_path / "kept.nxs").read_bytes() == before


def test_no_hard_links_on_this_file_system(tmp_path, monkeypatch):
    made = result(tmp_path, volume(tmp_path))

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("tomosaxs_plugins.savers.nexus_write.SLAB_BYTES", 20_000)  # several slabs
    path = write(made)
    assert not path.samefile(made.datasets[0].store.file)
    with h5py.File(path) as handle:
        assert handle["entry/reconstruct/data"].chunks is None
        np.testing.assert_array_equal(handle["entry/reconstruct/data"][...], made.data)


def test_compression_makes_a_smaller_file_with_the_same_values(tmp_path):
    values = np.zeros((64, 128, 128), np.int16)
    values[10:20] = 7
    axes = tuple(Axis(name, size) for name, size in zip("zyx", values.shape, strict=True))
    made = result(tmp_path, saved(tmp_path, "data", values, axes))
    path = write(made, compression="gzip", level=9)
    assert path.stat().st_size < values.nbytes / 5
    with h5py.File(path) as handle:
        assert handle["entry/data/data"].compression == "gzip"
        np.testing.assert_array_equal(handle["entry/data/data"][...], values)
        assert handle["entry/definition"].asstr()[()] == "NXtomoproc"


@pytest.mark.parametrize("shape", [(), (0, 4), (5,), (2, 3, 4, 5, 6)])
def test_any_rank_and_empty(tmp_path, shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(np.complex64 if shape == (5,) else np.uint16)
    axes = tuple(Axis(f"a{place}", size) for place, size in enumerate(shape))
    made = result(tmp_path, saved(tmp_path, "thing", values, axes))
    for options in ({}, {"compression": "gzip"}):
        with h5py.File(write(made, **options)) as handle:
            np.testing.assert_array_equal(handle["entry/thing/data"][()], values)
            assert handle["entry/thing"].attrs["signal"] == "data"


@pytest.mark.parametrize("name", [*sorted(RESERVED), "process_01_x"])
def test_names_that_the_file_needs_itself(tmp_path, name):
    made = result(tmp_path, saved(tmp_path, name, np.ones(3), (Axis("x", 3),)))
    with pytest.raises(InputError, match=name):
        write(made)
