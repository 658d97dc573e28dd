"""map_fibres: values go to the voxels where the fibres are, weighted, with uncertainties; unsolved ones are flagged."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fibre_tables import source, table

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Scan, Source
from tomosaxs.testing import check_plugin
from tomosaxs.testing.single import run_plugin
from tomosaxs_plugins.fibres.beam_path_file import write_beam_paths
from tomosaxs_plugins.fibres.beam_paths import table_of
from tomosaxs_plugins.fibres.columns import COLUMNS, MORE_COLUMNS
from tomosaxs_plugins.fibres.lattice import beam_paths_of, beam_positions, lattice
from tomosaxs_plugins.fibres.map_fibres import map_fibres
from tomosaxs_plugins.fibres.positions import positions_of
from tomosaxs_plugins.fibres.save_fibres import save_fibres
from tomosaxs_plugins.fibres.table import Rows, rows_of
from tomosaxs_plugins.fibres.voxel_maps import MAPS, Grid, grid_of, maps_of

LABELS = (*COLUMNS, *MORE_COLUMNS)
NAMES = [name for name, _, _ in LABELS]
MAPPED = [name for name, _, _ in MAPS]


def _mapped(given: Source | None = None, **parameters: object) -> tuple[Rows, np.ndarray, np.ndarray]:
    given = given or source()
    scan = Scan.whole(given.dataset, ("y", "fibre", "quantity"))
    values = given.reader.read((slice(None),) * 3)[None]
    more, maps = map_fibres(values, scan, **parameters)
    return rows_of(more[0], LABELS), maps.values[0], maps.sigma[0]


def test_strain_against_the_median_and_against_a_number() -> None:
    rows, _, _ = _mapped()
    np.testing.assert_allclose(rows["d_period"], 6 * np.pi / rows["q0"], rtol=1e-15)
    np.testing.assert_allclose(rows["d_period_sd"] / rows["d_period"], rows["q0_sd"] / rows["q0"], rtol=1e-12)
    assert np.median(rows["strain"][rows.solved]) == pytest.approx(0, abs=1e-15)
    given, _, _ = _mapped(order=5, reference=67.0, reference_sd=0.1)
    np.testing.assert_allclose(given["strain"], 10 * np.pi / given["q0"] / 67.0 - 1, rtol=1e-12)
    expected = np.hypot(given["d_period_sd"] / 67.0, (given["strain"] + 1) * 0.1 / 67.0)
    np.testing.assert_allclose(given["strain_sd"], expected, rtol=1e-12)


def test_a_voxel_has_the_value_of_its_fibre() -> None:
    rows, values, sd = _mapped()
    assert values.shape == (len(MAPS), 2, 3, 4)
    for name in ("q0", "strain", "wmu", "amplitude", "alpha", "beta"):
        expected = np.where(rows.solved, rows[name], np.nan).reshape(2, 3, 4)
        np.testing.assert_allclose(values[MAPPED.index(name)], expected, rtol=1e-12)
        expected = np.where(rows.solved, rows[f"{name}_sd"], np.nan).reshape(2, 3, 4)
        np.testing.assert_allclose(sd[MAPPED.index(name)], expected, rtol=1e-12)
    flags = values[MAPPED.index("flag")]
    assert flags[0, 0, 3] == 4
    assert np.count_nonzero(flags) == 2
    assert (values[MAPPED.index("fibres")] == 1).all()


def _voxel(flags: list[int], weight: list[float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the maps of one voxel that holds three fibres."""
    values = table(1, 3)[:, :3]
    values[0, :, 1] = flags
    rows = rows_of(values, COLUMNS)
    more = np.zeros((3, len(MORE_COLUMNS)))
    rows = Rows(np.hstack([rows.values, more]), LABELS, rows.slice, rows.row)
    found = maps_of(rows, np.array(weight), Grid(0.0, 0.0, 1.0, 1, 1), 1)
    return ({name: float(each[0, 0, 0]) for name, each in zip(MAPPED, part, strict=True)} for part in found)


