"""``tomosaxs convert-beam-paths``: what nested arrays become, and that no pickle is opened unasked or does anything."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tomosaxs import InputError
from tomosaxs_plugins.fibres.beam_path_file import read_beam_paths
from tomosaxs_plugins.fibres.beam_paths import paths_of_slice
from tomosaxs_plugins.fibres.convert_beam_paths import convert_beam_paths
from tomosaxs_plugins.fibres.nested_grids import from_grids
from tomosaxs_plugins.fibres.object_arrays import NotOnlyArrays, read_objects

NAMES = {
    "alpha": "full_alpha_index_matrices.npy", "beta": "full_beta_index_matrices.npy",
    "fibres": "full_fibre_index_matrices.npy", "weights": "full_fibre_weight_matrices.npy",
}  # fmt: skip
TRUST = [text for name in NAMES.values() for text in ("--trust-pickle", name)]
ROTATIONS = np.array([-80.0, 0.0, 100.0])


def grids() -> dict[str, Any]:
    """Return nested lists [3 rotations][2 slices][2 depths][3 beams] with the fibres 4, 7 and 9.

    In the last beam is the wall of the tube, by a marker, or at the last rotation by its number, 9 + 100.
    """
    made: dict[str, Any] = {name: [] for name in NAMES}
    for rotation in range(3):
        cells: dict[str, Any] = {
            "alpha": [[[30.0, 120.0], 0, 100000], [0, [50.0], []]],
            "beta": [[[10.0, 20.0], 0, 100000], [0, [35.0], []]],
            "fibres": [[[4, 7], 0, 100000], [0, [9], []]],
            "weights": [[[[80.5, 4], [20.0, 7]], [[3.0, 4]], 0], [[[10.0, 7]], [[60.0, 9]], []]],
        }
        if rotation == 2:
            cells["weights"][1][2] = [[50.0, 109], [1.0, 9]]
        for name, one in cells.items():
            made[name].append([one, one])
    return made


def as_objects(nested: Any, depth: int = 4) -> np.ndarray[Any, Any]:
    """Return nested lists as an array of objects with a list in every cell."""
    shape: list[int] = []
    inner = nested
    for _ in range(depth):
        shape.append(len(inner))
        inner = inner[0]
    out = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        value = nested
        for n in place:
            value = value[n]
        out[place] = value
    return out


def save(folder: Path, **changes: Any) -> None:
    for name, nested in {**grids(), **changes}.items():
        np.save(folder / NAMES[name], as_objects(nested) if isinstance(nested, list) else nested, allow_pickle=True)


def convert(folder: Path, *options: str) -> Result:
    arguments = [str(folder), "-o", str(folder / "paths.nxs"), "--angles", "-80", "100", *options]
    return CliRunner().invoke(convert_beam_paths, arguments)


def test_nested_arrays_become_a_table(tmp_path: Path) -> None:
    save(tmp_path)
    done = convert(tmp_path, *TRUST, "--x", "-0.1", "0.1", "--y", "0", "0.05")
    assert done.exit_code == 0, done.output
    assert "3 rotations (-80 to 100 deg), 2 slices, 3 beams, 3 fibres" in done.output
    assert "2 beam paths along the tube's wall" in done.output
    assert "nothing else" in done.output
    table = read_beam_paths(tmp_path / "paths.nxs")
    assert table.shape == (3, 2, 3)
    np.testing.assert_allclose(table.rotation_deg, [-80, 10, 100])
    np.testing.assert_allclose(table.x_mm, np.tile([-0.1, 0.0, 0.1], (3, 1)))  # type: ignore[arg-type]
    np.testing.assert_allclose(table.y_mm, [0.0, 0.05])  # type: ignore[arg-type]
    paths = paths_of_slice(table, 1).paths
    np.testing.assert_array_equal(paths.identifiers, [4, 7, 9])
    np.testing.assert_array_equal(paths.path_position, [0, 1, 0, 1, 0, 1])  # nothing along the wall
    np.testing.assert_allclose(paths.weight[:4], [80.5, 30.0, 3.0, 60.0])  # fibre 7 at two depths of beam 0
    np.testing.assert_allclose(paths.alpha_deg, [120.0, 150.0, 140.0])  # 30 + 90, 270 - 120, 50 + 90
    np.testing.assert_allclose(paths.beta_deg, [10.0, 20.0, 35.0])
    first = slice(table.offsets[0], table.offsets[1])
    np.testing.assert_allclose(table.beta_deg[first], [290.0, 300.0, 300.0])  # the rotation by -80 deg is in


def test_angles_from_the_vertical_stay(tmp_path: Path) -> None:
    save(tmp_path)
    assert convert(tmp_path, *TRUST, "--alpha-from", "vertical").exit_code == 0
    alpha = paths_of_slice(read_beam_paths(tmp_path / "paths.nxs"), 0).paths.alpha_deg
    np.testing.assert_allclose(alpha, [30.0, 120.0, 50.0])


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_in_arrays_and_all_pickle_protocols_are_read(levels: int, protocol: int, tmp_path: Path) -> None:
    whole = grids()["weights"]
    inner = np.empty((3, 2)[:levels] if levels < 4 else (3, 2, 2, 3), dtype=object)
    for place in np.ndindex(*inner.shape):
        value = whole
        for n in place:
            value = value[n]
        if levels == 2:
            value = as_objects(value, 2)
            value[0, 0] = np.array(value[0, 0])  # pairs as an array of numbers
            value[0, 1] = [[np.float64(3.0), np.int64(4)]]
        inner[place] = value
    path = tmp_path / "objects.npy"
    with path.open("wb") as handle:
        header = {"descr": "|O", "fortran_order": False, "shape": inner.shape}
        np.lib.format.write_array_header_1_0(handle, header)
        pickle.dump(inner, handle, protocol=protocol)
    assert read_objects(path) == whole


def test_nothing_is_opened_that_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)
    opened: list[object] = []
    monkeypatch.setattr("tomosaxs_plugins.fibres.object_arrays.read_objects", opened.append)
    for options in ([], TRUST[:6]):
        done = convert(tmp_path, *options)
        assert isinstance(done.exception, InputError)
        text = str(done.exception)
        assert "A pickle is a program" in text
        assert "Nothing was opened" in text
        assert "--trust-pickle full_fibre_weight_matrices.npy" in text
        assert ("full_alpha_index_matrices.npy" in text) == (options == [])
    assert opened == []
    assert not (tmp_path / "paths.nxs").exists()


class Evil:
    """What a changed file may hold: opened as a pickle it writes a file."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("way", ["system", "popen", "eval", "getattr", "numpy"])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_and_does_nothing(way: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    evil = {
        "system": Evil(os.system, f"touch {mark}"),
        "popen": Evil(subprocess.Popen, ["touch", str(mark)]),
        "eval": Evil(eval, f"open({str(mark)!r}, 'w')"),
        "getattr": Evil(getattr, "text", "upper"),
        "numpy": Evil(np.save, str(mark), 1.0),
    }[way]
    changed = as_objects(grids()["alpha"])
    changed[0, 0, 0, 0] = [30.0, evil]
    save(tmp_path, alpha=changed)
    done = convert(tmp_path, *TRUST)
    assert isinstance(done.exception, InputError), done.output
    assert "asks for" in str(done.exception)
    assert "full_alpha_index_matrices.npy" in str(done.exception)
    assert not mark.exists()
    assert not (tmp_path / "paths.nxs").exists()


