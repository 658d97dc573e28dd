"""tomosaxs sweep: the pictures are those of the values on them, and the chosen ones get into the list."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sweeps_help import PLUGINS, calls_of, forget_calls, given_values

import tomosaxs
from tomosaxs import ListError
from tomosaxs.cli.sweep import as_sweeps, sweep
from tomosaxs.report.metrics import entropy, even_patch, metrics_of, ring_metric, sharpness, total_variation
from tomosaxs.report.pictures import robust_limits, to_grey

LIST = """\
title: planted   # with a comment
input:
  a:
    plugin: ./own.py:array
    path: scan.npy
steps:
  - plugin: ./own.py:first
  # the factor is the brightness of the picture
  - plugin: ./own.py:scale
    factor: 2.0     # to be chosen
    offset: 0
  - plugin: ./own.py:brightest
    name: top
  - plugin: ./own.py:add   # before the end
    value: ${top}
  - plugin: ./own.py:smear
    name: volume
"""


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list that plants its values in the pictures."""
    (tmp_path / "own.py").write_text(PLUGINS)
    np.save(tmp_path / "scan.npy", given_values())
    (tmp_path / "list.yml").write_text(LIST)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "list.yml"


@pytest.fixture
def call() -> Callable[..., Result]:
    """Run ``tomosaxs sweep`` in this process."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(sweep, ["list.yml", *words])

    return run


def alone(listing: Path, **values: Any) -> Any:
    """Return the volume of the run with these values."""
    settings = [f"{name.replace('__', '.')}={value}" for name, value in values.items()]
    result = tomosaxs.run(listing, settings=settings, output=listing.parent / "alone", log=lambda line: None)
    return np.array(result["volume"])


def test_every_picture_carries_its_own_values(listing: Path, call: Callable[..., Result]) -> None:
    """Label, table, record and values of a picture belong together; the estimate is that of the whole scan."""
    done = call("--set", "scale.factor=[2, 0.5, 4]", "--set", "add.more={start: 0, stop: 3, count: 2}", "--slice", "4")
    assert done.exit_code == 0, done.output
    folder = listing.parent / "list_sweep"
    record = json.loads((folder / "sweep.json").read_text())
    page = (folder / "report.html").read_text()
    figures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page)
    shown = [(label, data) for data, label in figures if re.match(r"\d+: ", label)]
    pictures = record["pictures"]
    wanted = [(f, m) for f in (2, 0.5, 4) for m in (0, 3)]
    assert len(shown) == len(pictures) == len(wanted)
    images = [alone(listing, scale__factor=f, add__more=m)[4] for f, m in wanted]
    limits = robust_limits(np.concatenate([image.ravel() for image in images]))
    for (label, data), picture, (factor, more), image in zip(shown, pictures, wanted, images, strict=True):
        number = picture["number"]
        assert label == f"{number}: factor {factor:g}, more {more}"
        assert [each["value"] for each in picture["values"]] == [factor, more]
        assert re.search(rf"(?m)^\s*{number}\s+{factor:g}\s+{more}\s", done.output)
        seen = np.array(Image.open(io.BytesIO(base64.b64decode(data))))
        assert np.array_equal(seen, to_grey(image, limits))
    with Image.open(folder / "sweep.png") as sheet:
        assert sheet.size[0] > sheet.size[1] / 2


def test_the_slice_is_that_of_the_whole_run(listing: Path, call: Callable[..., Result]) -> None:
    """Bit for bit, though only one row is read; without --slice the middle one."""
    assert call("--set", "scale.factor=[2, 3]").exit_code == 0
    with h5py.File(listing.parent / "list_sweep" / "result.nxs") as handle:
        values = handle["entry/volume/data"][...]
        assert handle["entry/volume/z"].shape == (1,)
    assert values.shape == (2, 1, 8, 8)
    for place, factor in enumerate((2, 3)):
        assert np.array_equal(values[place, 0], alone(listing, scale__factor=factor)[3])


@pytest.mark.parametrize("margin", [None, 1])
def test_steps_that_work_on_frames(listing: Path, call: Callable[..., Result], margin: int | None) -> None:
    """A small scan is taken whole, with --margin some rows are, which is said; then only the slice goes on."""
    listing.write_text(LIST.replace("add   # before the end\n    value: ${top}", "smooth"))
    options = [] if margin is None else ["--margin", str(margin)]
    forget_calls()
    done = call("--set", "smooth.size=[1, 5]", "--slice", "2", *options)
    assert done.exit_code == 0, done.output
    assert ("which is exact" if margin is None else "1 rows on both sides") in done.output
    assert calls_of("smear") == 2
    record = json.loads((listing.parent / "list_sweep" / "sweep.json").read_text())
    assert record["slice"] == 2
    with h5py.File(listing.parent / "list_sweep" / "result.nxs") as handle:
        assert list(handle["entry"]).count("volume") == 1
        values = handle["entry/volume/data"][...]
    for place, size in enumerate((1, 5)):
        assert np.array_equal(values[place, 0], alone(listing, smooth__size=size)[2])


def test_accept_writes_the_values_and_keeps_the_rest(listing: Path, call: Callable[..., Result]) -> None:
    assert call("--set", "scale.factor=[2, 0.5]", "--set", "add.more=[0, 1]").exit_code == 0
    done = call("--accept", "4")
    assert done.exit_code == 0, done.output
    after = LIST.replace("factor: 2.0     # to", "factor: 0.5     # to")
    after = after.replace("    value: ${top}\n", "    value: ${top}\n    more: 1\n")
    assert listing.read_bytes() == after.encode()
    assert "-    factor: 2.0     # to be chosen" in done.output
    assert "+    more: 1" in done.output
    assert np.array_equal(alone(listing), alone(listing, scale__factor=0.5, add__more=1))


def test_sweeps_of_the_list_are_replaced_by_the_choice(listing: Path, call: Callable[..., Result]) -> None:
    text = LIST.replace("factor: 2.0     #", "factor: {sweep: [2.0, 0.5]}     #")
    listing.write_bytes(text.replace("\n", "\r\n").encode())
    assert call().exit_code == 0
    listing.write_bytes(listing.read_bytes().replace(b"planted", b"another title"))
    assert call("--accept", "1").exit_code == 0
    wanted = LIST.replace("planted", "another title").replace("\n", "\r\n")
    assert listing.read_bytes() == wanted.encode()


def test_accept_refuses_what_was_not_swept(listing: Path, call: Callable[..., Result]) -> None:
    assert "holds no sweep" in str(call("--accept", "1").exception)
    assert call("--set", "scale.factor=[2, 3]").exit_code == 0
    assert "pictures 1 to 2" in str(call("--accept", "3").exception)
    assert "leave the other options away" in str(call("--accept", "1", "--set", "scale.factor=3").exception)
    listing.write_text(LIST.replace("offset: 0", "offset: 7"))
    assert "step 2 scale: offset was 0, is 7" in str(call("--accept", "1").exception)
    assert listing.read_text() == LIST.replace("offset: 0", "offset: 7")
    listing.write_text(LIST.replace("  - plugin: ./own.py:first\n", ""))
    assert "it had 5 steps and has 4" in str(call("--accept", "1").exception)


def test_what_cannot_be_swept_is_said(listing: Path, call: Callable[..., Result]) -> None:
    assert "nothing is swept" in str(call().exception)
    assert "--slice 6 is not read: input a has detector_y 0 to 5" in str(
        call("--set", "scale.factor=[1, 2]", "--slice", "6").exception
    )
    wrong = call("--set", "scale.factor=[1, many]").exception
    assert isinstance(wrong, ListError)
    assert "value 2 of the sweep: expected number, got text 'many'" in str(wrong)
    assert "at most 100" in str(call("--set", "scale.factor={start: 1, stop: 101, step: 1}").exception)


def test_only_parameters_of_steps_become_sweeps(listing: Path) -> None:
    given = [
        "scale.factor=[1, 2]",
        "a.crop.detector_y=[1, 3]",
        "add.on=[a, a]",
        "scale.offset=3",
        "2.offset={start: 1, stop: 2, count: 2}",
    ]
    made = as_sweeps(listing, given)
    assert made == ["scale.factor={sweep: [1, 2]}", *given[1:4], "2.offset={sweep: {start: 1, stop: 2, count: 2}}"]


def test_metrics_tell_what_they_say() -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(y, x)
    disc = (radius < 20).astype(np.float64)
    rings = disc + 0.2 * ((np.rint(radius) % 12) == 6)
    noisy = disc + np.random.default_rng(0).normal(0, 0.05, disc.shape)
    soft = np.clip((24 - radius) / 8, 0, 1)
    assert ring_metric(rings) > 10 * ring_metric(disc[::-1]) or ring_metric(rings) > 3 * ring_metric(soft)
    assert sharpness(disc) > 1.5 * sharpness(soft)
    assert sharpness(3 * disc + 5) == pytest.approx(sharpness(disc))
    assert total_variation(disc) == pytest.approx(np.abs(np.diff(disc, axis=0)).sum() * 2 / 63**2, rel=0.05)
    assert entropy(disc, 0, 1) == pytest.approx(-sum(p * np.log2(p) for p in (disc.mean(), 1 - disc.mean())), rel=1e-12)
    patch = even_patch(noisy)
    assert np.hypot(*(np.array([patch[0].start, patch[1].start]) - 31.5)) < 45
    clean, dirty = metrics_of([noisy, noisy + np.random.default_rng(1).normal(0, 0.1, disc.shape)])
    assert clean["noise"] == pytest.approx(0.05, rel=0.6)
    assert dirty["noise"] == pytest.approx(np.hypot(0.05, 0.1), rel=0.5)
    assert dirty["noise"] > clean["noise"]
    assert metrics_of([np.full((8, 8), np.nan)])[0]["sharpness"] == 0
