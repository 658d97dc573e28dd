"""Site profiles: found by name, path or folder; scan numbers become paths; lists, results and reports carry them."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from tomosaxs import InputError, ListError, check, find_site, known_sites, run
from tomosaxs.cli.commands import tomosaxs
from tomosaxs.report import report_again

PROFILE = """\
name: here
title: beamline X of the synchrotron Y
loader: tomography
parameters: {pixel_size: 2e-6}
raw_root: RAW
scan: "{year}/{visit}/raw/{number:05d}.nxs"
energy: 25.5
rotation: reversed
acknowledgement: We thank Y.
papers: [10.1000/beamline.1, 10.1000/beamline.2]
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "sites"
    folder.mkdir()
    (folder / "here.yml").write_text(PROFILE.replace("RAW", str(tmp_path / "data")))
    monkeypatch.setenv("TOMOSAXS_SITES", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def a_scan(path, angles=5):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["definition"] = "NXtomo"
        entry["instrument/detector/data"] = np.full((angles + 2, 4, 6), 1000, "u2")
        entry["instrument/detector/image_key"] = [2, 1, *[0] * angles]
        entry["sample/rotation_angle"] = np.r_[0, 0, np.linspace(0, 180, angles)]
        entry["sample/rotation_angle"].attrs["units"] = "deg"
    return path


def test_shipped_profiles_can_be_read_and_cite_their_paper():
    for name, file in known_sites().items():
        made = find_site(name)
        assert made.name == name == file.stem
        assert made.title
        assert all(doi.startswith("10.") for doi in made.papers)
        assert made.papers


def test_a_number_becomes_a_path(site, tmp_path):
    first = a_scan(tmp_path / "data/2024/mt1-1/raw/00042.nxs")
    assert find_site("here").path_of("42") == first
    a_scan(tmp_path / "data/2023/mt1-1/raw/00042.nxs")
    with pytest.raises(InputError, match=r"2 scans have the number 42 .*--site here,visit=\.\.\.,year=\.\.\."):
        find_site("here").path_of("42")
    assert find_site("here,year=2024").path_of("42") == first
    with pytest.raises(InputError, match="no scan 43 at"):
        find_site("here").path_of("43")
    with pytest.raises(InputError, match=r"would be .*00043\.nxs, which does not exist"):
        find_site("here,year=2024,visit=mt1-1").path_of("43")


def test_a_profile_that_builds_on_another(site):
    (site / "mine.yml").write_text("based_on: here\nfields: {visit: mt1-1}\nenergy: 30\n")
    mine = find_site("mine")
    assert (mine.name, mine.energy, mine.fields, mine.loader) == ("mine", 30.0, {"visit": "mt1-1"}, "tomography")
    assert mine.papers == find_site("here").papers
    (site / "here.yml").write_text("based_on: mine\n")
    with pytest.raises(InputError, match="circle"):
        find_site("mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", r"no site is called 'nope'.*TOMOSAXS_SITES"),
        ("./nope.yml", "there is no site profile"),
        ("here,visit=../..", "cannot be part of a path"),
        ("here,vist=a", "did you mean 'visit'"),
        ("here,visit", "expected NAME,FIELD=VALUE"),
    ],
)
def test_what_cannot_be_a_site(site, text, message):
    with pytest.raises(InputError, match=message):
        find_site(text)


def test_faults_of_a_profile_come_all_at_once_with_lines(site):
    (site / "bad.yml").write_text("titel: x\nscan: '{number.real}'\nenergy: -3\npapers: [doi]\nrotation: left\n")
    with pytest.raises(ListError) as caught:
        find_site("bad")
    text = str(caught.value)
    for line in (1, 2, 3, 4, 5):
        assert f"bad.yml:{line}:" in text
    assert "did you mean 'title'" in text


LIST = """\
title: With a site
site: SITE
input:
  tomo: {plugin: tomography, path: scan.nxs}
steps:
  - {plugin: dark_flat_correction, save: true}
"""


def test_a_list_takes_the_site_along(site, tmp_path):
    a_scan(tmp_path / "scan.nxs")
    (tmp_path / "list.yml").write_text(LIST.replace("SITE", "here"))
    result = run("list.yml", log=lambda line: None)
    axis = result.datasets[-1].dataset.axis("rotation_angle")
    np.testing.assert_array_equal(axis.values, -np.linspace(0, 180, 5))
    metadata = result.datasets[-1].dataset.metadata
    assert metadata["energy"].value == 25.5
    assert metadata["pixel_size_x"].value == 2e-6
    assert result.citations[-2:] == ("10.1000/beamline.1", "10.1000/beamline.2")
    for page in (tmp_path / "list/report.html", report_again(tmp_path / "list")):
        text = page.read_text()
        assert "Data were taken at beamline X of the synchrotron Y [" in text
        assert "We thank Y." in text
        assert "https://doi.org/10.1000/beamline.2" in text


def test_the_list_is_stronger_than_the_site(site, tmp_path):
    a_scan(tmp_path / "scan.nxs")
    own = LIST.replace("SITE", "here").replace("scan.nxs}", "scan.nxs, pixel_size: 1e-6}")
    checked = check(own)
    assert checked.inputs[0].values["pixel_size"] == 1e-6


def test_a_wrong_site_is_a_fault_with_its_line(site, tmp_path):
    a_scan(tmp_path / "scan.nxs")
    with pytest.raises(ListError, match=r":2: site: no site is called 'hree' \(did you mean 'here'\?\)"):
        check(LIST.replace("SITE", "hree"))
    (site / "here.yml").write_text("loader: tomography\nparameters: {pixel_size: -1}\n")
    with pytest.raises(ListError, match=r":2: input tomo\.pixel_size"):
        check(LIST.replace("SITE", "here"))


def test_the_command_lists_them(site):
    answer = CliRunner().invoke(tomosaxs, ["sites"])
    assert answer.exit_code == 0
    assert "here" in answer.output
    assert "beamline X of the synchrotron Y" in answer.output
    assert "i13" in answer.output
    shown = CliRunner().invoke(tomosaxs, ["sites", "here"])
    assert "10.1000/beamline.1" in shown.output
    assert "We thank Y." in shown.output
