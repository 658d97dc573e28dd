"""Every fault of a list: one message, with the exact place, and all of them at once."""

from __future__ import annotations

import time

import pytest

from tomosaxs import ListError
from tomosaxs.process_list import read_list

HEAD = """\
input:
  tomo: {plugin: raw, path: scan.nxs}
steps:
"""
STEP = HEAD + "  - plugin: smooth\n"

TABLE = [
    ("misspelt plugin", HEAD + "  - plugin: smoth\n",
     "list.yml:4: step 1 smoth: no plugin is called 'smoth' (did you mean 'smooth'?)"),
    ("misspelt parameter", STEP + "    sise: 3\n",
     "list.yml:5: step 1 smooth.sise: unknown parameter (did you mean 'size'?)"),
    ("misspelt key of a step", STEP + "    actve: false\n",
     "list.yml:5: step 1 smooth.actve: unknown parameter (did you mean 'active' or 'save'?)"),
    ("wrong type", STEP + "    size: large\n",
     "list.yml:5: step 1 smooth.size: expected integer, got text 'large'"),
    ("wrong choice", STEP + "    mode: medan\n",
     "list.yml:5: step 1 smooth.mode: expected mean | median, got text 'medan' (did you mean 'median' or 'mean'?)"),
    ("out of range", STEP + "    size: 99\n",
     "list.yml:5: step 1 smooth.size: must be >= 1, <= 31 px, got 99"),
    ("out of range in a sweep", STEP + "    size: {sweep: [3, 99]}\n",
     "list.yml:5: step 1 smooth.size: value 2 of the sweep: must be >= 1, <= 31 px, got 99"),
    ("an empty sweep", STEP + "    size: {sweep: []}\n",
     "list.yml:5: step 1 smooth.size: a sweep is a list of values, for instance {sweep: [3, 5, 7]}, "
     "or a range, {sweep: {start: 3, stop: 7, step: 2}} or {sweep: {start: 3, stop: 7, count: 3}}, "
     "got an empty list"),
    ("duplicate key", STEP + "    size: 3\n    mode: mean\n    size: 5\n",
     "list.yml:7: step 1 smooth.size: the key 'size' is given twice, first on line 5"),
    ("duplicate key on top", STEP + "steps: []\n",
     "list.yml:5: steps: the key 'steps' is given twice, first on line 3"),
    ("tab", STEP + "\tsize: 3\n",
     "list.yml:5: a tab: YAML is indented and separated with spaces only"),
    ("tab after a colon", STEP + "    size:\t3\n",
     "list.yml:5: a tab: YAML is indented and separated with spaces only"),
    ("cyclic variables", "paths:\n  c: ${a}\n  a: ${b}\n  b: ${a}\n" + STEP,
     "list.yml:3: paths.a: it stands for itself: a -> b -> a"),
    ("dangling variable", "paths:\n  a: ${nowhere}\n" + STEP,
     "list.yml:2: paths.a: no variable is called 'nowhere' (known: a)"),
    ("dangling variable in a path", "paths: {root: x}\n" + STEP.replace("scan.nxs", '"${rot}/scan.nxs"'),
     "list.yml:3: input tomo.path: no variable of paths: is called 'rot' (did you mean 'root'?)"),
    ("dangling estimate", HEAD + "  - {plugin: find_axis, name: axis}\n  - plugin: rebuild\n    centre: ${axes}\n",
     "list.yml:6: step 2 rebuild.centre: ${axes}: no earlier step that estimates a value is called 'axes' "
     "(did you mean 'axis'?)"),
    ("estimate of itself", HEAD + "  - plugin: rebuild\n    name: r\n    centre: ${r}\n",
     "list.yml:6: step 1 r.centre: ${r}: the step refers to itself"),
    ("estimate of a later step",
     HEAD + "  - plugin: rebuild\n    centre: ${axis}\n  - {plugin: find_axis, name: axis}\n",
     "list.yml:5: step 1 rebuild.centre: ${axis}: step 2 axis comes later; move it before step 1"),
    ("estimate of no estimator", STEP + "    name: s\n  - plugin: rebuild\n    centre: ${s}\n",
     "list.yml:7: step 2 rebuild.centre: ${s}: step 1 s (smooth) makes a dataset, it does not estimate a value"),
    ("estimate that is not active",
     HEAD + "  - {plugin: find_axis, name: axis, active: false}\n  - plugin: rebuild\n    centre: ${axis}\n",
     "list.yml:6: step 2 rebuild.centre: ${axis}: step 1 axis is not active"),
    ("estimate without such a field",
     HEAD + "  - {plugin: find_axis, name: axis}\n  - plugin: rebuild\n    centre: ${axis.uncertanty}\n",
     "list.yml:6: step 2 rebuild.centre: ${axis.uncertanty}: an estimate has no 'uncertanty' "
     "(did you mean 'uncertainty'?)"),
    ("estimate inside a text",
     HEAD + "  - {plugin: find_axis, name: axis}\n  - plugin: rebuild\n    centre: a${axis}\n",
     "list.yml:6: step 2 rebuild.centre: ${axis} is found while running: it can be the whole value of a step's "
     "parameter, not a part of it"),
    ("estimate in an input", STEP.replace("scan.nxs", "'${smooth}'"),
     "list.yml:2: input tomo.path: ${smooth} is found while running: it can be the whole value of a step's "
     "parameter only"),
    ("a reference inside braces", STEP.replace("scan.nxs", "${root}"),
     "list.yml:2: inside { } and [ ] a text with ${...} needs quotes around it"),
    ("unfinished reference", STEP + "    mode: ${axis\n",
     "list.yml:5: step 1 smooth.mode: a ${ that is not closed; write ${name}"),
    ("an ambiguous name", "paths: {axis: x}\n" + HEAD + "  - plugin: find_axis\n    name: axis\n",
     "list.yml:6: step 1 axis.name: paths: has a variable 'axis', so ${axis} could mean either"),
    ("two steps of one name", STEP + "    name: a\n  - plugin: smooth\n    name: a\n",
     "list.yml:7: step 2 a.name: step 1 (line 5) is called 'a' already"),
    ("empty", "", "list.yml:1: the list is empty: it needs input: and steps:"),
    ("only a remark", "# nothing\n---\n", "list.yml:1: the list is empty: it needs input: and steps:"),
    ("no steps", HEAD, "list.yml:3: steps: there are no steps: write  - plugin: NAME  below steps:"),
    ("empty steps", HEAD.replace("steps:", "steps: []"),
     "list.yml:3: steps: there are no steps: write  - plugin: NAME  below steps:"),
    ("a list on top", "\n- a\n- b\n",
     "list.yml:2: a process list is a mapping with the keys title, site, paths, input, steps, output; this is a list"),
    ("a text on top", "hello\n",
     "list.yml:1: a process list is a mapping with the keys title, site, paths, input, steps, output; "
     "this is a plain text"),
    ("a number on top", "42\n",
     "list.yml:1: a process list is a mapping with the keys title, site, paths, input, steps, output; "
     "this is integer 42"),
    ("unknown key on top", "titel: x\n" + STEP, "list.yml:1: unknown key 'titel' (did you mean 'title' or 'site'?)"),
    ("other version", "version: 2\n" + STEP,
     "list.yml:1: version: version 2 of process lists is not supported (supported: 1)"),
    ("no input", "steps:\n  - plugin: smooth\n",
     "list.yml:1: input: the list reads no data: it needs input: {tomo: {plugin: tomography, path: scan.nxs}}"),
    ("input without a name", "input:\n  plugin: raw\n  path: scan.nxs\nsteps:\n  - plugin: smooth\n",
     "list.yml:2: input: give the dataset a name: input: {tomo: {plugin: tomography, path: scan.nxs}}"),
    ("input without a path", STEP.replace(", path: scan.nxs", ""),
     "list.yml:2: input tomo: it has no path: write path: FILE, or give --input tomo=FILE"),
    ("missing input", STEP.replace("scan.nxs", "scam.nxs"),
     "list.yml:2: input tomo.path: no file or folder 'scam.nxs' in FOLDER (did you mean 'scan.nxs'?); "
     "another one: --input tomo=PATH"),
    ("missing file of a parameter", STEP + "    mask: mask.tiff\n",
     "list.yml:5: step 1 smooth.mask: no file or folder 'mask.tiff' in FOLDER (did you mean 'mask.tif'?)"),
    ("a folder for a file", STEP + "    mask: elsewhere\n",
     "list.yml:5: step 1 smooth.mask: elsewhere is a folder; a file is expected"),
    ("unknown parameter of an input", STEP.replace("scan.nxs", "scan.nxs, entri: e"),
     "list.yml:2: input tomo.entri: unknown parameter (did you mean 'entry'?)"),
    ("crop backwards", STEP.replace("scan.nxs", "scan.nxs, crop: {y: [9, 3]}"),
     "list.yml:2: input tomo.crop: y: [9, 3] is empty: the end is the first index that is left out"),
    ("a step that is a text", STEP + "  - smooth\n",
     "list.yml:5: step 2: a step is written  - plugin: NAME, got text 'smooth'"),
    ("a step without a plugin", HEAD + "  - plugn: smooth\n",
     "list.yml:4: step 1: it names no plugin: write plugin: NAME (instead of 'plugn'?)"),
    ("a loader among the steps", HEAD + "  - plugin: raw\n",
     "list.yml:4: step 1 raw: raw is a loader; it belongs under input:"),
    ("yes is no truth", STEP + "    save: yes\n",
     "list.yml:5: step 1 smooth.save: expected true or false, got text 'yes'"),
    ("unknown dataset", STEP + "    on: tomoo\n",
     "list.yml:5: step 1 smooth.on: no dataset is called 'tomoo' at this step (did you mean 'tomo'?)"),
    ("one dataset for two", HEAD + "  - plugin: subtract\n    on: tomo\n",
     "list.yml:5: step 1 subtract.on: subtract reads 2 datasets (first, second), got 1: tomo"),
    ("two outputs without names", HEAD + "  - plugin: split\n",
     "list.yml:4: step 1 split.to: split makes 2 datasets; name them with to: [NAME, ...]"),
    ("an estimator makes nothing", HEAD + "  - plugin: find_axis\n    to: a\n",
     "list.yml:5: step 1 find_axis.to: find_axis estimates a value, it makes no dataset, got 1: a"),
    ("a required parameter", HEAD + "  - plugin: rebuild\n",
     "list.yml:4: step 1 rebuild.centre: a value is required (number): axis"),
    ("a missing package", HEAD + "  - plugin: absent\n",
     "list.yml:4: step 1 absent: plugin 'absent' needs no_such_package, which is not installed; "
     "install with: pip install it"),
    ("a missing plugin file", HEAD + "  - plugin: ./own.py:f\n",
     "list.yml:4: step 1 f: plugin file own.py does not exist (none exist)"),
    ("unknown tag", STEP + "    size: !!python/object:os.system 3\n",
     "list.yml:5: step 1 smooth.size: unknown tag !!python/object:os.system: a list holds plain values only"),
    ("a number without end", STEP + "    size: 1" + "0" * 100 + "\n",
     "list.yml:5: step 1 smooth.size: the number 10000000000000000... has more than 60 digits"),
    ("a number too large", STEP + "    size: 1e999\n",
     "list.yml:5: step 1 smooth.size: the number 1e999 is too large"),
    ("two outputs of one name", HEAD + "  - plugin: split\n    to: [a, a]\n",
     "list.yml:5: step 1 split.to: two outputs cannot have one name: a, a"),
    ("one fault seen through an alias and a merge",
     STEP + "    options: &o {a: 1, a: 2}\n  - {plugin: smooth, options: {<<: [*o, *o]}}\n",
     "list.yml:5: step 1 smooth.options.a: the key 'a' is given twice, first on line 5"),
    ("a dangling name", STEP + "    on: ${x}\n",
     "list.yml:5: step 1 smooth.on: no variable of paths: is called 'x' (none exist)"),
    ("an output that is a text", STEP + "output:\n  - plugin: nexus\n  - tiff\n",
     "list.yml:7: output 2: expected a mapping with plugin:, got text 'tiff'"),
    ("a step among the outputs", STEP + "output: {plugin: smooth}\n",
     "list.yml:5: output smooth: smooth is a step; it belongs under steps:"),
    ("two documents", STEP + "---\na: 1\n",
     "list.yml:5: a second document begins here (---): a file holds one list"),
    ("an open bracket", STEP + "    limits: [1, 2\n",
     "list.yml:5: the text ends inside a bracket, a brace or a mapping"),
    ("a colon in a title", "title: Tooth: second\n" + STEP,
     "list.yml:1: a ': ' that fits nowhere: check the indentation, or put quotes around a text that contains ': '"),
    ("an unknown alias", STEP + "    mode: *m\n",
     "list.yml:5: found undefined alias 'm': a text that begins with * needs quotes"),
    ("an alias of itself", STEP + "    options: &o {a: *o}\n",
     "list.yml:5: step 1 smooth.options.a: an alias (*name) inside the value that it stands for"),
    ("a control character", STEP + "    mode: \x01\n",
     "list.yml:5: the character U+0001 is not allowed in YAML text"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_one_fault_one_message_with_its_place(text, expected, faults, folder):
    found = [message.replace(str(folder), "FOLDER") for message in faults(text)]
    assert found == [expected]


def test_all_faults_at_once_sorted_by_line(faults):
    text = """\
titel: x
input:
  tomo: {plugin: raw, path: none.nxs}
steps:
  - plugin: smooth
    size: 99
    on: nothing
  - plugin: smoth
  - plugin: smooth
    mode: 3
    size: 3
    size: 4
"""
    found = faults(text, settings=["2.x=1", "9.y=2", "3.size=abc"], inputs=["b=c"])
    assert len(found) == 10
    assert [message.split(": ")[0] for message in found[:6]] == [f"list.yml:{line}" for line in (1, 3, 6, 7, 8, 10)]
    assert found[6].startswith("list.yml:12: step 3 smooth.size: the key 'size' is given twice")
    assert [message.split(": ")[0] for message in found[7:]] == ["--set 9.y=2", "--input b=c", "--set 3.size=abc"]


def test_the_error_says_how_many(faults, check):
    with pytest.raises(ListError, match=r"2 problems; nothing was run") as caught:
        check(HEAD + "  - plugin: a\n  - plugin: b\n")
    assert caught.value.exit_status == 2


# files


def message_of(path) -> str:
    with pytest.raises(ListError) as caught:
        read_list(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_a_missing_list(folder):
    (folder / "tomography.yml").touch()
    expected = "tomografy.yml: no such file (did you mean 'tomography.yml'?)"
    assert message_of(folder / "tomografy.yml") == expected
    assert "the folder" in message_of(folder / "no" / "list.yml")


def test_a_folder(folder):
    assert message_of(folder / "elsewhere") == "elsewhere: this is a folder; give a process list (a YAML file)"


def test_data_in_the_place_of_a_list(folder):
    (folder / "scan.nxs").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(3 << 20))
    assert "this is an HDF5 file, not a process list" in message_of(folder / "scan.nxs")
    (folder / "a.tif").write_bytes(b"II*\x00\nabc\n\xff\xfe")
    assert message_of(folder / "a.tif") == "a.tif:3: the file is not UTF-8 text (byte 0xff on this line)"


def test_much_too_large(folder):
    (folder / "big.yml").write_bytes(b"a" * (1 << 20) + b"bc")
    assert "larger than 1 MiB" in message_of(folder / "big.yml")


def test_hostile_texts_are_refused_quickly(faults):
    started = time.perf_counter()
    assert "nested more than 40 deep" in faults("a: " + "[" * 500_000)[0]
    assert "nested more than 40 deep" in faults("- " * 300_000)[0]
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "once the aliases (*name) are followed" in faults(bomb)[0]
    texts = "paths:\n  v0: xxxxxxxxxx\n" + "".join(f"  v{n}: {f'${{v{n - 1}}}' * 10}\n" for n in range(1, 12))
    assert any("grows beyond 20000 characters" in message for message in faults(texts + STEP))
    chain = "paths:\n  v0: x\n" + "".join(f"  v{n}: ${{v{n - 1}}}\n" for n in range(1, 3000))
    assert faults(chain + STEP + "    size: 99\n")[-1].endswith("got 99")
    assert time.perf_counter() - started < 20  # each takes well under a second; a bomb would take for ever
