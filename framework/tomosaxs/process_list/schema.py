"""JSON schema (draft 2020-12) of process lists, so that editors complete and check them while typing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tomosaxs import registry
from tomosaxs.entries import PluginEntry
from tomosaxs.errors import TomosaxsError
from tomosaxs.parameters import Parameter
from tomosaxs.plugin import PluginSpec

_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
_NAMES = {"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1, "uniqueItems": True}]}
_BOUND = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^(begin|mid|end)\s*([+-]\s*\d+)?$"},
    ]
}
_LATE = {
    "type": "string",
    "pattern": r"\$\{.+\}",
    "description": "a variable, or the estimate of an earlier step",
}

_STEP = {
    "name": {**_NAME, "description": "Name of the step; later steps use an estimate as ${name}."},
    "on": {**_NAMES, "description": "Dataset, or datasets, that the step reads."},
    "to": {**_NAMES, "description": "Dataset, or datasets, that the step makes."},
    "save": {"type": "boolean", "default": False, "description": "Keep the step's output in the result."},
    "active": {"type": "boolean", "default": True, "description": "Whether the step runs."},
}
_INPUT = {
    "path": {
        "description": "File or folder, relative to the list; for loaders of several files also a pattern or a list.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    },
    "crop": {
        "type": "object",
        "description": "Part of the data: {axis: [begin, end]} or {axis: [begin, end, step]}.",
        "additionalProperties": {
            "anyOf": [
                _BOUND,
                {
                    "type": "array",
                    "prefixItems": [_BOUND, _BOUND, {"type": "integer", "minimum": 1}],
                    "minItems": 2,
                    "maxItems": 3,
                },
            ]
        },
    },
    "bin": {
        "type": "object",
        "description": "How many neighbours become one, their mean, after the crop: {axis: number}.",
        "additionalProperties": {"type": "integer", "minimum": 1},
    },
}


def json_schema(entries: Mapping[str, PluginEntry] | None = None) -> dict[str, Any]:
    """Return the schema of process lists for the given plugins.

    Every plugin is imported here. One whose packages are missing, or whose import fails, still
    appears, with the reason and without its parameters.

    Parameters
    ----------
    entries : mapping of str to PluginEntry, optional
        Default: all that are registered.
    """
    chosen = registry.plugins() if entries is None else entries
    kinds: dict[str, list[str]] = {"step": [], "loader": [], "saver": []}
    definitions: dict[str, Any] = {}
    for name, entry in sorted(chosen.items()):
        kind = "step" if entry.kind == "estimator" else entry.kind
        kinds.setdefault(kind, []).append(name)
        common = {"step": _STEP, "loader": _INPUT}.get(kind, {})
        definitions[name] = _definition(entry, common)
    saver = _choice(kinds["saver"], {}, "Writes the result; nexus unless the list says otherwise.", required=False)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Process list",
        "type": "object",
        "required": ["input", "steps"],
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1, "description": "Version of the form of process lists."},
            "title": {"type": ["string", "number"], "description": "Title of the result."},
            "site": {
                "type": "string",
                "description": "Site profile: a name that tomosaxs sites lists, or the path of a YAML file.",
            },
            "paths": {
                "type": "object",
                "description": "Variables, used as ${name}.",
                "propertyNames": _NAME,
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
            "input": {
                "type": "object",
                "description": "Datasets to load, by name.",
                "minProperties": 1,
                "propertyNames": _NAME,
                "additionalProperties": _choice(kinds["loader"], _INPUT, "Loader."),
            },
            "steps": {
                "type": "array",
                "description": "What is done, in order.",
                "minItems": 1,
                "items": _choice(kinds["step"], _STEP, "What the step does; FILE.py:NAME for one of your own."),
            },
            "output": {"anyOf": [saver, {"type": "array", "items": saver, "minItems": 1}, {"type": "null"}]},
        },
        "$defs": definitions,
    }


def _choice(names: list[str], common: dict[str, Any], text: str, *, required: bool = True) -> dict[str, Any]:
    """Return a mapping whose other keys depend on the plugin it names."""
    own_file = {"type": "string", "pattern": r"(\.py:)|(\$\{)"}
    cases = [
        {
            "if": {"properties": {"plugin": {"const": name}}, "required": ["plugin"]},
            "then": {"$ref": f"#/$defs/{name.replace('~', '~0').replace('/', '~1')}"},
        }
        for name in names
    ]
    made: dict[str, Any] = {
        "type": "object",
        "properties": {"plugin": {"description": text, "anyOf": [{"enum": names}, own_file]}, **common},
    }
    if required:
        made["required"] = ["plugin"]
    if cases:
        made["allOf"] = cases
    return made


def _definition(entry: PluginEntry, common: dict[str, Any]) -> dict[str, Any]:
    spec, reason = _spec(entry)
    if spec is None:
        return {"description": f"{entry.summary} (not available here: {reason})"}
    properties: dict[str, Any] = {"plugin": {"const": entry.name}}
    properties.update({declared.name: _parameter(declared) for declared in spec.parameters})
    if spec.kind == "loader" and not spec.many_paths:
        common = {**common, "path": {"type": "string", "description": "File or folder, relative to the list."}}
    made: dict[str, Any] = {
        "description": spec.summary,
        "properties": {**properties, **common},
        "additionalProperties": False,
    }
    needed = [declared.name for declared in spec.parameters if declared.required]
    if needed:
        made["required"] = needed
    return made


def _spec(entry: PluginEntry) -> tuple[PluginSpec | None, str]:
    reason = entry.missing()
    if reason:
        return None, reason
    try:
        return registry.find(entry.name), ""
    except (TomosaxsError, AttributeError, OSError) as error:
        return None, str(error)


def _range(key: str, size: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a range of a sweep, by its step or by the count of its values."""
    ends = {"start": {"type": "number"}, "stop": {"type": "number"}}
    return {
        "type": "object",
        "required": [*ends, key],
        "additionalProperties": False,
        "properties": {**ends, key: size},
    }


