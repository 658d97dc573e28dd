"""--resume uses what is there and nothing that does not fit."""

from __future__ import annotations

import os
import shutil

import h5py
import numpy as np
import pytest
from running_commands import here, same, values

import tomosaxs

FIND = """\
  - plugin: ./own.py:blur
    size: {size}
  - plugin: find_rotation_axis
    name: axis
    rows: 4
"""
END = "  - plugin: tiff_stack\n"


@pytest.fixture
def listing(make_list):
    path = make_list(FIND.format(size=3))
    path.write_text(path.read_text().replace("centre: 33.7", "centre: ${axis}") + END)
    return path


def test_what_is_done_is_not_done_again(listing, command, tmp_path) -> None:
    out = tmp_path / "out"
    assert command("run", listing, "-o", out).status == 0
    first, pictures = values(out), sorted((out / "tiff_stack").glob("*.tif"))
    assert len(pictures) == 32

    unchanged = command("run", listing, "-o", out, "--resume")
    assert unchanged.status == 0, unchanged.text
    assert not unchanged.lines("pass "), unchanged.text
    same(first, values(out))
    with h5py.File(out / "result.nxs") as handle:  # what the report shows is there still
        assert handle["entry/estimates/axis/pictures/candidate_axes/data"].ndim >= 2
        assert handle["entry/estimates/axis/details/row_axes"].shape == (4,)
        assert all(handle[f"entry/{name}/reused"][()] for name in handle["entry"] if name.startswith("process_0"))
    assert sorted((out / "tiff_stack").glob("*.tif")) == pictures


def test_a_value_that_is_an_array_is_taken_over(make_list, command, tmp_path) -> None:
    """The limits of grey levels are two numbers; only what follows them runs again."""
    grey = "  - plugin: find_limits\n    name: limits\n  - plugin: rescale\n    limits: ${limits}\n"
    path = make_list("")
    path.write_text(path.read_text() + grey)
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    assert command("run", path, "-o", out).status == 0
    assert not command("run", path, "-o", out, "--resume").lines("pass ")
    again = command("run", path, "-o", out, "--resume", "--set", "rescale.bits=16")
    assert again.status == 0, again.text
    [taken] = again.lines("taken from the earlier run")
    assert "limits" in taken
    assert not any("limits" in line for line in again.lines("pass "))
    assert command("run", path, "-o", fresh, "--set", "rescale.bits=16").status == 0
    same(values(fresh), values(out))


def test_only_what_a_changed_parameter_touches_is_done_again(listing, command, tmp_path) -> None:
    out = tmp_path / "out"
    first = here(listing, out, keep_work=True)
    late = command("run", listing, "-o", out, "--resume", "--keep-work", "--set", "reconstruct.filter=hann", ranks=2)
    assert late.status == 0, late.text
    assert late.lines("taken from the earlier run: axis, blur, dark_flat_correction, minus_log"), late.text
    assert [line[:6] for line in late.lines("pass ")] == ["pass 3"], late.text
    assert not np.array_equal(first["reconstruct"], values(out)["reconstruct"])

    same(here(listing, tmp_path / "fresh", settings=["reconstruct.filter=hann"]), values(out))

    early = command("run", listing, "-o", out, "--resume", "--set", "blur.size=5")
    assert early.status == 0, early.text
    assert not early.lines("taken from"), early.text


def test_two_results_of_one_pass_when_only_the_second_changes(make_list, command, tmp_path) -> None:
    """The first stands in the older result already; it must be neither lost nor written over."""
    listing = make_list(
        "  - plugin: ./own.py:blur\n    save: true\n  - plugin: ./own.py:blur\n    name: again\n    save: true\n"
    )
    out = tmp_path / "out"
    for resume, size in ((), 3), (("--resume",), 5), (("--resume",), 3):
        done = command("run", listing, "-o", out, *resume, "--set", f"again.size={size}", ranks=2 if resume else 0)
        assert done.status == 0, done.text
    assert done.lines("taken from the earlier run: ") == []
    same(here(listing, tmp_path / "fresh"), values(out))
    assert np.abs(values(out)["blur"]).max() > 0


