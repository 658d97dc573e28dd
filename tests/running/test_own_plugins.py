"""What a user writes in one file: filters, halos, several inputs and outputs, estimators, sweeps, hooks."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest
from running_commands import here, same, values

FILTER = """\
from typing import Annotated
from scipy.ndimage import median_filter
from tomosaxs import Param, Projections, plugin

@plugin(cite="10.1107/S1600577514013939")
def despike(data: Projections, *, size: Annotated[int, Param("window", unit="px", ge=1, le=31)] = 3) -> Projections:
    "Replace isolated bright pixels by the local median."
    return median_filter(data, size=(1, size, size))
"""

HEAD = """\
input:
  tomo:
    plugin: tomography
    path: {scan}
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
{steps}
"""


def run_everywhere(listing, command, tmp_path, ways=((0, None), (0, 1), (3, 5))):
    """Run a list in several ways; all results must be the same bit for bit. Return one."""
    first = None
    for number, (ranks, block) in enumerate(ways):
        if ranks == 0:
            found = here(listing, tmp_path / f"way{number}", block=block)
        else:
            done = command("run", listing, "-o", tmp_path / f"way{number}", "--block", block, ranks=ranks)
            assert done.status == 0, done.text
            found = values(tmp_path / f"way{number}")
        if first is None:
            first = found
        else:
            same(first, found)
    assert first is not None
    return first


def test_a_filter_in_one_file(make_list, command, tmp_path) -> None:
    """At most 15 lines, found by its path, not installed; its limits hold, with the list's line."""
    assert len(FILTER.splitlines()) <= 15
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters" / "despike.py").write_text(FILTER)
    listing = make_list("  - plugin: ./filters/despike.py:despike\n    size: 5\n    save: true\n", text=HEAD)
    done = command("run", listing, "-o", tmp_path / "out", ranks=2)
    assert done.status == 0, done.text
    from scipy.ndimage import median_filter

    before = here(make_list("", text=HEAD, name="plain.yml"), tmp_path / "plain")["minus_log"]
    assert np.array_equal(values(tmp_path / "out")["despike"], median_filter(before, size=(1, 5, 5)))
    with h5py.File(tmp_path / "out" / "result.nxs") as handle:
        assert b"10.1107/S1600577514013939" in handle["entry/process_03_despike/citation_1/doi"][()]
    listing.write_text(listing.read_text().replace("size: 5", "size: 99"))
    refused = command("run", listing, "-o", tmp_path / "out2", ranks=2)
    assert refused.status == 2
    assert f"{listing}:9: step 3 despike.size: must be >= 1, <= 31 px, got 99" in refused.text
    shown = command("show", tmp_path / "filters" / "despike.py:despike")
    assert "Replace isolated bright pixels" in shown.text
    assert "<= 31" in shown.text


HALO = """
@plugin(halo={"rotation_angle": 2})
def smooth(data: Projections) -> Projections:
    "Mean over five neighbouring angles, fewer at the ends."
    padded = np.pad(data.astype(np.float64), ((2, 2), (0, 0), (0, 0)), mode="edge")
    return (sum(padded[k : k + len(data)] for k in range(5)) / 5).astype(np.float32)

@plugin(halo={"rotation_angle": "size"})
def wide(data: Projections, *, size: Annotated[int, Param("odd window", ge=1)] = 7) -> Projections:
    "Largest of `size` neighbouring angles."
    half = size // 2
    padded = np.pad(data, ((half, half), (0, 0), (0, 0)), mode="edge")
    return np.max([padded[k : k + len(data)] for k in range(size)], axis=0)
"""


def test_neighbouring_slices(make_list, command, tmp_path) -> None:
    """Two steps with a halo in one section: the same for any block and any rank, and what numpy makes of the whole."""
    steps = "  - plugin: ./own.py:smooth\n  - plugin: ./own.py:wide\n    save: true\n"
    found = run_everywhere(make_list(steps, HALO, text=HEAD), command, tmp_path, ((0, None), (0, 1), (2, 3)))
    from scipy.ndimage import maximum_filter1d

    plain = here(make_list("", text=HEAD, name="plain.yml"), tmp_path / "plain")["minus_log"]
    padded = np.pad(plain.astype(np.float64), ((2, 2), (0, 0), (0, 0)), mode="edge")
    smooth = (sum(padded[k : k + 91] for k in range(5)) / 5).astype(np.float32)
    assert np.array_equal(found["wide"], maximum_filter1d(smooth, 7, axis=0, mode="nearest"))


