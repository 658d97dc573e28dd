"""``tomosaxs look``: every kind of scan is named, every planted defect is warned of, sound scans are not."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tomosaxs.cli.commands import tomosaxs
from tomosaxs.cli.ending import guarded
from tomosaxs.testing import Defects, ScanSettings, micro_ct_scan, packing
from tomosaxs_plugins.commands import look_sample

sys.path.insert(0, str(Path(__file__).parent))
from look_scans import HALF, HEIGHT, WIDTH, a_scan, attenuation, counts, write

pytest.importorskip("numba", reason="the axis is looked for with numba")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(look_sample, "ROWS", 1)  # the rows are simulated alike; one tells as much as five
    return tmp_path


def looked(*arguments):
    answer = CliRunner().invoke(tomosaxs, ["look", *map(str, arguments)], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


def refused(capsys, *arguments):
    assert guarded(tomosaxs, ["look", *map(str, arguments)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("tomosaxs: error: ")
    assert told.count("\n") == 1
    return told


def loud(output):
    return [line.strip() for line in output.splitlines() if line.startswith("  warning:")]


@pytest.mark.parametrize("chunks", [None, (1, HEIGHT, WIDTH)])
def test_a_sound_scan(here, chunks):
    frames, flats, darks = counts(attenuation(HALF))
    write(here / "sound.nxs", frames, flats, darks, HALF, energy=25.0, chunks=chunks)
    said = looked("sound.nxs")
    assert "sound.nxs: tomography scan, NXtomo" in said
    assert "90 of 10 x 96 pixels, uint16" in said
    assert "12 flats in 2 batches, 4 darks" in said
    assert "0 to 178 deg: half a turn" in said
    assert "25 keV" in said
    assert "1 um" in said
    axis = float(said.split("column ")[1].split(" ")[0])
    assert abs(axis - (WIDTH - 1) / 2 - 1.7) < 0.2
    assert loud(said) == []
    assert "next: tomosaxs new sound.nxs -o sound.yml && tomosaxs run sound.yml" in said
    page = (here / "sound_look.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 5
    assert "http" not in page
    assert sorted(path.name for path in here.iterdir()) == ["sound.nxs", "sound_look.html"]


def test_packed_frames_and_binned_columns_give_the_same_axis(here):
    frames, flats, darks = counts(attenuation(HALF))
    wide = [np.repeat(each, 12, axis=-1) for each in (frames, flats, darks)]
    write(here / "wide.nxs", *wide, HALF, chunks=(1, HEIGHT, WIDTH * 12), compression="gzip", compression_opts=1)
    axis = float(looked("wide.nxs").split("column ")[1].split(" ")[0])
    assert abs(axis - (12 * ((WIDTH - 1) / 2 + 1.7) + 5.5)) < 2.4


def changed(here, change, **options):
    frames, flats, darks = counts(attenuation(HALF))
    given = {"frames": frames, "flats": flats.copy(), "darks": darks, "angles": HALF, "after": None}
    change(given)
    write(here / "scan.nxs", **given, **options)
    return looked("scan.nxs")


def test_saturation(here):
    def saturate(given):
        given["flats"][:, :, 20:40] = 65535
        given["after"] = given["flats"]

    assert "flats of batch 1 are saturated: 21 %" in "".join(loud(changed(here, saturate)))

    def twelve_bits(given):
        given["frames"][:, 2] = 4095
        given["frames"][given["frames"] > 4095] = 4095

    assert "projections are saturated" in "".join(loud(changed(here, twelve_bits)))


def test_dead_columns_rows_and_pixels(here):
    def kill(given):
        for part in (given["frames"], given["flats"]):
            part[:, :, [17, 60]] = 100
            part[:, 4] = 100
            part[:, 7, 33] = 100

    said = changed(here, kill)
    assert "2 dead columns: 17, 60" in said
    assert "1 dead row: 4" in said
    assert "1 dead pixel" in said


def test_flats_before_and_after(here):
    def move(given):
        slope = np.linspace(0.8, 1.2, WIDTH)
        given["after"] = np.rint(100 + (given["flats"] - 100.0) * slope).astype("u2")

    assert "flats before and after differ by" in "".join(loud(changed(here, move)))

    def fade(given):
        given["after"] = np.rint(100 + (given["flats"] - 100.0) * 0.8).astype("u2")

    said = changed(here, fade)
    assert loud(said) == []
    assert "the beam changed by -20 %" in said


def test_zingers_and_missing_darks(here):
    def hit(given):
        rng = np.random.default_rng(4)
        for frame in given["frames"]:
            frame[rng.integers(1, HEIGHT - 1, 6), rng.integers(1, WIDTH - 1, 6)] += 30000
        given["darks"] = given["darks"][:0]

    said = changed(here, hit)
    assert "zingers" in said
    assert "no darks" in "".join(loud(said))


def test_full_turns_and_their_names(here):
    full = np.arange(0.0, 360.0, 2.0)
    a_scan(here / "full.nxs", full)
    said = looked("full.nxs")
    assert "a full turn" in said
    assert loud(said) == []
    a_scan(here / "named180.nxs", np.linspace(0, 360, 181), stored=np.linspace(0, 180, 181))
    assert "360 degrees that would be read as 180" in looked("named180.nxs")
    a_scan(here / "named360.nxs", np.linspace(0, 180, 181), stored=np.linspace(0, 360, 181))
    assert "180 degrees that would be read as 360" in looked("named360.nxs")
    a_scan(here / "wedge.nxs", np.arange(0.0, 150.0))
    assert "150 degrees only, 30 short of a half turn" in looked("wedge.nxs")


def test_samples_that_do_not_fit(here):
    a_scan(here / "local.nxs", radius=0.8)
    assert "local tomography: the sample reaches over both edges in 100 %" in looked("local.nxs")
    a_scan(here / "aside.nxs", axis=78.0)
    assert "leaves the field over the right edge" in looked("aside.nxs")


def test_an_extended_field(here):
    a_scan(here / "extended.nxs", np.arange(0.0, 360.0), axis=12.4, radius=0.6)
    said = looked("extended.nxs")
    assert "extended field of view: a full turn, the axis near column 12 at the edge" in said
    assert "local tomography" not in said


def test_a_weaker_beam_is_no_local_tomography(here):
    def weaken(given):
        given["frames"] = np.rint(100 + (given["frames"] - 100.0) * 0.7).astype("u2")

    said = changed(here, weaken)
    assert loud(said) == []
    assert "the open beam of the projections is 0.70 of that of the flats" in said


def test_values_that_were_processed_before(here):
    line_integrals = attenuation(HALF)[:, None, :].repeat(HEIGHT, axis=1).astype("f4")
    nothing = np.zeros((0, HEIGHT, WIDTH), "f4")
    noise = np.random.default_rng(1).normal(0, 0.01, line_integrals.shape).astype("f4")
    write(here / "t.nxs", np.exp(-line_integrals) + noise, nothing, nothing, HALF)
    said = looked("t.nxs")
    assert "look like a transmission" in said
    assert loud(said) == []
    write(here / "a.nxs", line_integrals + noise, nothing, nothing, HALF)
    said = looked("a.nxs")
    assert "look like an attenuation" in said
    assert loud(said) == []
    spoilt = line_integrals.copy()
    spoilt[0] = np.nan
    write(here / "nan.nxs", spoilt, nothing, nothing, HALF)
    assert "whole projections: 0" in "".join(loud(looked("nan.nxs")))


def test_no_flats_at_all(here):
    frames, _, darks = counts(attenuation(HALF))
    write(here / "bare.nxs", frames, frames[:0], darks, HALF)
    assert "no flats: counts cannot become a transmission" in "".join(loud(looked("bare.nxs")))


def test_a_sample_that_hardly_absorbs(here):
    """Weak against the noise of a pixel: the phase is suggested; not for one that absorbs well."""
    settings = ScanSettings(projections=91, rows=24, columns=96, closed=True)
    for absorption, told in ((0.1, True), (1.5, False)):
        path = here / f"absorbs{absorption}.nxs"
        micro_ct_scan(path, packing(96, 24, absorption=absorption), settings, Defects(photons=2000.0))
        said = looked(path.name)
        assert ("slices of the absorption show little" in said) is told, said


def test_edge_enhancement_suggests_phase_retrieval(here):
    line_integrals = attenuation(HALF)
    bent = np.gradient(np.gradient(line_integrals, axis=1), axis=1)
    frames, flats, darks = counts(line_integrals - 3 * bent)
    write(here / "fringes.nxs", frames, flats, darks, HALF)
    said = looked("fringes.nxs")
    assert "edges are enhanced" in said
    assert "tomosaxs new --list phase_contrast" in said


def test_a_broken_link_and_a_lost_detector_file(here, capsys):
    with h5py.File(here / "master.nxs", "w") as file:
        file["entry/definition"] = "NXtomo"
        file["entry/instrument/detector/data"] = h5py.ExternalLink("lost.h5", "/data")
    told = refused(capsys, "master.nxs")
    assert "lost.h5" in told


def test_what_is_nothing_is_told_in_one_line(here, capsys):
    (here / "notes.txt").write_text("hello")
    (here / "empty.nxs").write_bytes(b"")
    (here / "list.yml").write_text("title: x")
    (here / "text.h5").write_text("no HDF5")
    (here / "agbeh.poni").write_text("Detector: Detector")
    (here / "folder").mkdir()
    with h5py.File(here / "other.h5", "w") as file:
        file["numbers"] = np.arange(5)
    for name, words in {
        "notes.txt": "", "empty.nxs": "0 bytes", "list.yml": "tomosaxs check list.yml",
        "text.h5": "is no HDF5 file", "agbeh.poni": "tomosaxs integrate agbeh.poni IMAGES", "folder": "",
        "other.h5": "Tried: tomography: ", "scam.nxs": "does not exist", "24737": "--site",
    }.items():  # fmt: skip
        assert words in refused(capsys, name)
    assert list(here.glob("*_look.html")) == []


def test_nobodys_file_is_overwritten(here, capsys):
    a_scan(here / "scan.nxs")
    (here / "scan_look.html").write_text("<p>mine</p>")
    assert "is no page of tomosaxs look" in refused(capsys, "scan.nxs")
    assert (here / "scan_look.html").read_text() == "<p>mine</p>"
    looked("scan.nxs", "-o", "pages")
    looked("scan.nxs", "-o", "pages")
    assert [path.name for path in (here / "pages").iterdir()] == ["scan_look.html"]


def test_several_scans_in_one_file(here):
    angles = np.concatenate([np.arange(0.0, 180.0, 2.0)] * 3)
    a_scan(here / "series.nxs", angles)
    said = looked("series.nxs")
    assert "are 3 scans over the same angles" in said
    assert "90 of 10 x 96" in said


def test_a_folder_of_scans_is_a_series(here):
    (here / "series").mkdir()
    for number in range(2):
        a_scan(here / f"series/tomo_{number}.nxs")
    said = looked("series")
    assert "a series of 2 tomograms" in said
    assert "90 of 10 x 96" in said
    assert "next: tomosaxs new series -o series.yml" in said


def test_a_folder_of_images_of_a_tomogram(here, capsys):
    tifffile = pytest.importorskip("tifffile", reason="images are written with tifffile")
    frames, flats, darks = counts(attenuation(HALF))
    (here / "scan").mkdir()
    for name, stack in (("proj", frames), ("flat", flats), ("dark", darks)):
        for number, image in enumerate(stack):
            tifffile.imwrite(here / "scan" / f"{name}_{number:04d}.tif", image)
    assert "next: tomosaxs look scan --set angles='{start: 0, stop: 180}'" in looked("scan")
    (here / "parts").mkdir()
    for name in ("proj", "flat", "dark"):
        (here / "parts" / name).mkdir()
        for path in (here / "scan").glob(f"{name}*"):
            (here / "parts" / name / path.name).symlink_to(path)
    told = refused(capsys, "parts")  # no angles: what to type, and nothing about other loaders
    assert "Tried" not in told
    assert "tomosaxs look parts --set angles='{start: 0, stop: 180}'" in told
    said = looked("scan", "--set", "angles={start: 0, stop: 178}")
    assert "scan: tomography scan" in said
    assert "6 flats, 4 darks" in said
    assert loud(said) == []


def test_scattering_data(here):
    pytest.importorskip("fabio", reason="images are read with fabio")
    tifffile = pytest.importorskip("tifffile", reason="images are written with tifffile")
    image = np.random.default_rng(1).poisson(20, (40, 50)).astype("i4")
    tifffile.imwrite(here / "agbeh.tif", image)
    said = looked("agbeh.tif")
    assert "agbeh.tif: images (one image)" in said
    assert "next: tomosaxs calibrate agbeh.tif --standard agbeh" in said
    assert "tomosaxs integrate CALIBRATION agbeh.tif" in said
    assert (here / "agbeh_look.html").read_text().count("<img") == 1
    (here / "images").mkdir()
    for number in range(3):
        tifffile.imwrite(here / f"images/s_{number}.tif", image)
    assert "next: tomosaxs integrate CALIBRATION images" in looked("images")


def test_measured_maps(here, shared):
    said = looked(shared / "data/mapping/xrd_test.nxs")
    assert "scattering scan, one pattern a point" in said
    assert "17 keV" in said
    assert "tomosaxs new" in said
    assert "&&" not in said  # the calibration is missing
    said = looked(shared / "data/mapping/mm.nxs")
    assert "choose technique" in said
    said = looked(shared / "data/mapping/mm.nxs", "--set", "technique=stxm")
    assert "raster map, one value a point" in said
    assert "--set technique=stxm -o mm.yml && tomosaxs run mm.yml" in said


def test_the_scan_of_a_site(here, monkeypatch):
    (here / "x1.yml").write_text(
        "loader: tomography\nraw_root: raw\nscan: '{visit}/{number:04d}.nxs'\nenergy: 31\noutput_root: out/{visit}\n"
    )
    monkeypatch.setenv("TOMOSAXS_SITES", str(here))
    (here / "raw/v1").mkdir(parents=True)
    a_scan(here / "raw/v1/0012.nxs")
    said = looked("12", "--site", "x1")
    assert "31 keV" in said
    assert "next: tomosaxs new 12 --site x1 -o 0012.yml && tomosaxs run 0012.yml\n" in said
    said = looked("12", "--site", "x1,visit=v1")
    assert "next: tomosaxs new 12 --site x1,visit=v1 -o 0012.yml && tomosaxs run 0012.yml -o out/v1/0012\n" in said


def test_measured_scans(here, shared):
    for name, layout, axis in (
        ("24737_rebuilt.nxs", "NXtomo", 85.5),
        ("tooth.h5", "Data Exchange", 295.5),
    ):
        said = looked(shared / "data/tomography" / name)
        assert f"tomography scan, {layout}" in said
        assert abs(float(said.split("column ")[1].split(" ")[0]) - axis) < 0.4
        assert loud(said) == []