def test_several_fibres_of_a_voxel_are_weighted() -> None:
    values, sd = _voxel([0, 0, 5], [3.0, 1.0, 7.0])
    rows = rows_of(table(1, 3)[:, :3], COLUMNS)
    assert values["q0"] == pytest.approx((3 * rows["q0"][0] + rows["q0"][1]) / 4, rel=1e-12)
    assert sd["q0"] == pytest.approx(np.hypot(3 * rows["q0_sd"][0], rows["q0_sd"][1]) / 4, rel=1e-12)
    assert (values["fibres"], values["flag"]) == (3, 0)
    assert np.isnan(sd["alpha"])
    nothing, _ = _voxel([4, 1, 2], [3.0, 1.0, 7.0])
    assert np.isnan(nothing["q0"])
    assert nothing["flag"] == 2  # of the largest


def test_opposite_directions_are_one() -> None:
    values = table(1, 3)[:, :2]
    names = [name for name, _, _ in COLUMNS]
    for row, (alpha, beta) in enumerate([(70.0, 30.0), (110.0, 210.0)]):
        values[0, row, names.index("flag")] = 0
        values[0, row, [names.index("alpha"), names.index("beta")]] = alpha, beta
    rows = rows_of(values, COLUMNS)
    rows = Rows(np.hstack([rows.values, np.zeros((2, len(MORE_COLUMNS)))]), LABELS, rows.slice, rows.row)
    found = maps_of(rows, np.ones(2), Grid(0.0, 0.0, 1.0, 1, 1), 1).values[:, 0, 0, 0]
    alpha, beta = found[MAPPED.index("alpha")], found[MAPPED.index("beta")]
    assert (alpha, beta) == (pytest.approx(70), pytest.approx(30)) or (
        (alpha, beta) == (pytest.approx(110), pytest.approx(210))
    )


def test_the_grid_holds_every_position() -> None:
    rng = np.random.default_rng(2)
    x, z = rng.uniform(-1, 1, (2, 50))
    grid = grid_of(x, z, 0.07)
    down, across = grid.voxels(x, z)
    assert (down.min(), across.min()) == (0, 0)
    assert (down.max(), across.max()) == (grid.n_z - 1, grid.n_x - 1)
    assert np.abs(grid.x[across] - x).max() <= 0.035 + 1e-9
    assert np.abs(grid.z[down] - z).max() <= 0.035 + 1e-9


def test_beam_paths_say_where_fibres_are() -> None:
    sample = lattice(7, seed=1)
    positions = beam_positions(sample)
    paths = beam_paths_of(sample, np.linspace(-85, 95, 9), positions)
    x, z = positions_of(paths, positions)
    # the profile of the beam is sampled coarsely and cut at three standard deviations: enough to find the voxel
    assert np.abs(x - sample.x).max() < 0.1 * sample.pitch
    assert np.abs(z - sample.z).max() < 0.1 * sample.pitch
    one = beam_paths_of(sample, np.array([10.0]), positions)
    assert np.isnan(positions_of(one, positions)[0]).all()


def test_the_contract() -> None:
    check_plugin(map_fibres, source())
    check_plugin(map_fibres, source(), {"reference": 66.8, "voxel_size": 70.0})


def _named(given: Source, **changes: object) -> Source:
    return replace(given, dataset=replace(given.dataset, **changes))


