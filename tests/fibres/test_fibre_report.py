"""A list that ends in map_fibres and save_fibres: result, files and report, on one rank and on two."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import h5py
import numpy as np
import pytest
from fibre_stand_ins import FIBRES, PARAMETERS, RELATIVE, SLICES

import tomosaxs
from tomosaxs_plugins.fibres.columns import FLAGS
from tomosaxs_plugins.fibres.pictures import agreement

HERE = Path(__file__).resolve().parent
LIST = f"""
title: Stand-ins
input:
  saxs:
    plugin: {HERE}/fibre_stand_ins.py:library
    path: anything.txt
steps:
  - plugin: {HERE}/fibre_stand_ins.py:keep
    save: true
  - plugin: {HERE}/fibre_stand_ins.py:guess
  - plugin: map_fibres
    to: [fibres, maps]
    save: true
  - plugin: save_fibres
output:
  plugin: nexus
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fibres")
    (folder / "anything.txt").write_text("anything")
    (folder / "list.yml").write_text(LIST)
    tomosaxs.run(folder / "list.yml", output=folder / "out")
    return folder / "out"


def test_the_result_names_every_column_and_map(done: Path) -> None:
    with h5py.File(done / "result.nxs") as file:
        table, maps = file["entry/map_fibres_fibres"], file["entry/map_fibres_maps"]
        assert file["entry"].attrs["default"] == "map_fibres_maps"
        assert table["data"].shape[:2] == (SLICES, FIBRES)
        names = [text.decode() for text in table["quantity_names"][()]]
        assert names[:2] == ["identifier", "flag"]
        np.testing.assert_array_equal(table["d_period/data"][()], table["data"][..., names.index("d_period")])
        assert table["q0/data"].attrs["units"] == "nm^-1"
        strain = maps["strain"]
        assert strain["data"].shape == (SLICES, 4, 4)
        assert list(strain.attrs["axes"]) == ["y", "z", "x"]
        assert strain["x"].attrs["units"] == "m"
        # one fibre in four by four voxels of every slice is not solved
        assert np.isnan(strain["data"][()]).sum() == SLICES
        assert np.isfinite(strain["errors"][()]).sum() == SLICES * (FIBRES - 1)
        assert np.median(strain["data"][()][np.isfinite(strain["data"][()])]) == pytest.approx(0, abs=1e-15)


def test_the_files_hold_every_fibre(done: Path) -> None:
    home = done / "save_fibres"
    with (home / "fibres.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == SLICES * FIBRES
    assert sum(row["reason"] == FLAGS[4] for row in rows) == SLICES
    with h5py.File(done / "result.nxs") as file:
        strain = file["entry/map_fibres_fibres/strain/data"][()].ravel()
    assert [float(row["strain"]) for row in rows] == strain.tolist()
    piece = ET.parse(home / "fibres.vtp").getroot().find("PolyData/Piece")
    assert piece is not None
    assert piece.attrib["NumberOfLines"] == str(SLICES * FIBRES)
    arrays = [each.attrib["Name"] for each in piece.findall("CellData/DataArray")]
    assert {"strain", "q0_per_nm", "d_period_nm", "alpha_deg", "flag", "slice"} <= set(arrays)


def test_the_report_says_what_to_trust(done: Path) -> None:
    page = (done / "report.html").read_text()
    assert "30 of 32 fibres solved" in page
    assert FLAGS[4] in page
    section = page[page.index("<h2>Fibres</h2>") : page.index("<h2>Inputs</h2>")]
    # strain of two slices and its uncertainty, four other maps; five parameters against the truth, eight histograms;
    # two views of the worst and of the median fibre
    charts = re.findall(r"<svg xmlns.*?</svg></svg>|<svg xmlns.*?</svg>.*?</svg>", section)
    assert len(charts) == 3 + 4 + 5 + 8 + 4
    assert "worst: fibre 16" in section
    for name in PARAMETERS:
        row = re.search(rf"<tr><td>{name}[^<]*</td>(.*?)</tr>", section[section.index("Against the truth") :])
        assert row is not None
        cells = re.findall(r">([^<]+)</td>", row[1])
        if name not in ("alpha", "beta"):  # 30 draws know their spread to 13 %
            assert float(cells[1].removesuffix(" %")) == pytest.approx(100 * RELATIVE[name], rel=0.5)


def test_every_picture_is_well_formed(done: Path) -> None:
    page = (done / "report.html").read_text()
    section = page[page.index("<h2>Fibres</h2>") : page.index("<h2>Inputs</h2>")]
    for figure in re.findall(r"<figure>(<svg.*?</svg>)(?:<figcaption>.*?</figcaption>)?</figure>", section):
        ET.fromstring(figure)
        assert "nan" not in re.sub(r'href="[^"]*"', "", figure)


def test_agreement_is_what_it_says() -> None:
    rng = np.random.default_rng(4)
    true = rng.uniform(1, 2, 4000)
    sd = 0.01 * true
    found = agreement(true + rng.normal(0, 1, 4000) * sd + 0.001 * true, sd, true)
    # of 4000 draws: RMSE and spread to 1.1 %, bias to 1.6e-4
    assert found.rmse == pytest.approx(np.hypot(0.01, 0.001), rel=0.05)
    assert found.bias == pytest.approx(0.001, abs=8e-4)
    assert found.z_sd == pytest.approx(np.hypot(1, 0.1), rel=0.05)
    assert found.correlation == pytest.approx(np.corrcoef(true, true)[0, 1] / np.sqrt(1 + 1e-4 * 7 / 3 * 12), abs=2e-3)
