"""Beam-path tables: files, padded companions, the paths of a slice, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Scan
from tomosaxs_plugins.fibres.beam_path_file import has_beam_paths, read_beam_paths, write_beam_paths
from tomosaxs_plugins.fibres.beam_path_source import check_beam_paths, slices_of_block, table_of_dataset
from tomosaxs_plugins.fibres.beam_paths import (
    BeamPathTable,
    from_padded,
    mean_directions,
    padded,
    paths_of_slice,
    table_of,
)
from tomosaxs_plugins.fibres.lattice import beam_paths_of, beam_positions, lattice
from tomosaxs_plugins.fibres.problem import BeamPaths

ROTATIONS = np.array([-40.0, 5.0, 72.5])
SAMPLES = [lattice(4, seed=1), lattice(4, seed=2, first_identifier=101)]
POSITIONS = beam_positions(SAMPLES[0])
Y = np.array([0.0, 0.15])
SLICES = [beam_paths_of(sample, ROTATIONS, POSITIONS) for sample in SAMPLES]


def whole() -> BeamPathTable:
    return table_of(SLICES, len(POSITIONS), np.tile(POSITIONS, (3, 1)), Y)


def small(**changes: Any) -> BeamPathTable:
    """Return two rotations, one slice, two beams: fibres 7 and 9, one path of each rotation empty."""
    given: dict[str, Any] = {
        "shape": (2, 1, 2),
        "rotation_deg": np.array([0.0, 30.0]),
        "offsets": np.array([0, 3, 3, 3, 4]),
        "fibre": np.array([7, 9, 7, 9]),
        "weight": np.array([0.2, 0.5, 0.3, 0.4]),
        "alpha_deg": np.array([60.0, 80.0, 60.0, 80.0]),
        "beta_deg": np.array([10.0, 20.0, 10.0, 50.0]),
    }
    return BeamPathTable(**{**given, **changes})


def check_same(found: BeamPaths, wanted: BeamPaths) -> None:
    for name in ("path_rotation", "path_position", "offsets", "fibre", "weight", "identifiers", "rotation_deg"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_allclose(found.alpha_deg, wanted.alpha_deg, atol=1e-10)
    np.testing.assert_allclose((found.beta_deg - wanted.beta_deg + 180) % 360 - 180, 0, atol=1e-10)


@pytest.mark.parametrize("way", ["table", "file", "padded"])
def test_a_table_gives_the_beam_paths_of_every_slice_back(way: str, tmp_path: Path) -> None:
    table = whole()
    if way == "file":
        write_beam_paths(tmp_path / "paths.nxs", table)
        assert has_beam_paths(tmp_path / "paths.nxs")
        table = read_beam_paths(tmp_path / "paths.nxs")
        np.testing.assert_array_equal(table.x_mm, np.tile(POSITIONS, (3, 1)))
        np.testing.assert_array_equal(table.y_mm, Y)
    if way == "padded":
        table = from_padded(padded(table), ROTATIONS)
    for number, wanted in enumerate(SLICES):
        found = paths_of_slice(table, number)
        check_same(found.paths, wanted)
        np.testing.assert_allclose(found.spread_deg, 0, atol=1e-10)
        assert found.notes == {}


def test_a_file_of_another_program_with_32_bit_numbers_and_radians_is_read(tmp_path: Path) -> None:
    table = whole()
    with h5py.File(tmp_path / "other.nxs", "w") as file:
        group = file.create_group("scan/beampaths")
        group["offsets"] = table.offsets
        group["fibre_id"] = table.fibre.astype(np.int32)
        group["weight"] = table.weight.astype(np.float32)
        for name, values in (("alpha", table.alpha_deg), ("beta", table.beta_deg)):
            group[name] = np.radians(values)
            group[name].attrs["units"] = "rad"
        fibres = file.create_group("scan/fibres")
        fibres["angles"] = ROTATIONS
        fibres["x_mm"], fibres["y_mm"] = np.tile(POSITIONS, (3, 1)) * 1e3, Y * 1e3
        for name in ("x_mm", "y_mm"):
            fibres[name].attrs["units"] = "um"
    found = read_beam_paths(tmp_path / "other.nxs")
    np.testing.assert_allclose(found.alpha_deg, table.alpha_deg)
    np.testing.assert_allclose(found.weight, table.weight, rtol=1e-6)
    np.testing.assert_allclose(found.x_mm, table.x_mm)  # type: ignore[arg-type]
    assert found.shape == table.shape


def test_entries_of_one_fibre_in_a_path_are_added_and_told() -> None:
    found = paths_of_slice(small(), 0)
    np.testing.assert_array_equal(found.paths.identifiers, [7, 9])
    np.testing.assert_array_equal(found.paths.offsets, [0, 2, 3])
    np.testing.assert_array_equal(found.paths.fibre, [0, 1, 1])
    np.testing.assert_allclose(found.paths.weight, [0.5, 0.5, 0.4])
    np.testing.assert_array_equal(found.paths.path_rotation, [0, 1])
    np.testing.assert_array_equal(found.paths.path_position, [0, 1])
    np.testing.assert_allclose(found.paths.beta_deg, [10.0, 20.0])  # 50 deg, less the rotation by 30 deg
    assert list(found.notes.values()) == [1]
    assert "more than once" in next(iter(found.notes))


def test_a_fibre_whose_weights_are_all_zero_is_seen_by_no_path() -> None:
    found = paths_of_slice(small(weight=np.array([0.2, 0.0, 0.3, 0.0])), 0)
    np.testing.assert_array_equal(found.paths.identifiers, [7, 9])
    assert 1 not in found.paths.fibre
    assert found.notes["fibres that no beam path sees: {count}"] == 1
    assert found.notes["entries of beam paths with weight zero are left out: {count}"] == 2
    np.testing.assert_allclose(found.paths.alpha_deg[1], 80.0)


def test_directions_are_averaged_as_axes_with_their_spread() -> None:
    # 3 deg to both sides of one axis, one of them written with its other end
    alpha, beta, spread = mean_directions(
        np.array([60.0, 180 - 66.0, 0.0]), np.array([10.0, 190.0, 123.0]), np.ones(3), np.array([0, 0, 1]), 2
    )
    np.testing.assert_allclose(alpha, [63.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(beta, [10.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(spread, [3.0, 0.0], atol=1e-6)


def test_the_mean_direction_follows_the_weights() -> None:
    alpha, _, _ = mean_directions(
        np.array([60.0, 61.0]), np.zeros(2), np.array([3.0, 1.0]), np.zeros(2, dtype=np.intp), 1
    )
    np.testing.assert_allclose(alpha, 60.25, atol=1e-3)  # exact for small angles


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.array([0.2, np.nan, 0.3, 0.4])}, "weight is not a finite number in 1 of 4 .*fibre 9.*0 deg"),
        ({"weight": np.array([0.2, 0.5, 0.3, -0.4])}, "weight is negative in 1 of 4.*rotation 30 deg, slice 0, beam 1"),
        ({"alpha_deg": np.array([60.0, np.inf, 60.0, 80.0])}, "alpha is not a finite number"),
        ({"fibre": np.array([7, -1, 7, 9])}, "fibre_id is negative"),
        ({"beta_deg": np.array([10.0, 20.0, 10.0])}, r"beta has the shape \(3,\), but .* 4 entries"),
        ({"offsets": np.array([0, 3, 3, 4])}, r"offsets has the shape \(4,\)"),
        ({"offsets": np.array([0, 3, 2, 3, 4])}, "offsets must rise.*fall in between"),
        ({"offsets": np.array([0, 3, 3, 3, 3])}, "offsets must rise from 0 to 4.*to 3"),
        ({"rotation_deg": np.array([0.0, np.nan])}, "a rotation is missing"),
        ({"rotation_deg": np.array([0.0])}, "rotations has the shape"),
        ({"x_mm": np.zeros((2, 3))}, "x_mm has the shape"),
    ],
)  # fmt: skip
def test_impossible_tables_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**changes)


def remove(name: str) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        del group[name]

    return change


def put(name: str, values: Any) -> Callable[[h5py.Group], None]:
    def change(group: h5py.Group) -> None:
        del group[name]
        group[name] = values

    return change


def forget_shape(group: h5py.Group) -> None:
    del group["offsets"].attrs["shape"], group["x_mm"], group["y_mm"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("weight"), "has no weight .*it holds.*alpha"),
        (remove("angles"), "has no angles"),
        (put("weight", np.zeros((2, 2))), r"weight has shape \(2, 2\)"),
        (put("weight", np.full(4, -1.0)), "weight has the shape"),
        (put("fibre_id", np.full(3, 0.5)), "fibre_id holds numbers that are not whole"),
        (forget_shape, "how many slices and beams is not known"),
        (put("y_mm", np.zeros(5)), "y_mm has the shape"),
    ],
)
def test_files_that_make_no_sense_are_refused_by_name(
    change: Callable[[h5py.Group], None], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "paths.nxs"
    write_beam_paths(path, whole())
    with h5py.File(path, "r+") as file:
        change(file["entry/beampaths"])
    with pytest.raises(InputError, match=message) as caught:
        read_beam_paths(path)
    assert str(path) in str(caught.value)


def test_a_file_without_beam_paths_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.nxs", "w") as file:
        file.create_group("entry/data")
    assert not has_beam_paths(tmp_path / "other.nxs")
    with pytest.raises(InputError, match=r"holds no beam paths.*there is /entry"):
        read_beam_paths(tmp_path / "other.nxs")
    with pytest.raises(InputError, match="does not exist"):
        read_beam_paths(tmp_path / "nothing.nxs")


def described(rotations: Any = ROTATIONS, y: Any = Y * 1e-3, x: Any = POSITIONS * 1e-3, **more: Auxiliary) -> Dataset:
    axes = (
        Axis("y", len(y), y, "m"), Axis("rotation_angle", len(rotations), rotations, "deg"), Axis("x", len(x), x, "m"),
        Axis("azimuth", 4, None, "deg"), Axis("q", 5, None, "nm^-1"),
    )  # fmt: skip
    return Dataset(axes, np.dtype(np.float32), auxiliaries=more)


CORE = ("rotation_angle", "x", "azimuth", "q")


def test_a_block_gets_the_paths_of_its_slices_from_file_or_companions(tmp_path: Path) -> None:
    write_beam_paths(tmp_path / "paths.nxs", whole())
    axes = ("y", "rotation_angle", "x", "entry")
    companions = {name: Auxiliary(axes, ArrayReader(array)) for name, array in padded(whole()).items()}
    for dataset, file in ((described(), tmp_path / "paths.nxs"), (described(**companions), None)):
        table = table_of_dataset(dataset, file)
        assert (table is None) == (file is None)
        second = replace(Scan.whole(dataset, CORE), index=np.array([1]))
        both = slices_of_block(Scan.whole(dataset, CORE), table)
        assert len(both) == 2
        for found, wanted in zip([*both, *slices_of_block(second, table)], [*SLICES, SLICES[1]], strict=True):
            check_same(found.paths, wanted)


def test_a_crop_of_the_data_takes_its_part_of_the_table(tmp_path: Path) -> None:
    write_beam_paths(tmp_path / "paths.nxs", whole())
    dataset = described().select({"y": slice(1, 2), "rotation_angle": np.array([0, 2]), "x": slice(1, 4)})
    table = table_of_dataset(dataset, tmp_path / "paths.nxs")
    assert table is not None
    assert table.shape == (2, 1, 3)
    found = slices_of_block(Scan.whole(dataset, CORE), table)[0].paths
    wanted = beam_paths_of(SAMPLES[1], ROTATIONS[[0, 2]], POSITIONS[1:4])
    np.testing.assert_array_equal(found.path_rotation, wanted.path_rotation)
    np.testing.assert_array_equal(found.path_position, wanted.path_position)
    np.testing.assert_allclose(found.weight, wanted.weight)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rotations": np.array([-40.0, 5.0, 70.0])}, "rotations 70 deg, for which there are no beam paths"),
        ({"x": POSITIONS * 1e-3 + 1e-4}, "x of the data .* are not the same positions"),
        ({"y": np.array([0.0, 3e-4])}, "y of the data"),
    ],
)
def test_a_table_of_another_scan_is_refused(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_beam_paths(tmp_path / "paths.nxs", whole())
    with pytest.raises(InputError, match=message) as caught:
        check_beam_paths(described(**given), tmp_path / "paths.nxs")
    assert caught.value.parameter == "beam_paths"


def test_without_coordinates_places_count_and_sizes_must_fit(tmp_path: Path) -> None:
    write_beam_paths(tmp_path / "paths.nxs", replace(whole(), x_mm=None, y_mm=None))
    check_beam_paths(described(), tmp_path / "paths.nxs")
    with pytest.raises(InputError, match="1 entries along y, the table has 2 slices"):
        check_beam_paths(described(y=np.zeros(1)), tmp_path / "paths.nxs")


def test_data_without_beam_paths_say_what_to_give() -> None:
    with pytest.raises(InputError, match="give beam_paths: FILE"):
        check_beam_paths(described(), None)


def test_padded_arrays_that_do_not_fit_are_refused() -> None:
    arrays = padded(whole())
    with pytest.raises(ValueError, match="beam_path_alpha missing"):
        from_padded({name: each for name, each in arrays.items() if name != "beam_path_alpha"}, ROTATIONS)
    with pytest.raises(ValueError, match="need one shape"):
        from_padded({**arrays, "beam_path_alpha": arrays["beam_path_alpha"][:1]}, ROTATIONS)
    with pytest.raises(ValueError, match="weight is not a finite number"):
        from_padded({**arrays, "beam_path_weight": np.full_like(arrays["beam_path_weight"], np.nan)}, ROTATIONS)
