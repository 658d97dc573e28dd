"""Phase retrieval against the formula, hand values, a simulated propagation, and nabu."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Quantity, Scan, Source
from tomosaxs.testing import run_plugin
from tomosaxs_plugins.phase.geometry import PhaseSettings
from tomosaxs_plugins.phase.paganin import paganin_filter, paganin_length, reach, response, wavelength
from tomosaxs_plugins.phase.retrieve_phase import _look, retrieve_phase

RNG = np.random.default_rng(7)
KNOWN = {"pixel_size_x": Quantity(1.0, "um"), "pixel_size_y": Quantity(1.0, "um"), "energy": Quantity(20.0, "keV")}
DEFAULTS = {"output": "transmission", "delta": None, "padding": "edge", "unsharp_coeff": 0.0, "unsharp_sigma": 2.0}
NOTHING = dict.fromkeys(("delta_beta", "length", "energy", "distance", "source_distance"))


def scan_of(frames, distance=0.1, **changes) -> Source:
    n, rows, columns = frames.shape
    axes = (Axis("rotation_angle", n, np.arange(n) * 1.0, "deg"), Axis("detector_y", rows), Axis("detector_x", columns))
    dataset = Dataset(axes, frames.dtype, "transmission", "", {}, {**KNOWN, "distance": Quantity(distance, "m")})
    return Source(replace(dataset, **changes), ArrayReader(frames))


def run(frames, **parameters):
    return run_plugin(retrieve_phase, scan_of(np.asarray(frames, np.float32)), parameters)[0]


def by_formula(frame, length, sigma=(1.0, 1.0), coefficient=0.0, mode="symmetric"):
    """Return the filtered frame in float64 from plain FFTs of the frame and its surroundings, three times as large."""
    rows, columns = frame.shape
    halves = [((size + 1) // 2, size // 2) for size in frame.shape]
    if mode == "edge":
        halves = [(4 * size, 4 * size) for size in frame.shape]
    wide = np.pad(frame.astype(np.float64), halves, mode=mode)
    along = [np.fft.fftfreq(size) for size in wide.shape]
    values = response(along[0][:, None], along[1][None, :], length, sigma, coefficient)
    made = np.fft.ifft2(np.fft.fft2(wide) * values).real
    return made[halves[0][0] : halves[0][0] + rows, halves[1][0] : halves[1][0] + columns]


def blurred(shape, width=1.5):
    """Return a frame between 0.2 and 1 that is noise, but not beyond what a detector resolves."""
    ndimage = pytest.importorskip("scipy.ndimage")
    noise = ndimage.gaussian_filter(RNG.random(shape), width)
    return (0.2 + 0.8 * (noise - noise.min()) / np.ptp(noise)).astype(np.float32)


def test_the_length_by_hand():
    """sqrt(pi * 1.23984e-9 / 20 * 0.1 * 100) m."""
    assert paganin_length(100.0, 20.0, 0.1) == pytest.approx(44.13e-6, abs=0.005e-6)
    assert wavelength(12.39841984) == pytest.approx(1e-10, rel=1e-12)
    assert reach(50.0) == 55  # 1.1 L


@pytest.mark.parametrize("shape", [(60, 75), (64, 80), (45, 128)])
@pytest.mark.parametrize("length", [0.7, 5.0, 25.0])
def test_equals_the_formula_to_1e_6(shape, length):
    """Mirrored surroundings: one period of the mirrored frame holds all there is, so the formula is exact."""
    frame = RNG.random(shape).astype(np.float32)
    made = run(frame[None], length=length, padding="reflect")[0]
    assert abs(made - by_formula(frame, (length, length))).max() <= 1e-6
    made = run(frame[None], length=length, padding="reflect", unsharp_coeff=0.5, unsharp_sigma=1.5)[0]
    assert abs(made - by_formula(frame, (length, length), (1.5, 1.5), 0.5)).max() <= 1e-6


@pytest.mark.parametrize("length", [5.0, 25.0])
@pytest.mark.parametrize("padding", ["edge", "reflect"])
def test_margins_are_wide_enough(length, padding):
    """Lengths with large prime factors are padded, and edges always: as if the surroundings had no end.

    What a margin of 1.1 L leaves is a thousandth of a thousandth of the contrast, as mirrored content begins twice as
    far away; the rest is noise at the Nyquist frequency, of which a detector with a point spread has little.
    """
    frame = blurred((59, 101))
    made = run(frame[None], length=length, padding=padding)[0]
    mode = "edge" if padding == "edge" else "symmetric"
    assert abs(made - by_formula(frame, (length, length), mode=mode)).max() <= 3e-5


def test_cosine_is_scaled_by_the_formula():
    """m = 25 px, 0.02 cycles per pixel: 1 / (1 + 0.25) of its amplitude."""
    frame = 0.6 + 0.1 * np.cos(2 * np.pi * 0.02 * (np.arange(400) + 0.5))[None, :] * np.ones((400, 1))
    for made in (run(frame[None], length=25.0), run(np.swapaxes(frame[None], 1, 2), length=25.0).swapaxes(1, 2)):
        inner = made[0, 150:250, 100:300]
        expected = 0.6 + 0.08 * np.cos(2 * np.pi * 0.02 * (np.arange(100, 300) + 0.5))
        assert abs(inner - expected).max() <= 1e-4 * 0.08


def test_mean_is_preserved():
    frame = RNG.random((96, 128)) + 0.5
    assert run(frame[None], length=20.0, padding="reflect").mean() == pytest.approx(frame.mean(), rel=1e-6)


def test_nothing_happens_to_perfect_frames():
    frames = RNG.random((2, 30, 40)).astype(np.float32)
    assert np.array_equal(run(frames, length=0.0), frames)
    for value in (0.3, 1.0):
        constant = np.full((1, 30, 40), value, np.float32)
        assert np.array_equal(run(constant, length=12.0, unsharp_coeff=2.0), constant)


def test_identity_of_filter_and_inverse():
    """Multiplying what comes out by 1 + L^2 f^2 gives back what went in."""
    fft = pytest.importorskip("scipy.fft")
    frame = blurred((64, 80))
    made = run(frame[None], length=6.0, padding="reflect")[0].astype(np.float64)
    along = [np.arange(size) / (2 * size) for size in frame.shape]
    inverse = 1 + 36.0 * (along[0][:, None] ** 2 + along[1][None, :] ** 2)
    back = fft.idctn(fft.dctn(made) * inverse)
    assert abs(back - frame).max() <= 1e-5  # 1e-6 of what was filtered, times up to 1 + 36 / 2


def test_physical_units_and_the_length_agree():
    frames = RNG.random((1, 96, 120)) + 0.5
    physical = run(frames, delta_beta=100.0, distance=0.1)
    pixels = run(frames, length=paganin_length(100.0, 20.0, 0.1) / 1e-6)
    assert abs(physical - pixels).max() <= 1e-6
    scan = scan_of(frames.astype(np.float32), metadata={**KNOWN, "distance": Quantity(100.0, "mm")})
    assert np.array_equal(run_plugin(retrieve_phase, scan, {"delta_beta": 100.0})[0], physical)


def test_binned_and_oblong_pixels():
    """L in unbinned pixels halves in pixels of twice the size; rows twice as far apart see half of it."""
    frames = RNG.random((1, 100, 120)).astype(np.float32)
    scan = scan_of(frames)
    rows, columns = (replace(axis, index=2 * axis.index, full_size=2 * axis.size, binning=2)
                     for axis in scan.dataset.axes[1:])  # fmt: skip
    binned = replace(scan, dataset=replace(scan.dataset, axes=(scan.dataset.axes[0], rows, columns)))
    whole = run(frames, length=10.0)
    assert np.array_equal(run_plugin(retrieve_phase, binned, {"length": 20.0})[0], whole)
    length = paganin_length(40.0, 20.0, 0.1) / 2e-6
    halved = run_plugin(retrieve_phase, binned, {"delta_beta": 40.0})[0]
    assert abs(halved - run(frames, length=length)).max() <= 1e-6
    oblong = scan_of(frames, metadata={**KNOWN, "pixel_size_y": Quantity(2.0, "um")})
    made = run_plugin(retrieve_phase, oblong, {"length": 10.0, "padding": "reflect"})[0]
    assert abs(made[0] - by_formula(frames[0], (5.0, 10.0))).max() <= 1e-6


def test_a_diverging_beam_has_a_shorter_distance():
    settings = PhaseSettings(100.0, None, None, 0.3, 0.1, 2.0)
    assert settings.effective_distance(scan_of(np.ones((1, 2, 2), np.float32)).dataset) == pytest.approx(0.075)


def thickness_of_blobs(size):
    """Return the thickness in metres of smooth bodies, on a grid of 0.25 um."""
    y, x = (np.indices((size, size)) + 0.5) * 0.25
    made = np.zeros((size, size))
    for height, width, row, column in ((30, 12, 62, 58), (20, 8, 75, 84), (15, 7, 45, 80)):
        made += height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
    return made * 1e-6


def propagated(thickness, delta, beta, distance):
    """Return the intensity behind a sample, Fresnel's integral in Fourier space, binned to pixels of 1 um."""
    wave_number = 2 * np.pi / wavelength(20.0)
    wave = np.exp(-wave_number * (beta + 1j * delta) * thickness)
    squared = np.add.outer(np.fft.fftfreq(len(wave), 0.25e-6) ** 2, np.fft.fftfreq(len(wave), 0.25e-6) ** 2)
    there = np.fft.ifft2(np.fft.fft2(wave) * np.exp(-1j * np.pi * wavelength(20.0) * distance * squared))
    return (np.abs(there) ** 2).reshape(len(wave) // 4, 4, len(wave) // 4, 4).mean(axis=(1, 3))


def test_thickness_of_a_simulated_sample_within_one_percent():
    delta, beta, distance = 6e-7, 6e-9, 0.05
    thickness = thickness_of_blobs(512)
    seen = propagated(thickness, delta, beta, distance)
    truth = thickness.reshape(128, 4, 128, 4).mean(axis=(1, 3))
    contact = -np.log(seen) * wavelength(20.0) / (4 * np.pi * beta)
    assert abs(contact - truth).max() > 0.1 * truth.max()  # without retrieval it is far off
    made = run(seen[None], delta_beta=100.0, delta=delta, distance=distance, output="thickness")[0]
    assert abs(made - truth).max() <= 0.01 * truth.max()
    phase = run(seen[None], delta_beta=100.0, distance=distance, output="phase")[0]
    assert abs(phase + 2 * np.pi / wavelength(20.0) * delta * truth).max() <= 0.01 * 2e11 * delta * truth.max()


@pytest.mark.parametrize("coefficient", [0.0, 0.5])
def test_beside_nabu(coefficient):
    phase = pytest.importorskip("nabu.preproc.phase", reason="nabu is not installed")
    unsharp = pytest.importorskip("nabu.processing.unsharp", reason="nabu is not installed")
    frame = blurred((90, 120))
    length = paganin_length(50.0, 20.0, 0.1) / 1e-6
    theirs = phase.PaganinPhaseRetrieval(frame.shape, 0.1, 20.0, 50.0, 1e-6, padding="symmetric").retrieve_phase(frame)
    tolerance = 1e-6
    if coefficient:
        mask = unsharp.UnsharpMask(frame.shape, 2.0, coefficient, mode="reflect", method="gaussian")
        theirs = mask.unsharp(theirs.astype(np.float32))
        tolerance = 2e-5  # they cut the Gaussian off at four standard deviations
    # its padded size is a product of 2, 3, 5 and 7 that is twice ours: the same mirrored frame
    made = run(frame[None], length=length, padding="reflect", unsharp_coeff=coefficient)[0]
    assert abs(made - theirs).max() <= tolerance


def test_threads_and_number_of_frames_change_nothing():
    frames = RNG.random((5, 33, 47)).astype(np.float32)
    one = paganin_filter((33, 47), (6.0, 6.0), (2.0, 2.0), 0.5, "edge")
    alone = np.stack([one(frame[None])[0] for frame in frames])
    assert np.array_equal(one(frames, 3), alone)
    assert np.array_equal(one(frames[::-1], 2)[::-1], alone)


@pytest.mark.parametrize(
    ("parameters", "metadata", "message"),
    [
        ({}, KNOWN, "either delta_beta, or length in px; neither"),
        ({"delta_beta": 5.0, "length": 5.0}, KNOWN, "both are given"),
        ({"delta_beta": 5.0}, KNOWN, "give distance: m"),
        ({"delta_beta": 5.0, "distance": 0.1}, {"pixel_size_x": Quantity(1, "um")}, "give energy: keV"),
        ({"delta_beta": 5.0}, {"pixel_size_x": Quantity(1, "um")}, "energy: keV and distance: m"),
        ({"delta_beta": 5.0, "distance": 0.1, "energy": 20.0}, {}, "pixel size is not known"),
        ({"delta_beta": 5e4, "distance": 0.1}, KNOWN, "larger than the frame, 40 x 60 px"),
        ({"length": 65.0}, KNOWN, "larger than the frame"),
        ({"length": 5.0, "output": "thickness"}, KNOWN, "needs delta_beta"),
        ({"delta_beta": 5.0, "distance": 0.1, "output": "thickness"}, KNOWN, "needs delta"),
    ],
)
def test_what_is_missing_is_named(parameters, metadata, message):
    scan = scan_of(np.ones((2, 40, 60), np.float32), metadata=metadata)
    with pytest.raises(InputError, match=message):
        run_plugin(retrieve_phase, scan, parameters)


def test_attenuations_and_values_that_are_no_numbers_are_refused():
    frames = np.ones((3, 40, 60), np.float32)
    with pytest.raises(InputError, match="put retrieve_phase before minus_log"):
        run_plugin(retrieve_phase, scan_of(frames, label="attenuation"), {"length": 5.0})
    frames[1, 2, 3] = np.nan
    scan = Scan.whole(scan_of(frames).dataset, ("detector_y", "detector_x"))
    with pytest.raises(InputError, match="1 values are NaN or infinite, first in projection 1"):
        retrieve_phase(frames, scan, length=5.0)


def looked(rows, **parameters):
    scan = scan_of(np.ones((1, 400, 500), np.float32))
    return list(_look(scan.dataset.select({"detector_y": rows}), None, **{**NOTHING, **DEFAULTS, **parameters}))


def test_a_preview_of_few_rows_is_warned_of():
    [warning] = looked(slice(198, 202), length=25.0)
    assert "leaves 4 rows" in warning
    assert "28 more on each side" in warning
    assert "detector_y: [mid-29, mid+29]" in warning
    assert "at least 57" in warning
    [warning] = looked(slice(100, 200), length=25.0)
    assert "only rows 128 to 171 are as without it" in warning
    assert looked(slice(None), length=25.0) == []
    assert looked(slice(198, 202), length=0.0) == []
    [warning] = looked(slice(0, 100), length=25.0)  # the first row is the detector's own edge
    assert "only rows 0 to 71" in warning


def test_a_frame_that_is_lower_than_the_length_is_warned_of():
    scan = scan_of(np.ones((1, 40, 500), np.float32))
    [warning] = _look(scan.dataset, None, **{**NOTHING, **DEFAULTS, "length": 45.0})
    assert "larger than the frame, 40 px along detector_y" in warning


def test_the_rows_that_are_said_to_be_right_are():
    frames = blurred((400, 60), 3.0)[None]
    whole = run(frames, length=25.0)
    cut = run(frames[:, 100:200], length=25.0)
    apart = abs(cut - whole[:, 100:200])[0]
    assert apart[28:72].max() <= 2e-3 * np.ptp(frames)
    assert apart.max() > 5e-3 * np.ptp(frames)
