"""``tomosaxs convert-beam-paths`` on files written as the published pipeline writes them, by numpy alone.

There [rotation][slice] of matrices [depth][beam] are gathered in lists and given to `numpy.save`: one array of four
dimensions where all matrices are of one size, else an array of arrays. A cell is a list of numbers of numpy, or of
pairs of value and number; 0 where there is nothing, 100000 at the wall of the tube.
"""

from __future__ import annotations

import collections
import datetime
import functools
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tomosaxs import InputError
from tomosaxs_plugins.fibres.beam_path_file import read_beam_paths
from tomosaxs_plugins.fibres.convert_beam_paths import convert_beam_paths

ROTATIONS, SLICES, BEAMS = 3, 2, 5
NAMES = {
    "alpha": "full_alpha_index_matrices.npy", "beta": "full_beta_index_matrices.npy",
    "fibre": "full_fibre_index_matrices.npy", "weight": "full_fibre_weight_matrices.npy",
}  # fmt: skip
TRUST = [text for name in NAMES.values() for text in ("--trust-pickle", name)]
Entry = tuple[int, int, int, int, float]  # rotation, slice, beam, fibre, weight


def write(folder: Path, *, depths: tuple[int, ...] = (4, 4), seed: int = 0) -> tuple[list[Entry], np.ndarray]:
    """Write the four files; return the entries in order, and (fibres, 2) alpha as traced and beta, deg.

    Of every slice the fibres lie in other cells at every rotation; `depths` are those of the slices.
    """
    rng = np.random.default_rng(seed)
    directions = np.column_stack([rng.uniform(0, 180, 30), rng.uniform(0, 360, 30)]).astype(np.float32)
    gathered: dict[str, list[list[Any]]] = {name: [] for name in NAMES}
    entries: list[Entry] = []
    for rotation in range(ROTATIONS):
        for every in gathered.values():
            every.append([])
        for number in range(SLICES):
            made = {name: np.zeros((depths[number], BEAMS), dtype=object) for name in NAMES}
            for matrix in made.values():
                matrix[0, 0] = 100000
            cells = rng.permutation(depths[number] * BEAMS - 1)[:9] + 1
            ids = rng.permutation(15)[:12] + 15 * number
            for place, cell in enumerate(cells):
                k, i = divmod(int(cell), BEAMS)
                mine = ids[place : place + 1] if place < 6 else ids[2 * place - 6 : 2 * place - 4]
                made["alpha"][k, i] = [directions[each, 0] for each in mine]  # numbers of numpy, float32
                made["beta"][k, i] = [float(directions[each, 1]) for each in mine]
                made["fibre"][k, i] = [np.uint16(each) for each in mine]
                weights = rng.uniform(1, 100, len(mine))
                pairs = [[weight, np.uint16(each)] for weight, each in zip(weights, mine, strict=True)]
                made["weight"][k, i] = pairs if place % 2 else [np.array(pair) for pair in pairs]
                entries += [(rotation, number, i, int(each), float(w)) for each, w in zip(mine, weights, strict=True)]
            for name, matrix in made.items():
                gathered[name][rotation].append(matrix)
    for name, every in gathered.items():
        np.save(folder / NAMES[name], together(every), allow_pickle=True)
    return entries, directions.astype(np.float64)


def together(every: list[list[Any]]) -> np.ndarray:
    """Return what `numpy.array` makes of the lists; of matrices of several sizes an array of them."""
    if len({matrix.shape for one in every for matrix in one}) == 1:
        return np.array(every, dtype=object)
    out = np.empty((len(every), len(every[0])), dtype=object)
    for r, one in enumerate(every):
        for y, matrix in enumerate(one):
            out[r, y] = matrix
    return out


def convert(folder: Path, *options: str) -> Result:
    arguments = [str(folder), "-o", str(folder / "paths.nxs"), "--angles", "-80", "100", *options]
    return CliRunner().invoke(convert_beam_paths, arguments)


def refused(folder: Path, *options: str) -> str:
    """Return the message with which the conversion is refused; nothing is written then."""
    done = convert(folder, *options)
    assert isinstance(done.exception, InputError), done.output
    assert not (folder / "paths.nxs").exists()
    return str(done.exception)


