"""Sweeps of any steps: every part equals the run with that value, and what comes before runs once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from sweeps_help import SHAPE, calls_of, forget_calls, run_steps, write_list

import tomosaxs
from tomosaxs import ListError

MPIRUN = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")


@pytest.mark.parametrize("block", [None, 3])
def test_two_steps_and_what_follows(tmp_path: Path, block: int | None) -> None:
    """A halo upstream, a pointwise step and a change of slicing behind it; each part is the run with these values."""
    steps = ("first", "smooth, size: {s}", "scale, factor: {f}, offset: 0.5", "smear, name: volume")
    swept = run_steps(tmp_path, *(s.format(s="{sweep: [1, 3, 7]}", f="{sweep: [2, -1.5]}") for s in steps), block=block)
    whole = np.array(swept["volume"])
    assert whole.shape == (3, 2, 6, 8, 8)
    assert [a.name for a in swept.datasets[-1].dataset.axes] == ["smooth_size", "scale_factor", "z", "y", "x"]
    for (i, size), (j, factor) in product(enumerate((1, 3, 7)), enumerate((2, -1.5))):
        alone = run_steps(tmp_path, *(s.format(s=size, f=factor) for s in steps), out="alone")
        assert np.array_equal(whole[i, j], alone["volume"])


def test_what_comes_before_runs_once(tmp_path: Path) -> None:
    forget_calls()
    run_steps(tmp_path, "first", "scale, factor: {sweep: [1, 2, 3, 4]}", "smear")
    assert calls_of("first") == SHAPE[1]  # one section of rows: every row once
    assert calls_of("scale") == calls_of("smear") == 4 * SHAPE[1]
    forget_calls()
    run_steps(tmp_path, "first", "smooth", "scale, factor: {sweep: [1, 2, 3, 4]}", "smear, name: volume")
    assert calls_of("first") == calls_of("smooth") == SHAPE[0]  # the angles, in one block
    assert calls_of("scale") == 4 * SHAPE[0]


def test_an_estimator_behind_a_sweep_finds_a_value_for_each(tmp_path: Path) -> None:
    steps = ("scale, factor: {f}", "brightest, name: top", "add, value: '${{top}}', name: done")
    swept = run_steps(tmp_path, *(s.format(f="{sweep: [1, 2, 4]}") for s in steps))
    assert swept["done"].shape == (3, *SHAPE)
    for place, factor in enumerate((1, 2, 4)):
        alone = run_steps(tmp_path, *(s.format(f=factor) for s in steps), out="alone")
        assert np.array_equal(swept["done"][place], alone["done"])
        assert swept.estimates[f"top.{place + 1}"].value == alone.estimates["top"].value
        assert swept.estimates[f"top.{place + 1}"].messages[0] == f"for scale.factor {factor}"
    with h5py.File(swept.path) as handle:
        assert handle["entry/estimates/top.3/value"][()] == swept.estimates["top.3"].value


def test_a_parameter_of_an_estimator(tmp_path: Path) -> None:
    steps = ("scale, factor: 3", "brightest, name: top, power: {p}", "add, value: '${{top}}', more: {m}, name: done")
    swept = run_steps(tmp_path, *(s.format(p="{sweep: [1, 2]}", m="{sweep: [0, 0.25, 0.5]}") for s in steps))
    assert [(a.name, a.size) for a in swept.datasets[-1].dataset.axes[:2]] == [("top_power", 2), ("done_more", 3)]
    for (i, power), (j, more) in product(enumerate((1, 2)), enumerate((0, 0.25, 0.5))):
        alone = run_steps(tmp_path, *(s.format(p=power, m=more) for s in steps), out="alone")
        assert np.array_equal(swept["done"][i, j], alone["done"])


def test_swept_and_unswept_data_are_joined(tmp_path: Path) -> None:
    swept = run_steps(
        tmp_path,
        "first",
        "scale, factor: {sweep: [2, 3]}, on: a, to: b",
        "scale, name: other, offset: {sweep: [1, 5]}, on: a, to: c",
        "subtract, on: [b, a], to: d, name: with_unswept",
        "subtract, on: [b, c], to: e, name: both",
    )
    whole = np.load(tmp_path / "scan.npy") + 1
    for place, factor in enumerate((2, 3)):
        assert np.array_equal(swept["with_unswept"][place], np.float32(factor) * whole - whole)
        for other, offset in enumerate((1, 5)):
            expected = np.float32(factor) * whole - (whole + np.float32(offset))
            assert np.array_equal(swept["both"][place, other], expected)


def test_files_of_every_value(tmp_path: Path) -> None:
    """A step that writes files has a folder for each combination, also where it is itself swept."""
    run_steps(tmp_path, "scale, factor: {sweep: [1, 2]}", "smear", "write, factor: {sweep: [1, 10]}")
    base = np.load(tmp_path / "out" / "write.1" / "0.npy")
    for number, factor in ((2, 10), (3, 2), (4, 20)):
        assert np.allclose(np.load(tmp_path / "out" / f"write.{number}" / "0.npy"), factor * base, rtol=1e-6)


@pytest.mark.parametrize(
    ("parameter", "written", "values"),
    [
        ("offset", "{start: 1, stop: 7, step: 3}", [1, 4, 7]),
        ("offset", "{start: 1, stop: 6, step: 3}", [1, 4]),
        ("offset", "{start: 7, stop: 1, step: -2}", [7, 5, 3, 1]),
        ("factor", "{start: 0.1, stop: 0.3, step: 0.1}", [0.1, 0.2, 0.3]),
        ("factor", "{start: 0, stop: 1, count: 5}", [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_ranges_have_both_ends(tmp_path: Path, parameter: str, written: str, values: list[float]) -> None:
    listing = write_list(tmp_path, f"scale, {parameter}: {{sweep: {written}}}")
    saved = tomosaxs.plan(listing).saved[-1].dataset
    assert saved.axes[0].name == f"scale_{parameter}"
    assert list(saved.axes[0].values) == values


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{start: 1, stop: 5}", "got the keys start, stop"),
        ("{start: 1, stop: 5, step: -1}", "do not lead from 1 to 5"),
        ("{start: 1, stop: 5, step: 0}", "do not lead"),
        ("{start: 1, stop: 5, count: 1}", "an integer from 2, got 1"),
        ("{start: a, stop: 5, count: 3}", "start of a sweep is a number, got 'a'"),
        ("{start: 0, stop: .inf, step: 1}", "stop of a sweep is a number"),
        ("{start: 0, stop: 1, step: 1e-9}", "at most 10000"),
        ("7", "got integer 7"),
        ("{start: 0, stop: 4, step: 2}", "value 1 of the sweep: must be >= 1, got 0"),
    ],
)
def test_faulty_ranges(tmp_path: Path, written: str, message: str) -> None:
    with pytest.raises(ListError, match=message):
        tomosaxs.check(write_list(tmp_path, f"smooth, size: {{sweep: {written}}}"))


def test_outputs_of_different_shapes_are_refused_before_anything_runs(tmp_path: Path) -> None:
    forget_calls()
    with pytest.raises(ListError) as caught:
        run_steps(tmp_path, "first", "smear", "cut, width: {sweep: [2, 3]}, name: part")
    text = str(caught.value)
    assert "step 3 part: the swept values give outputs of different shapes" in text
    assert "(z 6, y 2, x 2) for part.width 2, (z 6, y 3, x 3) for part.width 3" in text
    assert calls_of("first") == 0


def test_shapes_may_differ_in_between(tmp_path: Path) -> None:
    """Only what is stacked in the result must fit together."""
    swept = run_steps(tmp_path, "smear", "cut, width: {sweep: [2, 3]}", "corner, name: part")
    assert swept["part"].shape == (2, 6, 2, 2)
    assert np.array_equal(swept["part"][0], swept["part"][1])


def test_words_and_a_plan(tmp_path: Path) -> None:
    from tomosaxs.plan import describe

    listing = write_list(tmp_path, "first", "name_it, mode: {sweep: [up, down]}", "smear, name: volume")
    made = tomosaxs.plan(listing)
    text = describe(made)
    assert "for each of 2 combinations" in text
    assert made.disk == 2 * 6 * 8 * 8 * 4
    assert "writes a to result.nxs (volume), 3.07 kB" in text


def test_resume_takes_the_stack_of_the_earlier_run(tmp_path: Path) -> None:
    steps = ["first", "scale, factor: {sweep: [1, 2]}", "smear, name: volume"]
    before = np.array(run_steps(tmp_path, *steps)["volume"])
    forget_calls()
    assert np.array_equal(run_steps(tmp_path, *steps, resume=True)["volume"], before)
    assert calls_of("first") == 0
    again = run_steps(tmp_path, steps[0], "scale, factor: {sweep: [1, 3]}", steps[2], resume=True)
    assert np.array_equal(again["volume"][0], before[0])
    assert not np.array_equal(again["volume"][1], before[1])
    assert calls_of("first") == SHAPE[1]


@pytest.mark.skipif(MPIRUN is None, reason="mpirun is not installed")
def test_several_ranks(tmp_path: Path) -> None:
    """Estimates, a stored pass and a stack are the same on three ranks."""
    listing = write_list(
        tmp_path, "smooth, size: {sweep: [1, 5]}", "brightest, name: top",
        "add, value: '${top}', more: {sweep: [0, 1]}", "smear, name: volume",
    )  # fmt: skip
    alone = tomosaxs.run(listing, output=tmp_path / "alone", log=lambda line: None)
    paths = os.pathsep.join(path for path in sys.path if path)
    words = [MPIRUN, "-n", "3", sys.executable, "-m", "tomosaxs", "run", str(listing), "-o", str(tmp_path / "three")]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "three" / "result.nxs") as handle:
        assert np.array_equal(handle["entry/volume/data"][...], alone["volume"])
        assert handle["entry/estimates/top.2/value"][()] == alone.estimates["top.2"].value