def test_kept_work_is_not_shared_with_the_result(make_list, command, tmp_path) -> None:
    listing, out = make_list("  - plugin: ./own.py:blur\n"), tmp_path / "out"
    older = here(listing, out, keep_work=True)
    assert (out / ".work").is_dir()
    assert command("run", listing, "-o", out, "--keep-work", "--set", "reconstruct.backend=none").status == 2
    same(older, values(out))
    renamed = tmp_path / "renamed.yml"  # the same work under another name, and one more dataset of it saved
    renamed.write_text(listing.read_text().replace("own.py:blur", "own.py:blur\n    name: smooth\n    save: true"))
    done = command("run", renamed, "-o", out, "--resume")
    assert done.status == 0, done.text
    assert not done.lines("pass "), done.text
    found = values(out)
    assert found["smooth"].shape == (91, 32, 64)
    assert np.array_equal(found["reconstruct"], older["reconstruct"])


def test_equal_steps_on_equal_data_do_not_disturb_each_other(make_list, command, tmp_path) -> None:
    listing = make_list(
        "  - plugin: ./own.py:blur\n    on: tomo\n    to: one\n"
        "  - plugin: ./own.py:blur\n    name: second\n    on: tomo\n    to: two\n"
    )
    text = listing.read_text().replace("backend: tomosaxs", "backend: tomosaxs\n    on: one")
    listing.write_text(
        text + "  - plugin: reconstruct\n    name: other\n    centre: 33.7\n    backend: tomosaxs\n    on: two\n"
    )
    done = command("run", listing, "-o", tmp_path / "out", ranks=2)
    assert done.status == 0, done.text
    found = values(tmp_path / "out")
    assert np.abs(found["reconstruct"]).max() > 0
    assert np.array_equal(found["reconstruct"], found["other"])


def test_what_was_cut_off_or_has_changed_is_not_used(make_list, tmp_path, scan) -> None:
    """A store shorter than it was, an edited plugin, a touched input."""
    listing, out = make_list("  - plugin: ./own.py:blur\n    save: true\n"), tmp_path / "out"
    copy = tmp_path / "copy.nxs"
    shutil.copy(scan, copy)
    inputs = [str(copy)]

    def passes(**options) -> list[str]:
        lines: list[str] = []
        tomosaxs.run(listing, output=out, inputs=inputs, log=lines.append, keep_work=True, **options)
        return [line.split(":")[0] for line in lines if line.startswith("pass ")]

    assert passes() == ["pass 1", "pass 2"]
    first = values(out)
    assert passes(resume=True) == []
    (out / "result.nxs").unlink()
    for store in (out / ".work").glob("*/data.h5"):
        with store.open("r+b") as handle:
            handle.truncate(5000)
    assert passes(resume=True) == ["pass 1", "pass 2"]
    same(first, values(out))
    os.utime(copy, ns=(1, 1))
    assert passes(resume=True) == ["pass 1", "pass 2"]
    same(first, values(out))
    own = tmp_path / "own.py"
    own.write_text(own.read_text() + "\n# another version\n")
    assert passes(resume=True) == ["pass 1", "pass 2"]


def test_a_resumed_run_that_fails_leaves_the_older_result(make_list, tmp_path) -> None:
    """It reads what is finished from the older result, and must not write there."""
    fails = """
@plugin
def last(data: Projections, *, fail: bool = False) -> Projections:
    "Fail on demand."
    if fail:
        raise RuntimeError("on demand")
    return data
"""
    listing = make_list("  - plugin: ./own.py:blur\n    save: true\n  - plugin: ./own.py:last\n    save: true\n", fails)
    out = tmp_path / "out"
    here(listing, out)
    before = (out / "result.nxs").read_bytes()
    with pytest.raises(tomosaxs.StepError, match="on demand"):
        here(listing, out, resume=True, settings=["last.fail=true"])
    assert (out / "result.nxs").read_bytes() == before
