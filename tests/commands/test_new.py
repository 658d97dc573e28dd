"""``tomosaxs new``: what it writes runs unedited, and gives the right volume."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tomosaxs import check, known_sites, run, shipped_lists
from tomosaxs.cli.commands import tomosaxs
from tomosaxs.cli.ending import guarded
from tomosaxs_plugins.commands import look_sample
from tomosaxs_plugins.commands.new_text import ListText, as_yaml

sys.path.insert(0, str(Path(__file__).parent))
from look_scans import HALF, HEIGHT, WIDTH, a_scan, attenuation, counts, write

pytest.importorskip("numba", reason="volumes are reconstructed with numba")
PIXEL = 1e-6


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(look_sample, "ROWS", 1)
    return tmp_path


def new(*arguments):
    answer = CliRunner().invoke(tomosaxs, ["new", *map(str, arguments)], catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.output


def refused(capsys, *arguments):
    assert guarded(tomosaxs, ["new", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def ran(name, *settings):
    return run(name, log=lambda line: None, settings=settings)


def inside(volume, width=WIDTH):
    """Return the mean over the big disc, 0.9 / 96 a pixel, away from the small ones."""
    size = volume.shape[-1]
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    r = np.hypot(x, y)
    ring = (r > 0.30 * WIDTH) & (r < 0.34 * WIDTH)
    return float(volume[volume.shape[0] // 2][ring].mean())


TRUTH = 0.9 / WIDTH / PIXEL


@pytest.mark.parametrize("angles", [HALF, np.arange(0.0, 360.0, 2.0)], ids=["180", "360"])
def test_what_it_writes_runs_unedited(here, angles):
    a_scan(here / "tooth.nxs", angles)
    said = new("tooth.nxs", "-o", "tooth.yml")
    assert "tomosaxs run tooth.yml" in said
    text = (here / "tooth.yml").read_text()
    assert "path: tooth.nxs" in text  # relative: folder and list can move together
    assert text.count("{") == text.count("${") + 1  # block style; one brace is in a comment about sweeps
    assert "# value: " in text
    result = ran("tooth.yml")
    assert abs(result.estimates["axis"].value - (WIDTH - 1) / 2 - 1.7) < 0.1
    assert inside(result.data) == pytest.approx(TRUTH, rel=0.02)


def test_a_flyscan_folder(here):
    folder = here / "bone"
    folder.mkdir()
    frames, flats, darks = counts(attenuation(HALF))
    with h5py.File(folder / "bone.nxs", "w") as file:
        group = file.create_group("flyscan_00001/scan_data")
        group["orca_image"] = frames
        group["tomo1Rz1"] = HALF
        group["tomo1Rz1"].attrs["units"] = "deg"
    for name, kind, values in (("pre_ref", "ref", flats), ("post_ref", "ref", flats), ("post_dark", "dark", darks)):
        with h5py.File(folder / f"{name}.nxs", "w") as file:
            file[f"{kind}_0"] = values
    (folder / "bone.par").write_text("IMAGE_PIXEL_SIZE_1 = 1.0 # um\nIMAGE_PIXEL_SIZE_2 = 1.0\n")
    answer = CliRunner().invoke(tomosaxs, ["look", "bone"], catch_exceptions=False)
    assert "bone: tomography scan, SOLEIL Flyscan" in answer.output
    assert "next: tomosaxs new bone -o bone.yml && tomosaxs run bone.yml" in answer.output
    new("bone", "-o", "list.yml")
    assert inside(ran("list.yml").data) == pytest.approx(TRUTH, rel=0.02)


def test_an_extended_field(here):
    if "extended_field" not in shipped_lists():
        pytest.skip("no shipped list extended_field")
    frames, flats, darks = counts(attenuation(np.arange(0.0, 360.0), axis=20.4, radius=0.6))
    write(here / "wide.nxs", frames, flats, darks, np.arange(0.0, 360.0))
    new("wide.nxs")
    assert "shipped list extended_field" in (here / "wide.yml").read_text()
    result = ran("wide.yml")
    assert result.data.shape[-1] > 1.4 * WIDTH
    assert inside(result.data) == pytest.approx(TRUTH, rel=0.02)


def test_values_that_were_processed_before_and_scans_without_flats(here):
    line_integrals = attenuation(HALF)[:, None, :].repeat(HEIGHT, axis=1).astype("f4")
    nothing = np.zeros((0, HEIGHT, WIDTH), "f4")
    write(here / "t.nxs", np.exp(-line_integrals), nothing, nothing, HALF)
    write(here / "a.nxs", line_integrals, nothing, nothing, HALF)
    frames, _, _ = counts(attenuation(HALF))
    write(here / "bare.nxs", frames - np.uint16(100), frames[:0], frames[:0], HALF)
    # without flats the texture of the beam stays in the values
    steps = {"t": (["minus_log"], 0.02), "a": ([], 0.02), "bare": (["find_open_beam", "minus_log"], 0.15)}
    for name, (first, tolerance) in steps.items():
        new(f"{name}.nxs")
        plugins = [step.entry.plugin for step in check(f"{name}.yml").steps]
        assert plugins == [*first, "find_rotation_axis", "reconstruct"]
        if name != "t":
            assert inside(ran(f"{name}.yml", "axis.rows=1").data) == pytest.approx(TRUTH, rel=tolerance)


def test_another_beam_than_in_the_flats(here):
    frames, flats, darks = counts(attenuation(HALF))
    weak = np.rint(100 + (frames - 100.0) * 0.7).astype("u2")
    write(here / "weak.nxs", weak, flats, darks, HALF)
    new("weak.nxs")
    assert inside(ran("weak.yml", "axis.rows=1").data) == pytest.approx(TRUTH, rel=0.02)


def test_phase_contrast_with_and_without_energy(here):
    frames, flats, darks = counts(attenuation(HALF))
    write(here / "known.nxs", frames, flats, darks, HALF, energy=20.0)
    with h5py.File(here / "known.nxs", "r+") as file:
        file["entry/instrument/detector/distance"] = 5e-4
        file["entry/instrument/detector/distance"].attrs["units"] = "m"
    write(here / "unknown.nxs", frames, flats, darks, HALF)
    for name, parameter in (("known", "delta_beta"), ("unknown", "length")):
        new(f"{name}.nxs", "--list", "phase_contrast")
        step = next(step for step in check(f"{name}.yml").steps if step.entry.plugin == "retrieve_phase")
        assert list(step.entry.parameters) == [parameter]
    ran("unknown.yml", "axis.rows=1")
    text = (here / "unknown.yml").read_text()
    assert "The scan does not state energy and distance" in text


def test_a_site_stands_in_the_list(here, monkeypatch):
    (here / "x1.yml").write_text("loader: tomography\nraw_root: raw\nscan: '{number}.nxs'\npapers: [10.1000/x]\n")
    monkeypatch.setenv("TOMOSAXS_SITES", str(here))
    (here / "raw").mkdir()
    a_scan(here / "raw/7.nxs")
    assert "x1" in known_sites()
    new("7", "--site", "x1", "-o", "seven.yml")
    text = (here / "seven.yml").read_text()
    assert "\nsite: x1\n" in text
    assert "path: raw/7.nxs" in text
    assert "10.1000/x" in ran("seven.yml", "axis.rows=1").citations


def test_lists_and_refusals(here, capsys):
    said = new()
    for name in shipped_lists():
        assert name in said
    a_scan(here / "scan.nxs")
    assert "did you mean 'tomography_fbp'" in refused(capsys, "scan.nxs", "--list", "tomography_fpb")
    assert "expected NAME=VALUE" in refused(capsys, "scan.nxs", "--set", "entry")
    assert "is no name of a list" in refused(capsys, "scan.nxs", "-o", "folder")
    assert "there is no folder nowhere" in refused(capsys, "scan.nxs", "-o", "nowhere/a.yml")
    new("scan.nxs")
    before = (here / "scan.yml").read_text()
    assert "exists; name another file" in refused(capsys, "scan.nxs")
    assert (here / "scan.yml").read_text() == before
    new("scan.nxs", "--force")


LIST = """\
# a
title: x

