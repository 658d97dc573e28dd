"""Standard uncertainties beside the values: carried by steps that know how, stored, reused, read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs import ListError, StepError
from tomosaxs.result import Result
from tomosaxs.testing import run_plugin

PLUGINS = """
from pathlib import Path
import numpy as np
from tomosaxs import (ArrayReader, Axis, Dataset, Output, Pointwise, Projections, Scan, Sinograms, Source, Uncertain,
                      loader, plugin)

@loader
def counts(path: Path, *, sigma: bool = False) -> Source:
    "Counts of a small scan, with their uncertainties where asked for."
    values = np.load(path)
    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), values.shape))
    return Source(Dataset(axes, values.dtype, "counts"), ArrayReader(values), (path,),
                  uncertainty=ArrayReader(np.sqrt(values)) if sigma else None)

@plugin(shape=lambda dataset: Output((), "float32", "counts", uncertainty=True), uncertainty=True)
def poisson(data: Pointwise, scan: Scan) -> Pointwise:
    "Counts with Poisson uncertainties."
    return Uncertain(data.astype(np.float32), np.sqrt(data))

@plugin(uncertainty=True)
def scale(data: Pointwise, scan: Scan, *, factor: float = 2.0) -> Pointwise:
    "Times a factor."
    if scan.uncertainty is None:
        return factor * data
    return Uncertain(factor * data, abs(factor) * scan.uncertainty)

@plugin(uncertainty=True)
def subtract(first: Pointwise, second: Pointwise, scan: Scan) -> Pointwise:
    "Difference."
    a, b = scan.uncertainties
    return Uncertain(first - second, np.hypot(a, 0 if b is None else b))

@plugin(uncertainty=True)
def opposite(data: Projections, scan: Scan) -> Projections:
    "Times -1, projection by projection."
    return Uncertain(-data, scan.uncertainty)

@plugin(uncertainty=True)
def centred(data: Sinograms, scan: Scan) -> Sinograms:
    "Without the mean over the angles; the plugin sees (n, rotation_angle, detector_x)."
    assert data.shape == scan.uncertainty.shape
    n = data.shape[1]
    spread = np.sqrt((scan.uncertainty.astype(np.float64) ** 2).sum(axis=1, keepdims=True)) / n
    return Uncertain(data - data.mean(axis=1, keepdims=True), np.sqrt(scan.uncertainty**2 * (1 - 2 / n) + spread**2))

@plugin
def square_root(data: Pointwise) -> Pointwise:
    "Knows nothing of uncertainties."
    return np.sqrt(np.abs(data))

@plugin(shape=lambda dataset: Output((), "float32", uncertainty=True), uncertainty=True)
def forgetful(data: Pointwise, scan: Scan) -> Pointwise:
    "Promises uncertainties and returns none."
    return data

@plugin(shape=lambda dataset: Output((), "float32", uncertainty=True))
def undeclared(data: Pointwise, scan: Scan) -> Pointwise:
    "Says in the shape rule only."
    return data
"""

HEAD = """
input:
  scan:
    plugin: ./own.py:counts
    path: counts.npy
steps:
"""


@pytest.fixture
def counts(tmp_path: Path) -> np.ndarray:
    values = np.random.default_rng(3).poisson(50.0, (6, 4, 5)).astype(np.float32)
    np.save(tmp_path / "counts.npy", values)
    (tmp_path / "own.py").write_text(PLUGINS)
    return values


@pytest.fixture
def run(tmp_path: Path, counts: np.ndarray) -> Callable[..., Result]:
    def run(steps: str, *, out: str = "out", head: str = HEAD, **options: object) -> Result:
        (tmp_path / "list.yml").write_text(head + steps)
        return tomosaxs.run(tmp_path / "list.yml", output=tmp_path / out, **options)

    return run


CHAIN = """
  - plugin: ./own.py:poisson
  - plugin: ./own.py:scale
    factor: -3
    save: true
  - plugin: ./own.py:centred