# what pickles consist of, written by hand: a name, what is called with what, what is changed of it
FRAGMENTS = {
    "changes a name": b"\x80\x02cnumpy\ndtype\n}(X\x01\x00\x00\x00aK\x01ub.",
    "type with fields": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00V8\x85R.",
    "shape that does not fit": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x09\x85cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R"
        b"\x89c_codecs\nencode\nX\x03\x00\x00\x00abc\x85Rtb."
    ),
    "huge shape": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\nX\x02\x00\x00\x00f8"
        b"\x85R\x89]tb."
    ),
    "object from outside": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "a dictionary": b"\x80\x02}.",
}


@pytest.mark.parametrize("fragment", FRAGMENTS.values(), ids=FRAGMENTS)
def test_arrays_that_lie_about_themselves_are_refused(fragment: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lie.npy"
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, {"descr": "|O", "fortran_order": False, "shape": (1,)})
        handle.write(fragment)
    with pytest.raises(NotOnlyArrays, match=r"lie\.npy"):
        read_objects(path)


def test_a_list_that_holds_itself_is_refused(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    one = np.empty(1, dtype=object)
    one[0] = endless
    np.save(tmp_path / "endless.npy", one, allow_pickle=True)
    with pytest.raises(NotOnlyArrays, match="deep"):
        read_objects(tmp_path / "endless.npy")


@pytest.mark.parametrize("cut", [10, 140, 300])
def test_damaged_files_are_named(cut: int, tmp_path: Path) -> None:
    save(tmp_path)
    path = tmp_path / NAMES["beta"]
    path.write_bytes(path.read_bytes()[:cut])
    done = convert(tmp_path, *TRUST)
    assert isinstance(done.exception, InputError)
    assert str(path) in str(done.exception)


def test_a_trusted_file_that_is_not_read_and_missing_files_are_named(tmp_path: Path) -> None:
    save(tmp_path)
    done = convert(tmp_path, "--trust-pickle", "other.npy")
    assert "none of the files that are read" in str(done.exception)
    (tmp_path / NAMES["beta"]).unlink()
    done = convert(tmp_path, *TRUST)
    assert "full_beta_index_matrices.npy does not exist" in str(done.exception)
    assert "--beta FILE" in str(done.exception)


def test_an_output_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "paths.nxs").write_text("mine")
    assert "--force" in str(convert(tmp_path, *TRUST).exception)
    assert (tmp_path / "paths.nxs").read_text() == "mine"
    assert convert(tmp_path, *TRUST, "--force").exit_code == 0


