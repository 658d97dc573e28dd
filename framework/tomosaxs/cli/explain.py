"""A plugin's declaration in words, the same for the screen and for the reference pages."""

from __future__ import annotations

from tomosaxs.plugin import PluginSpec
from tomosaxs.registry import backends


def parameter_rows(spec: PluginSpec) -> list[tuple[str, str, str, str]]:
    """Return (name, type and limits, default, description) of every parameter."""
    rows = []
    for each in spec.parameters:
        limits = each.param.limits()
        kind = (
            each.type_name() + (f", {limits}" if limits else "") + (f" [{each.param.unit}]" if each.param.unit else "")
        )
        default = "required" if each.required else ("null" if each.default is None else str(each.default))
        rows.append((each.name, kind, default, each.param.description))
    return rows


def takes_and_gives(spec: PluginSpec) -> str:
    """Return what goes in and comes out."""
    if spec.kind in ("loader", "saver"):
        return spec.kind
    takes = ", ".join(f"{name}: {pattern.name} {pattern.describe()}" for name, pattern in spec.inputs)
    takes = f"one or more of {takes}" if spec.variadic else takes
    gives = ", ".join(f"{pattern.name} {pattern.describe()}" for pattern in spec.outputs)
    if spec.kind == "estimator":
        gives = "a value for later steps, ${name}"
    return f"{takes} -> {gives or 'files'}"


def example(spec: PluginSpec) -> str:
    """Return the lines of a list that use the plugin."""
    lines = [f"- plugin: {spec.name}"]
    if spec.kind == "estimator":
        lines.append(f"  name: {spec.name.removeprefix('find_')}")
    for each in spec.parameters:
        if each.required:
            lines.append(f"  {each.name}: <{each.type_name()}>")
    return "\n".join(lines)


def explain(spec: PluginSpec) -> str:
    """Return the text of ``tomosaxs show NAME``."""
    lines = [f"{spec.name} ({spec.kind})", "", spec.doc, "", takes_and_gives(spec)]
    rows = parameter_rows(spec)
    if rows:
        lines.extend(["", "Parameters"])
        for name, kind, default, description in rows:
            lines.append(
                f"  {name}: {kind}; default {default}" if default != "required" else f"  {name}: {kind}; required"
            )
            if description:
                lines.append(f"      {description}")
    found = backends(spec.name)
    if found:
        lines.extend(["", "Backends"])
        for name, entry in found.items():
            reason = entry.missing()
            lines.append(f"  {name}: {entry.summary}" + (f" Not available: {reason}." if reason else ""))
    if spec.kind in ("step", "estimator"):
        lines.extend(["", "In a list", *("  " + line for line in example(spec).splitlines())])
    if spec.cite:
        lines.extend(["", "Cite: " + ", ".join(spec.cite)])
    if spec.file is not None:
        lines.extend(["", f"Source: {spec.file}:{spec.line}"])
    return "\n".join(lines)
