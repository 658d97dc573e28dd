"""How plugins are found: packages, files, a user's folder; what is broken is told and never lost."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tomosaxs import registry
from tomosaxs.errors import InputError

GOOD_FILE = """
    from tomosaxs import Projections, plugin

    @plugin
    def double(data: Projections) -> Projections:
        "Double every value."
        return 2 * data
    """
INDEX = """
    from tomosaxs import BackendEntry, PluginEntry, hookimpl

    @hookimpl
    def register_plugins():
        return [PluginEntry({name!r}, "json:dumps", "A plugin of a package.", needs={needs!r}, install={install!r})]

    @hookimpl
    def register_backends():
        return [BackendEntry({backend!r}, "reconstruct", "json:dumps", "A backend of a package.")]
    """


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look for plugins again before and after; no folder of the person who tests."""
    monkeypatch.setenv("TOMOSAXS_PLUGINS", str(tmp_path / "user"))
    registry.forget()
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("tomosaxs_file_", "package_")):
            del sys.modules[name]
    registry.forget()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what makes an installed package with an index module."""
    points = [importlib.metadata.EntryPoint("tomosaxs_plugins", "tomosaxs_plugins.index", "tomosaxs")]
    monkeypatch.setattr(registry, "_entry_points", lambda: points)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(dedent(text))
        points.append(importlib.metadata.EntryPoint(name, name, "tomosaxs"))

    return make


def _index(name: str = "stranger", needs: tuple[str, ...] = (), install: str = "", backend: str = "other") -> str:
    return INDEX.format(name=name, needs=needs, install=install, backend=backend)


def _user_file(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / "user").mkdir(exist_ok=True)
    path = tmp_path / "user" / name
    path.write_text(dedent(text))
    return path


def test_a_package_is_found_by_its_entry_point(package: Callable[..., None]) -> None:
    package("package_a", _index())
    assert registry.plugins()["stranger"].summary == "A plugin of a package."
    assert "other" in registry.backends("reconstruct")
    assert "minus_log" in registry.plugins()
    assert registry.broken() == {}


def test_two_plugins_of_one_name_are_an_error_that_names_both(package: Callable[..., None]) -> None:
    package("package_a", _index("minus_log"))
    with pytest.raises(InputError, match="two plugins are called 'minus_log'") as caught:
        registry.plugins()
    assert "json:dumps" in str(caught.value)
    assert "tomosaxs_plugins.corrections.minus_log:minus_log" in str(caught.value)


def test_two_backends_of_one_name_are_an_error_that_names_both(package: Callable[..., None]) -> None:
    package("package_a", _index(backend="astra"))
    with pytest.raises(InputError, match=r"two backends of reconstruct are called 'astra'.*json:dumps"):
        registry.backends("reconstruct")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        (
            "from tomosaxs import hookimpl\n@hookimpl\ndef register_plugins():\n    raise KeyError('what')",
            "register_plugins: KeyError: 'what'",
        ),
        (
            "from tomosaxs import hookimpl\n@hookimpl\ndef register_plugins():\n    return [('name', 'a:b')]",
            "expected PluginEntry objects",
        ),
        ("from tomosaxs import hookimpl\n@hookimpl\ndef before_run(plan, folder):\n    pass", "folder"),
    ],
)
def test_a_broken_package_is_told_and_the_rest_works(package: Callable[..., None], text: str, reason: str) -> None:
    package("package_broken", text)
    package("package_good", _index())
    assert {"stranger", "minus_log"} <= set(registry.plugins())
    assert "package_broken" in registry.broken()
    assert reason in registry.broken()["package_broken"]
    with pytest.raises(InputError, match=r"not available: .*package_broken"):
        registry.find("what_the_broken_package_has")


def test_a_plugin_whose_package_is_missing_is_listed_with_the_cure(package: Callable[..., None]) -> None:
    package("package_a", _index(needs=("no_such_library", "json"), install="pip install such"))
    entry = registry.plugins()["stranger"]
    assert entry.missing() == "needs no_such_library, which is not installed; install with: pip install such"
    with pytest.raises(InputError, match=r"'stranger' needs no_such_library.*pip install such"):
        registry.find("stranger")


def test_a_target_that_is_no_plugin(package: Callable[..., None]) -> None:
    package("package_a", _index())
    with pytest.raises(InputError, match="not a plugin: decorate it"):
        registry.find("stranger")


def test_a_misspelt_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(InputError, match=r"no plugin is called 'minuslog'.*did you mean 'minus_log'"):
        registry.find("minuslog")
    with pytest.raises(InputError, match=r"no plugin is called 'ring_removal'.*tomosaxs list ring$"):
        registry.find("ring_removal")


# --- files


def test_a_plugin_in_a_file_is_found_by_path_relative_to_the_list(tmp_path: Path) -> None:
    (tmp_path / "filters.py").write_text(dedent(GOOD_FILE))
    spec = registry.find("./filters.py:double", tmp_path)
    assert (spec.name, spec.file, spec.line) == ("double", tmp_path / "filters.py", 4)
    assert registry.find(f"{tmp_path}/filters.py:double").name == "double"


def test_files_beside_it_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "package_helper.py").write_text("FACTOR = 3\n")
    (tmp_path / "filters.py").write_text("from package_helper import FACTOR\n" + dedent(GOOD_FILE))
    assert registry.find("filters.py:double", tmp_path).name == "double"
    assert str(tmp_path) not in sys.path


def test_files_of_nearly_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    (tmp_path / "my-filter.py").write_text(dedent(GOOD_FILE))
    (tmp_path / "my_filter.py").write_text(dedent(GOOD_FILE).replace("Double", "Triple"))
    assert registry.find("my-filter.py:double", tmp_path).summary == "Double every value."
    assert registry.find("my_filter.py:double", tmp_path).summary == "Triple every value."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nimport no_such_library\n", r"filters.py:2: ModuleNotFoundError"),
        ("x = 1\n\ndef broken(:\n", r"filters.py:3: SyntaxError"),
        ("import sys\nsys.exit('no licence')\n", r"filters.py:2: SystemExit: no licence"),
        ("def double(data):\n    return data\n", "not a plugin: decorate it"),
        ("from tomosaxs import plugin\n\n@plugin\ndef double(data):\n    'One.'\n", r"filters.py:3: .*annotation"),
        (GOOD_FILE.replace('"Double every value."', "pass"), r"filters.py:4: .*docstring"),
        (GOOD_FILE.replace("def double", "def triple"), "has no plugin 'double' .*triple"),
    ],
)
def test_a_faulty_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "filters.py").write_text(dedent(text))
    with pytest.raises(InputError, match=message):
        registry.find("filters.py:double", tmp_path)


def test_a_file_that_does_not_exist_and_a_name_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "filters.py").write_text(dedent(GOOD_FILE))
    with pytest.raises(InputError, match=r"filter.py does not exist.*did you mean 'filters.py'"):
        registry.find("filter.py:double", tmp_path)
    with pytest.raises(InputError, match="write the file and the name in it"):
        registry.find("filters.py", tmp_path)


# --- the user's folder


def test_a_file_in_the_users_folder_needs_no_install(tmp_path: Path) -> None:
    path = _user_file(tmp_path, "filters.py", GOOD_FILE)
    entry = registry.plugins()["double"]
    assert (entry.summary, entry.kind, entry.target) == ("Double every value.", "step", f"{path}:double")
    assert registry.find("double").file == path


def test_a_broken_file_in_the_users_folder_is_told_and_the_rest_works(tmp_path: Path) -> None:
    broken = _user_file(tmp_path, "broken.py", "import no_such_library\n")
    undeclared = _user_file(tmp_path, "undeclared.py", GOOD_FILE.replace("data: Projections", "data"))
    _user_file(tmp_path, "filters.py", GOOD_FILE)
    assert {"double", "minus_log"} <= set(registry.plugins())
    told = " ".join(registry.broken().values())
    assert f"{broken}:1: ModuleNotFoundError" in told
    assert f"{undeclared}:4: plugin double: argument 'data' needs a type annotation" in told


def test_a_users_plugin_does_not_hide_behind_a_shipped_one(tmp_path: Path) -> None:
    path = _user_file(tmp_path, "own.py", GOOD_FILE.replace("double", "minus_log"))
    with pytest.raises(InputError, match="two plugins are called 'minus_log'") as caught:
        registry.plugins()
    assert str(path) in str(caught.value)