_RANGES = (_range("step", {"type": "number"}), _range("count", {"type": "integer", "minimum": 2}))


def _parameter(declared: Parameter) -> dict[str, Any]:
    """Return the schema of one parameter: a value, a reference, or a sweep over values."""
    param = declared.param
    value = _limited(_type(declared), declared)
    sweep = {
        "type": "object",
        "required": ["sweep"],
        "additionalProperties": False,
        "properties": {"sweep": {"anyOf": [{"type": "array", "items": value, "minItems": 1}, *_RANGES]}},
    }
    unit = f" [{param.unit}]" if param.unit else ""
    limits = f" ({param.limits()})" if param.limits() else ""
    made: dict[str, Any] = {
        "description": f"{param.description}{unit}{limits}".strip(),
        "anyOf": [value, _LATE, sweep],
    }
    if not declared.required and _is_json(declared.default):
        made["default"] = str(declared.default) if isinstance(declared.default, Path) else declared.default
    return made


def _type(declared: Parameter) -> dict[str, Any]:
    import pydantic

    try:
        config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        found = pydantic.TypeAdapter(declared.annotation, config=config).json_schema()
    except (pydantic.errors.PydanticInvalidForJsonSchema, pydantic.errors.PydanticUserError):
        return {}
    # definitions of a nested model would need to move to the top; such a value is left open
    return {} if "$defs" in found else _quiet(found)


def _quiet(schema: Any) -> Any:
    """Drop what pydantic adds for its own use."""
    if isinstance(schema, dict):
        dropped = {"title", "default"} | ({"format"} if schema.get("format") == "path" else set())
        return {key: _quiet(value) for key, value in schema.items() if key not in dropped}
    return [_quiet(each) for each in schema] if isinstance(schema, list) else schema


def _limited(schema: dict[str, Any], declared: Parameter) -> dict[str, Any]:
    """Put a parameter's limits where its numbers are."""
    param = declared.param
    named = {
        "minimum": param.ge,
        "exclusiveMinimum": param.gt,
        "maximum": param.le,
        "exclusiveMaximum": param.lt,
    }
    limits = {key: value for key, value in named.items() if value is not None}
    if schema.get("type") in ("integer", "number"):
        return {**schema, **limits}
    if schema.get("type") == "string" and param.choices:
        return {**schema, "enum": list(param.choices)}
    for key in ("anyOf", "prefixItems"):
        if isinstance(schema.get(key), list):
            schema = {**schema, key: [_limited(each, declared) for each in schema[key]]}
    if isinstance(schema.get("items"), dict):
        schema = {**schema, "items": _limited(schema["items"], declared)}
    return schema


def _is_json(value: Any) -> bool:
    if isinstance(value, Path):
        return True
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
