"""The public surface: what is promised can be imported and is explained, and nothing reaches past it."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, get_origin

import pytest
from packaging_help import ROOT, clean_environment

import tomosaxs
import tomosaxs.testing
from tomosaxs import registry
from tomosaxs.shipped import shipped_lists

PLUGINS = ROOT / "plugins" / "tomosaxs_plugins"
FRAMEWORK = ROOT / "framework" / "tomosaxs"
# Modules of plain functions on plain arrays: usable in a notebook without the framework.
KERNELS = (
    "centring/consensus.py", "centring/correlation.py", "centring/line.py", "centring/metric.py",
    "centring/opposite.py", "centring/row.py", "centring/rows.py", "centring/spectrum.py", "centring/vo.py",
    "curves/chi.py", "curves/compare.py", "curves/curve.py", "curves/nexus.py", "curves/plot.py", "curves/read.py",
    "curves/text.py", "integration/frame_lines.py", "integration/frame_picture.py", "integration/picture_shades.py",
    "integration/report_regions.py",
    "corrections/kernels.py", "integration/geometry.py", "integration/masks.py", "integration/radial.py",
    "reconstruction/angles.py", "reconstruction/backprojection.py", "reconstruction/filters.py",
    "reconstruction/forward.py", "reconstruction/grid.py", "reconstruction/projector.py", "reconstruction/sheared.py",
    "reconstruction/iteration.py", "reconstruction/iterative.py", "reconstruction/iterative_slices.py",
    "reconstruction/total_variation.py", "reconstruction/parallel.py", "reconstruction/gridding.py",
    "reconstruction/gridding_one.py", "reconstruction/gridding_plan.py", "reconstruction/gridding_slices.py",
    "reconstruction/gridding_space.py", "reconstruction/gridding_views.py", "reconstruction/transforms.py",
    "reconstruction/passes.py", "reconstruction/vectors.py",
    "reconstruction/backends/astra.py", "reconstruction/backends/base.py", "reconstruction/backends/own.py",
    "reconstruction/backends/tomopy.py",
    "stripes/angular.py", "stripes/batch.py", "stripes/compare.py", "stripes/dead.py", "stripes/detect.py",
    "stripes/metric.py", "stripes/mirror.py", "stripes/offsets.py", "stripes/ranks.py",
    "fibres/averaging.py", "fibres/binned.py", "fibres/geometry.py", "fibres/model.py", "fibres/problem.py",
    "fibres/profiles.py", "fibres/single.py", "fibres/single_kernels.py", "fibres/single_starts.py",
    "fibres/streak.py",
    "savers/tiff_pages.py", "volume/binning.py", "volume/grey.py", "volume/parts.py", "volume/selection.py",
    "volume/statistics.py",
)  # fmt: skip


@pytest.mark.parametrize("module", [tomosaxs, tomosaxs.testing], ids=lambda module: module.__name__)
def test_every_public_name_is_there_and_explained(module: ModuleType) -> None:
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        value = getattr(module, name)
        if get_origin(value) is Annotated or not (inspect.isclass(value) or inspect.isroutine(value)):
            continue  # types for annotations are explained where they are defined; see the next test
        doc = inspect.getdoc(value)
        assert doc, f"{module.__name__}.{name} has no docstring"
        assert not doc.startswith(f"{name}("), f"{module.__name__}.{name}: that is the docstring dataclasses makes"
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("module", [tomosaxs, tomosaxs.testing], ids=lambda module: module.__name__)
def test_lazy_names_and_promised_names_are_the_same(module: ModuleType) -> None:
    assert set(module._WHERE) == set(module.__all__)
    tree = ast.parse(Path(module.__file__ or "").read_text())
    shown = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for each in node.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert shown == set(module.__all__), "what type checkers see under TYPE_CHECKING is not what is promised"


def test_types_for_annotations_are_explained_where_they_are_defined() -> None:
    """A text follows each alias, as tools that read source take it."""
    found = set()
    for file in ("patterns.py", "parameters.py", "dataset.py"):
        body = ast.parse((FRAMEWORK / file).read_text()).body
        for first, second in itertools.pairwise(body):
            if isinstance(first, ast.AnnAssign) and isinstance(second, ast.Expr):
                found.add(ast.unparse(first.target))
    aliases = {
        name
        for name in tomosaxs.__all__
        if not (inspect.isclass(getattr(tomosaxs, name)) or inspect.isroutine(getattr(tomosaxs, name)))
    } - {"hookimpl"}
    assert aliases <= found


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'plugins_of_mine'"):
        tomosaxs.plugins_of_mine  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("tomosaxs.no_such_module")


DECLARATION = """
from typing import Annotated, Optional
from tomosaxs import Param, Projections, Scan, plugin

