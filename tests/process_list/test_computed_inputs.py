"""Loaders that compute their data need no path; all others do."""

from __future__ import annotations

from pathlib import Path

import pytest

import tomosaxs
from tomosaxs import InputError, ListError

LOADERS = '''
from pathlib import Path

import numpy as np

from tomosaxs import ArrayReader, Axis, Dataset, Source, loader


def source(text):
    axes = (Axis("y", 2), Axis("x", 3))
    data = np.full((2, 3), 7.0)
    return Source(Dataset(axes, data.dtype), ArrayReader(data), messages=(text,))


@loader
def computed(path: Path | None = None) -> Source:
    """Compute data."""
    return source(f"path {path}")


@loader
def read(path: Path) -> Source:
    """Read data."""
    return source(f"path {path}")
'''
LIST = """
input:
  ramp: {{plugin: loaders.py:{loader}{path}}}
steps:
  - plugin: calculate
    expression: data + 1
    save: true
"""


def run(folder: Path, loader: str, path: str = "") -> tomosaxs.Result:
    (folder / "loaders.py").write_text(LOADERS, encoding="utf-8")
    text = LIST.format(loader=loader, path=path)
    return tomosaxs.run(text, folder=folder, output=folder / "out", log=lambda _: None)


def test_a_loader_whose_path_has_a_default_may_be_without(tmp_path: Path) -> None:
    result = run(tmp_path, "computed")
    assert result.data.tolist() == [[8.0] * 3] * 2
    assert result.inputs[0].messages == ("path None",)
    assert result.inputs[0].files == ()
    assert str(result.inputs[0].path) == "computed"


def test_a_path_that_is_given_arrives_and_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ListError, match=r"there\.txt"):
        run(tmp_path, "computed", ", path: there.txt")
    (tmp_path / "there.txt").write_text("x", encoding="utf-8")
    assert run(tmp_path, "computed", ", path: there.txt").inputs[0].messages == (f"path {tmp_path / 'there.txt'}",)


def test_all_other_loaders_need_one(tmp_path: Path) -> None:
    with pytest.raises((ListError, InputError), match="it has no path: write path: FILE"):
        run(tmp_path, "read")
