"""What a plugin consists of, and that an edited or namesake file is never taken for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomosaxs.plan import keys
from tomosaxs.plan.keys import backend_key, shown_values, source_digest
from tomosaxs.plugin_files import import_file
from tomosaxs.registry import find
from tomosaxs.source_code import looked_up, source_files


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import beside", ["beside.py"]),
        ("import numpy, beside", ["beside.py"]),
        ("from parts.inner import x", ["parts/__init__.py", "parts/inner.py"]),
        ("from parts import inner", ["parts/__init__.py", "parts/inner.py"]),
        ("def f():\n    import beside", ["beside.py"]),
        ("try:\n    import numba\nexcept ImportError:\n    import beside", ["beside.py"]),
        ("try:\n    pass\nfinally:\n    if 1:\n        pass\n    else:\n        import beside", ["beside.py"]),
        ("match 1:\n    case _:\n        import beside", ["beside.py"]),
    ],
)
def test_files_beside_a_plugin(tmp_path: Path, text: str, expected: list[str]) -> None:
    write(tmp_path, {"own.py": text, "beside.py": "", "parts/__init__.py": "", "parts/inner.py": "x = 1", "no.py": ""})
    found = [str(file.relative_to(tmp_path.resolve())) for file in source_files(tmp_path / "own.py")]
    assert sorted(found) == sorted([*expected, "own.py"])


@pytest.mark.parametrize(
    "text", ["from . import low", "from .low import x", "from ..pack.low import x", "import pack.low"]
)
def test_files_of_a_package(tmp_path: Path, text: str) -> None:
    """Also where a folder further up is called like the package."""
    home = tmp_path / "pack" / "pack"
    write(home, {"__init__.py": "", "own.py": text, "low.py": "from . import lower", "lower.py": "x = 1"})
    found = {file.name for file in source_files(home / "own.py")}
    assert {"own.py", "low.py", "lower.py"} <= found


def test_key_follows_a_file_that_changes_in_one_process(tmp_path: Path) -> None:
    write(tmp_path, {"own.py": "from parts.inner import x", "parts/inner.py": "x = 1"})
    before = source_digest(tmp_path / "own.py")
    assert source_digest(tmp_path / "own.py") == before
    write(tmp_path, {"parts/inner.py": "x = 1000"})
    after = source_digest(tmp_path / "own.py")
    assert after != before
    (tmp_path / "parts/inner.py").unlink()
    assert source_digest(tmp_path / "own.py") not in (before, after)


def test_sources_are_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path | None] = []
    monkeypatch.setattr(keys, "looked_up", lambda path: looked.append(path) or looked_up(path))
    write(tmp_path, {"own.py": "import beside, more", "beside.py": "x = 1"})
    before = {source_digest(tmp_path / "own.py") for _ in range(3)}
    assert len(before) == len(looked) == 1
    write(tmp_path, {"more/__init__.py": ""})  # until now it was another one's
    assert before.isdisjoint([source_digest(tmp_path / "own.py")])


def test_edited_files_are_imported_again(tmp_path: Path) -> None:
    write(tmp_path, {"own.py": "import edited_helper\nvalue = edited_helper.x", "edited_helper.py": "x = 1"})
    first = import_file(tmp_path / "own.py")
    assert import_file(tmp_path / "own.py") is first
    write(tmp_path, {"edited_helper.py": "x = 1000"})
    assert (first.value, import_file(tmp_path / "own.py").value) == (1, 1000)
    write(tmp_path, {"own.py": "import edited_helper\nvalue = -edited_helper.x"})
    assert import_file(tmp_path / "own.py").value == -1000


def test_folders_with_files_of_one_name(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / str(number), {"own.py": "import namesake\nvalue = namesake.x", "namesake.py": f"x = {number}"})
    assert [import_file(tmp_path / str(number) / "own.py").value for number in (1, 2)] == [1, 2]


FILES = """
import numpy as np
from tomosaxs import Pointwise, plugin
from tomosaxs.parameters import InputFile

@plugin
def with_files(data: Pointwise, *, files: list[InputFile], table: dict[str, list[float]] | None = None) -> Pointwise:
    "Several files."
    return data
"""


def test_parameters_count_with_the_content_of_files_and_arrays(tmp_path: Path) -> None:
    write(tmp_path, {"own.py": FILES, "one.txt": "1", "two.txt": "2"})
    spec = find(f"{tmp_path}/own.py:with_files")

    def key(**values: Any) -> Any:
        return shown_values(spec, {"files": [tmp_path / "one.txt", tmp_path / "two.txt"], **values})

    before = key()
    write(tmp_path, {"two.txt": "22"})
    assert key() != before
    long = np.zeros(5000)
    changed = long.copy()
    changed[2500] = 1  # numpy shows long arrays with dots in their middle
    assert key(table=long) != key(table=changed)


def test_a_backend_counts_with_its_source_and_packages() -> None:
    pytest.importorskip("numba")
    spec = find("reconstruct")
    own, none = backend_key(spec, {"backend": "tomosaxs"}), backend_key(spec, {"backend": "no such"})
    assert {"source", "numba", "scipy"} <= set(own)
    assert none == {}
