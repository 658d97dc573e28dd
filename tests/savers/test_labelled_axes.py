"""Quantities side by side along an axis: named in the result, and each data of its own with its units."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from handmade_results import result, saved

from tomosaxs import Axis, InputError
from tomosaxs.report.again import report_again
from tomosaxs.report.views import view_of
from tomosaxs_plugins.loaders.result import result as load_result
from tomosaxs_plugins.savers.nexus import nexus

LABELS = (("q0", "nm^-1", "position <of> the streak"), ("wmu", "rad", "width"), ("flag", "", "0 where solved"))
VALUES = np.random.default_rng(5).normal(size=(4, 7, 3))


def _written(folder: Path, place: int) -> Path:
    axes = [Axis("y", 4, np.arange(4) * 1e-5, "m"), Axis("fibre", 7), Axis("quantity", 3, labels=LABELS)]
    axes.insert(place, axes.pop())
    made = result(folder, saved(folder, "fibres", np.moveaxis(VALUES, 2, place).copy(), tuple(axes), label="fibres"))
    out = folder / ".work" / "out"
    out.mkdir()
    (path,) = nexus(made, out)
    return path


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_quantity_is_data_of_its_own(tmp_path: Path, place: int) -> None:
    path = _written(tmp_path, place)
    with h5py.File(path) as file:
        home = file["entry/fibres"]
        assert home.attrs["signal"] == "data"
        assert [text.decode() for text in home["quantity_names"][()]] == ["q0", "wmu", "flag"]
        assert [text.decode() for text in home["quantity_units"][()]] == ["nm^-1", "rad", ""]
        for number, (name, units, text) in enumerate(LABELS):
            part = home[name]
            assert part.attrs["NX_class"] == "NXdata"
            assert list(part.attrs["axes"]) == ["y", "fibre"]
            np.testing.assert_array_equal(part["data"][()], VALUES[..., number])
            assert part["data"].attrs.get("units", "") == units
            assert part["title"].asstr()[()] == text
            assert part["y"].attrs["units"] == "m"


def test_viewers_open_on_the_whole_and_on_a_quantity(tmp_path: Path) -> None:
    nxdata = pytest.importorskip("silx.io.nxdata")
    with h5py.File(_written(tmp_path, 2)) as file:
        whole = nxdata.get_default(file)
        assert whole.is_valid
        assert whole.group.name == "/entry/fibres"
        one = nxdata.NXdata(file["entry/fibres/wmu"])
        assert one.is_valid
        assert one.title == "width"
        assert [name.split()[0] for name in one.axes_names] == ["y", "fibre"]


def test_a_list_and_a_report_find_the_names_again(tmp_path: Path) -> None:
    path = _written(tmp_path, 2)
    path.rename(tmp_path / "result.nxs")
    assert load_result(tmp_path / "result.nxs").dataset.axis("quantity").labels == LABELS
    report_again(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "position &lt;of&gt; the streak" in page


def test_the_report_has_a_row_for_every_quantity(tmp_path: Path) -> None:
    axes = (Axis("fibre", 28), Axis("quantity", 3, labels=LABELS))
    values = VALUES.reshape(28, 3).copy()
    values[3:, 1] = np.nan
    view = view_of(saved(tmp_path, "fibres", values, axes))
    assert view.figures == []
    assert view.numbers == []
    assert [row[:2] for row in view.columns] == [("q0", "nm⁻¹"), ("wmu", "rad"), ("flag", "")]
    assert [row[5] for row in view.columns] == ["28", "3", "28"]
    assert float(view.columns[0][4].replace("−", "-")) == pytest.approx(VALUES[..., 0].max(), abs=5e-3)


def test_labels_follow_the_entries() -> None:
    axis = Axis("quantity", 3, labels=LABELS)
    assert axis.select(slice(1, None)).labels == LABELS[1:]
    assert axis.select(np.array([0, 2])).labels == (LABELS[0], LABELS[2])
    with pytest.raises(InputError, match="2 labels for 3 entries"):
        Axis("quantity", 3, labels=LABELS[:2])