def test_places_from_a_beam_path_table(tmp_path: Path) -> None:
    samples = [lattice(6, seed=1, first_identifier=1), lattice(6, seed=2, first_identifier=37)]
    beam = beam_positions(samples[0])
    paths = [beam_paths_of(each, np.linspace(-85, 95, 9), beam) for each in samples]
    beams = np.broadcast_to(beam, (9, len(beam)))
    write_beam_paths(tmp_path / "paths.nxs", table_of(paths, len(beam), beams, np.array([0.0, 0.05])))
    given = _named(source(2, 36), auxiliaries={}, metadata={})
    scan = Scan.whole(given.dataset, ("y", "fibre", "quantity"))
    more, maps = map_fibres(given.reader.read((slice(None),) * 3)[None], scan, beam_paths=tmp_path / "paths.nxs")
    rows = rows_of(more[0], LABELS)
    for number, sample in enumerate(samples):
        assert np.abs(rows["x"][rows.slice == number] - sample.x).max() < 0.1 * sample.pitch
        assert np.abs(rows["z"][rows.slice == number] - sample.z).max() < 0.1 * sample.pitch
    # the fibres of a lattice are one in every voxel, x slowest in the table and z in the map
    assert maps.values.shape == (1, len(MAPS), 2, 6, 6)
    assert (maps.values[0, MAPPED.index("fibres")] == 1).all()
    expected = np.where(rows.solved, rows["wa"], np.nan).reshape(2, 6, 6).swapaxes(1, 2)
    np.testing.assert_allclose(maps.values[0, MAPPED.index("wa")], expected)
    stated = {"id": np.arange(1, 73), "slice": np.repeat([0, 1], 36)}
    stated |= {name: np.concatenate([getattr(each, name) for each in samples]) for name in ("x", "z")}
    write_beam_paths(tmp_path / "stated.nxs", table_of(paths, len(beam), beams, np.array([0.0, 0.05])), stated)
    more, _ = map_fibres(given.reader.read((slice(None),) * 3)[None], scan, beam_paths=tmp_path / "stated.nxs")
    np.testing.assert_array_equal(rows_of(more[0], LABELS)["x"], stated["x"])
    np.testing.assert_array_equal(rows_of(more[0], LABELS)["z"], stated["z"])
    elsewhere = _named(given, axes=(Axis("y", 2, np.array([5e-4, 6e-4]), "m"), *given.dataset.axes[1:]))
    with pytest.raises(InputError, match=r"slices \(y_mm\) are not those of the data"):
        run_plugin(map_fibres, elsewhere, {"beam_paths": tmp_path / "paths.nxs"})


def test_what_is_missing_is_named() -> None:
    given = source()
    bare = _named(given, auxiliaries={})
    with pytest.raises(InputError, match="without fibre_identifier, fibre_x, fibre_z; give beam_paths"):
        run_plugin(map_fibres, bare)
    axes = (*given.dataset.axes[:2], Axis("quantity", len(COLUMNS), labels=(("id", "", ""),) * len(COLUMNS)))
    with pytest.raises(InputError, match="no column identifier, flag, q0, q0_sd"):
        run_plugin(map_fibres, _named(given, axes=axes))
    with pytest.raises(InputError, match="the side of a voxel is not known: give voxel_size"):
        run_plugin(map_fibres, _named(given, metadata={}))
    with pytest.raises(InputError, match="no column x, z: run map_fibres before"):
        run_plugin(save_fibres, given)


def test_files_of_a_table(tmp_path: Path) -> None:
    rows, _, _ = _mapped()
    more = np.full((2, 14, len(LABELS)), np.nan)
    more[rows.slice, rows.row] = rows.values
    axes = (Axis("y", 2, np.array([0.0, 5e-5]), "m"), Axis("fibre", 14), Axis("quantity", len(LABELS), labels=LABELS))
    made = Source(Dataset(axes, more.dtype), ArrayReader(more))
    scan = replace(Scan.whole(made.dataset, ("y", "fibre", "quantity")), output=tmp_path / "files")
    save_fibres(more[None], scan, length=40.0)
    assert sorted(path.name for path in scan.output.iterdir()) == ["fibres.csv", "fibres.vtp"]
    with (scan.output / "fibres.csv").open() as handle:
        found = list(csv.DictReader(handle))
    assert [float(row["strain"]) for row in found] == rows["strain"].tolist()
    assert {row["y [mm]"] for row in found} == {"0.0", "0.05"}
    check_plugin(save_fibres, made, {"length": 40.0}, folder=tmp_path)
