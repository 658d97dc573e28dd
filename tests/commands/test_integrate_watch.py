"""tomosaxs integrate --watch: real files that appear, grow, are renamed and overwritten while it runs."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parent))
import integrate_help as bench

OPTIONS = ("--npt", "40", "-o", "out", "--watch", "--interval", "0.1")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Return the curves of the same images, taken once over."""
    folder = bench.write_bench(tmp_path_factory.mktemp("once"), 10)
    bench.integrate(folder / "cal.poni", folder / "images", "--npt", "40", "-o", folder / "out")
    return {name: values[0] for name, (values, _) in bench.curves(folder / "out").items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bench.write_bench(tmp_path, 2)


def content(number: int) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, bench.frame(number))
    return buffer.getvalue()


def names(folder: Path) -> set[str]:
    """Return the images in the result; it is asked again and again, and the file has to be whole every time."""
    return set(bench.curves(folder / "out")) if (folder / "out" / "result.nxs").is_file() else set()


@pytest.fixture
def watched(folder: Path) -> Iterator[object]:
    """Start to follow the folder; it is ended when the test failed, too."""
    process = bench.start("cal.poni", "images", *OPTIONS, "--patience", "1.5", "--chi", cwd=folder)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def test_files_are_taken_when_they_are_whole(folder: Path, watched, good: dict[str, np.ndarray]) -> None:
    images = folder / "images"
    bench.until(lambda: names(folder) == {"scan_0.tif", "scan_1.tif"})
    # renamed into place, as careful writers do
    (images / ".scan_2.tif.part").write_bytes(content(2))
    (images / ".scan_2.tif.part").rename(images / "scan_2.tif")
    # written in parts, with pauses longer than two looks: not whole before the last one
    data = content(3)
    with (images / "scan_3.tif").open("wb") as handle:
        for low in range(0, len(data), 3000):
            handle.write(data[low : low + 3000])
            handle.flush()
            time.sleep(0.3)
    # overwritten with another content, of the same size, after it was taken
    (images / "scan_0.tif").write_bytes(content(9))
    # never finished; and one that is no image of this detector
    (images / "scan_4.tif").write_bytes(content(4)[:5000])
    tifffile.imwrite(images / "scan_5.tif", bench.frame(5, (10, 10)))
    expected = {f"scan_{number}.tif" for number in range(6)}
    bench.until(lambda: names(folder) == expected)
    bench.until(
        lambda: np.array_equal(bench.curves(folder / "out")["scan_0.tif"][0][0], good["scan_9.tif"], equal_nan=True)
    )
    status, said = bench.end(watched)
    assert status == 0, said
    found = bench.curves(folder / "out")
    for name in ("scan_1.tif", "scan_2.tif", "scan_3.tif"):
        assert np.array_equal(found[name][0][0], good[name], equal_nan=True)
        assert (folder / "out" / f"{Path(name).stem}.chi").is_file()
    why = bench.problems(folder / "out")
    assert sorted(why) == ["scan_4.tif", "scan_5.tif"]
    assert all(np.isnan(found[name][0]).all() for name in why)
    assert list(found) == sorted(expected)
    assert "Traceback" not in said
    assert "2 images cannot be used" in said
    assert not (folder / "out" / ".work").exists()


def test_nothing_is_computed_twice_and_resume_goes_on(folder: Path, good: dict[str, np.ndarray]) -> None:
    process = bench.start("cal.poni", "images", *OPTIONS, cwd=folder)
    bench.until(lambda: names(folder) == {"scan_0.tif", "scan_1.tif"})
    (folder / "images" / "scan_2.tif").write_bytes(content(2))
    bench.until(lambda: len(names(folder)) == 3)
    status, said = bench.end(process)
    assert status == 0
    assert "3 frames in" in said  # two at first, one later; none again
    (folder / "images" / "scan_3.tif").write_bytes(content(3))
    process = bench.start("cal.poni", "images", *OPTIONS, "--resume", cwd=folder)
    bench.until(lambda: len(names(folder)) == 4)
    status, said = bench.end(process)
    assert status == 0
    assert "taken over: 3 images" in said
    assert "1 frames in" in said
    for name, (values, _) in bench.curves(folder / "out").items():
        assert np.array_equal(values[0], good[name], equal_nan=True)


def test_ctrl_c_once_over_keeps_what_is_done(folder: Path) -> None:
    for number in range(2, 200):
        os.link(folder / "images" / "scan_1.tif", folder / "images" / f"scan_{number}.tif")
    process = bench.start("cal.poni", "images", "--npt", "40", "-o", "out", "--chi", "-j", "1", cwd=folder)
    bench.until(lambda: len(list((folder / "out").glob("*.chi"))) > 10)
    status, said = bench.end(process)
    if status == 0:  # it was quicker than the signal
        pytest.skip("the run ended before it could be interrupted")
    assert status == 130
    assert "--resume goes on from there" in said
    part = len(bench.curves(folder / "out"))
    assert 0 < part < 200
