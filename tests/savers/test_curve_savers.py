"""Savers chi, text_curves and curve_plot: one file a frame, called after the image or the place in the scan."""

from pathlib import Path

import numpy as np
import pytest
from handmade_results import curves, result, saved, volume

import tomosaxs
from tomosaxs import Axis, InputError, ListError
from tomosaxs.result import InputRecord
from tomosaxs_plugins.curves.chi import read_chi
from tomosaxs_plugins.curves.text import read_text
from tomosaxs_plugins.savers.chi import chi
from tomosaxs_plugins.savers.curve_plot import curve_plot
from tomosaxs_plugins.savers.text_curves import text_curves

Q = np.linspace(0.1, 2, 20)


def frames(tmp_path, count=3, first=0, full=0):
    """Curves of single frames, the second of them without a value."""
    axes = (
        Axis("frame", count, None, "", np.arange(first, first + count), full or first + count),
        Axis("q", 20, Q, "nm^-1"),
    )  # fmt: skip
    values = np.arange(count)[:, None] + np.exp(-Q)
    values[1] = np.nan
    return saved(tmp_path, "curves", values.astype(np.float32), axes, label="intensity", units="1/cm")


def test_one_file_a_point_of_a_map(tmp_path):
    made = result(tmp_path, volume(tmp_path), curves(tmp_path))
    paths = chi(made, tmp_path)
    assert len(paths) == 60
    assert [paths[0].name, paths[-1].name] == ["tomo_0000_0000_0000.chi", "tomo_0002_0003_0004.chi"]
    read = read_chi(tmp_path / "tomo_0001_0002_0003.chi")
    np.testing.assert_allclose(read.y, made.datasets[1].values()[1, 2, 3], rtol=1e-7)
    assert (read.x_units, read.sigma) == ("nm^-1", None)
    assert np.isnan(read.y[0])
    assert chi(made, tmp_path, prefix="mine")[0].name == "mine_0000_0000_0000.chi"


def test_places_count_in_the_uncropped_scan_and_empty_frames_are_told(tmp_path):
    made = result(tmp_path, frames(tmp_path, first=11998, full=12001))
    assert [path.name for path in chi(made, tmp_path)] == ["tomo_11998.chi", "tomo_12000.chi"]
    assert made.messages == ["output chi: 1 of 3 curves of curves are empty: no file"]


@pytest.mark.parametrize(("names", "expected"), [
    (["a/x_1.tif", "a/x_2.tif", "a/x_3.tif"], ["x_1", "x_3"]),
    (["a/x.tif", "b/x.tif", "b/c/x.tif"], ["a_x", "b_c_x"]),
    (["a/x.tif", "a/x.cbf", "a/y.tif"], ["tomo_0000", "tomo_0002"]),
    (["a/scan.nxs"], ["tomo_0000", "tomo_0002"]),
])  # fmt: skip
def test_names_of_the_images(tmp_path, names, expected):
    made = result(tmp_path, frames(tmp_path))
    files = tuple((Path("/data") / name, 1, "") for name in names)
    made.inputs = [InputRecord("tomo", "images", Path("/data"), files, (3, 5, 5), ("frame",), ())]
    assert [path.stem for path in chi(made, tmp_path)] == expected


def test_names_of_the_images_of_a_cropped_raster(tmp_path):
    # files count along y, then x; a crop took x 1 and 2 of 3, and a step put x first
    axes = (
        Axis("x", 2, None, "", np.array([1, 2]), 3), Axis("y", 2, None, "", np.array([0, 1]), 2),
        Axis("q", 20, Q, "nm^-1"),
    )  # fmt: skip
    made = result(tmp_path, saved(tmp_path, "curves", np.ones((2, 2, 20)), axes))
    files = tuple((Path(f"/data/{n}.tif"), 1, "") for n in range(6))
    record = InputRecord("tomo", "image_files", Path("/data"), files, (2, 2, 5, 5), ("y", "x", "b", "a"), ())
    made.inputs = [record]
    assert [path.stem for path in chi(made, tmp_path)] == ["1", "4", "2", "5"]
    # another loader may order its files in another way than its frames
    import dataclasses

    made.inputs = [dataclasses.replace(record, plugin="scan")]
    assert chi(made, tmp_path)[0].stem == "tomo_0001_0000"


def test_several_datasets(tmp_path):
    made = result(tmp_path, curves(tmp_path, "one"), frames(tmp_path))
    assert {path.name[:9] for path in chi(made, tmp_path)} == {"tomo_one_", "tomo_curv"}
    only = chi(made, tmp_path, dataset="curves")
    assert [path.name for path in only] == ["tomo_0000.chi", "tomo_0002.chi"]


def over_azimuth(tmp_path):
    axes = (Axis("frame", 3), Axis("azimuth", 8, np.arange(8.0), "deg"))
    return saved(tmp_path, "bands", np.ones((3, 8), np.float32), axes)


