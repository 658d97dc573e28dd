"""What is foretold: medians of what was seen, work by shapes, bytes by blocks; and what a machine or job can give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Projections, Source, plugin
from tomosaxs.available import available_memory
from tomosaxs.declaration import spec_of
from tomosaxs.plan import Options
from tomosaxs.plan.cost import time_of
from tomosaxs.plan.work import decoded, rate_name, work_of
from tomosaxs.rates import Rates, Seen, load_rates, rates_file, rates_of, save_rates
from tomosaxs.runner.meter import Meter, learn
from tomosaxs.shipped_rates import SHIPPED
from tomosaxs.testing.contract import plan_of
from tomosaxs_plugins.reconstruction.backends.own import TomosaxsBackend
from tomosaxs_plugins.reconstruction.work import reconstruction_work


@plugin(cost=lambda slices, data, *, power, **_: float(slices) * data.axis("detector_x").size ** power)
def powers(data: Projections, *, power: int = 2) -> Projections:
    """Take as long as the width to a power."""
    return data


@plugin
def plain(data: Projections) -> Projections:
    """Take as long as the bytes say."""
    return data


def frames(count=100, rows=10, columns=100, chunks=None):
    axes = (Axis("rotation_angle", count), Axis("detector_y", rows), Axis("detector_x", columns))
    reader = ArrayReader(np.broadcast_to(np.float32(0), (count, rows, columns)))
    if chunks is not None:
        object.__setattr__(reader, "compressed", True)
        object.__setattr__(reader, "chunks", chunks)
    return Source(Dataset(axes, np.dtype(np.float32)), reader)


def planned(function=plain, source=None, options=None, **values):
    return plan_of(source or frames(), spec_of(function), values, options or Options())


def test_seconds_are_the_median_of_what_was_seen():
    """One disturbed run of three changes nothing."""
    rates = Rates("here")
    for seconds in (2.0, 2.0, 40.0):
        rates.add("x", Seen(1e6, seconds))
    assert rates.seconds("x", 3e6) == pytest.approx(6.0)
    assert rates.seconds("y", 1.0) is None


def test_what_was_measured_with_as_many_threads_counts_most():
    rates = Rates("here")
    for _ in range(3):
        rates.add("x", Seen(1.0, 4.0, threads=1))
        rates.add("x", Seen(1.0, 1.5, threads=4))
    assert rates.seconds("x", 1.0, threads=1) == pytest.approx(4.0)
    assert rates.seconds("x", 1.0, threads=4) == pytest.approx(1.5)


def test_threads_that_were_never_measured_follow_from_those_that_were():
    """By Amdahl's law, with 85 % of the work in parallel: 16 threads are 4.9 times as fast as one."""
    rates = Rates("here")
    rates.add("x", Seen(1.0, 1.0, threads=1))
    assert rates.seconds("x", 1.0, threads=16) == pytest.approx(0.15 + 0.85 / 16)


def test_rough_observations_count_only_alone():
    rates = Rates("here")
    rates.add("x", Seen(1.0, 100.0, rough=True))
    assert rates.seconds("x", 1.0) == pytest.approx(100.0)
    rates.add("x", Seen(1.0, 1.0))
    assert rates.seconds("x", 1.0) == pytest.approx(1.0)


def test_rates_are_kept_by_machine_and_a_broken_file_counts_as_none(tmp_path: Path):
    file = tmp_path / "folder" / "rates.json"
    for name, seconds in (("one", 1.0), ("two", 2.0)):
        rates = load_rates(file, name)
        rates.add("x", Seen(1.0, seconds))
        rates.runs += 1
        assert save_rates(rates, file) == ""
    assert [load_rates(file, name).seconds("x", 1.0) for name in ("one", "two")] == [1.0, 2.0]
    with pytest.raises(InputError, match="several machines: one; two"):
        rates_of(file)
    file.write_text('{"one": {"seen": {"x": [{"colour": 3}]}}}')
    assert load_rates(file, "one").seen == {}
    file.write_text("{")
    assert load_rates(file, "one").runs == 0
    with pytest.raises(InputError, match="holds no rates"):
        rates_of(file)


def test_rates_lie_in_the_cache_folder_and_can_be_switched_off(tmp_path: Path):
    assert rates_file({"XDG_CACHE_HOME": "/c"}) == Path("/c/tomosaxs/rates.json")
    assert rates_file({"TOMOSAXS_RATES": "off"}) is None
    assert rates_file({"TOMOSAXS_RATES": "/r.json"}) == Path("/r.json")
    (tmp_path / "file").touch()
    assert "could not be kept" in save_rates(Rates("one"), tmp_path / "file" / "rates.json")