input:
  tomo:
    plugin: raw
    path: y  # where

steps:
  # why
  - plugin: one
    size: 3  # px

  - plugin: two

output:
  plugin: nexus
"""


def test_edits_keep_comments_and_quote_what_needs_it():
    text = ListText(LIST)
    text.set("one", "mode", "yes")
    text.set("two", "value", 1.5)
    text.set_input("tomography", "a: b.nxs", {"entry": "/entry"})
    assert str(text) == (
        LIST.replace("plugin: raw", "plugin: tomography")
        .replace("    path: y  # where\n", '    path: "a: b.nxs"\n    entry: /entry\n')
        .replace("  - plugin: one\n", '  - plugin: one\n    mode: "yes"\n')
        .replace("  - plugin: two\n", "  - plugin: two\n    value: 1.5\n")
    )
    assert as_yaml({"start": 0, "stop": [1.5, None, True]}) == "{start: 0, stop: [1.5, null, true]}"


def test_series_in_one_file_and_in_a_folder(here):
    a_scan(here / "series.nxs", np.concatenate([HALF] * 2))
    (here / "folder").mkdir()
    for number in range(2):
        a_scan(here / f"folder/tomo_{number}.nxs")
    new("series.nxs")
    new("folder")
    assert "    series: repeats\n" in (here / "series.yml").read_text()
    for name in ("series", "folder"):
        result = ran(f"{name}.yml", "axis.rows=1")
        assert result.data.shape == (2, HEIGHT, WIDTH, WIDTH)
        for volume in result.data:
            assert inside(volume) == pytest.approx(TRUTH, rel=0.02)


def test_another_loader_takes_no_parameters_of_the_first():
    text = ListText(LIST.replace("    path: y  # where\n", "    path: y\n    technique: xrd\n    crop: {y: 1}\n"))
    text.set_input("raw", "z", {"technique": "stxm"})
    assert "    path: z\n    technique: stxm\n    crop: {y: 1}\n\n" in str(text)
    text.set_input("other", "z", {})
    assert "    plugin: other\n    path: z\n    crop: {y: 1}\n\n" in str(text)


def test_measured_scans(here, shared):
    for name, axis in (("24737_rebuilt", 85.5), ("tooth", 295.5)):
        path = next((shared / "data/tomography").glob(f"{name}.*"))
        new(path, "-o", f"{name}.yml")
        assert abs(ran(f"{name}.yml").estimates["axis"].value - axis) < 0.4


def test_zingers_that_were_seen_are_removed(here):
    frames, flats, darks = counts(attenuation(HALF))
    rng = np.random.default_rng(4)
    for frame in frames:
        frame[rng.integers(1, HEIGHT - 1, 6), rng.integers(1, WIDTH - 1, 6)] += 30000
    write(here / "hit.nxs", frames, flats, darks, HALF)
    new("hit.nxs")
    assert [step.entry.plugin for step in check("hit.yml").steps][:2] == ["remove_zingers", "dark_flat_correction"]
    assert inside(ran("hit.yml", "axis.rows=1").data) == pytest.approx(TRUTH, rel=0.02)
