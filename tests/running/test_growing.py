"""A result that grows: rows of any step that works frame by frame, replaced, resumed, refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tomosaxs import Axis, Dataset, FileRows, GrowingResult, InputError

SHAPE = (12, 16)
PONI = """Detector: Detector
Detector_config: {"pixel1": 1e-3, "pixel2": 1e-3, "max_shape": [12, 16], "orientation": 3}
Distance: 0.2
Poni1: 0.004
Poni2: 0.006
Rot1: 0
Rot2: 0
Rot3: 0
Wavelength: 1e-10
"""


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    (tmp_path / "cal.poni").write_text(PONI)
    return tmp_path / "cal.poni"


def frame() -> Dataset:
    axes = Axis("frame", 1), Axis("detector_y", SHAPE[0], None, "px"), Axis("detector_x", SHAPE[1], None, "px")
    return Dataset(axes, np.dtype(np.int32), "counts", "counts")


def add(growing: GrowingResult, name: str, value: int, problem: str = "") -> None:
    counts = np.full((1, *SHAPE), value, np.int32)
    rows = growing.keep_missing() if problem else growing.keep(*growing.compute(counts))
    path = Path("/data") / name
    growing.files[path] = FileRows(path, 10, value, f"sum of {value}", (rows,), problem)


def order(file: FileRows) -> str:
    return str(file.path)


def values(folder: Path, step: str) -> np.ndarray:
    with h5py.File(folder / "result.nxs") as handle:
        found: np.ndarray = handle[f"entry/{step}/data"][()]
    return found


def test_rows_are_sorted_replaced_and_resumed(tmp_path: Path, calibration: Path) -> None:
    given = {"calibration": calibration, "bins": 5, "solid_angle": False, "error_model": "poisson"}
    with GrowingResult(tmp_path / "out", "azimuthal_integrate", given, log=lambda line: None) as growing:
        growing.begin(frame())
        add(growing, "b", 2)
        add(growing, "a", 1)
        add(growing, "c", 3, "broken")
        growing.write(order)
        assert np.nanmean(values(tmp_path / "out", "azimuthal_integrate")[:2], axis=1).tolist() == [1.0, 2.0]
        add(growing, "a", 7)
        result = growing.write(order)
        assert np.nanmean(result.data[:2], axis=1).tolist() == [7.0, 2.0]
        assert np.isnan(result.data[2]).all()
        assert any("/data/c: broken" in message for message in result.messages)
        before = result.data.copy()  # the next result takes the place of this one
    with GrowingResult(tmp_path / "out", "azimuthal_integrate", given, log=lambda line: None) as growing:
        assert growing.earlier_frames() == SHAPE
        growing.begin(frame())
        growing.resume()
        assert [file.checksum for file in growing.files.values()] == ["sum of 7", "sum of 2", "sum of 3"]
        add(growing, "d", 4)
        after = growing.write(order).data
    assert np.array_equal(after[:3], before, equal_nan=True)
    assert np.nanmean(after[3]) == 4.0


def test_any_step_that_works_frame_by_frame(tmp_path: Path, calibration: Path) -> None:
    given = {"calibration": calibration, "bins": 4, "azimuth_bins": 6}
    with GrowingResult(tmp_path / "out", "cake", given, log=lambda line: None) as growing:
        made = growing.begin(frame())
        assert made.names == ("frame", "azimuth", "q")
        add(growing, "a", 3)
        assert growing.write(order).data.shape == (1, 6, 4)


@pytest.mark.parametrize(
    ("step", "given", "message"),
    [
        ("azimuthal_integrate", {"binz": 3}, r"binz: unknown parameter \(did you mean 'bins'\?\)"),
        ("azimuthal_integrate", {"bins": 0}, "bins: must be >= 1"),
        ("minus_log", {"calibration": None}, "does not make one row of every frame"),
        ("azimuthal_integrat", {}, "did you mean 'azimuthal_integrate'"),
    ],
)
def test_what_does_not_fit_is_refused(
    step: str, given: dict[str, object], message: str, tmp_path: Path, calibration: Path
) -> None:
    whole = {name: value for name, value in {"calibration": calibration, **given}.items() if value is not None}
    with pytest.raises(InputError, match=message), GrowingResult(tmp_path / "out", step, whole) as growing:
        growing.begin(frame())


def test_the_result_of_something_else_is_not_resumed(tmp_path: Path, calibration: Path) -> None:
    given = {"calibration": calibration, "bins": 5}
    (tmp_path / "out").mkdir()
    with h5py.File(tmp_path / "out" / "result.nxs", "w") as handle:
        handle.create_group("entry")
    with GrowingResult(tmp_path / "out", "azimuthal_integrate", given, log=lambda line: None) as growing:
        growing.begin(frame())
        with pytest.raises(InputError, match="nothing can be resumed"):
            growing.resume()
    assert not (tmp_path / "out" / ".work").exists()
