"""A step's ``look=`` rule: it sees a few values before the run; check, plan, log and report show what it warns of."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from running_commands import here

import tomosaxs
from tomosaxs.cli.commands import tomosaxs as command_line

LOOKING = """\
from typing import Annotated
from tomosaxs import InputError, Param, Projections, plugin

def glance(dataset, source, *, limit, **rest):
    if limit < 0:
        raise InputError("no light")
    if source is None:
        yield "nothing to look at"
    else:
        parts = tuple(slice(0, 1) if name == "rotation_angle" else slice(None) for name in dataset.names)
        top = float(source.reader.read(parts).max())
        if top > limit:
            yield f"the first frame reaches {top:.0f} {source.reader.shape}"

@plugin(look=glance)
def looking(data: Projections, *, limit: Annotated[float, Param("highest value")] = 0.0) -> Projections:
    "Look, change nothing."
    return data
"""

LIST = """\
input:
  tomo:
    plugin: tomography
    path: {scan}
    crop: {{detector_y: [1, 3]}}
steps:
{steps}
"""


@pytest.fixture
def listing(make_list, tmp_path):
    (tmp_path / "looking.py").write_text(LOOKING)

    def make(steps: str):
        return make_list(steps, text=LIST)

    return make


def test_warnings_reach_check_plan_log_and_report(listing, tmp_path) -> None:
    path = listing("  - plugin: ./looking.py:looking\n")
    made = tomosaxs.plan(path)
    shape = made.inputs[0].source.dataset.shape
    assert shape[1] == 2  # the crop holds
    [warning] = made.warnings
    assert warning.startswith("step 1 looking: the first frame reaches ")
    assert str(shape) in warning
    for word in ("check", "plan"):
        shown = CliRunner().invoke(command_line, [word, str(path)], standalone_mode=False)
        assert shown.exit_code == 0, shown.output
        assert warning in shown.output
    quiet = CliRunner().invoke(command_line, ["check", str(path), "--set", "looking.limit=1e9"], standalone_mode=False)
    assert quiet.exit_code == 0
    assert "warning: " not in quiet.output
    here(path, tmp_path / "out")
    assert warning in (tmp_path / "out" / "run.log").read_text()
    assert "the first frame reaches" in (tmp_path / "out" / "report.html").read_text()


def test_after_steps_on_the_same_axes_the_raw_data_are_looked_at(listing) -> None:
    path = listing("  - plugin: dark_flat_correction\n  - plugin: ./looking.py:looking\n")
    assert any("reaches" in text for text in tomosaxs.plan(path).warnings)


def test_data_that_cannot_be_looked_at_are_no_fault(listing) -> None:
    path = listing("  - plugin: ./looking.py:looking\n    limit: -1.0\n")
    assert tomosaxs.plan(path).warnings == ["step 1 looking: the data could not be looked at: no light"]


def test_check_tells_that_the_data_do_not_fit(listing) -> None:
    path = listing("  - plugin: ./looking.py:looking\n")
    args = ["check", str(path), "--set", "tomo.crop={detector_y: [0, 9999]}"]
    shown = CliRunner().invoke(command_line, args, standalone_mode=False)
    assert shown.exit_code == 0
    assert "no faults found" in shown.output
    [warning] = [line for line in shown.output.splitlines() if line.startswith("warning: ")]
    assert "with these data it would not run: " in warning
    assert "9999" in warning
