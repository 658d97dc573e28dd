"""Nothing that a user can write or call goes undocumented, and the generated reference is what the code says."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import click
import pytest

import tomosaxs
from tomosaxs import entries, registry
from tomosaxs.cli.commands import tomosaxs as command_group
from tomosaxs.demo import DEMOS
from tomosaxs.entries import load_target
from tomosaxs.hookspecs import HookSpecs
from tomosaxs.plugin import INPUT_KEYS, STEP_KEYS
from tomosaxs.process_list.build import TOP_KEYS

sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages

REFERENCE = pages.DOCS / "reference"
GENERATOR = pages.generator()
SHIPPED = sorted(GENERATOR.shipped())


def _commands() -> dict[str, click.Command]:
    context = click.Context(command_group)
    found = {name: command_group.get_command(context, name) for name in command_group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_generated_reference_is_up_to_date() -> None:
    stale = GENERATOR.out_of_date()
    assert not stale, f"run python docs/generate.py: {', '.join(stale)}"


def test_there_are_plugins_to_document() -> None:
    # the other tests are empty when the registry finds nothing
    contract = {"tomography", "dark_flat_correction", "minus_log", "find_rotation_axis", "reconstruct", "nexus"}
    assert contract <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_plugin_has_a_page_and_is_explained(name: str) -> None:
    page = (REFERENCE / "plugins" / f"{name}.md").read_text(encoding="utf-8")
    spec = registry.find(name)
    assert len(spec.doc.strip().splitlines()) > 0
    assert spec.summary == registry.plugins()[name].summary, "list and show say different things"
    for each in spec.parameters:
        assert f"| `{each.name}` |" in page
        assert each.param.description, f"parameter {name}.{each.name} has no description"
    assert f"[{name}](plugins/{name}.md)" in (REFERENCE / "plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("plugin", SHIPPED)
def test_backends_are_documented(plugin: str) -> None:
    page = (REFERENCE / "plugins" / f"{plugin}.md").read_text(encoding="utf-8")
    for name, entry in GENERATOR.shipped_backends(plugin).items():
        assert f"| `{name}` | {entry.summary}" in page
        assert not entry.needs or entry.install, f"backend {name} does not say how to install what it needs"


def test_optional_packages_come_with_their_cure() -> None:
    for name, entry in GENERATOR.shipped().items():
        assert not entry.needs or entry.install, f"plugin {name} does not say how to install what it needs"


@pytest.mark.parametrize("name", [name for name in vars(HookSpecs) if not name.startswith("_")])
def test_hook_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(HookSpecs, name)), f"hook {name} has no docstring"
    assert f"## {name}\n" in (REFERENCE / "hooks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(_commands()))
def test_command_and_its_options_are_documented(name: str) -> None:
    command = _commands()[name]
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    section = page.split(f"## tomosaxs {name}\n", 1)[1].split("\n## ", 1)[0]
    assert (command.help or "").strip(), f"tomosaxs {name} has no help"
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"tomosaxs {name} {option.opts[-1]} has no help"
            assert option.opts[-1] in section


@pytest.mark.parametrize(
    ("heading", "keys"), [("The whole list", TOP_KEYS), ("input", INPUT_KEYS), ("steps", STEP_KEYS)]
)
def test_process_list_keys_are_documented(heading: str, keys: tuple[str, ...]) -> None:
    page = (REFERENCE / "process-list.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(documented) == sorted(keys)


@pytest.mark.parametrize("name", sorted(tomosaxs.__all__))
def test_public_name_is_described(name: str) -> None:
    page = (REFERENCE / "python.md").read_text(encoding="utf-8")
    section = page.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0]
    assert section.strip(), f"tomosaxs.{name} has no description"


def test_reference_does_not_depend_on_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    # pages are written on one machine and compared on another
    before = GENERATOR.pages()
    monkeypatch.setattr(entries, "missing_packages", lambda needs, install: "not here" if needs else "")
    assert GENERATOR.pages() == before


PAGES = [path.relative_to(pages.ROOT).as_posix() for path in pages.all_pages()]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = pages.ROOT / name
    for link in pages.links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name}: {link}"
        if anchor:
            assert anchor in pages.anchors(target), f"{name}: {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    todo = [pages.DOCS / "index.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        todo += [(page.parent / link.partition("#")[0]).resolve() for link in pages.links(page) if ":" not in link]
    lost = [path for path in pages.DOCS.rglob("*.md") if path.resolve() not in reached]
    assert not lost


def test_pages_name_lists_and_plugins_that_exist() -> None:
    known = {path.name for path in (pages.ROOT / "process_lists").glob("*.yml")}
    for path in pages.all_pages():
        text = path.read_text(encoding="utf-8")
        assert not set(re.findall(r"process_lists/([\w.]+\.yml)", text)) - known, path
        for folder, demo in (("demo", "tomography"), ("saxs", "saxs")):
            own = set(re.findall(rf"tomosaxs_run {folder}/(\w+_demo\.yml)", text))
            assert own <= {DEMOS[demo].list_name}, path


def test_algorithms_of_backends_are_what_the_page_says() -> None:
    page = (pages.DOCS / "how-to" / "swap-the-backend.md").read_text(encoding="utf-8")
    for name, entry in GENERATOR.shipped_backends("reconstruct").items():
        row = re.search(rf"^\| `{name}` \|([^|]*)\|", page, re.MULTILINE)
        assert row is not None, f"backend {name}"
        assert set(re.findall(r"`(\w+)`", row[1])) == set(load_target(entry.target).algorithms)


def test_readme_and_its_two_commands() -> None:
    readme = pages.ROOT / "README.md"
    shell = [block.text for block in pages.blocks(readme) if block.language == "bash"]
    project = (pages.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = project.split("[project.optional-dependencies]", 1)[1].split("\n[", 1)[0]
    for command in shell[:2]:
        assert len(command.strip().splitlines()) == 1, "one command"
        for extra in re.findall(r"'\.\[(\w+)\]'", command):
            assert re.search(rf"^{extra} = ", extras, re.MULTILINE)
    assert re.findall(r"(?:&& )?(\w+) -n 2 (\w+)", shell[0]) == [("mpirun", "tomosaxs_run")]
    tests = shell[1].strip().rpartition("&& ")[2]
    assert tests in (pages.ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    # the filter that the README shows is the one that the tutorial's test runs
    tutorial = pages.blocks(pages.DOCS / "tutorials" / "your-first-plugin.md")
    filter_text = next(block.text for block in tutorial if block.options.get("file", "").endswith("rings.py"))
    assert filter_text in readme.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_yaml_and_python_of_the_pages_can_be_read(name: str) -> None:
    import yaml

    for block in pages.blocks(pages.ROOT / name):
        where = f"{name}:{block.line}"
        if block.language == "yaml":
            assert yaml.safe_load(block.text) is not None, where
        elif block.language == "python":
            compile(block.text, where, "exec")
