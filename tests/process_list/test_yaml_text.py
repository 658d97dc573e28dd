"""Plain values are read as they look; anything at all gives a value or a ListError."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomosaxs import ListError
from tomosaxs.process_list import check_list, parse_list
from tomosaxs.process_list.tree import Faults, Keyed, Place, key_places, plain
from tomosaxs.process_list.yaml_text import load


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1E5", 1e5), (".5e-3", 5e-4), ("1.", 1.0), ("-.5", -0.5), ("+3", 3), ("-12", -12),
        ("0", 0), ("0.0", 0.0), ("1.5e+3", 1500.0), ("0x1F", 31), ("0o17", 15), (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("12:30", "12:30"), ("12:30:45", "12:30:45"), ("2026-01-02", "2026-01-02"),
        ("0012", "0012"), ("1_000", "1_000"),
        ("1e", "1e"), ("e5", "e5"), (".", "."), ("-", "-"), ("'3'", "3"), ('"1e-3"', "1e-3"), ("!!str 3", "3"),
        ("!!float 3", 3.0), ("mid-8", "mid-8"), ("10.1107/S160", "10.1107/S160"), ("nan", "nan"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_values(text, value):
    faults = Faults(None)
    read = load(f"a: {text}\n" if text != "-" else "a: '-'\n", faults)["a"]
    assert not faults.problems
    assert read == value
    assert type(read) is type(value)


def test_not_a_number_is_a_number():
    assert math.isnan(load("a: .nan", Faults(None))["a"])


def test_keys_stay_texts():
    read = load("on: 1\nyes: 2\ny: 3\nno: 4\n", Faults(None))
    assert plain(read) == {"on": 1, "yes": 2, "y": 3, "no": 4}


def test_lines_of_every_key_and_item():
    tree = load("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: 3,\n      f: 4}\n", Faults(None))
    assert tree.places == {"a": Place(1), "b": Place(2)}
    assert tree["b"].places == [Place(3), Place(4)]
    assert key_places(tree["b"][1]) == {"c": Place(4), "d": Place(5), "d.e": Place(5), "d.f": Place(6)}


@pytest.mark.parametrize(
    "text", ["!!int abc", "!!bool yes", "!!timestamp 2026-01-02", "!!binary aGk=", "!!set {a}", "!x [1]", "!x {a: 1}",
             "{? [1] : 2}", "{~: 1}", "{<<: 3}", "{.nan: 1}"]
)  # fmt: skip
def test_values_that_are_refused(text):
    faults = Faults(None)
    load(f"\na: {text}\n", faults)
    assert [problem.line for problem in faults.problems] == [2]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_characters="\x7f"), max_size=12)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz", min_size=1), inner),
    max_leaves=12,
)


@given(documents)
@settings(deadline=None)
def test_json_texts_read_as_they_were_written(document):
    """JSON is YAML: what json writes, with its own quoting, must come back with the same types."""
    faults = Faults(None)
    read = plain(load(json.dumps({"whole": document}, ensure_ascii=True), faults))
    assert not faults.problems
    assert read == {"whole": document}
    assert json.dumps(read) == json.dumps({"whole": document})


def assert_named(error: ListError) -> None:
    assert error.problems
    assert all(problem.message for problem in error.problems)
    assert len(str(error)) < 300_000


pieces = st.sampled_from(
    ["input:", "steps:", "output:", "paths:", "title:", "plugin:", "path:", "crop:", "on:", "to:", "name:", "tomo:",
     " ", "  ", "\n", "\n  ", "\n  - ", "- ", "${", "}", "${axis}", "${a.b}", "smooth", "raw", "find_axis", "size:",
     "{", "}", "[", "]", ",", ": ", "'", '"', "\\0", "&a", "*a", "<<: ", "!!str", "|", ">", "#", "%", "---", "\t", "~",
     "sweep:", "{sweep: [1, 2]}", "1e999", "-1", "mid-8", "a.py:b", "centre:", "mask:", "/", "~nobody/x", "x" * 300,
     "active: false", "\x00", "\ud800", "é", "version: 1"]
)  # fmt: skip
texts = st.text(max_size=60) | st.lists(pieces, max_size=40).map("".join)


@given(
    text=texts,
    given_settings=st.lists(texts, max_size=2),
    roots=st.lists(texts, max_size=1),
    inputs=st.lists(texts, max_size=1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_any_text_gives_a_list_or_a_list_error(fake_plugins, text, given_settings, roots, inputs):
    for body in (text, "input: {tomo: {plugin: raw, path: /}}\nsteps:\n  - plugin: smooth\n" + text):
        try:
            check_list(parse_list(body, settings=given_settings, roots=roots, inputs=inputs))
        except ListError as error:
            assert_named(error)


names = st.sampled_from(["plugin", "path", "crop", "name", "on", "to", "save", "active", "size", "centre", "mask", "x"])
values = st.recursive(
    scalars | st.sampled_from(["smooth", "raw", "split", "${axis}", "${v}", "tomo", "axis", "/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
entries = st.dictionaries(names, values, max_size=5)
shaped = st.fixed_dictionaries(
    {},
    optional={
        "title": values,
        "paths": st.dictionaries(st.sampled_from(["v", "w", "axis"]), values, max_size=3) | values,
        "input": st.dictionaries(st.sampled_from(["tomo", "b", "1"]), entries, max_size=2) | values,
        "steps": st.lists(entries | values, max_size=4) | values,
        "output": entries | st.lists(entries, max_size=2) | values,
        "version": values,
    },
)


@given(document=shaped)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_any_values_at_any_place_give_a_list_or_a_list_error(fake_plugins, document):
    try:
        check_list(parse_list(json.dumps(document), settings=["1.size=3", "tomo.crop.x=[0, 1]"], inputs=["tomo=/"]))
    except ListError as error:
        assert_named(error)


def test_a_mapping_keeps_the_first_of_two_equal_keys():
    faults = Faults(None)
    tree = load("a: 1\na: 2\n", faults)
    assert isinstance(tree, Keyed)
    assert tree["a"] == 1
    assert len(faults.problems) == 1
