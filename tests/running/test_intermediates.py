"""Where datasets lie between passes: chosen in the plan with a reason, kept to, given back, and without any effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from running_commands import here, same, values

import tomosaxs
from tomosaxs import InputError
from tomosaxs.plan import Options, build_plan, describe
from tomosaxs.plan.memory import node_need
from tomosaxs.units import size_text

LISTS = Path(__file__).resolve().parents[2] / "process_lists"
BLUR = "  - plugin: ./own.py:blur\n"
UNTIDY = """
from tomosaxs import Sinograms, VolumeSlices, estimator, Estimate

@plugin
def smooth_rows(data: Sinograms) -> Sinograms:
    "Change nothing."
    return data.copy()

@estimator
def whole_mean(data: Sinograms) -> Estimate:
    "Mean of all, which takes the projections whole before it."
    return Estimate(float(data.mean()))

@plugin
def across(data: Projections, *, halo: Annotated[int, Param("neighbours", ge=0)] = 2) -> Projections:
    "Sum of what lies around."
    return data * 2
"""
CHAIN = BLUR + "  - plugin: ./own.py:smooth_rows\n  - plugin: ./own.py:across\n"
"""Projections, sinograms, projections, then sinograms again: three reslices."""


@pytest.fixture
def stored(make_list):
    """Return the stored datasets of a list, as planned with these options."""

    def plan(steps: str = BLUR, **options):
        checked = tomosaxs.check(make_list(steps, UNTIDY))
        made = build_plan(checked, Options(**options))
        return made, [node for one in made.passes for node in one.stores]

    return plan


def test_no_reslice_where_the_list_allows_it(scan) -> None:
    """Sinograms straight from the file: nothing lies between the input and the volume."""
    made = tomosaxs.plan(LISTS / "tomography_fbp.yml", inputs=[str(scan)])
    assert [node.saved_as for one in made.passes for node in one.stores] == ["reconstruct"]
    for name in ("absorption", "phase_contrast"):
        made = tomosaxs.plan(LISTS / f"{name}.yml", inputs=[str(scan)], settings=_settings(name))
        between = [node for one in made.passes for node in one.stores if not node.in_result]
        whole = [step.label for one in made.passes for step in one.steps if "detector_y" in (step.cores[0] or ())]
        assert len(between) == (1 if whole else 0), (name, whole)
    assert whole == ["retrieve_phase"]


def _settings(name: str) -> list[str]:
    return ["retrieve_phase.length=5", "retrieve_phase.delta_beta=null"] if name == "phase_contrast" else []


def test_in_memory_where_it_fits_and_blocks_get_the_rest(stored) -> None:
    made, (between, saved) = stored(memory=1e9)
    assert between.place.in_memory
    assert [one.held for one in made.passes] == [between.dataset.nbytes] * 2
    assert saved.place.kind == "file"
    assert made.disk == saved.dataset.nbytes
    told = describe(made)
    assert "to memory, for a later pass (it fits beside the blocks" in told
    size = between.dataset.nbytes
    asked = sum(node.dataset.nbytes for node in made.passes[0].reads)
    assert f"disk:   {size_text(asked)} read, {size_text(saved.dataset.nbytes)} written" in told
    files = describe(stored(memory=1e9, intermediates="file")[0])
    assert f"disk:   {size_text(asked + size)} read, {size_text(size + saved.dataset.nbytes)} written" in files


@pytest.mark.parametrize("ranks", [1, 3])
def test_the_budget_holds_blocks_and_datasets_together(stored, ranks) -> None:
    seen = set()
    with pytest.raises(InputError, match="--memory"):  # not even the blocks
        stored(CHAIN, ranks=ranks, node_ranks=ranks, memory=1e5)
    for memory in np.geomspace(2.5e6, 2e7, 6):
        made, nodes = stored(CHAIN, ranks=ranks, node_ranks=ranks, memory=memory)
        seen.add(sum(node.place.in_memory for node in nodes))
        for one in made.passes:
            there = sum(
                node.dataset.nbytes
                for maker in made.passes[: one.number]
                for node in maker.stores
                if node.place.in_memory and any(node in each.reads for each in made.passes[one.number - 1 :])
            )
            assert node_need(one, made.options, one.block) - one.held + there <= memory
    assert {0, 3} <= seen, "none fits into little, all into much"


def test_why_it_is_a_file(stored) -> None:
    assert stored(memory=1e9, intermediates="file")[1][0].place.reason == "asked for"
    assert "that ranks can share" in stored(memory=1e9, ranks=2, node_ranks=2, room=1e5)[1][0].place.reason
    assert stored(memory=1e9, room=1e5)[1][0].place.in_memory  # one rank shares with nobody
    assert "that blocks leave" in stored(memory=3e6)[1][0].place.reason
    assert stored(BLUR + "    save: true\n", memory=1e9)[1][0].place.reason == "the result keeps it"


def test_memory_or_not_at_all(stored) -> None:
    assert stored(memory=1e9, intermediates="memory")[1][0].place.in_memory
    with pytest.raises(InputError, match=r"--intermediates memory: tomo, made by step 3 blur: its 0.745 MB a node do"):
        stored(memory=3e6, intermediates="memory")


def test_nodes_hold_what_their_ranks_read(stored) -> None:
    steps = BLUR + "  - plugin: ./own.py:whole_mean\n"
    made, (between, _) = stored(memory=1e9, ranks=4, node_ranks=2)
    assert between.place.in_memory
    assert made.passes[0].held == between.dataset.nbytes / 2
    _, (between, _) = stored(steps, memory=1e9, ranks=4, node_ranks=2)
    assert "in one pass, and several read it" in between.place.reason
    assert stored(steps, memory=1e9, ranks=4, node_ranks=4)[1][0].place.in_memory


def test_memory_is_given_back_after_the_last_reader(make_list, tmp_path, monkeypatch) -> None:
    from tomosaxs.memory_store import MemoryStore

    told = []
    for name in ("allocate", "release"):
        original = getattr(MemoryStore, name)

        def noted(self, *arguments, name=name, original=original):
            if name == "allocate" or self._held:
                told.append(name)
            return original(self, *arguments)

        monkeypatch.setattr(MemoryStore, name, noted)
    listing = make_list(CHAIN, UNTIDY)
    first = here(listing, tmp_path / "memory")
    assert told == ["allocate", "allocate", "release", "allocate", "release", "release"]
    assert "lies in memory until it is read" in (tmp_path / "memory" / "run.log").read_text()
    same(first, here(listing, tmp_path / "file", intermediates="file"))
    assert len(told) == 6


def test_memory_is_given_back_after_a_failure(make_list, tmp_path, monkeypatch) -> None:
    from tomosaxs.memory_store import MemoryStore

    seen: list[MemoryStore] = []
    original = MemoryStore.allocate
    monkeypatch.setattr(MemoryStore, "allocate", lambda self, *given: (seen.append(self), original(self, *given)))
    broken = "\n@plugin\ndef broken(data: Sinograms) -> Sinograms:\n    'Fail.'\n    1 / 0\n"
    listing = make_list(BLUR + "  - plugin: ./own.py:broken\n", UNTIDY + broken)
    with pytest.raises(tomosaxs.StepError, match="broken"):
        here(listing, tmp_path / "out")
    assert len(seen) == 1
    assert not seen[0]._held


def test_room_that_is_gone_when_it_is_asked_for(make_list, tmp_path, monkeypatch) -> None:
    """Between plan and run others may take the memory: the file does it, and the log says so."""
    from tomosaxs import memory_store

    listing = make_list(BLUR)
    first = here(listing, tmp_path / "first")
    monkeypatch.setattr(memory_store, "free_memory", lambda: 1000.0)
    same(first, here(listing, tmp_path / "second"))
    assert (
        "lies in a file of the work folder all the same: 0.7455 MB are needed"
        in (tmp_path / "second" / "run.log").read_text()
    )


def test_the_same_bits_wherever_data_lie(make_list, command, tmp_path) -> None:
    listing = make_list(CHAIN, UNTIDY)
    reference = here(listing, tmp_path / "reference", intermediates="file")
    for ranks, nodes in ((2, 1), (3, 2)):
        out = tmp_path / f"{ranks}-{nodes}"
        given = "run", listing, "-o", out, "--intermediates=memory", "--block", 3
        done = command(*given, ranks=ranks, TOMOSAXS_PRETEND_NODES=str(nodes))
        assert done.status == 0, done.text
        assert len(done.lines("lies in memory until it is read")) == 3, done.text
        same(values(out), reference)
