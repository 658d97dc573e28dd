"""A rank is killed at a random moment, more than once: the run ends soon and names it, --resume gives the same bits."""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable

import pytest
from faults_help import Bench, digest

EVENTS = {0: 60, 1: 60, 2: 34, 3: 24}
"""Of steps and blocks of one rank in an undisturbed run, about: a few of the moments lie behind the end."""
LATE = {"replace": 40, "rmtree": 3}
"""Renaming and removing, by the first rank: marks of finished stores, the result, the clean-up."""


def moment(dice: random.Random, ranks: int, resume: bool) -> str:
    """Return a random place: on which rank, at which of its steps or, sometimes, while it renames and removes."""
    last = EVENTS[ranks] // (3 if resume else 1)  # not much may be left to do
    if dice.random() < 0.2:
        event = dice.choice(list(LATE))
        return f"0:{event}:{dice.randint(1, LATE[event])}"
    event = dice.choice(["before_step", "after_step"])
    return f"{dice.randrange(max(ranks, 1))}:{event}:{dice.randint(1, last)}"


def play(made: Bench, seed: int, finish_with_ranks: bool) -> None:
    """Kill, perhaps kill the resumed run as well, then resume to the end."""
    dice = random.Random(seed)
    resume = False
    while True:
        ranks = dice.choice([0, 2, 2, 3])
        place = moment(dice, ranks, resume)
        what = dice.choice(["kill", "kill", "kill", "abort", "segfault", "leave", "raise", "SIGTERM", "SIGINT"])
        if (what.startswith("SIG") or what == "raise") and not place.split(":")[1].endswith("step"):
            what = "kill"
        hit(made, what, place, ranks, resume)
        if not made.moment() or dice.random() < 0.6:
            break
        resume = True
    made.finish(dice.choice([1, 2, 3]) if finish_with_ranks else None)


def hit(made: Bench, what: str, place: str, ranks: int, resume: bool) -> None:
    rank = place.split(":")[0]
    try:
        if what.startswith("SIG"):
            done = made.interrupt(signal.Signals[what], place, ranks, resume)
        else:
            done = made.fail(f"{what}@{place}", ranks, resume=resume)
    except AssertionError as error:
        error.add_note(f"{what} at {place}, {ranks} ranks, resume={resume}") if hasattr(error, "add_note") else None
        raise
    if not made.moment():  # it was over before
        assert done.status == 0, done.text
        return
    said = done.lines("tomosaxs: ")
    if "done in" in done.text:  # the result is there; what followed were removals
        assert digest(made.out / "result.nxs") != made.result
        return
    assert len(said) == 1, done.text
    if what.startswith("SIG"):
        assert done.status == 130 or (ranks and what == "SIGTERM"), done.text
        assert "interrupted" in said[0]
    elif what == "raise":
        assert done.status == 1, done.text
        assert "the lens fell off" in said[0]
        assert f"rank {rank} of {max(ranks, 1)}" in said[0]
    else:
        assert re.search(rf"rank {rank} of {max(ranks, 1)} \(pid \d+\) .* during ", said[0]), done.text


def test_killed_while_the_result_is_renamed_and_while_the_rest_is_removed(bench: Callable[..., Bench]) -> None:
    """First the older result stays, then the new one is there: never half of one."""
    made = bench()
    hit(made, "kill", "0:result:1", 0, False)
    assert digest(made.out / "result.nxs") == made.result
    hit(made, "kill", "0:clear:1", 0, True)
    assert made.moment() > 0
    assert digest(made.out / "result.nxs") != made.result
    made.finish()


def test_a_fault_in_compiled_code_is_told_with_its_place(bench: Callable[..., Bench]) -> None:
    made = bench()
    hit(made, "segfault", "0:before_step:9", 0, False)
    [said] = (made.out / "run.log").read_text().splitlines()[-1:]
    assert "killed by signal 11 during" in said
    assert "(a fault in compiled code). It was at " in said
    assert "hooks/fault_hook.py:" in said.rpartition("It was at ")[2]


@pytest.mark.parametrize("seed", [5, 15, 49])
def test_a_random_moment(seed: int, bench: Callable[..., Bench]) -> None:
    play(bench(), seed, finish_with_ranks=False)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_many_random_moments(seed: int, bench: Callable[..., Bench]) -> None:
    play(bench(), seed, finish_with_ranks=True)
