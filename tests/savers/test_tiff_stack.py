"""TIFF stacks: values, numbers, calibration and the same files whatever the blocks."""

from dataclasses import replace

import numpy as np
import pytest

from tomosaxs import Axis, Dataset, InputError, Scan
from tomosaxs.declaration import spec_of

tifffile = pytest.importorskip("tifffile")
from tomosaxs_plugins.savers.tiff_stack import tiff_stack  # noqa: E402
from tomosaxs_plugins.volume.scaling import Scaling  # noqa: E402


def dataset(rows=4):
    return Dataset(
        (
            Axis("z", rows, None, "px", np.arange(30, 30 + 2 * rows, 2), 100),
            Axis("y", 5, np.arange(5) * 2e-6, "m"),
            Axis("x", 6, np.arange(6) * 1e-6, "m"),
        ),
        np.dtype(np.float32), "attenuation", "1/m",
    )  # fmt: skip


def scan_of(data, low, high, folder):
    whole = Scan.whole(data, ("y", "x"))
    return Scan(data, whole.sliced, whole.core, whole.index[low:high], folder)


def test_values_numbers_and_pixel_sizes(tmp_path):
    data = dataset()
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    values[0, 0, 0] = np.nan
    folder = tmp_path / "made" / "here"
    tiff_stack(values[:1], scan_of(data, 0, 1, folder), digits=4)
    tiff_stack(values[1:], scan_of(data, 1, 4, folder), digits=4)
    # numbered by the place in the uncropped axis: 30, 32, 34, 36
    assert sorted(p.name for p in folder.iterdir()) == [f"slice_{n:04d}.tif" for n in (30, 32, 34, 36)]
    for row, number in enumerate((30, 32, 34, 36)):
        np.testing.assert_array_equal(tifffile.imread(folder / f"slice_{number:04d}.tif"), values[row])
    with tifffile.TiffFile(folder / "slice_0030.tif") as file:
        assert file.imagej_metadata["unit"] == "um"
        assert "attenuation (1/m)" in file.imagej_metadata["Info"]
        across, down = (file.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
        np.testing.assert_allclose([across[0] / across[1], down[0] / down[1]], [1.0, 0.5], rtol=1e-6)


def test_integers_and_their_calibration(tmp_path):
    data = dataset(1)
    values = np.linspace(-2, 2, 30, dtype=np.float32).reshape(1, 5, 6)
    tiff_stack(values, scan_of(data, 0, 1, tmp_path), dtype="uint16", limits=(-2.0, 2.0), prefix="v")
    with tifffile.TiffFile(tmp_path / "v_00030.tif") as file:
        told = file.imagej_metadata
        back = told["c0"] + told["c1"] * file.asarray().astype(float)
        assert "clipped" in told["Info"]
    # half a step of 4/65535
    np.testing.assert_allclose(back, values[0], atol=0.51 * 4 / 65535)


def test_grey_levels_keep_their_type_and_state_their_scale(tmp_path):
    data = replace(dataset(2), dtype=np.dtype(np.uint16), metadata=Scaling(0.5, -3.0, "1/m", "attenuation").metadata())
    levels = np.arange(60, dtype=np.uint16).reshape(2, 5, 6)
    tiff_stack(levels, scan_of(data, 0, 2, tmp_path))
    with tifffile.TiffFile(tmp_path / "slice_00032.tif") as file:
        told = file.imagej_metadata
        np.testing.assert_array_equal(file.asarray(), levels[1])
    assert (told["c0"], told["c1"], told["vunit"]) == (-3.0, 0.5, "1/m")
    assert "level * 0.5 + -3.0 1/m" in told["Info"]
    with pytest.raises(InputError, match="grey levels of type uint16 already"):
        spec_of(tiff_stack).check(data, dtype="uint8", limits=(0.0, 1.0), prefix="slice", digits=5)


def test_the_distance_of_the_slices(tmp_path):
    plain = dataset(2)
    data = replace(plain, axes=(Axis("z", 2, np.arange(2) * 3e-6, "m"), *plain.axes[1:]))
    tiff_stack(np.ones((2, 5, 6), np.float32), scan_of(data, 0, 2, tmp_path))
    with tifffile.TiffFile(tmp_path / "slice_00001.tif") as file:
        assert file.imagej_metadata["spacing"] == 3.0


def test_several_sliced_axes_have_names_in_the_numbers(tmp_path):
    plain = dataset(2)
    data = Dataset((Axis("energy", 3), *plain.axes), plain.dtype)
    scan = Scan.whole(data, ("y", "x"))
    values = np.arange(6 * 30, dtype=np.float32).reshape(6, 5, 6)
    tiff_stack(values, Scan(data, scan.sliced, scan.core, scan.index, tmp_path), digits=2)
    assert len(list(tmp_path.iterdir())) == 6
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "slice_energy02_z32.tif"), values[5])


@pytest.mark.parametrize(("options", "words"), [
    ({"dtype": "uint8"}, "needs limits"), ({"dtype": "uint8", "limits": (2.0, 1.0)}, "low < high"),
    ({"limits": (0.0, 1.0)}, "float32 keeps"), ({"prefix": "../up"}, "plain file name"),
    ({"dtype": "uint16", "limits": (0.0, float("nan"))}, "low < high"),
])  # fmt: skip
def test_what_does_not_fit_is_said_before_the_run(options, words):
    values = {"prefix": "slice", "digits": 5, "dtype": "float32", "limits": None, **options}
    with pytest.raises(InputError, match=words):
        spec_of(tiff_stack).check(dataset(), **values)


def test_without_a_folder(tmp_path):
    with pytest.raises(InputError, match="output folder"):
        tiff_stack(np.ones((4, 5, 6), np.float32), Scan.whole(dataset(), ("y", "x")))
