"""Zingers: what was planted goes, everything else stays as it is, bit for bit."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import ndimage

import tomosaxs
from tomosaxs import InputError
from tomosaxs.testing import Defects, ScanSettings, example_source, micro_ct_scan, random_phantom, run_plugin
from tomosaxs_plugins.corrections.zingers import replace_zingers
from tomosaxs_plugins.corrections.zingers_in_time import replace_zingers_in_time

SAMPLE = random_phantom(96, 48, 3, 0.02)  # sharp bodies of all sizes,
SETTINGS = ScanSettings(projections=90, rows=48, columns=96, flats=15, darks=5)
# noise, beam profile, structure of the scintillator, drift: all but the pixels that are at fault in every frame
DEFECTS = Defects().but(dead=0, bent=0, drifting=0, zingers=4e-3)
LIST = """
input:
  tomo: {{plugin: tomography, path: {path}}}
steps:
  - plugin: {step}
    save: true
output: {{plugin: nexus}}
"""


def projections(path):
    with h5py.File(path) as handle:
        detector = handle["entry/instrument/detector"]
        keys, frames = detector["image_key"][()], detector["data"][()]
    return [frames[keys == key] for key in (0, 1, 2)]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """The same noisy scan with zingers and without: its path, and the projections, flats and darks of both."""
    folder = tmp_path_factory.mktemp("zingers")
    for name, defects in (("with", DEFECTS), ("without", DEFECTS.but(zingers=0))):
        micro_ct_scan(folder / f"{name}.nxs", SAMPLE, SETTINGS, defects)
    return folder / "with.nxs", projections(folder / "with.nxs"), projections(folder / "without.nxs")


def isolated(hit, structure=None):
    """Return the pixels of zingers that touch no other: groups of one or two, in frames (or as `structure` says)."""
    touching = np.zeros((3, 3, 3)) if structure is None else structure
    touching[1] = 1
    labels, count = ndimage.label(hit, touching)
    sizes = ndimage.sum_labels(hit, labels, np.arange(count + 1))
    return hit & (sizes[labels] <= 2)


def assert_removed(out, dirty, clean, hit, alone, level) -> None:
    """At least 99.9 % of isolated zingers are gone, and nothing else has changed."""
    high = ndimage.maximum_filter(clean, (1, 3, 3))[alone].astype(np.float64) + level
    low = ndimage.minimum_filter(clean, (1, 3, 3))[alone].astype(np.float64) - level
    left = (out[alone] > high) | (out[alone] < low)  # nothing stands out of what is there without zingers
    assert alone.sum() > 1500
    assert left.mean() <= 1e-3, f"{left.sum()} of {alone.sum()} are left"
    assert np.array_equal(out[~hit], dirty[~hit].astype(np.float32))


def test_in_counts_by_a_list(scans, tmp_path) -> None:
    path, (dirty, *_), (clean, *_) = scans
    lines: list[str] = []
    text = LIST.format(path=path, step="remove_zingers")
    result = tomosaxs.run(text, output=tmp_path / "out", log=lines.append)
    hit = dirty != clean
    assert_removed(result["remove_zingers"], dirty, clean, hit, isolated(hit), 4000)
    assert any("zingers were replaced" in line for line in lines)


def test_in_counts_across_frames_by_a_list(scans, tmp_path) -> None:
    path, (dirty, *_), (clean, *_) = scans
    # 2 degrees a step: dense grains move by more than a pixel, and half of the zingers' least height is above that
    text = LIST.format(path=path, step="remove_zingers_across_frames\n    threshold: 0.25")
    out = tomosaxs.run(text, output=tmp_path / "out", log=lambda _: None)["remove_zingers_across_frames"]
    hit = dirty != clean
    beside = np.zeros_like(hit)
    beside[1:] |= hit[:-1]
    beside[:-1] |= hit[1:]
    alone = hit & ~beside
    gone = np.abs(out[alone] - clean[alone]) < 0.3 * 42000
    assert gone.mean() >= 0.999
    changed = (out != dirty)[~hit]
    assert changed.mean() < 1e-5, changed.sum()


@pytest.mark.parametrize("sinograms", [False, True], ids=["frames", "sinograms"])
def test_in_transmission(scans, sinograms) -> None:
    _, (dirty, *_), (clean, flats, darks) = scans
    black, bright = darks.mean(0), flats.mean(0)
    dirty, clean = (((each - black) / (bright - black)).astype(np.float32) for each in (dirty, clean))
    if sinograms:
        dirty, clean = (np.ascontiguousarray(each.swapaxes(0, 1)) for each in (dirty, clean))
    hit = dirty != clean
    out, number = replace_zingers(dirty, 0.1)
    assert_removed(out, dirty, clean, hit, isolated(hit), 0.1)
    assert np.array_equal(number, np.count_nonzero(out != dirty, axis=(1, 2)))


def perfect():
    """Noise-free transmission of bodies with sharp edges, in frames."""
    return np.exp(-SAMPLE.projections(np.linspace(0, 180, 160), 48, 96)).astype(np.float32)


def test_perfect_data_stay_as_they_are() -> None:
    frames = perfect()
    sinograms = np.ascontiguousarray(frames.swapaxes(0, 1))
    for images in (frames, sinograms):
        out, number = replace_zingers(images, 0.1)
        assert not number.any()
        assert np.array_equal(out, images)
    assert np.array_equal(replace_zingers_in_time(frames, 0.15), frames)


def test_edges_corners_and_lines_are_no_zingers() -> None:
    image = np.zeros((24, 24), np.float32)
    image[2:9, 2:9] = 1.0  # corners have three bright neighbours
    image[12, 3:20] = 1.0  # a line one pixel wide
    for step in range(8):
        image[14 + step, 4 + step] = 1.0  # and one aslant
    image[18, 20:22] = 1.0  # a zinger of two pixels, and one of three
    image[22, 3:6] = 1.0
    ends = [(12, 3), (12, 19), (14, 4), (21, 11)]  # with one bright neighbour, as a zinger of two pixels has
    out, number = replace_zingers(image[None], 0.5)
    expected = image.copy()
    for row, column in [*ends, (18, 20), (18, 21), (22, 3), (22, 5)]:
        expected[row, column] = 0.0
    assert np.array_equal(out[0], expected)
    assert number == len(ends) + 4
    classical, _ = replace_zingers(image[None], 0.5, size=4)  # the comparison with the median
    assert classical[0, 18:].sum() < 3
    assert classical[0, 2, 2] == 0.0  # takes corners too


def test_values_by_hand() -> None:
    image = np.arange(25, dtype=np.uint16).reshape(5, 5)
    image[2, 2] = 500
    image[0, 4] = 500
    out, number = replace_zingers(image[None], 100.0)
    # medians of (6, 7, 8, 11, 13, 16, 17, 18), and in the corner of (3, 8, 9)
    assert out.dtype == np.float32
    assert (out[0, 2, 2], out[0, 0, 4], number) == (12.0, 8.0, 2)
    spoiled = image.astype(np.float32)
    spoiled[2, 2], spoiled[3, 3], spoiled[0, 0] = np.inf, np.nan, np.nan
    out, number = replace_zingers(spoiled[None], 100.0)
    assert number == 2
    assert out[0, 2, 2] == 11.0  # the NaN is the one neighbour that is not exceeded
    assert np.isnan(out[0, [3, 0], [3, 0]]).all()
    cold = -image.astype(np.float32)
    out, _ = replace_zingers(cold[None], 100.0, outliers="dark")
    assert out[0, 2, 2] == -12.0
    assert np.array_equal(replace_zingers(cold[None], 100.0)[0][0], cold)
    assert replace_zingers(cold[None], 100.0, outliers="both")[1].sum() == 2
    assert replace_zingers(image[None], 100.0, relative=200.0)[1].sum() == 0  # 500 is less than 201 times 3
    with pytest.raises(ValueError, match="1 to 12 pixels"):
        replace_zingers(image[None], 1.0, size=13)


def test_fixed_structure_of_counts_is_no_zinger() -> None:
    rng = np.random.default_rng(3)
    dark, span = np.full((1, 40, 50), 100, np.float32), np.full((1, 40, 50), 1000, np.float32)
    dark[0, 5, 5], span[0, 9, 9], span[0, 20, 20] = 900.0, 2500.0, 0.0  # hot, sensitive and dead pixels
    counts = (dark + 0.5 * span + rng.normal(0, 5, (3, 40, 50))).astype(np.uint16)
    counts[1, 30, 30] += 700
    out, number = replace_zingers(counts, 0.1, dark=dark, span=span)
    assert number.tolist() == [0, 1, 0]
    assert out[1, 30, 30] == pytest.approx(600, abs=20)
    assert replace_zingers(counts, 100.0)[1].sum() == 7  # without the references hot and sensitive pixels are, too


def test_threads_make_no_difference() -> None:
    rng = np.random.default_rng(5)
    images = rng.random((3, 101, 37)).astype(np.float32)
    one = replace_zingers(images, 0.2, outliers="both", threads=1)
    for threads in (2, 3, 8):
        many = replace_zingers(images, 0.2, outliers="both", threads=threads)
        assert np.array_equal(one[0], many[0])
        assert np.array_equal(one[1], many[1])
        assert one[1].all()
    series = replace_zingers_in_time(images, 0.1, threads=1)
    assert np.array_equal(series, replace_zingers_in_time(images, 0.1, threads=4))


@pytest.mark.parametrize("window", [3, 5])
def test_moving_median(window) -> None:
    frames = np.random.default_rng(1).random((9, 6, 7)).astype(np.float32)
    median = ndimage.median_filter(frames, size=(window, 1, 1), mode="mirror")
    assert np.array_equal(replace_zingers_in_time(frames, 0.0, window=window, outliers="both"), median)
    for outliers, wrong in (("bright", frames > median + 0.2), ("dark", frames < median - 0.2)):
        out = replace_zingers_in_time(frames, np.float32(0.2), window=window, outliers=outliers)
        assert np.array_equal(out, np.where(wrong, median, frames))
    with pytest.raises(ValueError, match="3 or 5"):
        replace_zingers_in_time(frames, 0.1, window=4)


def test_two_frames_in_a_row() -> None:
    frames = np.ones((8, 2, 2), np.float32)
    frames[3:5, 0, 0] = 5.0
    assert np.array_equal(replace_zingers_in_time(frames, 0.1), frames)  # known to survive
    assert np.all(replace_zingers_in_time(frames, 0.1, window=5) == 1.0)


def test_finds_what_nabu_finds(scans) -> None:
    """The filter of PyHST2, as nabu has it, finds what `size` 4 finds; its median has the zinger itself in it."""
    ccd = pytest.importorskip("nabu.preproc.ccd", reason="needs nabu")
    frames = scans[1][0][:6].astype(np.float32) / 42000
    theirs = ccd.CCDFilter(frames.shape, 3, "median_clip", 0.0999)
    out, _ = replace_zingers(frames, 0.0999, size=4)
    for mine, frame in zip(out, frames, strict=True):
        reference = theirs.median_clip_correction(frame)
        assert np.array_equal((mine != frame)[1:-1, 1:-1], (reference != frame)[1:-1, 1:-1])
        assert np.abs(mine - reference)[1:-1, 1:-1].max() < 0.1


def test_better_than_algotom(scans) -> None:
    """algotom compares with the mean of a ring and puts it in the place; it takes edges for zingers, too."""
    removal = pytest.importorskip("algotom.prep.removal", reason="needs algotom")
    _, (dirty, *_), (clean, flats, darks) = scans
    black, bright = darks.mean(0), flats.mean(0)
    dirty, clean = (((each[:30] - black) / (bright - black)).astype(np.float32) for each in (dirty, clean))
    theirs = np.stack([removal.remove_zinger(frame, 0.1) for frame in dirty])
    ours, _ = replace_zingers(dirty, 0.1)
    alone = isolated(dirty != clean)  # their replacements beside the true values, then what else they changed
    assert np.sqrt(np.mean((ours - clean)[alone] ** 2)) < np.sqrt(np.mean((theirs - clean)[alone] ** 2))
    good = dirty == clean
    assert np.count_nonzero(theirs[good] != clean[good]) > 500
    assert np.count_nonzero(ours[good] != clean[good]) == 0


@pytest.mark.parametrize(("rows", "warned"), [("[3, 4]", True), ("[3, 6]", False), ("[0, end]", False)])
def test_a_preview_of_a_row_is_warned_of(scans, rows, warned) -> None:
    """A row has no neighbours above and below: a zinger of two pixels would stay."""
    text = (
        f"input:\n  tomo:\n    plugin: tomography\n    path: {scans[0]}\n    crop: {{detector_y: {rows}}}\n"
        "steps:\n  - plugin: dark_flat_correction\n  - plugin: remove_zingers\n"
    )
    warnings = [line for line in tomosaxs.plan(text).warnings if "rows: zingers are compared" in line]
    assert bool(warnings) is warned


def test_what_cannot_be_is_refused() -> None:
    source = example_source("Projections")
    alone = tomosaxs.Source(
        tomosaxs.Dataset(source.dataset.axes, source.dataset.dtype, "counts", "counts"), source.reader
    )
    for step in ("remove_zingers", "remove_zingers_across_frames", "remove_zingers_in_sinograms"):
        with pytest.raises(InputError, match=r"come without flats.*give `absolute`"):
            run_plugin(step, alone)
        assert run_plugin(step, alone, {"absolute": 100.0})[0].shape == source.dataset.shape
    back = tomosaxs.Axis("rotation_angle", 24, np.roll(np.arange(24.0), 3), "deg")
    forth = tomosaxs.Dataset((back, *source.dataset.axes[1:]), source.dataset.dtype, "transmission")
    with pytest.raises(InputError, match="do not go one way"):
        run_plugin("remove_zingers_across_frames", tomosaxs.Source(forth, source.reader))


@pytest.mark.parametrize("step", ["remove_zingers", "remove_zingers_across_frames", "remove_zingers_in_sinograms"])
def test_tomograms_of_a_series_do_not_mix(step) -> None:
    frames = 1 + 0.01 * np.random.default_rng(8).standard_normal((3, 12, 6, 8)).astype(np.float32)
    frames[1, [0, 5, 11], 3, 3] = 9.0
    frames[0, 11], frames[2, 0] = 0.5, 0.5  # neighbours in the file, not in time
    axes = [tomosaxs.Axis(name, size) for name, size in zip(("detector_y", "detector_x"), (6, 8), strict=True)]
    axes.insert(0, tomosaxs.Axis("rotation_angle", 12, np.arange(12) * 15.0, "deg"))
    dataset = tomosaxs.Dataset(
        (tomosaxs.Axis("time", 3, np.arange(3.0), "s"), *axes), frames.dtype, "transmission"
    )  # fmt: skip
    made = run_plugin(step, tomosaxs.Source(dataset, tomosaxs.ArrayReader(frames)), block=5)[0]
    assert np.count_nonzero(made != frames) == 3
    for number, part in enumerate(frames):
        alone = tomosaxs.Source(tomosaxs.Dataset(tuple(axes), part.dtype, "transmission"), tomosaxs.ArrayReader(part))
        assert np.array_equal(made[number], run_plugin(step, alone)[0])