def test_neighbours_in_data_of_rank_five(make_list, command, tmp_path, raster) -> None:
    """A halo along the angles of a SAXS map: every point of the raster by itself, for any rank and block."""
    plugins = """
from tomosaxs import DiffractionPatterns

@plugin(halo={"rotation_angle": 1})
def drift(data: DiffractionPatterns) -> DiffractionPatterns:
    "Sum of three neighbouring angles."
    padded = np.pad(data, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return padded[:-2] + padded[1:-1] + padded[2:]
"""
    head = f"input:\n  map:\n    plugin: raster_map\n    path: {raster / 'map.nxs'}\n    technique: xrd\nsteps:\n"
    listing = make_list("", plugins, text=head + "  - plugin: ./own.py:drift\n")
    found = run_everywhere(listing, command, tmp_path, ((0, None), (0, 1), (2, 1)))
    with h5py.File(raster / "map.nxs") as handle:
        raw = handle["entry/xrd_entry/data/data"][...]
    padded = np.pad(raw, ((1, 1), *[(0, 0)] * 4), mode="edge")
    assert raw.ndim == 5
    assert np.array_equal(found["drift"], padded[:-2] + padded[1:-1] + padded[2:])


BRANCHES = """
from tomosaxs import Pointwise, Scan, Estimate, Dataset, Output, estimator
from dataclasses import dataclass, field

@plugin
def subtract(first: Pointwise, second: Pointwise, *, weight: float = 1.0) -> Pointwise:
    "First minus second."
    return first - np.float32(weight) * second

@plugin
def halves(data: Projections) -> tuple[Projections, Projections]:
    "What is above one half, and what is not."
    return np.where(data > 0.5, data, 0), np.where(data > 0.5, 0, data)

@estimator
@dataclass
class largest:
    "The largest value of the data."
    found: float = field(default=-1e30, init=False)

    def update(self, data: Projections) -> None:
        self.found = float(data.max())

    def combine(self, other) -> None:
        self.found = max(self.found, other.found)

    def result(self) -> Estimate:
        return Estimate(self.found, "", 0.0, 1.0)

@estimator
def mean_of_middle(data: Projections, scan: Scan, *, above: float = 0.0) -> Estimate:
    "Mean of all values above a limit."
    return Estimate(float(data[data > above].mean(dtype=np.float64)), "", details={"frames": scan.index})

@plugin
def scale(data: Pointwise, *, by: float) -> Pointwise:
    "Divide by a number."
    return data / np.float32(by)
"""


def test_branches_joins_and_several_outputs(make_list, command, tmp_path) -> None:
    steps = """\
  - plugin: ./own.py:blur
    on: tomo
    to: blurred
  - plugin: ./own.py:subtract
    on: [tomo, blurred]
    to: detail
    weight: 0.5
  - plugin: ./own.py:halves
    on: detail
    to: [high, low]
    save: true
  - plugin: ./own.py:subtract
    name: both
    on: [high, low]
    to: both
    weight: -1
  - plugin: reconstruct
    on: both
    centre: 33.7
"""
    found = run_everywhere(make_list(steps, BRANCHES, text=HEAD), command, tmp_path)
    assert set(found) == {"halves_high", "halves_low", "reconstruct"}
    assert ((found["halves_high"] == 0) | (found["halves_low"] == 0)).all()
    plain = here(make_list("", text=HEAD, name="plain.yml"), tmp_path / "plain")["minus_log"]
    blurred = sum(np.roll(plain, k, axis=2) for k in range(3)) / np.float32(3)
    assert np.array_equal(found["halves_high"] + found["halves_low"], plain - np.float32(0.5) * blurred)


def test_two_inputs(make_list, command, tmp_path, scan) -> None:
    """A dark-field-like second scan beside the first: two loaders, one step that takes both."""
    text = """\
input:
  one:
    plugin: tomography
    path: {scan}
  two:
    plugin: tomography
    path: {scan}
    crop:
      rotation_angle: [0, 91]
steps:
  - plugin: ./own.py:subtract
    on: [one, two]
    to: nothing
    weight: 0.75
"""
    found = run_everywhere(make_list("", BRANCHES, text=text), command, tmp_path, ((0, None), (2, 3)))
    with h5py.File(scan) as handle:
        keys = handle["entry/instrument/detector/image_key"][...]
        raw = handle["entry/instrument/detector/data"][...][keys == 0].astype(np.float32)
    assert np.array_equal(found["subtract"], raw - np.float32(0.75) * raw)
    done = command("run", tmp_path / "list.yml", "--input", f"two={tmp_path / 'none.nxs'}", "-o", tmp_path / "no")
    assert done.status == 2
    assert "--input two=" in done.text