@plugin
def scaled(data: Projections, scan: Scan, *, by: Annotated[float, Param("factor", gt=0)] = 2.0,
           names: {optional} = None) -> Projections:
    "Multiply."
    return data * by
"""


@pytest.mark.parametrize("head", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("optional", ["Optional[str]", "str | None"])
def test_postponed_annotations_change_nothing(head: str, optional: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(head + DECLARATION.format(optional=optional))
    spec = registry.find("own.py:scaled", tmp_path)
    assert [pattern.name for _, pattern in spec.inputs] == ["Projections"]
    assert [pattern.name for pattern in spec.outputs] == ["Projections"]
    assert spec.wants_scan == "scan"
    assert spec.parameters.names() == ("by", "names")
    assert spec.parameters.validate({"by": -1.0})[1][0].message == "must be > 0, got -1.0"
    assert spec.parameters.validate({"names": "x"}) == ({"by": 2.0, "names": "x"}, [])


@pytest.mark.parametrize("name", shipped_lists())
def test_shipped_lists_are_sound(name: str, tmp_path: Path, small_scan: Path) -> None:
    text = shipped_lists()[name].read_text()
    command = [sys.executable, "-m", "tomosaxs", "check", str(shipped_lists()[name])]
    if "\n    path:" in text:  # others compute their input
        command += ["--input", str(small_scan)]
    for line in text.splitlines():  # calibrations and masks are the user's: any file stands for them
        if line.strip().startswith("calibration:"):
            command += ["--set", f"azimuthal_integrate.calibration={small_scan}"]
    environment = clean_environment(PYTHONPATH=f"{ROOT / 'framework'}:{ROOT / 'plugins'}")
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def _imports(path: Path) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield line, module and names of every import of the framework in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tomosaxs":
            yield node.lineno, node.module, tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tomosaxs":
                    yield node.lineno, alias.name, ()


def test_plugins_import_public_names_only() -> None:
    faults = []
    for path in sorted(PLUGINS.rglob("*.py")):
        for line, module, names in _imports(path):
            if module != "tomosaxs" or not set(names) <= set(tomosaxs.__all__):
                faults.append(f"{path.relative_to(ROOT)}:{line}: {module}: {', '.join(names)}")
    assert not faults


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_know_no_framework(name: str) -> None:
    """Not even through another module: each is imported alone, with the framework out of reach."""
    assert list(_imports(PLUGINS / name)) == []


def test_kernels_can_be_imported_without_the_framework(tmp_path: Path) -> None:
    shutil.copytree(PLUGINS, tmp_path / "tomosaxs_plugins", ignore=shutil.ignore_patterns("__pycache__"))
    modules = ["tomosaxs_plugins." + name.removesuffix(".py").replace("/", ".") for name in KERNELS]
    code = (
        "import importlib, sys\n"
        "sys.modules['tomosaxs'] = None\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
    )
    environment = clean_environment(PYTHONPATH=str(tmp_path))
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_framework_never_imports_the_shipped_plugins() -> None:
    for path in sorted(FRAMEWORK.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "tomosaxs_plugins" for name in names), f"{path}:{node.lineno}"  # type: ignore[attr-defined]


def test_imports_only_point_down() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.is_file():
        pytest.skip("import-linter is not installed")
    environment = clean_environment(PYTHONPATH=f"{ROOT / 'framework'}:{ROOT / 'plugins'}")
    done = subprocess.run(
        [str(lint), "--no-cache"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