"""


@pytest.mark.parametrize("block", [None, 1, 4])
def test_carried_through_steps_and_another_slicing(run, counts, block) -> None:
    """Values slice by projections, then by sinograms; so do their uncertainties."""
    result = run(CHAIN, block=block)
    scaled, last = result.datasets[0], result.datasets[1]
    assert scaled.dataset.uncertainty
    assert np.allclose(scaled.sigma(), 3 * np.sqrt(counts), rtol=1e-6)
    n = counts.shape[0]
    wanted = np.sqrt(9 * counts * (1 - 2 / n) + 9 * counts.sum(axis=0) / n**2)
    assert np.allclose(last.sigma(), wanted, rtol=1e-5)


def test_result_file(run, tmp_path, counts) -> None:
    """Viewers find them as NXdata says, and the loader `result` brings them back."""
    run(CHAIN)
    with h5py.File(tmp_path / "out" / "result.nxs") as handle:
        group = handle["entry/scale"]
        assert group["errors"].shape == group["data"].shape
        assert group["errors"] == group["data_errors"]
        assert np.allclose(group["errors"][()], 3 * np.sqrt(counts), rtol=1e-6)
    head = HEAD.replace("./own.py:counts", "result").replace("counts.npy", "out/result.nxs\n    name: scale")
    again = run("  - plugin: ./own.py:scale\n", out="again", head=head)
    assert np.allclose(again.datasets[-1].sigma(), 6 * np.sqrt(counts), rtol=1e-6)


def test_resume_keeps_them(run, counts) -> None:
    """A later step is new: the earlier pass is not run again, its uncertainties are read."""
    steps = CHAIN + "    save: true\n  - plugin: ./own.py:opposite\n"
    first = run(steps)
    kept = {saved.name: np.array(saved.sigma()) for saved in first.datasets}
    again = run(steps + "  - plugin: ./own.py:scale\n    name: more\n", resume=True)
    assert {"poisson", "scale", "centred"} <= {step.label for step in again.steps if step.reused}
    found = {saved.name: np.array(saved.sigma()) for saved in again.datasets}
    assert np.array_equal(found["scale"], kept["scale"])
    assert np.array_equal(found["centred"], kept["centred"])
    assert np.allclose(found["more"], 2 * kept["opposite"], rtol=1e-6)


def test_of_inputs_joins_and_sweeps(run, counts) -> None:
    """A loader brings them; a join adds two; a sweep has one for every value."""
    head = HEAD.replace("counts.npy", "counts.npy\n    sigma: true")
    joined = run(
        "  - {plugin: ./own.py:scale, factor: 2, on: scan, to: twice}\n"
        "  - {plugin: ./own.py:subtract, on: [twice, scan], to: scan}\n",
        head=head,
        out="joined",
    )
    assert np.allclose(joined.datasets[-1].sigma(), np.sqrt(5 * counts), rtol=1e-6)
    swept = run("  - {plugin: ./own.py:scale, factor: {sweep: [1, 4]}}\n", head=head, out="swept")
    assert np.allclose(swept.datasets[-1].sigma(), np.sqrt(counts) * np.array([1, 4])[:, None, None, None], rtol=1e-6)


def test_where_they_end_is_said(run, tmp_path) -> None:
    """A step that knows nothing of them makes values without; the user is told."""
    result = run(CHAIN + "  - plugin: ./own.py:square_root\n")
    assert result.datasets[-1].sigma() is None
    assert any("square_root" in text and "uncertainties" in text for text in result.remarks)
    assert not result.messages
    assert "does not carry uncertainties on" in (tmp_path / "out" / "report.html").read_text()


def test_promises_are_kept(run) -> None:
    with pytest.raises(StepError, match="without the uncertainties"):
        run("  - plugin: ./own.py:forgetful\n")
    with pytest.raises(ListError, match="uncertainty=True"):
        run("  - plugin: ./own.py:undeclared\n")


def test_plugins_alone(tmp_path, counts) -> None:
    """`run_plugin` returns the uncertainties behind the values."""
    from tomosaxs import ArrayReader, Axis, Dataset, Source

    axes = tuple(Axis(n, s) for n, s in zip(("rotation_angle", "detector_y", "detector_x"), counts.shape, strict=True))
    source = Source(Dataset(axes, counts.dtype), ArrayReader(counts))
    values, sigma = run_plugin(f"{tmp_path}/own.py:poisson", source, block=2, ranks=2)
    assert np.array_equal(values, counts)
    assert np.allclose(sigma, np.sqrt(counts), rtol=1e-6)


TOLD = """
from tomosaxs import Pointwise, Scan, plugin

@plugin
def telling(data: Pointwise, scan: Scan) -> Pointwise:
    "Says two things."
    scan.remark("{count} values were looked at", data.size)
    scan.note("{count} of them are large", int((data > 60).sum()))
    return data
"""


def test_remarks_are_not_warnings(run, tmp_path, counts) -> None:
    """What is as it should be is told apart from what to look at; both are counted over all blocks and kept."""
    (tmp_path / "own.py").write_text(PLUGINS + TOLD)
    result = run("  - plugin: ./own.py:telling\n", block=1)
    assert result.remarks == [f"telling: {counts.size} values were looked at"]
    assert result.messages == [f"telling: {int((counts > 60).sum())} of them are large"]
    from tomosaxs.report.again import read_result

    again = read_result(tmp_path / "out")
    assert (again.remarks, again.messages) == (result.remarks, result.messages)
