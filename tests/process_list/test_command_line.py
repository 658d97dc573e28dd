"""--set, --input and --root."""

from __future__ import annotations

import pytest

LIST = """\
paths: {root: data, site: id19}
input:
  tomo:
    plugin: raw
    path: scan.nxs
    crop: {detector_y: [0, 4]}
  saxs: {plugin: raw, path: other.nxs}
steps:
  - {plugin: smooth, on: tomo}
  - plugin: smooth
    name: gentle
  - plugin: find_axis
  - plugin: rebuild
    centre: 3.0
"""
ONE = """\
input:
  tomo: {plugin: raw}
steps:
  - plugin: smooth
output: {plugin: nexus}
"""


def test_steps_by_name_plugin_and_number(check, folder):
    checked = check(LIST, settings=["gentle.size=5", "rebuild.centre=1e1", "1.size=7", "find_axis.step=.5e-3"])
    assert [step.values.get("size") for step in checked.steps[:2]] == [7, 5]
    assert checked.steps[2].values["step"] == 5e-4
    assert checked.steps[3].values["centre"] == 10.0
    assert checked.process_list.settings[0] == "--set gentle.size=5"
    assert checked.steps[1].entry.settings == {"size": "--set gentle.size=5"}


def test_later_faults_can_name_the_line_or_the_setting(check, folder):
    step = check(LIST, settings=["gentle.size=5"]).steps[1].entry
    file = folder / "list.yml"
    assert str(step.problem("too wide", file, "size")) == "--set gentle.size=5: step 2 gentle.size: too wide"
    assert str(step.problem("too wide", file, "mode")) == f"{file}:10: step 2 gentle.mode: too wide"
    assert str(step.problem("fails", file)) == f"{file}:10: step 2 gentle: fails"


def test_the_last_setting_wins_and_a_name_can_be_given(check):
    checked = check(LIST, settings=["3.name=axis", "rebuild.centre=${axis}", "1.size=3", "1.size=9"])
    assert checked.steps[0].values["size"] == 9
    assert checked.steps[3].postponed["centre"].estimate == "axis"


def test_a_setting_can_be_a_sweep_a_flag_or_another_plugin(check):
    checked = check(LIST, settings=["gentle.size={sweep: [3, 5]}", "gentle.active=false", "3.plugin=smooth"])
    assert checked.steps[1].entry.sweeps == {"size": (3, 5)}
    assert not checked.steps[1].entry.active
    assert checked.steps[2].spec.name == "smooth"


def test_inputs_and_outputs(check):
    settings = ["tomo.crop={detector_x: 3}", "input.saxs.entry=e2", "saxs.crop.detector_y=[mid, end]", "output.bits=8"]
    checked = check(LIST, settings=settings)
    assert checked.inputs[0].entry.crop == {"detector_x": 3}
    assert checked.inputs[1].values == {"entry": "e2"}
    assert checked.inputs[1].entry.crop == {"detector_y": ["mid", "end"]}
    assert checked.outputs[0].values == {"bits": 8}


def test_an_output_by_its_plugin_and_the_default_one(check):
    assert check(LIST, settings=["output.nexus.bits=8"]).outputs[0].values == {"bits": 8}
    assert check(LIST + "output:\n", settings=["output.bits=8"]).outputs[0].values == {"bits": 8}
    both = check(LIST + "output: [{plugin: nexus}, {plugin: nexus}]\n", settings=["output.2.bits=8"])
    assert [each.values["bits"] for each in both.outputs] == [32, 8]


def test_a_plugin_file_of_a_setting_belongs_to_the_current_folder(check, folder, plugin_file):
    (folder / "elsewhere" / "own.py").write_text(plugin_file.read_text())
    checked = check(LIST, settings=["gentle.plugin=./own.py:smooth"])
    assert checked.steps[1].spec.file == folder / "elsewhere" / "own.py"


def test_nested_settings_keep_their_neighbours(check):
    checked = check(LIST.replace("name: gentle", "options: {a: 1}\n    name: gentle"), settings=["gentle.options.b=2"])
    assert checked.steps[1].values["options"] == {"a": 1, "b": 2}


