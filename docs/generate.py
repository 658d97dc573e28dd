"""Write the generated part of docs/reference from the declarations themselves.

    python docs/generate.py            write the pages
    python docs/generate.py --check    say which are out of date, exit status 1 if any is

What is written here does not depend on the machine: optional packages may be installed or not.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
for _root in ("framework", "plugins"):
    sys.path.insert(0, str(DOCS.parent / _root))

import click  # noqa: E402

import tomosaxs  # noqa: E402
from tomosaxs import registry  # noqa: E402
from tomosaxs.cli.commands import tomosaxs as command_group  # noqa: E402
from tomosaxs.cli.explain import example, parameter_rows, takes_and_gives  # noqa: E402
from tomosaxs.declaration import spec_of  # noqa: E402
from tomosaxs.entries import load_target  # noqa: E402
from tomosaxs.hookspecs import HookSpecs  # noqa: E402
from tomosaxs.patterns import PATTERNS  # noqa: E402
from tomosaxs.plugin import PluginSpec  # noqa: E402

NOTE = "<!-- Written by docs/generate.py from the declarations: change those, then run it again. -->\n"
SHIPPED = "tomosaxs_plugins."
KINDS = {
    "loader": ("Loaders", "Read a scan; used in `input:`."),
    "step": ("Steps", "Work on a dataset; used in `steps:`."),
    "estimator": ("Estimators", "Look at a dataset and find a named value; used in `steps:`."),
    "saver": ("Savers", "Write the result; used in `output:`."),
}
_SECTION = re.compile(r"^(\S[^\n]*)\n-{3,}[ \t]*$", re.MULTILINE)


def pages() -> dict[str, str]:
    """Return every generated page: path below docs/ -> text."""
    made = {
        "reference/plugins.md": plugin_index(),
        "reference/commands.md": commands_page(),
        "reference/hooks.md": hooks_page(),
        "reference/patterns.md": patterns_page(),
        "reference/python.md": python_page(),
        "decisions/index.md": decisions_page(),
    }
    for name in shipped():
        made[f"reference/plugins/{name}.md"] = plugin_page(declaration(name))
    return made


def shipped() -> dict[str, tomosaxs.PluginEntry]:
    """Return the plugins that come with tomosaxs, without those of this machine's user."""
    return {name: entry for name, entry in registry.plugins().items() if entry.target.startswith(SHIPPED)}


def declaration(name: str) -> PluginSpec:
    """Return what a shipped plugin declares, also where an optional package that it needs is not installed."""
    return spec_of(load_target(shipped()[name].target), name=name)


def shipped_backends(plugin: str) -> dict[str, tomosaxs.BackendEntry]:
    """Return the backends that come with tomosaxs."""
    return {name: entry for name, entry in registry.backends(plugin).items() if entry.target.startswith(SHIPPED)}


# plugins


def plugin_index() -> str:
    """Return the page that lists all plugins and backends."""
    lines = [NOTE, "# Plugins", "", "`tomosaxs list WORD` finds them by words, `tomosaxs show NAME` explains one.", ""]
    for kind, (head, text) in KINDS.items():
        these = [entry for entry in shipped().values() if entry.kind == kind]
        if these:
            lines += [f"## {head}", "", text, "", *_table(("plugin", "what it does", "needs"), _plugin_rows(these)), ""]
    lines += ["## Backends", "", "Libraries behind one plugin, chosen by its parameter `backend`.", ""]
    rows = [
        (f"[{plugin}](plugins/{plugin}.md)", f"`{entry.name}`", entry.summary, _needs(entry))
        for plugin in shipped()
        for entry in shipped_backends(plugin).values()
    ]
    lines += _table(("plugin", "backend", "what it is", "needs"), rows)
    return _page(lines)


def _plugin_rows(entries: Iterable[tomosaxs.PluginEntry]) -> list[tuple[str, ...]]:
    return [(f"[{entry.name}](plugins/{entry.name}.md)", entry.summary, _needs(entry)) for entry in entries]


def _needs(entry: tomosaxs.PluginEntry | tomosaxs.BackendEntry) -> str:
    return f"{', '.join(entry.needs)}: `{entry.install}`" if entry.needs else ""


