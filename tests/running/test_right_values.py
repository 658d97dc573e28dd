"""The whole list against truth: axis and attenuation of simulated and measured scans, crops and backends."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from running_commands import here, same, values

from tomosaxs.testing import Defects, ScanSettings, micro_ct_scan, plateau_masks, plateau_phantom

LISTS = Path(__file__).resolve().parents[2] / "process_lists"
FBP = LISTS / "tomography_fbp.yml"
SIZE, PIXEL, VALUE, CENTRE = 128, 3.25e-6, 0.01, 60.2


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A noise-free scan of upright cylinders with homogeneous insides, axis 3.3 px off the middle."""
    path = tmp_path_factory.mktemp("phantom") / "scan.nxs"
    settings = ScanSettings(
        projections=201, rows=12, columns=SIZE, centre=CENTRE, closed=True, flats=2, darks=2, pixel_size=PIXEL,
        dtype="float32", subsample=3,
    )  # fmt: skip
    micro_ct_scan(path, plateau_phantom(SIZE, 12, VALUE), settings, Defects.none())
    return path


@pytest.fixture(scope="module")
def whole(phantom, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    here(FBP, out, inputs=[str(phantom)])
    return out


def plateaus(volume):
    """Mean value, in 1/m over the truth of the body, of the three materials and of the air."""
    masks = plateau_masks(SIZE, margin=6)
    return {name: float(volume[:, mask].mean()) / (VALUE / PIXEL) for name, mask in masks.items()}


def assert_true(volume, tolerance) -> None:
    found = plateaus(volume)
    # relative to the value of the body, 3077 / m; the insert is twice as dense, the hole and the air are empty
    for name, truth in (("body", 1.0), ("insert", 2.0), ("hole", 0.0), ("outside", 0.0)):
        assert found[name] == pytest.approx(truth, abs=tolerance * max(truth, 1.0)), found


def test_homogeneous_values_and_axis(whole) -> None:
    found = values(whole)
    assert found["axis.value"] == pytest.approx(CENTRE, abs=0.1)
    assert found["axis.confidence"] > 0.9
    assert_true(found["reconstruct"], 0.005)
    with h5py.File(whole / "result.nxs") as handle:
        volume = handle["entry/reconstruct"]
        assert volume["data"].attrs["units"] == "1/m"
        # square, the axis at pixel (N - 1) / 2, in metres
        assert volume["x"][...] == pytest.approx((np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL)
        assert volume["x"].attrs["units"] == "m"


def test_orientation(whole) -> None:
    """The dense insert lies where the phantom has it, not mirrored: x = 0.18 N, y = 0.06 N from the axis."""
    slice_ = values(whole)["reconstruct"][6] * (PIXEL / VALUE)
    place = (SIZE - 1) / 2
    # the insert (0.06, 0.18), the hole (-0.12, -0.16), the hole mirrored in x and in y, the insert transposed
    for (y, x), truth in {
        (0.06, 0.18): 2,
        (-0.12, -0.16): 0,
        (-0.12, 0.16): 1,
        (0.12, -0.16): 1,
        (0.18, 0.05): 1,
    }.items():
        found = slice_[round(place + y * SIZE), round(place + x * SIZE)]
        assert found == pytest.approx(truth, abs=0.1), (y, x)


def cropped(folder: Path, scan: Path, crop: str, extra: str = "") -> Path:
    listing = folder / "list.yml"
    text = FBP.read_text().replace("    path: scan.nxs\n", f"    path: {scan}\n    crop: {crop}\n")
    listing.write_text(text.replace("    name: axis\n", f"    name: axis\n{extra}"))
    return listing


def test_a_crop_of_rows_gives_the_same_rows(phantom, command, tmp_path) -> None:
    given = f"    value: {CENTRE}\n"
    one = here(FBP, tmp_path / "full", inputs=[str(phantom)], settings=[f"axis.value={CENTRE}"])
    part = command("run", cropped(tmp_path, phantom, "{detector_y: [3, 8]}", given), "-o", tmp_path / "part", ranks=2)
    assert part.status == 0, part.text
    other = values(tmp_path / "part")
    assert other["reconstruct"].shape == (5, SIZE, SIZE)
    assert one["reconstruct"][3:8].tobytes() == other["reconstruct"].tobytes()
    with h5py.File(tmp_path / "full" / "result.nxs") as a, h5py.File(tmp_path / "part" / "result.nxs") as b:
        assert np.array_equal(a["entry/reconstruct/z"][3:8], b["entry/reconstruct/z"][...])


def test_a_crop_of_columns_leaves_the_axis_where_it_is(phantom, command, tmp_path) -> None:
    listing = cropped(
        tmp_path, phantom, "{detector_x: [4, end-10], detector_y: [mid-3, mid+3], rotation_angle: [0, end]}"
    )
    done = command("run", listing, "-o", tmp_path / "out")
    assert done.status == 0, done.text
    found = values(tmp_path / "out")
    assert found["reconstruct"].shape == (6, SIZE - 14, SIZE - 14)
    assert found["axis.value"] == pytest.approx(CENTRE, abs=0.1)  # in pixels of the full row
    masks = {k: m[7:-7, 7:-7] for k, m in plateau_masks(SIZE, margin=6).items()}
    body = found["reconstruct"][:, masks["body"]].mean() * PIXEL / VALUE
    assert body == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize("backend", ["tomosaxs", "astra", "tomopy"])
def test_one_word_changes_the_backend(backend, phantom, whole, command, tmp_path) -> None:
    done = command("run", FBP, "--input", phantom, "-o", tmp_path / "out", "--set", f"reconstruct.backend={backend}")
    if find_spec(backend) is None:
        assert done.status == 2, done.text
        assert f"--set reconstruct.backend={backend}" in done.text
        assert f"needs {backend}, which is not installed; install with: " in done.text
        assert not (tmp_path / "out").exists()
        return
    assert done.status == 0, done.text
    found = values(tmp_path / "out")
    # the interpolation of each library differs at the edges of the cylinders, not in the values inside
    assert_true(found["reconstruct"], 0.01)
    with h5py.File(tmp_path / "out" / "result.nxs") as handle:
        assert handle["entry/reconstruction/parameters/backend"].asstr()[()] == backend
    own = values(whole)["reconstruct"]
    inside = np.hypot(*np.meshgrid(*[np.arange(SIZE) - (SIZE - 1) / 2] * 2)) < 0.45 * SIZE
    difference = (found["reconstruct"] - own)[:, inside]
    assert np.sqrt((difference**2).mean()) < 0.05 * VALUE / PIXEL
    if backend == "tomosaxs":  # what auto is, where there is no GPU
        same({"x": own}, {"x": found["reconstruct"]})


# measured scans


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    ("name", "axis", "shape"), [("24737_rebuilt.nxs", 85.5, (135, 160, 160)), ("tooth.h5", 295.5, (2, 640, 640))]
)
def test_measured_tomograms(name, axis, shape, ranks, shared, command, tmp_path) -> None:
    done = command("run", FBP, "--input", shared / "data" / "tomography" / name, "-o", tmp_path / "out", ranks=ranks)
    assert done.status == 0, done.text
    found = values(tmp_path / "out")
    assert found["axis.value"] == pytest.approx(axis, abs=0.5)
    assert found["axis.confidence"] > 0.8
    assert found["axis.uncertainty"] < 0.3
    volume = found["reconstruct"]
    assert volume.shape == shape
    assert np.isfinite(volume).all()
    # a sample in air: what lies inside attenuates, what lies around does not
    middle, width = volume[shape[0] // 2], shape[1]
    y, x = np.indices(middle.shape) - (width - 1) / 2
    inside, outside = (
        middle[np.hypot(x, y) < 0.25 * width],
        middle[np.abs(np.hypot(x, y) - 0.47 * width) < 0.02 * width],
    )
    assert inside.mean() > 5 * abs(outside.mean())


def test_measured_stxm(shared, command, tmp_path) -> None:
    scan = shared / "data" / "mapping" / "mm.nxs"
    done = command("run", LISTS / "stxm_tomography.yml", "--input", scan, "-o", tmp_path / "out", ranks=2)
    assert done.status == 0, done.text
    found = values(tmp_path / "out")
    assert abs(found["axis.value"] - 44.5) <= 1 or found["axis.confidence"] < 0.5
    assert found["reconstruct"].shape == (7, 101, 101)


@pytest.mark.parametrize("ranks", [1, 3])
def test_measured_saxs_map(ranks, shared, command, tmp_path) -> None:
    pytest.importorskip("pyFAI", reason="the integration of the SAXS list needs pyFAI")
    folder = shared / "data" / "mapping"
    done = command(
        "run", LISTS / "saxs_map.yml", "--input", folder / "xrd_test.nxs", "-o", tmp_path / "out", "--set",
        f"azimuthal_integrate.calibration={folder / 'LaB6_calibration_output.nxs'}", ranks=ranks,
    )  # fmt: skip
    assert done.status == 0, done.text
    found = values(tmp_path / "out")
    assert list(found) == ["azimuthal_integrate"]
    assert found["azimuthal_integrate"].shape == (2, 2, 2, 1000)
    with h5py.File(tmp_path / "out" / "result.nxs") as handle:
        entry = handle[handle.attrs["default"]]
        group = entry[entry.attrs["default"]]
        assert group.name == "/entry/azimuthal_integrate"
        assert group["q"].attrs["units"] in ("nm^-1", "1/nm")
        assert (np.diff(group["q"][...]) > 0).all()
