"""Tables of fibres as CSV and VTK: every number comes back, lines lie where the fibres are and point along them."""

from __future__ import annotations

import base64
import csv
import io
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from fibre_tables import table

from tomosaxs_plugins.fibres.columns import COLUMNS, FLAGS
from tomosaxs_plugins.fibres.fibre_csv import csv_text
from tomosaxs_plugins.fibres.table import direction, rows_of
from tomosaxs_plugins.fibres.vtk_lines import lines_vtp

TABLE = table()
ROWS = rows_of(TABLE, COLUMNS)


def test_rows_without_a_fibre_are_left_out() -> None:
    assert len(ROWS) == 24
    assert ROWS.solved.sum() == 22
    np.testing.assert_array_equal(ROWS["q0"], TABLE[:, :12, 4].ravel())
    np.testing.assert_array_equal(ROWS.slice, np.repeat([0, 1], 12))


def test_direction_is_the_specification() -> None:
    # the columns of Rb(beta)^T Ra(alpha)^T: the body's axis Y turned into the laboratory
    a, b = np.radians(40.0), np.radians(110.0)
    ra = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    rb = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    expected = np.linalg.inv(ra @ rb) @ [0.0, 1.0, 0.0]
    np.testing.assert_allclose(direction(np.array([40.0]), np.array([110.0]))[0], expected, atol=1e-15)


def test_csv_has_every_number_with_all_digits() -> None:
    text = csv_text(ROWS, np.array([0.0, 0.02]))
    found = list(csv.DictReader(io.StringIO(text)))
    assert len(found) == 24
    for name, units, _ in COLUMNS:
        read = [row[f"{name} [{units}]" if units else name] for row in found]
        np.testing.assert_array_equal([float(each) for each in read], ROWS[name])
    assert found[3]["reason"] == FLAGS[4]
    assert found[0]["identifier"] == "1"
    assert found[13]["slice"] == "1"
    assert found[13]["y [mm]"] == "0.02"


def test_csv_leaves_what_is_not_known_empty() -> None:
    values = TABLE.copy()
    values[0, 3, 4] = np.nan
    found = list(csv.DictReader(io.StringIO(csv_text(rows_of(values, COLUMNS), np.zeros(2)))))
    assert found[3]["q0 [nm^-1]"] == ""


def _written() -> tuple[str, np.ndarray, np.ndarray]:
    centres = np.random.default_rng(1).normal(size=(24, 3))
    along = direction(ROWS["alpha"], ROWS["beta"])
    arrays = [("strain", ROWS["q0"] - 0.282), ("flag", ROWS.flags), ("q0 (nm^-1)", ROWS["q0"])]
    return lines_vtp(centres, along, np.full(24, 0.1), arrays), centres, along


def _decoded(item: ET.Element) -> np.ndarray:
    raw = base64.b64decode(item.text or "", validate=True)
    length = int(np.frombuffer(raw[:8], "<u8")[0])
    assert length == len(raw) - 8
    values = np.frombuffer(raw[8:], {"Float64": "<f8", "Int64": "<i8"}[item.attrib["type"]])
    return values.reshape(-1, int(item.attrib.get("NumberOfComponents", 1))).squeeze()


def test_lines_lie_where_the_fibres_are() -> None:
    text, centres, along = _written()
    piece = ET.fromstring(text).find("PolyData/Piece")
    assert piece is not None
    assert (piece.attrib["NumberOfPoints"], piece.attrib["NumberOfLines"]) == ("48", "24")
    points = _decoded(piece.find("Points/DataArray")).reshape(24, 2, 3)
    np.testing.assert_allclose(points.mean(axis=1), centres, atol=1e-15)
    np.testing.assert_allclose(points[:, 1] - points[:, 0], 0.1 * along, atol=1e-15)
    lines = {item.attrib["Name"]: _decoded(item) for item in piece.findall("Lines/DataArray")}
    np.testing.assert_array_equal(lines["connectivity"], np.arange(48))
    np.testing.assert_array_equal(lines["offsets"], np.arange(2, 50, 2))
    cells = {item.attrib["Name"]: _decoded(item) for item in piece.findall("CellData/DataArray")}
    np.testing.assert_array_equal(cells["q0__nm__1_"], ROWS["q0"])
    np.testing.assert_array_equal(cells["flag"], ROWS.flags)
    ends = {item.attrib["Name"]: _decoded(item) for item in piece.findall("PointData/DataArray")}
    np.testing.assert_array_equal(ends["strain"].reshape(24, 2), np.repeat(cells["strain"][:, None], 2, axis=1))


def test_vtk_reads_them(tmp_path: Path) -> None:
    vtk = pytest.importorskip("vtk", reason="VTK reads the file as ParaView does: pip install vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    text, centres, along = _written()
    (tmp_path / "fibres.vtp").write_text(text)
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "fibres.vtp"))
    reader.Update()
    found = reader.GetOutput()
    assert (found.GetNumberOfLines(), found.GetNumberOfPoints()) == (24, 48)
    points = vtk_to_numpy(found.GetPoints().GetData()).reshape(24, 2, 3)
    np.testing.assert_allclose(points.mean(axis=1), centres, atol=1e-15)
    np.testing.assert_array_equal(vtk_to_numpy(found.GetCellData().GetArray("flag")), ROWS.flags)
    np.testing.assert_array_equal(vtk_to_numpy(found.GetPointData().GetArray("direction"))[::2], along)
    assert found.GetCellData().GetScalars().GetName() == "strain"


def test_no_fibre_is_a_file_without_lines() -> None:
    none = np.empty((0, 3))
    piece = ET.fromstring(lines_vtp(none, none, np.empty(0), [("q0", np.empty(0))])).find("PolyData/Piece")
    assert piece is not None
    assert piece.attrib["NumberOfLines"] == "0"