@pytest.mark.parametrize("depths", [(4, 4), (4, 6)])
def test_what_numpy_saved_becomes_the_same_entries(depths: tuple[int, int], tmp_path: Path) -> None:
    entries, directions = write(tmp_path, depths=depths)
    whole = np.load(tmp_path / NAMES["weight"], allow_pickle=True)
    assert whole.shape == ((3, 2, 4, 5) if depths == (4, 4) else (3, 2))  # as the pipeline's
    assert "A pickle is a program" in refused(tmp_path)
    done = convert(tmp_path, *TRUST)
    assert done.exit_code == 0, done.output
    table = read_beam_paths(tmp_path / "paths.nxs")
    assert table.shape == (ROTATIONS, SLICES, BEAMS)
    row = np.repeat(np.arange(len(table.offsets) - 1), np.diff(table.offsets))
    place = row // (SLICES * BEAMS), row // BEAMS % SLICES, row % BEAMS
    found = sorted(zip(*(each.tolist() for each in place), table.fibre.tolist(), table.weight.tolist(), strict=True))
    assert [each[:4] for each in found] == [each[:4] for each in sorted(entries)]
    np.testing.assert_allclose([each[4] for each in found], [each[4] for each in sorted(entries)], rtol=1e-6)
    alpha, beta = directions[table.fibre].T
    upright = np.where(alpha < 90, alpha + 90, 270 - alpha)  # alpha of tracing counts from the horizontal
    np.testing.assert_allclose(table.alpha_deg, upright, rtol=1e-6)
    np.testing.assert_allclose(np.cos(np.radians(table.beta_deg - beta - np.array([-80, 10, 100])[place[0]])), 1.0)


def test_files_that_are_cut_off_anywhere_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / NAMES["fibre"]
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 131), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert str(path) in refused(tmp_path, *TRUST), length


class Opened:
    """Writes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


class Plain:
    """A class of somebody's own, whose creation alone would run code."""

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("it was run")


def strangers(mark: Path) -> dict[str, Any]:
    return {
        "runs code": Opened(mark), "own class": Plain(), "named tuple": collections.OrderedDict(a=1),
        "date": datetime.date(2024, 1, 1), "partial": functools.partial(mark.touch), "path": mark,
        "function": np.load, "type": np.float64, "records": np.zeros(2, dtype=[("a", "f8")]), "set": {1, 2},
    }  # fmt: skip


@pytest.mark.parametrize("what", list(strangers(Path("mark"))))
@pytest.mark.parametrize("deep", [False, True])
def test_whatever_else_was_pickled_is_refused_and_never_run(what: str, deep: bool, tmp_path: Path) -> None:
    write(tmp_path)
    path, mark = tmp_path / NAMES["alpha"], tmp_path / "mark"
    stranger = strangers(mark)[what]
    changed = np.load(path, allow_pickle=True)
    changed[1, 1, 2, 3] = [[[stranger]]] if deep else stranger
    np.save(path, changed, allow_pickle=True)
    assert path.name in refused(tmp_path, *TRUST)
    assert not mark.exists()


def test_pickles_that_are_no_npy_files_are_refused_unopened(tmp_path: Path) -> None:
    write(tmp_path)
    path, mark = tmp_path / NAMES["beta"], tmp_path / "mark"
    path.write_bytes(pickle.dumps([Opened(mark)]))
    text = refused(tmp_path, *TRUST)
    assert f"{path} is no .npy file" in text
    assert not mark.exists()


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        (lambda whole: whole[0], "alpha is no grid"),
        (lambda whole: whole[None], "do not fit each other|alpha is no grid"),
        (lambda whole: whole[:, :1], "do not fit each other"),
        (lambda whole: whole[:, :, :, :3], "do not fit each other"),
        (lambda whole: whole.transpose(0, 1, 3, 2), "do not fit each other"),
        (lambda whole: np.zeros(0, dtype=object), "alpha is no grid"),
        (lambda whole: np.array(3.0, dtype=object), "alpha is no grid"),
    ],
)
def test_other_nestings_are_refused(nested: Any, message: str, tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / NAMES["alpha"]
    np.save(path, nested(np.load(path, allow_pickle=True)), allow_pickle=True)
    assert re.search(message, refused(tmp_path, *TRUST))