def plugin_page(spec: PluginSpec) -> str:
    """Return the page of one plugin."""
    body, sections = split_docstring(spec.doc)
    summary, _, rest = body.partition("\n")
    kind = "step that saves" if spec.kind == "step" and not spec.outputs else spec.kind
    lines = [NOTE, f"# {spec.name}", "", summary, "", f"- Kind: {kind}"]
    if spec.kind in ("step", "estimator"):
        lines.append(f"- Takes and gives: {takes_and_gives(spec)}")
    if spec.halo:
        lines.append("- Neighbouring slices needed: " + ", ".join(f"{k}: {v}" for k, v in spec.halo.items()))
    if spec.kind == "step":
        same = "the same bits" if not spec.determinism else f"equal within a relative {spec.determinism:g}"
        lines.append(f"- For any block size and number of ranks: {same}")
    lines += [f"- Cite: {_doi(doi)}" for doi in spec.cite]
    lines += ["", "## In a list", "", "```yaml", *in_list(spec), "```", ""]
    if rest.strip():
        lines += ["## What it does", "", rest.strip(), ""]
    rows = [(f"`{row[0]}`", row[1], _default(row[2]), row[3]) for row in parameter_rows(spec)]
    lines += ["## Parameters", "", *(_table(("name", "value", "default", "meaning"), rows) if rows else ["None."]), ""]
    found = shipped_backends(spec.name)
    if found:
        rows = [(f"`{name}`", entry.summary, _needs(entry)) for name, entry in found.items()]
        lines += ["## Backends", "", *_table(("backend", "what it is", "needs"), rows), ""]
    heads = {"Parameters": "From Python: arguments", "Returns": "From Python: what it returns", "Raises": "Errors"}
    for name, text in sections:
        lines += [f"## {heads.get(name, name)}", "", *_section(name, text), ""]
    lines += [f"Source: `{spec.target.__module__}`"]
    return _page(lines)


def _default(text: str) -> str:
    return {"": "(empty)", "required": "required"}.get(text, f"`{text}`")


def in_list(spec: PluginSpec) -> list[str]:
    """Return the lines of a list that use the plugin."""
    if spec.kind == "loader":
        lines = ["input:", "  scan:", f"    plugin: {spec.name}", "    path: scan.nxs"]
        lines += ["    # several files: path: scan-*.nxs, or a list"] if spec.many_paths else []
        return lines + [f"    {p.name}: <{p.type_name()}>" for p in spec.parameters if p.required]
    if spec.kind == "saver":
        return ["output:", f"  plugin: {spec.name}"]
    return example(spec).splitlines()


def split_docstring(doc: str) -> tuple[str, list[tuple[str, str]]]:
    """Split a numpy-style docstring into its text and its sections (name, text)."""
    parts = _SECTION.split(doc)
    names, texts = parts[1::2], parts[2::2]
    return parts[0].strip(), [(name, text.strip("\n")) for name, text in zip(names, texts, strict=True)]


def _section(name: str, text: str) -> list[str]:
    """Turn `name : type` entries with indented explanations into a list; leave other text alone."""
    if name == "Notes":
        return [text.strip()]
    items: list[list[str]] = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            items.append([line.strip()])
        elif line.strip() and items:
            items[-1].append(line.strip())
    return [f"- `{head}`" + (": " + " ".join(rest) if rest else "") for head, *rest in items]


def _doi(doi: str) -> str:
    return f"[{doi}](https://doi.org/{doi})" if doi.startswith("10.") else doi


# commands


def commands_page() -> str:
    """Return the page of all commands with their options."""
    lines = [NOTE, "# Commands", ""]
    lines += ["`tomosaxs_run` is the same as `tomosaxs run`. Start it under `mpirun` for several ranks."]
    lines += ["What the exit status means: [exit status](exit-status.md).", ""]
    context = click.Context(command_group, info_name="tomosaxs")
    lines += _options(command_group, "tomosaxs")
    for name in command_group.list_commands(context):
        entry = registry.commands().get(name)  # also where an optional package that it needs is not installed
        command = command_group.get_command(context, name) if entry is None else load_target(entry.target)
        if command is not None:
            lines += _options(command, f"tomosaxs {name}")
    return _page(lines)


def _options(command: click.Command, name: str) -> list[str]:
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    words = [_argument(argument) for argument in arguments] + (["COMMAND"] if isinstance(command, click.Group) else [])
    usage = " ".join([name, *words, *(["[OPTIONS]"] if options else [])])
    head, _, rest = inspect.cleandoc(command.help or "").partition("\n")
    lines = [f"## {name}", "", head, "", f"    {usage}", ""]
    if rest.strip() and not isinstance(command, click.Group):
        lines += [rest.strip(), ""]
    rows = [(f"`{_option(option)}`", _meaning(option)) for option in options]
    return [*lines, *(_table(("option", "meaning"), rows) if rows else []), ""]


def _meaning(option: click.Option) -> str:
    text = option.help or ""
    return f"{text} Default {option.default}." if option.show_default else text


def _argument(argument: click.Argument) -> str:
    shown = argument.metavar or (argument.name or "").upper()
    shown += "..." if argument.nargs == -1 else ""
    return shown if argument.required else f"[{shown}]"


def _option(option: click.Option) -> str:
    flags = ", ".join(option.opts)
    if option.is_flag or option.count:
        return flags
    names = {"integer range": "NUMBER", "integer": "NUMBER", "float": "NUMBER", "text": "TEXT"}
    return f"{flags} {option.metavar or names.get(option.type.name, option.type.name.upper())}"


# hooks, patterns, Python


