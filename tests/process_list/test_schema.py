"""The JSON schema for editors: it accepts what `check_list` accepts, as far as a schema can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tomosaxs.process_list import json_schema
from tomosaxs.process_list.tree import Faults, plain
from tomosaxs.process_list.yaml_text import load

GOOD = """\
title: For a validator
paths: {root: /data}
input:
  tomo: {plugin: raw, path: "${root}/scan.nxs", crop: {detector_y: [mid-8, mid+8], detector_x: 3}}
steps:
  - {plugin: smooth, size: 5, mask: mask.tif, limits: [0, 1e3]}
  - {plugin: find_axis, name: axis}
  - {plugin: ./own.py:rebuild, anything: 3}
  - {plugin: rebuild, centre: "${axis}", save: true, on: tomo, to: [volume]}
output: {plugin: nexus, bits: 8}
"""


def test_parameters_with_types_limits_and_defaults(fake_plugins):
    schema = json_schema(fake_plugins)
    json.dumps(schema, allow_nan=False)
    size = schema["$defs"]["smooth"]["properties"]["size"]
    assert size["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 31}
    assert size["default"] == 3
    assert size["description"] == "window [px] (>= 1, <= 31)"
    assert schema["$defs"]["smooth"]["properties"]["mode"]["anyOf"][0]["enum"] == ["mean", "median"]
    assert schema["$defs"]["rebuild"]["required"] == ["centre"]
    assert "not available here: needs no_such_package" in schema["$defs"]["absent"]["description"]
    assert "properties" not in schema["$defs"]["absent"]


def test_every_plugin_is_offered_where_it_belongs(fake_plugins):
    schema = json_schema(fake_plugins)

    def offered(part: Any) -> list[str]:
        return part["properties"]["plugin"]["anyOf"][0]["enum"]

    assert offered(schema["properties"]["input"]["additionalProperties"]) == ["raw"]
    assert offered(schema["properties"]["steps"]["items"]) == [
        "absent", "find_axis", "rebuild", "smooth", "split", "subtract"
    ]  # fmt: skip
    assert offered(schema["properties"]["output"]["anyOf"][0]) == ["nexus"]
    cases = schema["properties"]["steps"]["items"]["allOf"]
    assert all(case["then"]["$ref"].removeprefix("#/$defs/") in schema["$defs"] for case in cases)


def test_a_validator_agrees_with_the_check(fake_plugins):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema(fake_plugins)
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = plain(load(GOOD, Faults(None)))
    assert not list(validator.iter_errors(document))
    for value, good in ((99, False), ("large", False), ({"sweep": [3, 5]}, True), ({"sweep": [99]}, False)):
        document["steps"][0]["size"] = value
        assert validator.is_valid(document) is good
    document["steps"][0] = {"plugin": "smooth", "sise": 3}
    assert not validator.is_valid(document)
    document["steps"][0] = {"plugin": "smoth"}
    assert not validator.is_valid(document)


def test_the_shipped_plugins_have_a_schema():
    schema = json_schema()
    assert {"tomography", "minus_log", "reconstruct", "nexus"} <= set(schema["$defs"])