def test_estimators_in_a_chain(make_list, command, tmp_path) -> None:
    """The second looks at what the first one's value made; the third at a dataset that has to be stored for it."""
    steps = """\
  - plugin: ./own.py:largest
    name: top
  - plugin: ./own.py:scale
    by: ${{top}}
  - plugin: ./own.py:mean_of_middle
    name: mean
    above: 0.25
  - plugin: ./own.py:scale
    name: again
    by: ${{mean}}
  - plugin: reconstruct
    centre: 33.7
  - plugin: ./own.py:largest
    name: brightest
  - plugin: ./own.py:scale
    name: final
    by: ${{brightest}}
"""
    steps = steps.replace("{{", "{").replace("}}", "}")
    found = run_everywhere(make_list(steps, BRANCHES, text=HEAD), command, tmp_path)
    plain = here(make_list("", text=HEAD, name="plain.yml"), tmp_path / "plain")["minus_log"]
    assert found["top.value"] == plain.max()
    scaled = plain / np.float32(plain.max())
    assert found["mean.value"] == pytest.approx(scaled[scaled > 0.25].mean(dtype=np.float64), rel=1e-12)
    assert found["final"].max() == 1.0
    assert found["brightest.value"] > 0


def test_an_estimator_after_a_halo_needs_the_pass_stored(make_list, command, tmp_path) -> None:
    steps = "  - plugin: ./own.py:smooth\n  - plugin: find_rotation_axis\n    name: axis\n    rows: 4\n"
    steps += "  - plugin: reconstruct\n    centre: ${axis}\n"
    listing = make_list(steps, HALO, text=HEAD)
    planned = command("plan", listing)
    assert "memory, for a later pass" in planned.text
    found = run_everywhere(listing, command, tmp_path, ((0, None), (3, 4)))
    assert found["axis.value"] == pytest.approx(33.7, abs=0.3)


def test_sweeps(make_list, command, tmp_path) -> None:
    steps = """\
  - plugin: ./own.py:blur
    size:
      sweep: [1, 3]
  - plugin: reconstruct
    centre: 33.7
    filter:
      sweep: [ramp, hann, cosine]
    save: true
"""
    found = run_everywhere(make_list(steps, text=HEAD), command, tmp_path, ((0, None), (2, 5)))
    assert found["reconstruct"].shape == (2, 3, 32, 64, 64)
    with h5py.File(tmp_path / "way0" / "result.nxs") as handle:
        group = handle["entry/reconstruct"]
        assert list(group.attrs["axes"]) == ["blur_size", "reconstruct_filter", "z", "y", "x"]
        assert list(group["blur_size"][...]) == [1, 3]
    one = HEAD + "  - plugin: ./own.py:blur\n  - plugin: reconstruct\n    centre: 33.7\n    filter: hann\n"
    alone = here(make_list("", text=one, name="one.yml"), tmp_path / "one")
    assert np.array_equal(found["reconstruct"][1, 1], alone["reconstruct"])


def test_intermediate_data_and_pictures(make_list, command, tmp_path, scan) -> None:
    """`save: true` of a step in the middle, TIFF images beside the result, numbered as in the whole detector."""
    tifffile = pytest.importorskip("tifffile")
    steps = """\
  - plugin: ./own.py:blur
    save: true
  - plugin: reconstruct
    centre: 33.7
  - plugin: tiff_stack
"""
    listing = make_list(steps, text=HEAD)
    listing.write_text(listing.read_text().replace(f"path: {scan}", f"path: {scan}\n    crop: {{detector_y: [5, 12]}}"))
    found = run_everywhere(listing, command, tmp_path, ((0, None), (2, 2)))
    assert found["blur"].shape == (91, 7, 64)
    for way in ("way0", "way1"):
        images = sorted((tmp_path / way / "tiff_stack").glob("*.tif"))
        assert [path.name for path in images] == [f"slice_{row:05d}.tif" for row in range(5, 12)]
        assert np.array_equal(np.stack([tifffile.imread(path) for path in images]), found["reconstruct"])
    # a folder of somebody else is not replaced by the images
    (tmp_path / "way2" / "tiff_stack").mkdir(parents=True)
    (tmp_path / "way2" / "tiff_stack" / "mine.txt").write_text("mine")
    refused = command("run", listing, "-o", tmp_path / "way2")
    assert refused.status == 2, refused.text
    assert "was not made by it" in refused.text
    assert (tmp_path / "way2" / "tiff_stack" / "mine.txt").exists()