def hooks_page() -> str:
    """Return the page of all hooks."""
    lines = [NOTE, "# Hooks", "", _text(HookSpecs), ""]
    lines += ["How a package uses them: [package your plugins](../how-to/package-your-plugins.md).", ""]
    for name in hooks():
        function = getattr(HookSpecs, name)
        arguments = [p for p in inspect.signature(function).parameters if p != "self"]
        lines += [f"## {name}", "", f"    {name}({', '.join(arguments)})", "", inspect.getdoc(function) or "", ""]
    for cls, example_text in ((tomosaxs.PluginEntry, "plugins"), (tomosaxs.BackendEntry, "backends")):
        body, sections = split_docstring(inspect.getdoc(cls) or "")
        lines += [f"## tomosaxs.{cls.__name__}", "", f"What `register_{example_text}` returns. {body}", ""]
        lines += [line for name, text in sections for line in _section(name, text)] + [""]
    return _page(lines)


def hooks() -> list[str]:
    """Return the names of all hooks."""
    return [name for name, value in vars(HookSpecs).items() if inspect.isfunction(value)]


def patterns_page() -> str:
    """Return the page of all patterns."""
    lines = [NOTE, "# Patterns", ""]
    lines += ["The type of a plugin's positional argument says which axes it gets whole; all other axes are sliced and"]
    lines += ["flattened into the leading axis. Why: [patterns and blocks](../explanations/patterns-and-blocks.md)."]
    rows = []
    for pattern in PATTERNS.values():
        blocks = " or ".join(f"`(n, {', '.join(core)})`" for core in pattern.cores) or "`(n, ...)`"
        renamed = ", ".join(f"{old} becomes {new}" for old, new in pattern.renames)
        rows.append((f"`{pattern.name}`", blocks, renamed))
    lines += ["", *_table(("type", "shape of a block", "sliced axes afterwards"), rows), ""]
    lines += ["Where several are named, the first whose axes the dataset has is taken. For axes of your own:", ""]
    lines += ["```python", "from typing import Annotated, Any", "from numpy.typing import NDArray"]
    lines += ["from tomosaxs import custom_pattern", ""]
    lines += ['Ptychograms = Annotated[NDArray[Any], custom_pattern("Ptychograms", "position", "detector_y")]', "```"]
    return _page(lines)


def python_page() -> str:
    """Return the page of the public names."""
    lines = [NOTE, "# Python", "", "Everything public is imported from `tomosaxs`."]
    lines += ["A name is imported when it is first used, so that `import tomosaxs` is fast.", ""]
    for name in sorted(tomosaxs.__all__, key=str.lower):
        value = getattr(tomosaxs, name)
        lines += [f"## {name}", "", *_described(name, value), ""]
    return _page(lines)


def decisions_page() -> str:
    """Return the page that lists all decision records."""
    lines = [NOTE, "# Decisions", "", "Why things are as they are: status, context, decision, consequences.", ""]
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        title = re.sub(r"^# +[0-9]+\.? +", "", path.read_text(encoding="utf-8").splitlines()[0])
        lines.append(f"- {path.name[:4]} [{title}]({path.name})")
    return _page(lines)


def _described(name: str, value: Any) -> list[str]:
    if name in PATTERNS:
        return [f"Type of a plugin's dataset: {PATTERNS[name].describe()}. See [patterns](patterns.md)."]
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return [_ALIASES.get(name, "")]
    body, sections = split_docstring(inspect.getdoc(value) or "")
    lines = [body]
    for head, text in sections:
        lines += ["", f"{head}:", "", *_section(head, text)]
    return lines


_ALIASES = {
    "InputFile": "Type of a parameter that is a file: relative to the list, must exist, its content counts for resume.",
    "InputPath": "Type of a parameter that is a file or a folder of files: relative to the list, must exist, its "
    "content counts for resume.",
    "Selection": "Part of one axis: a slice with a positive step, or increasing indices.",
    "hookimpl": "Marks a function of an index module as the implementation of a [hook](hooks.md).",
}


def _text(thing: Any) -> str:
    return inspect.getdoc(inspect.getmodule(thing)) or ""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(heads), line("---" for _ in heads), *(line(row) for row in rows)]


def _page(lines: Iterable[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def out_of_date() -> list[str]:
    """Return what has to be written again, and pages that belong to nothing."""
    wanted = pages()
    stale = [name for name, text in wanted.items() if _read(DOCS / name) != text]
    kept = [f"reference/plugins/{path.name}" for path in (DOCS / "reference" / "plugins").glob("*.md")]
    return stale + [f"{name} (nothing is called so any more)" for name in kept if name not in wanted]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def write() -> None:
    """Write every page and remove those of plugins that are gone."""
    made = pages()
    (DOCS / "reference" / "plugins").mkdir(parents=True, exist_ok=True)
    for path in (DOCS / "reference" / "plugins").glob("*.md"):
        if f"reference/plugins/{path.name}" not in made:
            path.unlink()
    for name, text in made.items():
        (DOCS / name).write_text(text, encoding="utf-8")


def main() -> int:
    """Write or check; return the exit status."""
    os.environ.pop("TOMOSAXS_PLUGINS", None)
    if "--check" not in sys.argv[1:]:
        write()
        return 0
    stale = out_of_date()
    for name in stale:
        sys.stderr.write(f"docs/{name} is out of date: run python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
