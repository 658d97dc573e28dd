"""tomosaxs slice: the picture is that slice of a whole run, and nothing but the picture is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import tomosaxs
from tomosaxs import InputError, ListError
from tomosaxs.cli.slice_picture import slice_picture, thinned
from tomosaxs.report.pictures import robust_limits, to_grey
from tomosaxs.testing import ScanSettings, micro_ct_scan, smooth_phantom

CENTRE = 24.7
LIST = """\
input:
  tomo:
    plugin: tomography
    path: scan.nxs
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: find_rotation_axis
    name: axis
    on_low_confidence: warn
  - plugin: reconstruct
    centre: ${axis}
    save: true
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scan, a list, and the volume that the list makes of it."""
    place = tmp_path_factory.mktemp("slice")
    settings = ScanSettings(projections=45, rows=7, columns=48, centre=CENTRE)
    micro_ct_scan(place / "scan.nxs", smooth_phantom(48, 7), settings, seed=3)
    (place / "list.yml").write_text(LIST)
    result = tomosaxs.run(place / "list.yml", output=place / "whole", log=lambda text: None)
    np.save(place / "volume.npy", np.array(result.data))
    np.save(place / "axis.npy", result.estimates["axis"].value)
    return place


@pytest.fixture
def call(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command in this process, in an empty folder; errors are raised."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(slice_picture, [str(word) for word in words], catch_exceptions=False)


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.array(picture)


def shown(image: np.ndarray) -> np.ndarray:
    return to_grey(image, robust_limits(image))


def test_the_slice_is_that_of_the_run(folder: Path, call: Callable[..., Result], tmp_path: Path) -> None:
    done = call(folder / "list.yml", "--row", 5)
    np.testing.assert_array_equal(pixels(tmp_path / "list_row5.png"), shown(np.load(folder / "volume.npy")[5]))
    assert "detector row 5" in done.output
    assert f"axis = {np.load(folder / 'axis.npy'):.2f}" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["list_row5.png"]


def test_a_scan_by_itself_gets_the_ordinary_steps(folder: Path, call: Callable[..., Result], tmp_path: Path) -> None:
    """And the axis of the row that is shown, as if there were no other."""
    done = call(folder / "scan.nxs", "-o", tmp_path / "new" / "a.png")
    crop = "tomo.crop.detector_y=[3, 4]"
    alone = tomosaxs.run(folder / "list.yml", settings=[crop], output=tmp_path / "alone", log=lambda text: None)
    np.testing.assert_array_equal(pixels(tmp_path / "new" / "a.png"), shown(np.array(alone.data[0])))
    assert f"axis = {alone.estimates['axis'].value:.2f}" in done.output


def test_a_known_axis_is_not_searched(
    folder: Path, call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomosaxs_plugins.centring import find_rotation_axis

    monkeypatch.setattr(find_rotation_axis, "row_estimate", None)  # would fail
    of_list = call(folder / "list.yml", "--axis", CENTRE)
    of_scan = call(folder / "scan.nxs", "--axis", CENTRE)
    assert "axis" not in of_scan.output
    assert "axis = 24.7" in of_list.output
    np.testing.assert_array_equal(pixels(tmp_path / "list_row3.png"), pixels(tmp_path / "scan_row3.png"))
    moved = call(folder / "scan.nxs", "--axis", CENTRE + 2)
    assert "detector row 3" in moved.output
    assert not np.array_equal(pixels(tmp_path / "list_row3.png"), pixels(tmp_path / "scan_row3.png"))


def test_only_the_rows_of_the_slice_are_read(folder: Path, call: Callable[..., Result]) -> None:
    assert "reconstruct: 1 slices" in call(folder / "scan.nxs", "--axis", CENTRE).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list.yml", "--row", "7"], "--slice 7 is not read"),
        (["list.yml", "--set", "reconstruct.filter={sweep: [ramp, hann]}"], "tomosaxs sweep"),
        (["scan.nxs", "--input", "other.nxs"], "--input goes with a list"),
        (["none.nxs"], "none.nxs"),
        (["short.yml", "--axis", "3"], "no step of .*short.yml takes a rotation axis"),
        (["list.yml", "-o", "list.yml/a.png"], "-o .*a.png: "),
    ],
)
def test_what_cannot_be_shown(folder: Path, call: Callable[..., Result], words: list[str], message: str) -> None:
    (folder / "short.yml").write_text(LIST.partition("  - plugin: find")[0])
    given = [str(folder / word) if word.endswith((".yml", ".nxs", ".png")) else word for word in words]
    with pytest.raises((InputError, ListError), match=message):
        call(*given)


def test_grey_levels_are_those_of_a_sample() -> None:
    image = np.arange(40.0 * 60).reshape(40, 60)
    assert thinned(image, 600).shape == (20, 30)
    np.testing.assert_array_equal(thinned(image, 10**6), image)


def test_several_ranks_are_refused(call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        size = 2

    monkeypatch.setattr("tomosaxs.communicator.world", Two)
    with pytest.raises(InputError, match="leave mpirun away"):
        call(folder / "list.yml")
