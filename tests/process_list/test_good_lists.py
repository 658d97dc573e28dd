"""What a good list means: values, datasets, references, sweeps, files, variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomosaxs.process_list import Reference, check_list, parse_list, read_list

GOOD = """\
title: A good list
paths: {visit: 0012, root: "data_${visit}"}
input:
  tomo:
    plugin: raw
    path: scan.nxs
    crop: {detector_y: [mid-8, mid+8]}
steps:
  - plugin: smooth
    size: 5
    mask: mask.tif
  - plugin: find_axis
    name: axis
    step: 1e-3
  - plugin: rebuild
    centre: ${axis}
    save: true
"""


def test_values_lines_and_defaults(check, folder):
    checked = check(GOOD)
    (scan,) = checked.inputs
    assert scan.path == folder / "scan.nxs"
    assert scan.values == {"entry": "entry"}
    assert scan.entry.crop == {"detector_y": ["mid-8", "mid+8"]}
    assert scan.entry.lines == {"": 4, "plugin": 5, "path": 6, "crop": 7, "crop.detector_y": 7}
    smooth, axis, rebuild = checked.steps
    assert smooth.values["size"] == 5
    assert smooth.values["mask"] == folder / "mask.tif"
    assert smooth.values["mode"] == "mean"
    assert smooth.entry.parameters == {"size": 5, "mask": "mask.tif"}
    assert (smooth.on, smooth.to) == (("tomo",), ("tomo",))
    assert (axis.on, axis.to, axis.values) == (("tomo",), (), {"step": 1e-3})
    assert rebuild.postponed == {"centre": Reference("axis", "value")}
    assert rebuild.entry.lines == {"": 15, "plugin": 15, "centre": 16, "save": 17}
    assert rebuild.entry.save
    assert "centre" not in rebuild.values
    assert [step.entry.label for step in checked.steps] == ["smooth", "axis", "rebuild"]
    assert checked.process_list.variables == {"visit": "0012", "root": "data_0012"}
    assert [each.spec.name for each in checked.outputs] == ["nexus"]
    assert checked.process_list.text == GOOD


def test_a_file_and_the_same_text_are_the_same_list(folder):
    file = folder / "list.yml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())  # some editors begin UTF-8 with a mark
    assert read_list(file) == parse_list(GOOD, file=file) == read_list(str(file))
    assert read_list(file).folder == folder


def test_a_list_written_out_again_is_the_same_list(folder):
    yaml = pytest.importorskip("yaml")
    first = parse_list(GOOD, folder=folder)
    document = yaml.safe_load(GOOD.replace("0012", "'0012'").replace("1e-3", "1.0e-3"))
    second = parse_list(yaml.safe_dump(document, sort_keys=False), folder=folder)
    assert [s.plugin for s in first.steps] == [s.plugin for s in second.steps]
    assert first.steps[2].references == second.steps[2].references
    assert [s.parameters for s in first.steps] == [s.parameters for s in second.steps]
    assert first.variables == second.variables


BRANCHES = """\
input:
  a: {plugin: raw, path: scan.nxs}
  b: {plugin: raw, path: other.nxs}
steps:
  - {plugin: smooth, on: b}
  - {plugin: smooth}
  - {plugin: subtract}
  - {plugin: split, to: [left, right]}
  - {plugin: smooth}
  - {plugin: find_axis, on: right}
  - {plugin: smooth}
  - {plugin: subtract, on: [right, b], to: a}
  - {plugin: smooth, on: left, active: false}
"""


def test_datasets_of_branches_and_joins(check):
    steps = check(BRANCHES).steps
    assert [(step.on, step.to) for step in steps] == [
        (("b",), ("b",)),
        (("b",), ("b",)),  # the last one made
        (("a", "b"), ("a",)),  # exactly as many as there are
        (("a",), ("left", "right")),
        (("left",), ("left",)),
        (("right",), ()),
        (("left",), ("left",)),  # an estimator makes none
        (("right", "b"), ("a",)),
        ((), ()),  # not active
    ]
    assert [step.entry.label for step in steps][:2] == ["smooth#1", "smooth#2"]
    assert steps[5].entry.label == "find_axis"
    assert not steps[-1].entry.active


def test_sweeps(check, folder):
    text = GOOD.replace("size: 5", "size: {sweep: [3, 5, 7]}").replace("mask: mask.tif", "mask: {sweep: [mask.tif]}")
    step = check(text).steps[0]
    assert step.entry.sweeps == {"size": (3, 5, 7), "mask": (folder / "mask.tif",)}
    assert "size" not in step.values
    assert step.entry.parameters["size"] == {"sweep": [3, 5, 7]}


def test_an_estimate_other_than_the_value_and_a_plugin_as_name(check):
    text = GOOD.replace("    name: axis\n", "").replace("${axis}", "${find_axis.uncertainty}")
    assert check(text).steps[2].postponed == {"centre": Reference("find_axis", "uncertainty")}


def test_variables_reach_every_text(check, folder):
    text = GOOD.replace("scan.nxs", "${stem}.nxs").replace('root: "data', 'stem: scan, root: "data')
    assert check(text).inputs[0].path == folder / "scan.nxs"


def test_plugins_from_files(folder, plugin_file):
    (folder / "own.py").write_text(plugin_file.read_text())
    text = GOOD.replace("plugin: smooth", "plugin: ./own.py:smooth")
    checked = check_list(parse_list(text, folder=folder, settings=["smooth.size=7", "./own.py:smooth.mode=median"]))
    assert checked.steps[0].entry.label == "smooth"
    assert checked.steps[0].values["size"] == 7
    assert checked.steps[0].values["mode"] == "median"
    assert checked.steps[0].spec.file == folder / "own.py"


def test_several_outputs_and_a_missing_package_that_is_not_active(check):
    text = GOOD + "  - {plugin: absent, active: false, anything: 3}\noutput:\n  - {bits: 8}\n  - plugin: nexus\n"
    checked = check(text)
    assert [out.values["bits"] for out in checked.outputs] == [8, 32]
    assert len(checked.steps) == 3


def test_anchors_and_merged_mappings(check):
    text = "version: 1\n" + GOOD.replace("  - plugin: smooth\n", "  - &first\n    plugin: smooth\n")
    text += "  - <<: *first\n    size: 9\n"
    steps = check(text).steps
    assert steps[3].values["size"] == 9
    assert steps[3].values["mask"] == steps[0].values["mask"]


def test_paths_are_relative_to_the_list_also_from_elsewhere(folder, monkeypatch):
    (folder / "list.yml").write_text(GOOD)
    monkeypatch.chdir(folder)
    checked = check_list(read_list(Path("list.yml")))
    assert checked.inputs[0].path == folder / "scan.nxs"
    assert checked.process_list.file == Path("list.yml")
