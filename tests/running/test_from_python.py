"""The same from a notebook: run a list, and call every shipped plugin as a plain function on plain arrays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from running_commands import environment, words

import tomosaxs
from tomosaxs import InputError, ListError, StepError

LISTS = Path(__file__).resolve().parents[2] / "process_lists"
FBP = LISTS / "tomography_fbp.yml"


def test_run_returns_the_result(scan, tmp_path) -> None:
    lines: list[str] = []
    result = tomosaxs.run(FBP, inputs=[str(scan)], output=tmp_path / "out", log=lines.append)
    assert isinstance(result, tomosaxs.Result)
    assert result.data.shape == (32, 64, 64)
    assert np.array_equal(result.data, result["reconstruct"])
    axis = result.estimates["axis"]
    assert axis.value == pytest.approx(33.7, abs=0.25)
    assert axis.units == "px"
    assert 0 < axis.uncertainty < 0.3
    assert axis.confidence > 0.8
    assert result.path == tmp_path / "out" / "result.nxs"
    assert any(line.startswith("axis = ") for line in lines)
    assert (tmp_path / "out" / "run.log").read_text().splitlines() == lines
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "result.nxs", "run.log"]
    with pytest.raises(KeyError, match="reconstruct"):
        result["nothing"]


def test_a_list_as_text_and_its_plan(scan, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = FBP.read_text().replace("path: scan.nxs", f"path: {scan}")
    assert len(tomosaxs.check(text).steps) == 4
    made = tomosaxs.plan(text, ranks=3, block=2)
    assert made.ranks == 3
    assert [one.block for one in made.passes][-1] == 2
    assert not list(tmp_path.iterdir())  # nothing is made by looking
    tomosaxs.run(text, log=lambda line: None)
    assert (tmp_path / "tomosaxs_run" / "result.nxs").is_file()


def test_errors_are_exceptions_with_all_faults(scan, tmp_path, make_list) -> None:
    with pytest.raises(ListError) as caught:
        tomosaxs.run(FBP, inputs=[str(scan)], settings=["minus_log.minimum=7", "reconstruct.filter=x"], output=tmp_path)
    assert len(caught.value.problems) == 2
    raising = "\n@plugin\ndef bad(data: Projections) -> Projections:\n    'Fails.'\n    return 1 / 0\n"
    with pytest.raises(StepError, match=r"step 3 bad .*rank 0 of 1: ZeroDivisionError: .*own\.py:\d+"):
        tomosaxs.run(make_list("  - plugin: ./own.py:bad\n", raising), output=tmp_path / "bad", log=lambda line: None)
    # the failed run holds nothing: the next one into the same folder goes
    good = make_list("", name="good.yml")
    assert tomosaxs.run(good, output=tmp_path / "bad", log=lambda line: None).data.shape == (32, 64, 64)


def test_a_disk_that_is_too_small(scan, tmp_path, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 10**5, 10**5))
    lines: list[str] = []
    with pytest.raises(InputError, match=r"out: the run writes 0.000524 GB and 0.0001 GB are free"):
        tomosaxs.run(FBP, inputs=[str(scan)], output=tmp_path / "out", log=lines.append)
    assert not any(line.startswith("pass ") for line in lines)
    assert not (tmp_path / "out" / "result.nxs").exists()
    monkeypatch.undo()
    assert tomosaxs.run(FBP, inputs=[str(scan)], output=tmp_path / "out", log=lines.append).data.size


def test_every_rank_has_the_result(scan, tmp_path) -> None:
    """Under mpirun a script calls run on every rank, and reads the data on every rank."""
    program = tmp_path / "script.py"
    program.write_text(
        "import sys, tomosaxs\nfrom tomosaxs.communicator import world\n"
        "result = tomosaxs.run(sys.argv[1], inputs=[sys.argv[2]], output=sys.argv[3], log=lambda line: None)\n"
        "axis = result.estimates['axis'].value\n"
        "text = f'{result.data.shape} {float(result.data.sum())!r} {axis!r}'\n"
        "open(f'{sys.argv[3]}-{world().rank}', 'w').write(text)\n"
    )
    start = words((), 2)[:3]
    done = subprocess.run(
        [*start, sys.executable, str(program), str(FBP), str(scan), str(tmp_path / "out")],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [(tmp_path / f"out-{rank}").read_text() for rank in (0, 1)]
    assert said[0] == said[1]
    assert said[0].startswith("(32, 64, 64) ")


def test_plain_functions_without_mpi(tmp_path) -> None:
    """Raw counts to a slice, by the shipped plugins themselves, in a process that may not import mpi4py."""
    program = tmp_path / "notebook.py"
    program.write_text(NOTEBOOK)
    done = subprocess.run(
        [sys.executable, str(program)], env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    axis, body, air = done.stdout.split()[-3:]
    assert float(axis) == pytest.approx(30.2, abs=0.1)
    assert float(body) == pytest.approx(0.01, rel=0.01)
    assert float(air) == pytest.approx(0.0, abs=3e-4)


NOTEBOOK = """
import sys
sys.modules["mpi4py"] = None  # importing it would raise
import numpy as np
from tomosaxs import Scan
from tomosaxs.testing import plateau_masks, plateau_phantom
from tomosaxs_plugins.corrections.dark_flat_correction import dark_flat_correction
from tomosaxs_plugins.corrections.minus_log import minus_log
from tomosaxs_plugins.centring.find_rotation_axis import FindRotationAxis
from tomosaxs_plugins.reconstruction.reconstruct import reconstruct

