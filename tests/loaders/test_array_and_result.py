"""Any dataset with axes named in the list, and results of earlier runs."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tomosaxs import InputError
from tomosaxs_plugins.loaders.array import array
from tomosaxs_plugins.loaders.result import result


@pytest.fixture
def sinograms(tmp_path):
    path = tmp_path / "sinograms.h5"
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = np.arange(60.0, dtype="f4").reshape(3, 4, 5)
        file["entry/data/data"].attrs["units"] = "1/m"
        file["entry/data/rotation_angle"] = np.linspace(0, 135, 4)
        file["entry/data/rotation_angle"].attrs["units"] = "deg"
        file["entry/data/energy"] = np.array([10.0, 11.0, 12.0])
        file["entry/data/energy"].attrs["units"] = "keV"
    return path


def test_any_order_of_axes(sinograms):
    source = array(sinograms, dataset="/entry/data/data", axes=["detector_y", "rotation_angle", "detector_x"])
    data = source.dataset
    assert data.names == ("detector_y", "rotation_angle", "detector_x")
    np.testing.assert_array_equal(data.axis("rotation_angle").values, [0, 45, 90, 135])
    assert data.units == "1/m"
    np.testing.assert_array_equal(source.reader.read((slice(1, 2), slice(0, 2), slice(4, 5)))[:, :, 0], [[24, 29]])


def test_coordinates_beside_the_values_and_pixel_size(sinograms):
    data = array(sinograms, dataset="entry/data/data", axes=["energy", "rotation_angle", "detector_x"], pixel_size=2e-6)
    np.testing.assert_array_equal(data.dataset.axis("energy").values, [10, 11, 12])
    assert data.dataset.axis("energy").units == "keV"
    assert data.dataset.axis("detector_x").values[4] == pytest.approx(8e-6)


def test_wrong_axes_and_paths(sinograms):
    with pytest.raises(
        InputError, match=r"sinograms\.h5: /entry/data/data has the shape \(3, 4, 5\): axes must give 3"
    ):
        array(sinograms, dataset="/entry/data/data", axes=["y", "x"])
    with pytest.raises(InputError, match=r"did you mean 'data'"):
        array(sinograms, dataset="/entry/data/dat", axes=["z", "y", "x"])
    with pytest.raises(InputError, match="no rotation angles"):
        array(sinograms, dataset="/entry/data/data", axes=["rotation_angle", "y", "x"])


def _write(path, values, axes, **attributes):
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["default"] = "reconstruct"
        plot = entry.create_group("reconstruct")
        plot.attrs["NX_class"] = "NXdata"
        plot.attrs["signal"] = "data"
        plot.attrs["axes"] = list(axes)
        plot["data"] = values
        plot["data"].attrs["units"] = "1/m"
        plot["title"] = "attenuation"
        for name, (coordinates, units) in axes.items():
            plot[name] = coordinates
            plot[name].attrs["units"] = units
        for name, value in attributes.items():
            plot["z"].attrs[name] = value
    return path


def test_result_of_an_earlier_run(tmp_path):
    values = np.arange(24.0, dtype="f4").reshape(2, 3, 4)
    axes = {"z": ([3e-6, 4e-6], "m"), "y": (np.arange(3.0) - 1, "m"), "x": (np.arange(4.0), "px")}
    path = _write(tmp_path / "result.nxs", values, axes, full_size=10)
    with h5py.File(path, "r+") as file:
        file["entry/reconstruct/z_position"] = [3, 4]
    source = result(path)
    data = source.dataset
    assert (data.names, data.label, data.units) == (("z", "y", "x"), "attenuation", "1/m")
    np.testing.assert_array_equal(data.axis("z").index, [3, 4])
    assert data.axis("z").full_size == 10
    assert data.axis("x").values is None
    np.testing.assert_array_equal(source.reader.read((slice(1, 2), slice(None), slice(0, 2))), values[1:2, :, :2])
    assert result(path, name="reconstruct").dataset.shape == (2, 3, 4)
    with pytest.raises(InputError, match="did you mean 'reconstruct'"):
        result(path, name="/entry/reconstruc")


def test_file_without_a_default(tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["a"] = 1
    with pytest.raises(InputError, match="no default NXdata; there is none"):
        result(path)


def test_damaged_frames_stop_or_are_left_out(tmp_path):
    path = tmp_path / "frames.h5"
    with h5py.File(path, "w") as file:
        frames = np.ones((5, 200, 100), "u2")
        file.create_dataset("data", data=frames, chunks=(1, 200, 100), compression="gzip")
        place = file["data"].id.get_chunk_info_by_coord((3, 0, 0)).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 8)
    everything = (slice(None),) * 3
    axes = ["frame", "detector_y", "detector_x"]
    with pytest.raises(InputError, match=r"/data cannot be read; the file is truncated or damaged"):
        array(path, dataset="data", axes=axes).reader.read(everything)
    source = array(path, dataset="data", axes=axes, damaged="leave_out")
    frames[3] = 65535
    np.testing.assert_array_equal(source.reader.read(everything), frames)
    assert "frame 3 of" in next(iter(source.reader.notes))