def test_several_datasets_of_the_same_images_and_of_different_coordinates(tmp_path):
    made = result(tmp_path, frames(tmp_path), over_azimuth(tmp_path))
    files = tuple((Path(f"/data/x_{n}.tif"), 1, "") for n in range(3))
    made.inputs = [InputRecord("tomo", "image_files", Path("/data"), files, (3, 5, 5), ("frame",), ())]
    expected = ["x_0_curves", "x_2_curves", "x_0_bands", "x_1_bands", "x_2_bands"]
    assert [path.stem for path in chi(made, tmp_path)] == expected
    assert len(read_chi(tmp_path / "x_0_curves.chi").x) == 20
    made.messages.clear()
    paths = text_curves(made, tmp_path, units="angstrom^-1")
    assert [path.stem for path in paths] == expected[:2]
    assert made.messages[-1].endswith("curves over azimuth are left out: q in angstrom^-1 was asked for")
    pytest.importorskip("matplotlib")
    assert [path.name for path in curve_plot(made, tmp_path)] == ["tomo_q_curves.png", "tomo_azimuth_curves.png"]


def test_uncertainties_are_the_third_column(tmp_path):
    made = result(tmp_path, with_sigma(tmp_path))
    chi(made, tmp_path)
    np.testing.assert_allclose(read_chi(tmp_path / "tomo_0002.chi").sigma, 0.5 * np.exp(-Q), rtol=1e-6)
    chi(made, tmp_path, errors=False)
    assert read_chi(tmp_path / "tomo_0002.chi").sigma is None


def with_sigma(tmp_path):
    import dataclasses

    made = frames(tmp_path)
    sigma = saved(tmp_path, "errors", np.tile(0.5 * np.exp(-Q), (3, 1)).astype(np.float32), made.dataset.axes)
    return dataclasses.replace(made, uncertainty=sigma.store)


def test_text_in_the_units_that_are_asked_for(tmp_path):
    made = result(tmp_path, with_sigma(tmp_path))
    paths = text_curves(made, tmp_path, units="angstrom^-1")
    assert [path.name for path in paths] == ["tomo_0000.dat", "tomo_0002.dat"]
    read = read_text(paths[1])
    np.testing.assert_allclose(read.x, Q / 10, rtol=1e-7)
    np.testing.assert_allclose(read.sigma, 0.5 * np.exp(-Q), rtol=1e-6)
    assert read.x_units == "angstrom^-1"
    axes = (Axis("frame", 1), Axis("two_theta", 3, np.arange(3.0), "deg"))
    angles = result(tmp_path / "2", saved(tmp_path / "2", "a", np.ones((1, 3)), axes))
    with pytest.raises(InputError, match="does not convert"):
        text_curves(angles, tmp_path, units="nm^-1")


def test_cakes_and_volumes_are_no_curves(tmp_path):
    cake = saved(
        tmp_path, "cake", np.ones((2, 4, 20)),
        (Axis("frame", 2), Axis("azimuth", 4, np.arange(4.0), "deg"), Axis("q", 20, Q, "nm^-1")),
    )  # fmt: skip
    made = result(tmp_path, cake, volume(tmp_path))
    assert chi(made, tmp_path) == []
    assert made.messages == ["output chi: the result holds no curves, so no file was written"]


LIST = """
input:
  map:
    plugin: array
    path: map.h5
    dataset: data
    axes: [y, x, {last}]
steps:
  - plugin: calculate
    expression: 2 * data
output:
  - plugin: {saver}
{more}
"""


@pytest.mark.parametrize(("saver", "last", "more", "message"), [
    ("chi", "q", "dataset: other", r"list.yml:13: .*chi.dataset: no dataset 'other' is saved; there are calculate"),
    ("text_curves", "q", "prefix: ../x", "list.yml:13: .*text_curves.prefix: .*plain file name"),
    ("chi", "detector_x", "prefix: a", "list.yml:12: .*it writes curves.*; saved is calculate .y, x, detector_x"),
    ("text_curves", "azimuth", "units: nm^-1", "list.yml:13: .*units nm.-1 are of q; the curves are over azimuth"),
])  # fmt: skip
def test_what_cannot_work_is_refused_before_the_run(tmp_path, saver, last, more, message):
    """By the saver's own check, which sees what will be saved."""
    (tmp_path / "map.h5").touch()
    text = LIST.format(saver=saver, last=last, more=f"    {more}").replace("plugin: array", "plugin: ./own.py:curves")
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\nimport numpy as np\n"
        "from tomosaxs import ArrayReader, Axis, Dataset, Source, loader\n\n@loader\n"
        "def curves(path: Path, *, dataset: str, axes: list[str]) -> Source:\n    'Curves.'\n"
        "    made = (Axis('y', 2), Axis('x', 3), Axis(axes[2], 4, np.arange(4.0), 'nm^-1'))\n"
        "    return Source(Dataset(made, np.dtype('f4')), ArrayReader(np.ones((2, 3, 4), 'f4')), (path,))\n"
    )
    (tmp_path / "list.yml").write_text(text)
    with pytest.raises(ListError, match=message):
        tomosaxs.plan(tmp_path / "list.yml")


def test_plots(tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    from tomosaxs_plugins.savers.curve_plot import curve_plot

    made = result(tmp_path, curves(tmp_path))
    (path,) = curve_plot(made, tmp_path, format="svg", most=4)
    assert path.name == "tomo_curves.svg"
    text = path.read_text()
    assert text.count("tomo_0") == 4  # the names in the legend
    assert made.title.split("<")[0].strip() in text
    assert "<script>" not in text
    each = curve_plot(result(tmp_path, frames(tmp_path)), tmp_path, together=False)
    assert [path.name for path in each] == ["tomo_0000.png", "tomo_0002.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in each)