angles = np.linspace(0, 180, 101)
truth = plateau_phantom(64, 4, 0.01).projections(angles, 4, 64, 30.2, subsample=3)
dark, flat = np.full((2, 4, 64), 100.0), np.full((3, 4, 64), 4100.0)
counts = (100 + 4000 * np.exp(-truth)).astype(np.float32)

frames = Scan.of_angles(angles, core=("detector_y", "detector_x"), rows=4, columns=64, flats=flat, darks=dark)
attenuation = minus_log(dark_flat_correction(counts, frames), frames)
assert attenuation.shape == counts.shape
assert np.allclose(attenuation, truth, atol=1e-4)

upright = Scan.of_angles(angles, rows=4, columns=64, flats=flat, darks=dark)
other_way = dark_flat_correction(np.ascontiguousarray(np.moveaxis(counts, 1, 0)), upright)
assert np.array_equal(minus_log(other_way, upright), np.moveaxis(attenuation, 1, 0))

sinograms = np.ascontiguousarray(np.moveaxis(attenuation, 1, 0))
scan = Scan.of_angles(angles, rows=4, columns=64)
finder = FindRotationAxis()
finder.update(sinograms, scan)
axis = finder.result()
volume = reconstruct(sinograms, scan, centre=axis.value, backend="tomosaxs")
assert volume.shape == (4, 64, 64)
masks = plateau_masks(64, margin=2.5)

# kernels import no framework at all
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection
from tomosaxs_plugins.reconstruction.gridding import gridding
again = gridding(sinograms, angles, axis.value, padding="edge")
assert np.array_equal(again, volume)
exact = filtered_backprojection(sinograms, angles, axis.value, padding="edge")
# sharp edges hold the highest frequencies, which the two do not interpolate alike
assert np.sqrt(np.mean((exact - volume)[:, masks["body"]] ** 2)) < 3e-3 * volume.max()

from tomosaxs_plugins.corrections.normalise_by_monitor import normalise_by_monitor
from tomosaxs_plugins.corrections.find_open_beam import find_open_beam
monitor = np.linspace(1, 2, 101)
steady = normalise_by_monitor(
    counts * monitor[:, None, None].astype(np.float32),
    Scan.of_angles(angles, core=("detector_y", "detector_x"), rows=4, columns=64, monitor=monitor),
)
assert np.allclose(steady / steady[0, 0, 0], counts / counts[0, 0, 0], rtol=1e-5)
beam = find_open_beam(np.full((5, 6, 20), 3.0, np.float32))
assert beam.value == 3.0
print(axis.value, volume[:, masks["body"]].mean(), volume[:, masks["outside"]].mean())
"""
