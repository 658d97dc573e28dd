"""One rank fails or dies: all end soon, the message names step and rank, and --resume goes on from there."""

from __future__ import annotations

import re

import pytest
from running_commands import OWN, SHORT_LIST, here, same, values

STEPS = """\
  - plugin: ./own.py:blur
  - plugin: ./own.py:trouble
    how: {how}
"""
# The volume's slices are dealt out to the ranks in order: the last slice belongs to the last rank.
TROUBLE = """
from tomosaxs import Scan, Sinograms
import signal

@plugin
def trouble(data: Sinograms, scan: Scan, *, how: Annotated[str, Param("what happens")] = "nothing") -> Sinograms:
    "Go wrong on the last slice, unless a file `cured` lies beside."
    with (HERE / "calls.txt").open("a") as log:
        log.write(f"{scan.index[0]}\\n")
    if 31 not in scan.index or (HERE / "cured").exists():
        return data
    if how == "raise":
        raise RuntimeError("the lens fell off")
    if how == "memory":
        raise MemoryError("no more")
    if how == "exit":
        sys.exit(0)
    if how == "shape":
        return data[:, :-1]
    if how == "none":
        return None
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "nan":
        return data * np.nan
    return data
"""
STORED = ("--intermediates", "file")  # what lies in memory is made again by a run that resumes
SAYS = {
    "raise": "RuntimeError: the lens fell off",
    "memory": r"out of memory \(try --memory\).*MemoryError: no more",
    "exit": "the plugin ended the program",
    "shape": r"it returned shape \(\d+, 90, 64\), planned was \(\d+, 91, 64\)",
    "none": "it returned NoneType, not an array",
    "nan": r"it made \d+ values? that (is|are) NaN or infinite in slices? \d+",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, scan):
    """The same list, never disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "own.py").write_text(OWN + TROUBLE)
    (folder / "cured").touch()
    listing = folder / "list.yml"
    listing.write_text(SHORT_LIST.format(scan=scan, steps=STEPS.format(how="raise").rstrip()))
    return here(listing, folder / "out")


@pytest.mark.parametrize(
    ("how", "ranks"),
    [
        ("raise", 2),
        ("memory", 2),
        ("exit", 2),
        ("shape", 2),
        ("none", 0),
        ("nan", 2),
        ("exit", 0),
        ("kill", 3),
    ],
)
def test_one_rank_fails_and_resume_finishes(how, ranks, make_list, command, tmp_path, undisturbed) -> None:
    listing = make_list(STEPS.format(how=how), TROUBLE)
    done = command("run", listing, "-o", tmp_path / "out", "--block", 5, *STORED, ranks=ranks)
    assert done.seconds < 40, done.text
    assert not (tmp_path / "out" / "result.nxs").exists()
    assert "Traceback" not in done.text
    if how == "kill":
        assert done.status != 0
        said = done.lines("tomosaxs: rank")
        assert len(said) == 1, done.text
        assert re.search(
            rf"rank {ranks - 1} of {ranks} .* killed by signal 9 during step 4 trouble, slices \d+ to 31", said[0]
        )
    else:
        assert done.status == 1, done.text
        said = done.lines("tomosaxs: error")
        assert len(said) == 1, done.text
        assert re.search(SAYS[how], said[0]), said
        assert "step 4 trouble" in said[0]
        assert f"rank {max(ranks - 1, 0)} of {max(ranks, 1)}" in said[0]
        assert re.search(r"slices \d+ to 31 of 32", said[0])
        if how == "raise":
            assert re.search(r"own.py:\d+", said[0])
            last = (tmp_path / "out" / "run.log").read_text().splitlines()[-1]
            assert last == said[0].replace("tomosaxs: error: ", "failed: ")
    assert done.lines("pass 1: dark_flat_correction, minus_log, blur")

    if (how, ranks) not in (("raise", 2), ("kill", 3), ("none", 0)):
        return
    (tmp_path / "cured").touch()
    again = command("run", listing, "-o", tmp_path / "out", "--resume", *STORED, ranks=ranks)
    assert again.status == 0, again.text
    assert not again.lines("pass 1: ")  # the finished pass is not run a second time
    assert again.lines("pass 2: trouble, reconstruct")
    assert again.lines("taken from the earlier run: blur, dark_flat_correction, minus_log")
    same(values(tmp_path / "out"), undisturbed)


OTHERS = """
from dataclasses import dataclass, field
from tomosaxs import Estimate, Result, Scan, estimator, hookimpl, saver

@estimator
@dataclass
class leaves:
    "Leave the program on the last tile."
    found: int = field(default=0, init=False)

    def update(self, data: Projections, scan: Scan) -> None:
        if 90 in scan.index:
            sys.exit(0)

    def combine(self, other) -> None:
        pass

    def result(self) -> Estimate:
        return Estimate(1.0)

@saver
def dies(result: Result, folder: Path) -> list[Path]:
    "Killed while the result is written."
    os.kill(os.getpid(), 9)
"""


def test_an_estimator_leaves_on_one_rank(make_list, command, tmp_path) -> None:
    listing = make_list("  - plugin: ./own.py:leaves\n", OTHERS)
    done = command("run", listing, "-o", tmp_path / "out", ranks=2)
    assert done.status == 1, done.text
    assert done.seconds < 30
    said = done.lines("tomosaxs: error")
    assert len(said) == 1, done.text
    assert "step 3 leaves (plugin leaves), slices 90 to 90 of 91, rank 1 of 2: the plugin ended the program" in said[0]


def test_a_hook_fails_on_one_rank(make_list, command, tmp_path) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "mine.py").write_text(
        "from tomosaxs import hookimpl\n\n@hookimpl\ndef before_step(step, block):\n"
        "    if step.label == 'minus_log' and block[0] > 0:\n        exit(0)\n"
    )
    done = command("run", make_list(), "-o", tmp_path / "out", ranks=2, TOMOSAXS_PLUGINS=str(tmp_path / "hooks"))
    assert done.status == 1, done.text
    said = done.lines("tomosaxs: error")
    assert len(said) == 1, done.text
    assert "step 2 minus_log" in said[0]
    assert "hook before_step" in said[0]
    assert "rank 1 of 2" in said[0]


def test_killed_while_the_result_is_written(make_list, command, tmp_path, undisturbed) -> None:
    """All passes are there: the resumed run only writes."""
    listing, out = make_list("  - plugin: ./own.py:blur\n", OTHERS), tmp_path / "out"
    deadly = tmp_path / "deadly.yml"
    deadly.write_text(listing.read_text() + "output:\n  plugin: ./own.py:dies\n")
    done = command("run", deadly, "-o", out, ranks=2)
    assert done.status != 0
    assert "rank 0 of 2" in done.text
    assert "killed by signal 9 during output dies" in done.text
    assert not (out / "result.nxs").exists()
    again = command("run", listing, "-o", out, "--resume", ranks=2)
    assert again.status == 0, again.text
    assert not again.lines("pass "), again.text
    same(values(out), undisturbed)
