"""A list at fault: exit status 2, one message with file and line, step, given and expected; nothing is computed."""

from __future__ import annotations

import pytest

GOOD = """\
title: Good
input:
  tomo:
    plugin: tomography
    path: {scan}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
    minimum: 1.0e-4
  - plugin: find_rotation_axis
    name: axis
  - plugin: ./own.py:blur
    size: 3
  - plugin: reconstruct
    backend: tomosaxs
    centre: ${{axis}}
"""

# (name, what is replaced, by what, line, parts of the message)
TABLE = [
    ("misspelt plugin", "plugin: minus_log", "plugin: minus_lag", 8,
     ["step 2 minus_lag", "no plugin is called 'minus_lag'", "did you mean 'minus_log'"]),
    ("misspelt parameter", "minimum: 1.0e-4", "minimun: 1.0e-4", 9,
     ["step 2 minus_log.minimun", "unknown parameter", "did you mean 'minimum'"]),
    ("wrong type", "minimum: 1.0e-4", "minimum: small", 9, ["step 2 minus_log.minimum", "expected number", "'small'"]),
    ("out of range", "minimum: 1.0e-4", "minimum: 2", 9, ["step 2 minus_log.minimum", "<= 1", "got 2"]),
    ("limit of a user's filter", "size: 3", "size: 99", 13, ["step 4 blur.size", "<= 31 px", "got 99"]),
    ("no such choice", "backend: tomosaxs", "backend: tomosax", 15, ["step 5 reconstruct", "did you mean 'tomosaxs'"]),
    ("duplicate key", "minimum: 1.0e-4", "minimum: 0.1\n    minimum: 0.2", 10,
     ["step 2 minus_log.minimum", "given twice, first on line 9"]),
    ("tab", "    minimum: 1.0e-4", "\tminimum: 1.0e-4", 9, ["a tab", "spaces only"]),
    ("cyclic", "title: Good", "title: ${a}\npaths: {a: '${b}', b: '${a}'}", 2, ["a -> b -> a"]),
    ("dangling", "${axis}", "${axes}", 16, ["step 5 reconstruct.centre", "called 'axes'", "did you mean 'axis'"]),
    ("empty", None, "", 1, ["the list is empty", "input: and steps:"]),
    ("not a mapping", None, "- a\n- b\n", 1, ["a process list is a mapping", "this is a list"]),
    ("no such plugin file", "./own.py:blur", "./other.py:blur", 12, ["other.py does not exist"]),
    ("no such name in the file", "./own.py:blur", "./own.py:blurr", 12,
     ["has no plugin 'blurr'", "did you mean 'blur'"]),
    ("no such HDF5", "scan.nxs", "scam.nxs", 5, ["input tomo.path", "scam.nxs", "did you mean 'scan.nxs'"]),
]  # fmt: skip


def assert_refused(done, folder, parts) -> None:
    assert done.status == 2, done.text
    for part in parts:
        assert done.text.count(part) >= 1, done.text
    assert done.text.count("tomosaxs: error: ") == 1, done.text
    assert "Traceback" not in done.text
    assert not (folder / "result.nxs").exists()
    assert not (folder / "run.log").exists()


@pytest.mark.parametrize(("name", "old", "new", "line", "parts"), TABLE, ids=[row[0] for row in TABLE])
def test_refused_with_its_place(name, old, new, line, parts, make_list, quick, tmp_path) -> None:
    listing = make_list(text=GOOD)
    text = listing.read_text()
    assert old is None or text.count(old) == 1
    listing.write_text(new if old is None else text.replace(old, new))
    done = quick("run", listing, "-o", tmp_path / "out")
    assert_refused(done, tmp_path / "out", [f"{listing}:{line}: ", *parts])
    assert len(done.text.strip().splitlines()) == 1, done.text
    assert not (tmp_path / "out").exists()


def test_all_faults_at_once_and_once_under_mpirun(make_list, command, tmp_path) -> None:
    listing = make_list(text=GOOD)
    listing.write_text(listing.read_text().replace("size: 3", "size: 99").replace("minimum: 1.0e-4", "minimun: 1"))
    done = command("run", listing, "-o", tmp_path / "out", ranks=2)
    assert_refused(done, tmp_path / "out", [f"{listing}:9: ", f"{listing}:13: ", "2 problems; nothing was run"])
    assert done.text.count("step 4 blur.size") == 1  # not once for every rank
    traced = command("run", listing, "-o", tmp_path / "out", "--debug")
    assert traced.status == 2
    assert "Traceback" in traced.text


@pytest.mark.parametrize(
    ("arguments", "says", "ranks"),
    [
        (["--set", "blur.size=99"], ["--set blur.size=99", "<= 31 px"], 0),
        (["--set", "blurr.size=9"], ["--set blurr.size=9", "did you mean 'blur'"], 2),
        (["--input", "other=a.nxs"], ["--input other=a.nxs", "no input 'other' (known: tomo)"], 0),
        (["--block", "0"], ["--block", "0 is not in the range"], 2),
        (["--memory", "much"], ["--memory", "'much' is not an amount of memory"], 0),
        (["--resune"], ["--resune", "--resume"], 0),
    ],
)
def test_the_command_line_at_fault(arguments, says, ranks, make_list, quick, tmp_path) -> None:
    done = quick("run", make_list(text=GOOD), "-o", tmp_path / "out", *arguments, ranks=ranks)
    assert done.status == 2, done.text
    assert all(part in done.text for part in says), done.text
    assert done.text.count(says[-1]) == 1, done.text
    assert "Traceback" not in done.text
    assert not (tmp_path / "out").exists()
