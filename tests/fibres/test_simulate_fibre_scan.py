"""The loader `simulate_fibre_scan`: frames against libraries, files, ranks, what goes with the frames, refusals."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

import tomosaxs
from tomosaxs import ArrayReader, Dataset, InputError, Quantity, Scan, Source
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.fibres.azimuthal_library import AzimuthalLibrary
from tomosaxs_plugins.fibres.beam_path_source import check_beam_paths, slices_of_block, table_of_dataset
from tomosaxs_plugins.fibres.lattice import FWHM_TO_SD
from tomosaxs_plugins.fibres.model import intensity
from tomosaxs_plugins.fibres.simulate_detector import Camera
from tomosaxs_plugins.fibres.simulate_fibre_scan import simulate_fibre_scan
from tomosaxs_plugins.fibres.simulate_frames import FrameSimulation, ScanSettings
from tomosaxs_plugins.fibres.simulate_library import Background, simulate_library, standard_bins
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

SMALL: dict[str, Any] = {
    "voxels": 2, "slices": 2, "angles": 2, "rows": 70, "columns": 64, "pixel_size": 1500.0, "subpixels": 2,
    "beam_stop": 4.0, "peak_counts": 2e3,
}  # fmt: skip
CAMERA = Camera(560, 560, 172e-6, 9.774, 0.08856, (281.3, 279.6))
CORE = ("rotation_angle", "x", "detector_y", "detector_x")
TRUTH = ("q0", "wa", "wmu", "delta", "amplitude", "height", "alpha", "beta")


def everything(source: Source) -> np.ndarray[Any, Any]:
    return source.reader.read((slice(None),) * len(source.dataset.axes))


def test_a_frame_is_the_model_at_its_pixels() -> None:
    simulation = FrameSimulation(ScanSettings(1, CAMERA, rotation_deg=(20.0,), subpixels=1))
    beam = int(np.argmin(np.abs(simulation.positions)))
    frame = simulation.expected(0, 0, np.array([beam]))[0]
    fibre = simulation.samples[0].fibres
    # up on the detector is towards row 0; azimuths are counted from the columns, counter-clockwise
    x = (np.arange(560) + 0.5 - 279.6) * 172e-6
    y = (281.3 - 0.5 - np.arange(560)[:, None]) * 172e-6
    q = 4 * np.pi / 0.08856 * np.sin(np.arctan2(np.hypot(x, y), 9.774) / 2)
    chi = np.degrees(np.arctan2(y, x))
    wanted = intensity(
        q, chi, alpha_deg=fibre.alpha_deg, beta_deg=fibre.beta_deg + 20.0, q0=fibre.q0, wa=fibre.wa, wmu=fibre.wmu,
        delta=fibre.delta, amplitude=fibre.amplitude, wavelength_nm=0.08856,
    )  # fmt: skip
    inside = (q > 0.21) & (q < 0.36)
    # the solid angle of a pixel, left out here, is 1 to 3e-5 at 0.3 degrees
    np.testing.assert_allclose(frame[inside], wanted[inside], atol=5e-5 * wanted.max())


def test_frames_integrate_to_the_library_that_is_binned_directly() -> None:
    settings = ScanSettings(2, CAMERA, rotation_deg=(-30.0, 55.0), background=Background(0.3, 0.1), seed=3)
    simulation = FrameSimulation(settings)
    beams = np.arange(len(simulation.positions))
    frames = np.stack([simulation.expected(0, rotation, beams) for rotation in range(2)])
    given = {"bins": 18, "azimuth_bins": 18, "error_model": "none"}
    (found,) = run_plugin(AzimuthalLibrary, described(simulation, frames), given)  # type: ignore[misc]
    bins = standard_bins(18, 18)
    paths = simulation.paths[0]
    wanted = simulate_library(simulation.samples[0].fibres, paths, bins).expected
    for path, (rotation, beam) in enumerate(zip(paths.path_rotation, paths.path_position, strict=True)):
        a, c = simulation.background_of(0, int(rotation), int(beam))
        wanted[path] += a * np.exp(-bins.q / 0.05) + c
    measured = found[paths.path_rotation, paths.path_position]
    # a pixel lies in up to four bins and gives each its mean: q is smeared by a pixel of 0.00125 nm^-1, a quarter of a
    # bin and half of wa, so that the fullest bins lose less than 2 % to their neighbours, and sums stay
    np.testing.assert_allclose(measured, wanted, atol=0.02 * wanted.max())
    np.testing.assert_allclose(measured.sum(axis=2), wanted.sum(axis=2), rtol=5e-3)


def described(simulation: FrameSimulation, frames: np.ndarray[Any, Any]) -> Source:
    """Return frames (rotation, position, row, column) of one slice as a source with the detector's geometry."""
    camera = simulation.settings.camera
    whole = simulate_fibre_scan(
        voxels=2, angles=2, slices=1, rows=camera.rows, columns=camera.columns, beam_centre=camera.centre, beam_stop=0,
        gaps=False,
    ).dataset  # fmt: skip
    dataset = Dataset(whole.axes[1:], np.dtype(np.float64), metadata=whole.metadata)
    return Source(dataset, ArrayReader(frames))


