"""The shipped list of an extended field on simulated files: half acquisition, and a full turn with a central axis."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from running_commands import here, same, values

from tomosaxs.testing import Defects, ScanSettings, micro_ct_scan, plateau_masks, plateau_phantom

LISTS = Path(__file__).resolve().parents[2] / "process_lists"
EXTENDED, FBP = LISTS / "extended_field.yml", LISTS / "tomography_fbp.yml"
WIDE, PIXEL, VALUE = 160, 3.25e-6, 0.01


def scan_file(path: Path, columns: int, centre: float) -> Path:
    """Write a full turn of upright cylinders, 160 px in diameter and a little noise, on a detector of some columns."""
    settings = ScanSettings(
        projections=300, rows=3, columns=columns, centre=centre, span=360.0, flats=2, darks=2, pixel_size=PIXEL,
        dtype="float32", subsample=2,
    )  # fmt: skip
    micro_ct_scan(path, plateau_phantom(WIDE, 3, VALUE), settings, Defects.none().but(photons=2e6))
    return path


def assert_true(volume: np.ndarray, columns: int) -> None:
    edge = (columns - WIDE) / 2
    assert edge == int(edge)
    inner = volume[:, int(edge) : columns - int(edge), int(edge) : columns - int(edge)] / (VALUE / PIXEL)
    masks = plateau_masks(WIDE, margin=6)
    for name, truth in (("body", 1.0), ("insert", 2.0), ("hole", 0.0), ("outside", 0.0)):
        assert inner[:, masks[name]].mean() == pytest.approx(truth, abs=0.005 * max(truth, 1.0)), name


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """104 columns of 184 that the field would need; the axis at 12.0 / 91.0 px from the edges."""
    return scan_file(tmp_path_factory.mktemp("half") / "scan.nxs", 104, 12.0)


def test_half_acquisition_unedited(half: Path, tmp_path: Path, command) -> None:
    done = command("run", EXTENDED, "--input", half, "-o", tmp_path / "two", ranks=2)
    assert done.status == 0, done.text
    assert "extended field" in done.text
    found = values(tmp_path / "two")
    assert found["axis.value"] == pytest.approx(12.0, abs=0.1)
    assert found["axis.confidence"] > 0.9
    # 2 x 91 + 1 columns, or one or two more where the axis that was found needs them
    wide = found["reconstruct"].shape[-1]
    assert 183 <= wide <= 184
    with h5py.File(tmp_path / "two" / "result.nxs") as file:
        assert file["entry/reconstruct/data"].attrs["units"] == "1/m"
        x = file["entry/reconstruct/x"][()]
    np.testing.assert_allclose(x, (np.arange(wide) - (wide - 1) / 2) * PIXEL, rtol=1e-12)
    if wide % 2 == 0:
        assert_true(found["reconstruct"], wide)
    same(found, here(EXTENDED, tmp_path / "one", inputs=[str(half)], block=1))


def test_known_axis_and_iterative_way(half: Path, tmp_path: Path) -> None:
    """With the axis given the shape is known from the start; merged to half a turn the slice is the same."""
    listing = EXTENDED.read_text().replace("centre: ${axis}", "centre: 12.0")
    (tmp_path / "known.yml").write_text(listing)
    (tmp_path / "merged.yml").write_text(listing.replace("extend_field", "convert_360_to_180"))
    extended, merged = (
        here(tmp_path / f"{name}.yml", tmp_path / name, inputs=[str(half)])["reconstruct"]
        for name in ("known", "merged")
    )
    assert extended.shape == merged.shape == (3, 183, 183)
    np.testing.assert_allclose(extended, merged, atol=1e-3 * 2 * VALUE / PIXEL)
    body = plateau_masks(WIDE - 1, margin=7)["body"]
    inner = extended[:, 12:-12, 12:-12] / (VALUE / PIXEL)
    assert inner[:, body].mean() == pytest.approx(1.0, abs=0.005)


def test_central_axis_through_the_same_list(tmp_path: Path) -> None:
    """A full turn of an ordinary scan: the same slices as those of the ordinary list."""
    path = scan_file(tmp_path / "scan.nxs", 168, 82.5)
    extended, ordinary = (
        here(listing, tmp_path / listing.stem, inputs=[str(path)], settings=["axis.value=82.5"])["reconstruct"]
        for listing in (EXTENDED, FBP)
    )
    cut = (extended.shape[-1] - ordinary.shape[-1]) // 2
    assert extended.shape[-1] in (168, 170)
    inner = extended[:, cut : cut + 168, cut : cut + 168]
    assert_true(inner, 168)
    assert np.std(inner - ordinary) <= 0.005 * 2 * VALUE / PIXEL