def change(name: str, place: tuple[int, int, int, int], value: Any) -> dict[str, Any]:
    made = grids()
    r, y, k, x = place
    one = [list(row) for row in made[name][r][y]]
    one[k][x] = value
    made[name][r] = [*made[name][r][:y], one, *made[name][r][y + 1 :]]
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (change("alpha", (1, 0, 0, 0), [30.0]), "rotation 1, slice 0, depth 0, beam 0: 2 numbers of fibres, 1 alpha"),
        (change("weights", (0, 1, 0, 1), [3.0]), "3.0 is no pair"),
        (change("weights", (0, 1, 0, 1), [[3.0, 55]]), "fibre 55 has a weight and no direction"),
        (change("weights", (0, 1, 0, 1), [["much", 4]]), "'much' is no number"),
        (change("fibres", (0, 0, 1, 1), [9.5]), "9.5 is no number of a fibre"),
        (change("weights", (0, 0, 0, 0), [[-1.0, 4]]), "weight is negative"),
        ({**grids(), "alpha": grids()["alpha"][:2]}, "do not fit each other"),
        ({**grids(), "beta": [[1, 2], [3, 4]]}, "beta is no grid"),
    ],
)
def test_grids_that_make_no_sense_are_refused_with_the_place(made: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_grids(made["alpha"], made["beta"], made["fibres"], made["weights"], ROTATIONS)


def test_a_fibre_at_the_edge_of_a_beam_has_the_direction_of_another_cell() -> None:
    made = grids()
    found = from_grids(made["alpha"], made["beta"], made["fibres"], made["weights"], ROTATIONS)
    assert found.counts["entries with the direction of another cell"] == 12  # fibres 4 and 7, of 3 x 2 slices


def test_angles_that_do_not_fit_are_refused() -> None:
    made = grids()
    with pytest.raises(ValueError, match="2 angles are given for 3 rotations"):
        from_grids(made["alpha"], made["beta"], made["fibres"], made["weights"], ROTATIONS[:2])