def test_files_of_settings_belong_to_the_current_folder(check, folder, faults):
    (folder / "elsewhere" / "here.tif").touch()
    checked = check(LIST, settings=["gentle.mask=here.tif"])
    assert checked.steps[1].values["mask"] == folder / "elsewhere" / "here.tif"
    assert faults(LIST, settings=["gentle.mask=mask.tif"]) == [
        "--set gentle.mask=mask.tif: step 2 gentle.mask: no file or folder 'mask.tif' in "
        f"{folder}/elsewhere (it holds: here.tif)".replace(f"{folder}/", "")
    ]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("smooth.size=3", "no such step"),
        ("gentel.size=3", "no step or input is called 'gentel' (did you mean 'gentle'?)"),
        ("9.size=3", "there is no step 9: 4 steps exist"),
        ("gentle=3", "which parameter? write --set STEP.PARAM=VALUE"),
        ("gentle.size", "write --set STEP.PARAM=VALUE"),
        ("gentle..size=3", "a name is missing beside the dot; write --set STEP.PARAM=VALUE"),
        ("gentle.size=[3", "the text ends inside a bracket, a brace or a mapping"),
        ("gentle.size=99", "step 2 gentle.size: must be >= 1, <= 31 px, got 99"),
        ("gentle.sise=9", "step 2 gentle.sise: unknown parameter (did you mean 'size'?)"),
        ("rebuild.centre.x=9", "centre is no mapping, so it has no 'x'"),
        ("gentle.options={a: 1, a: 2}", "a: the key 'a' is given twice"),
        ("tomo.crop.detector_y=-3", "input tomo.crop: detector_y: -3 is negative; count from the end with end-3"),
    ],
)
def test_faults_of_settings_name_the_setting(setting, expected, faults):
    if setting == "smooth.size=3":  # one is named, so it is the name that tells them apart
        expected = "2 steps use smooth: step 1 (line 9), step 2 (line 10); use the number, --set 1.PARAM=VALUE"
    assert faults(LIST, settings=[setting]) == [f"--set {setting}: {expected}"]


def test_input_path_from_the_current_folder(check, folder):
    (folder / "elsewhere" / "a=b.nxs").touch()
    assert check(ONE, inputs=["../scan.nxs"]).inputs[0].path.resolve() == folder / "scan.nxs"
    assert check(ONE, inputs=["a=b.nxs"]).inputs[0].path == folder / "elsewhere" / "a=b.nxs"
    checked = check(LIST, inputs=[f"saxs={folder}/scan.nxs"])
    assert [each.path.name for each in checked.inputs] == ["scan.nxs", "scan.nxs"]


@pytest.mark.parametrize(
    ("text", "inputs", "expected"),
    [
        (LIST, ["x.nxs"], ["--input x.nxs: the list has 2 inputs: say which, for instance --input tomo=x.nxs"]),
        (LIST, ["sax=/x"], ["--input sax=/x: the list has no input 'sax' (did you mean 'saxs'?)"]),
        (LIST, ["tomo="], ["--input tomo=: the path is empty; write --input [NAME=]PATH"]),
        (
            LIST,
            ["tomo=../scan.nxs", "tomo=../scan.nxs"],
            ["--input tomo=../scan.nxs: input 'tomo' is given twice, first as --input tomo=../scan.nxs"],
        ),
    ],
)
def test_faults_of_inputs(text, inputs, expected, faults):
    assert faults(text, inputs=inputs) == expected


def test_a_missing_input_of_the_command_line_names_the_option(faults):
    (message,) = faults(ONE, inputs=["../scam.nxs"])
    assert message.startswith("--input ../scam.nxs: input tomo.path: no file or folder 'scam.nxs' in ")
    assert message.endswith("(did you mean 'scan.nxs'?)")


def test_roots_replace_variables_and_beginnings(check, folder, faults):
    (folder / "data").mkdir()
    for name in ("data/a.nxs", "elsewhere/a.nxs"):
        (folder / name).touch()
    text = ONE.replace("raw}", "raw, path: '${root}/a.nxs'}") + "paths: {root: data}\n"
    assert check(text).inputs[0].path == folder / "data" / "a.nxs"
    for root in ("root=.", f"root={folder}/elsewhere", f"data={folder}/elsewhere"):
        assert check(text, roots=[root]).inputs[0].path.resolve() == folder / "elsewhere" / "a.nxs"
    assert check(text, roots=["root=data"]).inputs[0].path == folder / "data" / "a.nxs"


def test_roots_match_whole_folders_only(faults, check, folder):
    text = ONE.replace("raw}", f"raw, path: {folder}/scan.nxs, entry: {folder}x/y}}")
    checked = check(text, roots=[f"{folder}={folder}/elsewhere/.."])
    assert checked.inputs[0].path.resolve() == folder / "scan.nxs"
    assert checked.inputs[0].values["entry"] == f"{folder}x/y"
    assert faults(ONE, roots=["/nowhere=/x"], inputs=["../scan.nxs"]) == [
        "--root /nowhere=/x: '/nowhere' is no variable of paths: and no path of the list begins with it"
    ]
    assert faults(ONE, roots=["x"], inputs=["../scan.nxs"]) == ["--root x: write --root OLD=NEW"]