HOOKS = """
from pathlib import Path
from tomosaxs import Projections, hookimpl, plugin

LOG = Path(__file__).with_name("called.txt")

def note(text):
    with LOG.open("a") as handle:
        handle.write(text + "\\n")

@plugin
def negative(data: Projections) -> Projections:
    "Minus the data."
    return -data

@hookimpl
def before_run(plan, output):
    note(f"before_run {len(plan.steps)} {output.name}")

@hookimpl
def before_step(step, block):
    note(f"before_step {step.label} {block[0]} {block[1]}")

@hookimpl
def after_step(step, block, seconds):
    note(f"after_step {step.label} {block[0]} {block[1]} {seconds >= 0}")

@hookimpl
def after_run(plan, output):
    note(f"after_run {(output / 'result.nxs').is_file()}")

@hookimpl
def report(plan, result):
    return [("From the folder", "<p>a word of my own</p>")]
"""


def test_hooks_and_plugins_of_a_folder(make_list, command, tmp_path) -> None:
    """Files in $TOMOSAXS_PLUGINS are used without any install; one that is broken is reported, not silent."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "mine.py").write_text(HOOKS)
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    listing = make_list("  - plugin: negative\n    save: true\n", text=HEAD)
    done = command("run", listing, "-o", tmp_path / "out", "--block", 40, ranks=2, TOMOSAXS_PLUGINS=str(folder))
    assert done.status == 0, done.text
    called = (folder / "called.txt").read_text().splitlines()
    assert called.count("before_run 3 out") == 2  # on every rank
    assert called[-1] == "after_run True"
    assert called.count("after_run True") == 1
    for step in ("dark_flat_correction", "minus_log", "negative"):
        for block in ("0 40", "40 46", "46 86", "86 91"):
            assert called.count(f"before_step {step} {block}") == 1, called
            assert called.count(f"after_step {step} {block} True") == 1
    assert "a word of my own" in (tmp_path / "out" / "report.html").read_text()
    listed = command("list", "negative", TOMOSAXS_PLUGINS=str(folder))
    assert "Minus the data." in listed.text
    assert "nothing_of_this_name" in listed.text
    unknown = command("run", listing, "-o", tmp_path / "no")
    assert unknown.status == 2
    assert "no plugin is called 'negative'" in unknown.text


def test_a_plugin_that_is_declared_wrongly(make_list, command, tmp_path) -> None:
    wrong = """
@plugin
def wrong(data: Projections, size: int = 3) -> Projections:
    "A parameter that is not keyword-only."
    return data
"""
    done = command("run", make_list("  - plugin: ./own.py:wrong\n", wrong, text=HEAD), "-o", tmp_path / "out")
    assert done.status == 2, done.text
    assert "list.yml:8: step 3 wrong" in done.text
    assert re.search(r"own.py:\d+: plugin wrong: ", done.text)
    assert "keyword-only" in done.text
    done = command("run", make_list("  - plugin: ./own.py:x\n", "\ndef x(:\n", text=HEAD), "-o", tmp_path / "out")
    assert done.status == 2
    assert re.search(r"own.py:\d+: SyntaxError", done.text)
    checks = """
from tomosaxs import Dataset

def check(data: Dataset) -> None:
    {}["nothing"]

@plugin(check=check)
def picky(data: Projections) -> Projections:
    "Its own check is broken."
    return data
"""
    done = command("run", make_list("  - plugin: ./own.py:picky\n", checks, text=HEAD), "-o", tmp_path / "out", ranks=2)
    assert done.status == 2, done.text
    assert "step 3 picky" in done.text
    assert "KeyError: 'nothing'" in done.text
    assert done.text.count("tomosaxs: error: ") == 1
    assert not (tmp_path / "out").exists()
