"""``tomosaxs calibrate``: what it writes, what it takes from files, and how it refuses."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from tomosaxs.cli.ending import guarded
from tomosaxs_plugins.commands.calibrate import calibrate
from tomosaxs_plugins.commands.calibrate_image import read_image
from tomosaxs_plugins.integration.calibrate.standards import find_standard
from tomosaxs_plugins.integration.calibration import read_calibration

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "docs")]
import calibrate_help as sim  # noqa: E402

PAGE = ROOT / "docs" / "how-to" / "calibrate.md"
SHAPE = (180, 200)
HEADER = "# Pixel_size 172e-6 m x 172e-6 m\r\n# Exposure_time 1.0 s\r\n# Wavelength 1.0000 A\r\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the truth and a folder with images of silver behenate in several formats."""
    folder = tmp_path_factory.mktemp("standard")
    truth = sim.fit2d((95.0, 105.0), 300.0, 4.0, 30.0, 1.0, SHAPE)
    mask = sim.gaps_and_stop(truth, stop=9)
    counts = sim.expected(truth, find_standard("agbeh"), rings=9, height=150, background=30, width=2.5)
    image = sim.noisy(counts, mask, 1)
    tifffile.imwrite(folder / "agbeh.tif", image, description=HEADER)
    tifffile.imwrite(folder / "bare.tif", image)
    np.save(folder / "agbeh.npy", image)
    np.save(folder / "mask.npy", mask)
    frames = np.stack([sim.noisy(counts / 3, mask, seed) for seed in range(3)]).astype(np.uint32)
    frames[:, mask] = 2**32 - 1
    with h5py.File(folder / "scan.nxs", "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update(default="data", NX_class="NXentry")
        data = entry.create_group("data")
        data.attrs.update(signal="counts", NX_class="NXdata")
        data["counts"] = frames
        detector = entry.create_group("detector")
        detector.attrs["NX_class"] = "NXdetector"
        detector["again"] = frames[:1, None]
        for name in ("x_pixel_size", "y_pixel_size"):
            detector[name] = 0.172
            detector[name].attrs["units"] = "mm"
        beam = entry.create_group("beam")
        beam.attrs["NX_class"] = "NXmonochromator"
        beam["energy"] = 12.3984198
        beam["energy"].attrs["units"] = "keV"
    return truth, folder


@pytest.fixture
def there(made, tmp_path, monkeypatch):
    """Return the truth, in a folder of its own with links to the images."""
    truth, folder = made
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return truth


def done(*arguments):
    answer = CliRunner().invoke(calibrate, list(map(str, arguments)), catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def entries():
    return {path.name for path in Path().iterdir()}


def refused(*arguments):
    before = entries()
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        assert guarded(calibrate, list(map(str, arguments))) == 2
    assert entries() == before  # nothing half written
    return told.getvalue()


def test_what_is_written(there):
    said = done("agbeh.tif", "-o", "detector.poni", "--picture", "both")
    geometry = read_calibration(Path("detector.poni"))
    numbers = json.loads(Path("detector.json").read_text())
    assert geometry.shape == SHAPE
    for name, number in numbers["poni"].items():
        assert getattr(geometry, name.lower()) == pytest.approx(number["value"], rel=1e-12)
    for name, true in (("beam centre x", 95.0), ("beam centre y", 105.0), ("distance", 300.0), ("tilt", 4.0)):
        number = numbers["fit2d"][name]
        assert abs(number["value"] - true) < 4.5 * number["uncertainty"]
    assert np.asarray(numbers["covariance"]["matrix"]).shape == (5, 5)
    assert "wavelength: 1 Angstrom" in said
    assert "pixels: 172 x 172 um (the image's file)" in said
    assert Image.open("detector.png").size[0] >= SHAPE[1]
    drawing = Path("detector.svg").read_text()
    assert drawing.startswith("<svg")
    assert drawing.count("<polyline") >= len(numbers["rings"])
    assert not [name for name in entries() if "part" in name]
    done("agbeh.tif", "-o", "detector.poni", "--fix", "tilt", "--picture", "none")  # replaces
    assert json.loads(Path("detector.json").read_text())["refined"] == ["centre", "distance"]


def test_hdf5_frames_are_summed_and_files_tell_of_themselves(there):
    image = read_image("scan.nxs")
    assert image.frames == 3
    assert image.wavelength == pytest.approx(1e-10, rel=1e-7)
    assert image.pixel == pytest.approx((172e-6, 172e-6))
    with h5py.File("scan.nxs") as file:
        frames = file["entry/data/counts"][()]
    good = frames[0] < 2**32 - 1
    assert np.array_equal(image.counts[good], frames.sum(axis=0)[good])
    assert np.array_equal(image.unusable, ~good)
    said = done("scan.nxs", "--picture", "none")
    assert "the sum of 3 frames" in said
    assert Path("scan.poni").is_file()
    assert read_image("scan.nxs::/entry/detector/again").frames == 1
    assert "there is no dataset /entry/nothing" in refused("scan.nxs::/entry/nothing")


def test_options_and_starts(there):
    said = done("bare.tif", "-e", 12.3984198, "-p", "172", "-m", "mask.npy", "-o", "one.poni", "--picture", "none",
                "--distance", 330, "--beam-centre", "80,90")  # fmt: skip
    assert "keV (--energy)" in said
    done("bare.tif", "--start", "one.poni", "-c", "AgBh", "-o", "two.poni", "--picture", "none")
    one, two = read_calibration(Path("one.poni")), read_calibration(Path("two.poni"))
    assert two.beam_centre == pytest.approx(one.beam_centre, abs=1e-3)
    assert two.distance == pytest.approx(one.distance, rel=1e-5)
    assert "detector pilatus1m" in done("bare.tif", "-w", 1, "-D", "pilatus1m", "-o", "two.poni", "--picture", "none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.tif"], "image absent.tif does not exist"),
        (["bare.tif", "-p", "172"], "the wavelength is not known"),
        (["bare.tif", "-w", "1"], "the pixel size is not known"),
        (["bare.tif", "-w", "1", "-e", "8", "-p", "172"], "give one of them"),
        (["bare.tif", "-w", "-1", "-p", "172"], "a positive number is needed"),
        (["bare.tif", "-w", "1", "-p", "172,x"], "--pixel-size '172,x'"),
        (["bare.tif", "-w", "1", "-D", "pilatis1m"], "did you mean 'pilatus1m'"),
        (["agbeh.tif", "-c", "gold leaf"], "standard 'gold leaf' is not known"),
        (["agbeh.tif", "--fix", "tild"], "did you mean 'tilt'"),
        (["agbeh.tif", "--fix", "distance"], "--fix distance needs a value"),
        (["agbeh.tif", "--beam-centre", "5"], "ROW,COLUMN is expected"),
        (["agbeh.tif", "-m", "absent.npy"], "mask absent.npy does not exist"),
        (["agbeh.tif", "-o", "result.json"], "ends with .poni"),
        (["agbeh.tif", "-o", "absent/result.poni"], "is not a folder that can be written"),
        (["agbeh.tif", "-c", "lab6"], "They would fit agbeh"),
    ],
)
def test_faults_of_the_user(there, arguments, message):
    told = refused(*arguments)
    assert message in told
    assert told.count("\n") == 1
    assert "Traceback" not in told


def test_damaged_images(there):
    Path("cut.tif").write_bytes(Path("bare.tif").read_bytes()[:20000])
    assert "image cut.tif" in refused("cut.tif", "-w", "1", "-p", "172")
    np.save("gone.npy", np.full(SHAPE, -1, dtype=np.int32))
    assert "no pixel of it can be used" in refused("gone.npy", "-w", "1", "-p", "172")


def test_the_how_to_page(there, monkeypatch):
    import docs_pages as pages

    found = list(pages.blocks(PAGE))
    command = next(block.text for block in found if block.language == "shell").split()
    assert command[:2] == ["tomosaxs", "calibrate"]
    done(*command[2:])
    assert {"detector.poni", "detector.json", "detector.png"} <= entries()
    names: dict[str, object] = {}
    for block in found:
        if block.language == "python":
            exec(block.text, names)
    assert names["result"].seen[0] == 0