def test_counts_are_expected_ones_with_poisson_noise_and_the_fullest_bin_is_as_asked() -> None:
    settings = ScanSettings(2, CAMERA, rotation_deg=(-30.0, 55.0), peak_counts=5e3, beam_stop=10, gaps=True)
    simulation = FrameSimulation(settings)
    beams = np.arange(len(simulation.positions))
    fullest = 0.0
    for rotation in range(2):
        expected = simulation.expected(0, rotation, beams)
        counted = simulation.frames(0, rotation, beams)
        assert counted.dtype == np.int32
        np.testing.assert_array_equal(counted[:, simulation.mask], -1)
        lit = expected[:, ~simulation.mask] > 0
        mean, drawn = expected[:, ~simulation.mask][lit], np.asarray(counted[:, ~simulation.mask][lit], dtype=float)
        assert abs(drawn.sum() - mean.sum()) < 5 * np.sqrt(mean.sum())
        assert np.var((drawn - mean)[mean > 0.5] / np.sqrt(mean[mean > 0.5])) == pytest.approx(1, abs=0.08)
        q = CAMERA.q()
        y, x = 281.3 - 0.5 - np.arange(560)[:, None], np.arange(560) + 0.5 - 279.6
        chi = np.degrees(np.arctan2(y, x)) % 180
        cell = np.floor((q - 0.24) / 0.0025).astype(int) * 36 + np.floor(chi / 5).astype(int)
        cell = np.where((q > 0.24) & (q < 0.33) & (y > 0), cell, 36 * 36)
        for frame in expected:
            fullest = max(fullest, np.bincount(cell.ravel(), frame.ravel())[: 36 * 36].max())
    assert fullest == pytest.approx(5e3, rel=0.15)  # whole pixels fall into bins here: 39 of them, give or take three


@pytest.fixture(scope="module")
def computed() -> Source:
    return simulate_fibre_scan(**SMALL)


def test_any_part_of_the_frames_is_the_same(computed: Source) -> None:
    whole = everything(computed)
    part = (slice(1, 2), np.array([1]), slice(1, 4, 2), slice(10, 40), slice(0, 64))
    np.testing.assert_array_equal(computed.reader.read(part), whole[1:2, 1:2, 1:4:2, 10:40])
    assert not np.array_equal(whole[0], whole[1])


def test_the_seed_alone_decides(computed: Source) -> None:
    first = (slice(0, 1), slice(0, 1), slice(1, 3), slice(None), slice(None))
    again, other = simulate_fibre_scan(**SMALL), simulate_fibre_scan(**{**SMALL, "seed": 5})
    np.testing.assert_array_equal(again.reader.read(first), computed.reader.read(first))
    assert not np.array_equal(other.reader.read(first), computed.reader.read(first))


def test_beam_paths_positions_and_truth_come_with_the_frames(computed: Source) -> None:
    dataset = computed.dataset
    assert dataset.names == ("y", "rotation_angle", "x", "detector_y", "detector_x")
    check_beam_paths(dataset, None)
    found = slices_of_block(Scan.whole(dataset, CORE), None)
    extra = {name: each.reader.read((slice(None),) * len(each.axes)) for name, each in dataset.auxiliaries.items()}
    assert [each.paths.identifiers.tolist() for each in found] == extra["fibre_identifier"].tolist()
    positions = dataset.axis("x").values
    assert positions is not None
    for number, each in enumerate(found):
        paths = each.paths
        off = [paths.alpha_deg - extra["true_alpha"][number], paths.beta_deg - extra["true_beta"][number]]
        assert 0.1 < np.std(off) < 6  # told with errors of 2 degrees
        path = np.repeat(np.arange(len(paths.path_rotation)), np.diff(paths.offsets))
        turned = np.radians(paths.rotation_deg[paths.path_rotation[path]])
        x, z = (extra[f"fibre_{name}"][number][paths.fibre] for name in ("x", "z"))
        distance = x * np.cos(turned) + z * np.sin(turned) - 1e3 * positions[paths.path_position[path]]
        np.testing.assert_allclose(paths.weight, np.exp(-0.5 * (distance / (0.6 * FWHM_TO_SD)) ** 2), atol=1e-12)
    assert set(TRUTH) <= {name.removeprefix("true_") for name in extra}
    height = extra["true_amplitude"] / (2 * np.pi * extra["true_wa"] * extra["true_q0"] * np.tan(extra["true_wmu"]))
    np.testing.assert_allclose(extra["true_height"], height)


