"""Old lists: told the new names, upgraded in place with everything else kept."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tomosaxs import InputError, ListError, PluginEntry, check, hookimpl, registry
from tomosaxs.cli.upgrade import upgrade
from tomosaxs.process_list.upgrade import upgrade_text

PLUGIN = """\
from typing import Annotated
from tomosaxs import Estimate, Param, Pointwise, estimator, plugin

@plugin
def smooth(data: Pointwise, *, window: Annotated[int, Param("window", unit="px", former=("size", "width"))] = 3,
           about: float = 0.0) -> Pointwise:
    "Smooth."
    return data

@estimator
def find_mean(data: Pointwise) -> Estimate:
    "Mean."
    return Estimate(float(data.mean()))
"""
OLD = """\
# a list of last year
title: "Was blur"   # blur stays here
input:
  tomo: {plugin: tomography, path: scan.nxs}   # one line

steps:
  - plugin: mean_of      # estimator
  # between the steps
  - plugin: 'blur'
    size:   5   # pixels of blur
    about: ${mean_of.value}
  - {plugin: soften, width: 3, about: "${mean_of}"}
  - plugin: smooth
    window: 7
"""
NEW = (
    OLD.replace("plugin: mean_of ", "plugin: find_mean ")
    .replace("'blur'", "'smooth'")
    .replace("size:  ", "window:  ")
    .replace("{plugin: soften, width: 3", "{plugin: smooth, window: 3")
    .replace("${mean_of", "${find_mean")
)


@pytest.fixture
def renamed(tmp_path):
    """A package with plugins that had other names."""
    file = tmp_path / "renamed.py"
    file.write_text(PLUGIN)

    class Package:
        @hookimpl
        def register_plugins(self) -> list[PluginEntry]:
            return [
                PluginEntry("smooth", f"{file}:smooth", "Smooth.", former=("blur", "soften")),
                PluginEntry("find_mean", f"{file}:find_mean", "Mean.", kind="estimator", former=("mean_of",)),
            ]

    registry.forget()
    registry.manager().register(Package())
    yield
    registry.forget()


def test_names_change_and_nothing_else(renamed, tmp_path) -> None:
    path = tmp_path / "old.yml"
    path.write_bytes(OLD.replace("\n", "\r\n").encode())
    done = CliRunner().invoke(upgrade, [str(path), "--check"], standalone_mode=False)
    assert done.return_value == 1
    assert path.read_bytes() == OLD.replace("\n", "\r\n").encode()
    done = CliRunner().invoke(upgrade, [str(path)], standalone_mode=False)
    assert done.exception is None, done.output
    assert path.read_bytes() == NEW.replace("\n", "\r\n").encode()
    assert "line 9: plugin blur is called smooth; line 10: smooth.size is called window" in done.output
    assert "+    window:   5   # pixels of blur" in done.output
    done = CliRunner().invoke(upgrade, [str(path)], standalone_mode=False)
    assert "up to date" in done.output
    assert sorted(each.name for each in tmp_path.iterdir()) == ["old.yml", "renamed.py"]


def test_a_list_with_old_names_is_refused_with_the_new_ones(renamed, tmp_path) -> None:
    (tmp_path / "scan.nxs").write_bytes(b"")
    (tmp_path / "old.yml").write_text(OLD)
    with pytest.raises(ListError) as caught:
        check(tmp_path / "old.yml")
    text = str(caught.value)
    assert "old.yml:9: step 2 blur: blur is called smooth now; tomosaxs upgrade writes the new names" in text
    (tmp_path / "old.yml").write_text(OLD.replace("blur'", "smooth'"))
    with pytest.raises(ListError) as caught:
        check(tmp_path / "old.yml")
    assert "old.yml:10: step 2 smooth.size: size is called window now" in str(caught.value)
    (tmp_path / "old.yml").write_text(NEW)
    check(tmp_path / "old.yml")


def test_both_names_of_one_parameter(renamed) -> None:
    entries = registry.plugins()
    with pytest.raises(InputError, match="line 4: size is called window, and window is given too"):
        upgrade_text("steps:\n  - plugin: smooth\n    window: 3\n    size: 5\n", entries)
    with pytest.raises(InputError, match="cannot be read as YAML"):
        upgrade_text("steps: [", entries)


def test_a_name_that_is_used_again_is_not_former() -> None:
    """Where an old name belongs to another plugin today, lists mean that one."""
    entries = {
        "new": PluginEntry("new", "x:y", "New.", former=("old",)),
        "old": PluginEntry("old", "x:z", "Another."),
    }
    text = "steps:\n  - plugin: old\n"
    assert upgrade_text(text, entries).text == text