@pytest.mark.parametrize(("function", "expected"), [(powers, 100 * 100.0**2), (plain, 2 * 100 * 10 * 100 * 4.0)])
def test_work_is_what_cost_says_else_the_bytes_in_and_out(function, expected):
    one = planned(function).passes[0]
    (step,) = work_of(one, 1).steps
    assert step.work == expected
    assert step.rate == rate_name(one.steps[0]) == function.__name__


def test_a_run_teaches_what_it_took_and_the_same_plan_is_then_foretold():
    """First calls count apart: of each rank 0.5 s, the rest is 10 ms a frame."""
    options = Options(2, 2, 1e9, 10, 3)
    plan = planned(options=options)
    one, step = plan.passes[0], plan.steps[0]
    plains = []
    for _ in range(2):
        meter = Meter()
        meter.step(one.number, step, 10, 0.5 + 0.1)
        for _ in range(4):
            meter.step(one.number, step, 10, 0.1)
        meter.move(one.number, "read", 50 * 4000.0, 0.05)
        meter.passes[str(one.number)] = 1.1
        plains.append(json.loads(json.dumps(meter.plain())))
    rates = Rates("here")
    learn(plan, plains, rates, 2.0, 1.0)
    found = time_of(plan, rates)
    assert (found.start, found.finish, found.runs, found.unknown) == (2.0, 1.0, 1, ())
    (of_pass,) = found.passes
    assert of_pass.steps["plain"] == pytest.approx(0.5 + 0.5)
    assert of_pass.read == pytest.approx(0.05)
    assert of_pass.seconds == pytest.approx(1.1, rel=1e-3)
    twice = time_of(planned(source=frames(200), options=options), rates)
    assert twice.passes[0].seconds == pytest.approx(0.5 + 2 * 0.6, rel=1e-3)


def test_every_algorithm_of_our_own_has_a_rate_of_the_reference_machine():
    """An iterative one is not guessed by its bytes, which would be hundreds of times too little."""
    for algorithm in {*TomosaxsBackend.algorithms} - {"fbp"}:  # which is planned as gridding
        assert f"reconstruct backend=tomosaxs algorithm={algorithm}" in SHIPPED, algorithm


def test_steps_that_nobody_measured_are_named():
    assert time_of(planned(), Rates("here")).unknown == ("plain",)


@pytest.mark.parametrize(
    ("chunks", "block", "times"),
    [
        (None, 10, 1.0),
        ((1, 10, 100), 10, 1.0),  # a frame a chunk, blocks of frames
        ((5, 10, 100), 10, 1.0),
        ((20, 10, 100), 10, 2.0),  # every chunk is decoded for two blocks
        ((100, 10, 100), 10, 10.0),
    ],
)
def test_chunks_are_decoded_once_for_every_block_that_touches_them(chunks, block, times):
    one = planned(source=frames(chunks=chunks), options=Options(block=block)).passes[0]
    assert decoded(one, one.reads[0], block, 100) == pytest.approx(times)
    work = work_of(one, 1)
    assert work.factor == pytest.approx(times)


def test_work_of_reconstructions_grows_as_theory_says():
    """Twice the width: eight times the updates of a backprojection with twice the angles, some four by Fourier."""
    small, large = (
        {
            method: reconstruction_work(1, n * 3 // 2, n, n, n * n, backend="tomosaxs", algorithm=method, iterations=0)
            for method in ("backproject", "gridding")
        }
        for n in (1024, 2048)
    )
    assert large["backproject"] / small["backproject"] == pytest.approx(8.0, rel=0.02)
    assert large["gridding"] / small["gridding"] == pytest.approx(4.2, rel=0.05)
    iterative = reconstruction_work(2, 10, 8, 8, 64, backend="astra", algorithm="sirt", iterations=50)
    assert iterative == 2 * 2 * 50 * 10 * 64


def test_the_least_of_machine_container_and_job_is_available(tmp_path: Path):
    """A container's limit counts less what is used, but for the files that the system may forget."""
    meminfo, own, groups = tmp_path / "meminfo", tmp_path / "own", tmp_path / "groups"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    own.write_text("0::/job/step\n")
    (groups / "job" / "step").mkdir(parents=True)
    assert available_memory({}, meminfo, groups, own) == 8000000 * 1024
    (groups / "job" / "memory.max").write_text("5000000000\n")
    (groups / "job" / "memory.current").write_text("3000000000\n")
    (groups / "job" / "memory.stat").write_text("anon 1\ninactive_file 1000000000\n")
    (groups / "job" / "step" / "memory.max").write_text("max\n")
    assert available_memory({}, meminfo, groups, own) == 3e9
    slurm = {"SLURM_JOB_ID": "1", "SLURM_MEM_PER_NODE": "2048"}
    assert available_memory(slurm, meminfo, groups, own) == 2**31
    slurm = {"SLURM_JOB_ID": "1", "SLURM_MEM_PER_CPU": "512", "SLURM_CPUS_ON_NODE": "2"}
    assert available_memory(slurm, meminfo, groups, own) == 2**30