def test_a_file_holds_the_same_frames_and_takes_the_way_of_a_real_scan(computed: Source, tmp_path: Path) -> None:
    path = tmp_path / "scan.nxs"
    source = simulate_fibre_scan(path, **SMALL)
    assert [each.name for each in tmp_path.iterdir()] == ["scan.nxs"]
    real = scattering_scan([path])
    for each in (source, real):
        assert each.dataset.names == computed.dataset.names
        np.testing.assert_array_equal(everything(each), everything(computed))
        for axis, wanted in zip(each.dataset.axes[:3], computed.dataset.axes[:3], strict=True):
            np.testing.assert_allclose(axis.values, wanted.values, atol=1e-12)  # type: ignore[arg-type]
            assert axis.units == wanted.units
        for name, quantity in computed.dataset.metadata.items():
            if isinstance(quantity, Quantity) and name != "voxel_size":
                found = each.dataset.quantity(name)
                assert found is not None
                assert tomosaxs.convert(found.value, found.units, quantity.units) == pytest.approx(quantity.value), name
        mask = each.dataset.auxiliaries["mask"].reader.read((slice(None), slice(None)))
        np.testing.assert_array_equal(mask, computed.dataset.auxiliaries["mask"].reader.array)  # type: ignore[attr-defined]
    table = table_of_dataset(real.dataset, path)
    for mine, theirs in zip(
        slices_of_block(Scan.whole(real.dataset, CORE), table),
        slices_of_block(Scan.whole(source.dataset, CORE), None),
        strict=True,
    ):
        np.testing.assert_array_equal(mine.paths.weight, theirs.paths.weight)
        np.testing.assert_allclose(mine.paths.alpha_deg, theirs.paths.alpha_deg, atol=1e-9)
    with h5py.File(path) as file:
        truth = file["entry/fibres"]
        np.testing.assert_allclose(
            truth["q0"][()], source.dataset.auxiliaries["true_q0"].reader.read((slice(None),) * 2).ravel()
        )
        assert file["entry/fibres/id"].shape == (8,)  # fmt: skip


def test_a_file_is_used_again_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "scan.nxs"
    first = simulate_fibre_scan(path, **SMALL)
    assert any("was written" in text for text in first.messages)
    before = path.stat()
    again = simulate_fibre_scan(path, **SMALL)
    assert any("used again: it was made with the same parameters" in text for text in again.messages)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(InputError, match=r"other parameters \(seed: 0 there, 4 wanted\): it is left as it is"):
        simulate_fibre_scan(path, **{**SMALL, "seed": 4})
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("content", [b"my notes", None])
def test_a_file_of_something_else_is_left_alone(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "precious.nxs"
    if content is None:
        with h5py.File(path, "w") as file:
            file["entry/data"] = np.arange(3)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(InputError, match=re.escape(str(path)) + ".*no simulated scan.*left as it is"):
        simulate_fibre_scan(path, **SMALL)
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        simulate_fibre_scan(tmp_path / "no" / "folder.nxs", **SMALL)


def _write(path: str) -> bool:
    return any("was written" in text for text in simulate_fibre_scan(Path(path), **SMALL).messages)


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    with get_context("spawn").Pool(2) as pool:
        wrote = pool.map(_write, [str(tmp_path / "scan.nxs")] * 2, chunksize=1)
    assert sorted(wrote) == [False, True]
    assert [each.name for each in tmp_path.iterdir()] == ["scan.nxs"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": 60, "columns": 60, "pixel_size": 172.0}, "miss the detector, which reaches to 0.05"),
        ({"angle_range": (10.0, 10.0)}, "does not rise"),
        ({"voxels": 1, "shape": "shell"}, "no voxel of 1 x 1"),
    ],
)
def test_impossible_scans_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_fibre_scan(**{**SMALL, **given})


LIST = """
input:
  scan: {{plugin: simulate_fibre_scan, {path}voxels: 2, slices: 1, angles: 2, rows: 70, columns: 64, pixel_size: 1500}}
steps:
  - plugin: azimuthal_library
    bins: 6
    azimuth_bins: 6
    save: true
"""


def test_a_list_needs_no_path_and_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    results = [
        tomosaxs.run(LIST.format(path=path), folder=tmp_path, output=tmp_path / f"out{n}", log=lambda _: None)
        for n, path in enumerate(["", "path: made.nxs, ", "path: made.nxs, "])
    ]
    assert (tmp_path / "made.nxs").is_file()
    assert results[0].inputs[0].files == ()
    assert [file[0].name for file in results[1].inputs[0].files] == ["made.nxs"]
    for result in results[1:]:
        np.testing.assert_array_equal(result.data, results[0].data)
    (tmp_path / "made.nxs").unlink()
    with pytest.raises(tomosaxs.ListError, match=r"made\.nxs"):
        tomosaxs.run(LIST.format(path="path: made.nxs, write: false, "), folder=tmp_path, output=tmp_path / "out9")


def test_the_streak_is_smeared_by_the_point_spread() -> None:
    settings = ScanSettings(1, CAMERA, rotation_deg=(0.0,), subpixels=2)
    beam = np.array([1])
    sharp, blurred = (FrameSimulation(replace(settings, blur=blur)).expected(0, 0, beam)[0] for blur in (0.0, 1.5))
    assert blurred.max() < 0.8 * sharp.max()
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=2e-3)


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "simulate-a-fibre-scan.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yaml file=simulated\.yml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    result = tomosaxs.run(shown, folder=tmp_path, output=tmp_path / "out", log=lambda _: None)
    assert result.data.shape == (2, 4, 6, 36, 36)
    code = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(102, 36, 36)")
