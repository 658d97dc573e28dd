"""The demonstrations write what they say and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from tomosaxs.demo import DEMOS, make_demo
from tomosaxs.errors import InputError

WITH_DATA = sorted(name for name, demo in DEMOS.items() if demo.data)


@pytest.mark.parametrize("name", WITH_DATA)
def test_demo_writes_data_truth_and_one_list(tmp_path: Path, name: str) -> None:
    yaml = pytest.importorskip("yaml")
    process_list = make_demo(name, tmp_path / "made" / "here")
    written = {path.name for path in process_list.parent.iterdir()}
    assert written == {process_list.name, *DEMOS[name].data}
    assert [path.suffix for path in process_list.parent.iterdir()].count(".yml") == 1

    content = yaml.safe_load(process_list.read_text())
    (source,) = content["input"].values()
    assert not Path(source["path"]).is_absolute()
    assert (process_list.parent / source["path"]).is_file()
    assert all(next(iter(step)) == "plugin" for step in content["steps"])
    with h5py.File(process_list.parent / "truth.nxs") as truth:
        assert truth["entry"].attrs["default"] == "data"


def test_a_demo_that_simulates_is_a_list_alone(tmp_path: Path) -> None:
    process_list = make_demo("fibres", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [process_list.name]
    yaml = pytest.importorskip("yaml")
    (source,) = yaml.safe_load(process_list.read_text())["input"].values()
    assert "path" not in source


@pytest.mark.parametrize("name", sorted(DEMOS))
@pytest.mark.parametrize("content", ["foreign", "hdf5", "link", "folder"])
def test_demo_leaves_foreign_files_alone(tmp_path: Path, name: str, content: str) -> None:
    for file in (DEMOS[name].list_name, *DEMOS[name].data):
        target = tmp_path / file
        if content == "foreign":
            target.write_text("title: my own work\n")
        elif content == "hdf5":
            with h5py.File(target, "w") as own:
                own["entry/title"] = "My own scan"
        elif content == "link":
            target.symlink_to(tmp_path / "elsewhere.nxs")
        else:
            target.mkdir()
        before = target.read_bytes() if target.is_file() else None
        with pytest.raises(InputError, match=file):
            make_demo(name, tmp_path)
        assert list(tmp_path.iterdir()) == [target]
        assert before is None or target.read_bytes() == before
        if target.is_dir():
            target.rmdir()
        else:
            target.unlink()


def test_a_demo_replaces_itself(tmp_path: Path) -> None:
    process_list = make_demo("saxs", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "notes.txt").write_text("mine")
    assert make_demo("saxs", tmp_path) == process_list
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.pop("notes.txt") == b"mine"
    assert after == before


def test_two_demos_do_not_overwrite_each_other(tmp_path: Path) -> None:
    make_demo("saxs", tmp_path)
    with pytest.raises(InputError, match=r"truth\.nxs"):
        make_demo("tomography", tmp_path)
    assert not (tmp_path / "scan.nxs").exists()


def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'tomography'"):
        make_demo("tomografy", tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="not a folder"):
        make_demo("saxs", file)
    with pytest.raises(InputError, match="cannot write"):
        make_demo("saxs", file / "below")


def test_importing_the_demo_imports_no_heavy_library() -> None:
    code = "import sys, tomosaxs.demo; print(sorted({'numba', 'scipy', 'astra', 'h5py'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
