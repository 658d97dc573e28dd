"""The step `azimuthal_library`: azimuths, uncertainties of few counts, masks, folding, backgrounds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is not installed")

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Quantity, Scan
from tomosaxs.declaration import spec_of
from tomosaxs.registry import find
from tomosaxs_plugins.fibres.azimuthal_library import AzimuthalLibrary
from tomosaxs_plugins.fibres.library_background import bins_within, subtract_exponential, subtract_side_bands
from tomosaxs_plugins.fibres.model import intensity
from tomosaxs_plugins.integration.engine.cake_apply import make_cakes
from tomosaxs_plugins.integration.engine.cake_lookup import build_cake_lookup
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.radial import radial_coordinate

ROWS, COLUMNS, WAVELENGTH = 150, 160, 0.08856
PIXEL, DISTANCE, CENTRE = 0.7e-3, 9.774, (75.3, 80.6)
OWN = {
    "distance": Quantity(DISTANCE, "m"), "pixel_size_x": Quantity(PIXEL, "m"), "pixel_size_y": Quantity(PIXEL, "m"),
    "beam_center_x": Quantity(CENTRE[1], "px"), "beam_center_y": Quantity(CENTRE[0], "px"),
    "wavelength": Quantity(WAVELENGTH, "nm"),
}  # fmt: skip
GEOMETRY = DetectorGeometry.from_beam(CENTRE, DISTANCE, np.eye(3), (PIXEL, PIXEL), WAVELENGTH * 1e-9, (ROWS, COLUMNS))
Y, X = np.mgrid[0:ROWS, 0:COLUMNS] + 0.5
Q = radial_coordinate(GEOMETRY, "q_nm^-1", Y, X)
COARSE = {"bins": 18, "azimuth_bins": 18, "solid_angle": False}
SPEC = spec_of(AzimuthalLibrary)


def described(count: int, uncertainty: bool = False, **auxiliaries: Auxiliary) -> Dataset:
    axes = (Axis("x", count), Axis("detector_y", ROWS), Axis("detector_x", COLUMNS))
    return Dataset(axes, np.dtype(np.float32), "counts", "counts", auxiliaries, OWN, uncertainty)


def whole(dataset: Dataset, sigma: np.ndarray | None = None) -> Scan:
    scan = Scan.whole(dataset, ("detector_y", "detector_x"))
    scan.uncertainties = (sigma,)
    return scan


def integrated(frames: np.ndarray, **given) -> tuple[np.ndarray, np.ndarray]:
    """Return values and uncertainties of frames of counts."""
    found = AzimuthalLibrary(**{**COARSE, **given})(frames.astype(np.float32), whole(described(len(frames))))
    return found.values.astype(float), found.sigma.astype(float)


def streak(alpha: float, beta: float, **more) -> np.ndarray:
    """Return the frame of a fibre; the model's azimuth is counter-clockwise from the columns, row 0 at the top."""
    chi = np.degrees(np.arctan2(CENTRE[0] - Y, X - CENTRE[1]))
    shape = {"q0": 0.2822, "wa": 0.004, "wmu": 0.2, "delta": 0.5, "wavelength_nm": WAVELENGTH, **more}
    return intensity(Q, chi, alpha_deg=alpha, beta_deg=beta, **shape)


def test_registered_with_the_defaults_of_fibre_reconstruction():
    assert find("azimuthal_library").target is AzimuthalLibrary
    filled, faults = SPEC.parameters.validate({})
    assert not faults
    resolved = SPEC.check(described(3), **filled)
    assert resolved["error_model"] == "poisson"
    assert SPEC.check(described(3, uncertainty=True), **filled)["error_model"] == "data"
    output = SPEC.shape(described(3), **filled)
    azimuth, q = output.axes
    assert (azimuth.name, azimuth.units) == ("azimuth", "deg")
    assert np.allclose(azimuth.values, 2.5 + 5 * np.arange(36))
    assert np.allclose(q.values, 0.24 + 0.0025 * (np.arange(36) + 0.5))
    assert output.uncertainty
    assert output.metadata["azimuth_bin_width"].value == pytest.approx(5.0)
    assert output.metadata["q_bin_width"].value == pytest.approx(0.0025)
    assert output.metadata["wavelength"].value == pytest.approx(WAVELENGTH)
    assert output.metadata["azimuths_folded"] == "false"


@pytest.mark.parametrize("alpha", [20.0, 65.0, 130.0])
def test_a_streak_is_where_the_model_says(alpha: float):
    """A fibre in the plane of the detector points at azimuth 90 - alpha, and on the other side at 270 - alpha."""
    values, _ = integrated(1e5 * streak(alpha, 90.0)[None], azimuth_bins=72, azimuth_range=(-180.0, 180.0))
    chi = np.radians(-177.5 + 5 * np.arange(72))
    profile = np.nan_to_num(values[0]).sum(axis=1)
    turned = np.degrees(np.angle((profile * np.exp(2j * chi)).sum())) / 2
    assert (turned - (90.0 - alpha) + 90) % 180 - 90 == pytest.approx(0.0, abs=0.3)
    half, _ = integrated(1e5 * streak(alpha, 90.0)[None], azimuth_bins=36, azimuth_range=(90.0, 270.0))
    assert np.allclose(half[0][:18], values[0][54:72], rtol=1e-5, equal_nan=True)  # 90 to 180 degrees
    assert np.allclose(half[0][18:], values[0][0:18], rtol=1e-5, equal_nan=True)  # 180 to 270 are -180 to -90


def test_values_agree_with_means_of_the_model():
    """Bins of whole pixels against means of the model over the same bins; pixels of 5e-4 nm^-1, wa eight times that."""
    from tomosaxs_plugins.fibres.model import bin_means
    from tomosaxs_plugins.fibres.problem import Bins

    alpha, beta = 60.0, 75.0
    bins = Bins(5 + 10.0 * np.arange(18), 10.0, 0.2425 + 0.005 * np.arange(18), 0.005, WAVELENGTH, 10, 10)
    fine = PIXEL / DISTANCE * 2 * np.pi / WAVELENGTH / np.sqrt(12)  # smearing by a pixel
    bins = Bins(bins.chi_deg, 10.0, bins.q, 0.005, WAVELENGTH, 10, 10, fine)
    model, _ = bin_means(bins, *(np.radians([a]) for a in (alpha, beta)), *np.array([[0.2822], [0.004], [0.2], [0.5]]))
    frame = streak(alpha, beta, amplitude=1e4 * 2 * np.pi * 0.004 * 0.2822 * np.tan(0.2))
    values, _ = integrated(frame[None])
    assert np.nanmax(np.abs(values[0] - 1e4 * model[0])) < 0.02 * 1e4 * model.max()


def test_uncertainties_are_those_of_counting():
    """Over many frames values scatter as the uncertainties say; bins with fewer than one count get that of one."""
    rng = np.random.default_rng(2)
    expected = 4.0 + 40.0 * streak(60.0, 90.0) / streak(60.0, 90.0).max()
    frames = rng.poisson(expected, (200, ROWS, COLUMNS))
    values, sigma = integrated(frames)
    usable = np.isfinite(values).all(axis=0)
    pulls = (values - values.mean(axis=0))[:, usable] / sigma.mean(axis=0)[usable]
    assert np.sqrt((pulls**2).mean()) == pytest.approx(1.0, abs=0.02)
    empty = np.zeros((2, ROWS, COLUMNS))
    empty[1, 40:42, 110:112] = 1.0
    none, of_none = integrated(empty)
    assert np.all(none[0][usable] == 0)
    lookup = build_cake_lookup(
        GEOMETRY, np.zeros((ROWS, COLUMNS), bool), (18, 0.24, 0.33, "q_nm^-1"), (18, 0.0, 180.0), threads=1
    )
    one = np.full(lookup.shape, np.nan)
    one.flat[lookup.used] = 1 / lookup.area
    # a pixel that lies in two bins counts half in both, its variance a quarter
    assert np.all(of_none[0][usable] > 0.5 * one[usable])
    assert np.all(of_none[0][usable] <= 1.000001 * one[usable])
    lit = usable & (none[1] > 0)
    assert lit.any()
    assert np.all(of_none[1][usable] >= of_none[0][usable] * 0.999999)
    values, sigma = make_cakes(lookup, frames[:1].astype(np.float32), errors="poisson")
    mine = integrated(frames[:1])
    above = usable & (mine[1][0] > of_none[0] * 1.0001)
    assert np.allclose(mine[1][0][above], sigma[0][above], rtol=1e-6)


def test_uncertainty_of_one_count_with_a_monitor_and_with_uncertainties_of_the_data():
    frames = np.random.default_rng(3).poisson(0.05, (2, ROWS, COLUMNS)).astype(np.float32)
    _, plain = integrated(frames)
    monitor = Auxiliary(("x",), ArrayReader(np.array([2.0, 4.0])))
    step = AzimuthalLibrary(**COARSE, normalise="monitor")
    _, divided = step(frames, whole(described(2, monitor=monitor)))
    assert np.allclose(divided, plain / np.array([2.0, 4.0])[:, None, None], rtol=1e-5, equal_nan=True)
    dataset = described(2, uncertainty=True)
    step = AzimuthalLibrary(**COARSE)
    values, given = step(3.0 * frames, whole(dataset, 3.0 * np.sqrt(frames)))
    assert step.error_model == "data"
    assert np.allclose(given, 3.0 * plain, rtol=0.05, equal_nan=True)  # the ratio is found from 500 counts
    assert np.all(given[np.isfinite(values)] > 0)


def test_a_mask_stays_a_mask_and_folding_fills_gaps():
    flat = np.full((1, ROWS, COLUMNS), 7.0)
    sector = np.degrees(np.arctan2(CENTRE[0] - Y, X - CENTRE[1]))
    hidden = (sector > 41) & (sector < 63)
    flat[0][hidden] = np.nan
    values, sigma = integrated(flat)
    assert np.isnan(values[0][5]).all()  # 50 to 60 degrees
    assert np.isnan(sigma[0][5]).all()
    kept = np.delete(values[0], [4, 5, 6], axis=0)
    assert np.allclose(kept[np.isfinite(kept)], 7.0, rtol=1e-6)
    both, spread = integrated(flat, fold=True)
    assert np.allclose(both[0], 7.0, rtol=1e-6)
    assert np.nanmedian(spread[0][0] / sigma[0][0]) == pytest.approx(np.sqrt(0.5), rel=0.02)


def test_side_bands_are_what_is_subtracted_and_their_variance_is_propagated():
    rng = np.random.default_rng(4)
    q = 0.24 + 0.0025 * (np.arange(36) + 0.5)
    below, above = bins_within(q, 0.0025, (0.2425, 0.2625)), bins_within(q, 0.0025, (0.3025, 0.3225))
    assert (below.sum(), above.sum()) == (8, 8)
    slope = 100.0 - 200.0 * q
    truth = np.broadcast_to(slope, (400, 2, 36))
    noisy = rng.normal(truth, 3.0)
    noisy[:, 1, :12] = np.nan  # no band below is left
    values, sigma = subtract_side_bands(noisy, np.full(truth.shape, 3.0), below, above, q)
    assert np.isnan(values[:, 1]).all()
    middle = (np.average(slope[below], weights=q[below]) + np.average(slope[above], weights=q[above])) / 2
    assert np.allclose(values[:, 0].mean(axis=0), slope - middle, atol=4 * 3.2 / 20)
    # within a band a bin is correlated with its background: smaller than that of a bin outside
    assert np.allclose(values[:, 0].std(axis=0), sigma[0, 0], rtol=0.15)
    assert sigma[0, 0][below].max() < 3.0 < sigma[0, 0][18]


def test_an_exponential_is_found_and_its_error_is_propagated():
    """Profiles of few counts: no bias of the difference beyond its error, and that error as told."""
    rng = np.random.default_rng(5)
    q = 0.24 + 0.0025 * (np.arange(36) + 0.5)
    beside = np.abs(q - 0.2825) > 0.02
    background = 60 * np.exp(-(q - 0.24) / 0.05) + 0.4
    counts = rng.poisson(np.broadcast_to(background / 10, (150, 36, 36)))
    values, scale = 10.0 * counts, np.full(counts.shape, 10.0)
    sigma = 10.0 * np.sqrt(np.maximum(counts, 1))
    found = subtract_exponential(values, sigma, scale, q, beside, (0.01, 0.3))
    mean = found.values.mean(axis=1)  # over azimuths, as fits of amplitudes see it
    assert np.abs(mean.mean(axis=0)).max() < 5 * 10 * np.sqrt(6 / 36 / 150)
    inside = 18
    # error of the background alone, from what the step says of a bin: sigma^2 less that of the bin
    told = np.sqrt(np.median(found.sigma[:, 0, inside] ** 2 - sigma[:, 0, inside] ** 2))
    fitted = (values - found.values)[:, 0, inside]
    assert fitted.std() == pytest.approx(told, rel=0.15)
    assert fitted.mean() == pytest.approx(background[inside], abs=3 * told / 12 + 0.02 * background[inside])
    few = np.full((1, 36, 36), np.nan)
    few[0, :, 0] = 5.0
    nothing = subtract_exponential(few, np.ones_like(few), np.ones_like(few), q, beside, (0.01, 0.3))
    assert np.isnan(nothing.values).all()


@pytest.mark.parametrize("background", ["side_bands", "exponential"])
def test_backgrounds_in_the_step(background: str):
    """A streak of 4e-3 nm^-1 loses to side bands what its tails leave there; the ground itself is gone."""
    ground = 200 * np.exp(-(Q - 0.24) / 0.06) + 20
    peak = 500 * streak(60.0, 90.0) / streak(60.0, 90.0).max()
    both, sigma = integrated(np.stack([ground, ground + peak]), background=background)
    alone, plain = integrated(np.stack([ground, ground + peak]))
    level = {"side_bands": 25.0, "exponential": 0.3}[background]  # of a convex ground the average takes too much
    assert np.nanmax(np.abs(both[0][:, 8:10])) < level
    assert np.nanmax(both[1]) == pytest.approx(np.nanmax(alone[1] - alone[0]), rel=0.06)
    if background == "side_bands":
        assert np.nanmedian(sigma[1][:, 8] / plain[1][:, 8]) > 1.0


def test_bad_frames_give_nan_and_the_others_go_on():
    frames = np.full((3, ROWS, COLUMNS), 5.0, dtype=np.float32)
    frames[1] = np.nan
    scan = whole(described(3))
    step = AzimuthalLibrary(**COARSE, background="exponential")
    values, sigma = step(frames, scan)
    assert np.isnan(values[1]).all()
    assert np.isnan(sigma[1]).all()
    assert np.nanmax(np.abs(values[[0, 2]])) < 1e-4
    assert "no usable pixel" in " ".join(scan.notes)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"range": [0.5, 0.4]}, "range"),
        ({"range": [5.0, 6.0]}, "holds no pixel"),
        ({"azimuth_range": [0.0, 361.0]}, "azimuth_range"),
        ({"error_model": "data"}, "uncertainties"),
        ({"background": "side_bands", "side_bands": [[0.1, 0.2], [0.3, 0.31]]}, "side_bands: no bin"),
        ({"background": "exponential", "streak": [0.2, 0.4]}, "leaves 0 of 36"),
        ({"background": "exponential", "decay": [0.2, 0.1]}, "decay"),
    ],
)
def test_what_is_refused(given: dict, what: str):
    filled, faults = SPEC.parameters.validate(given)
    assert not faults
    with pytest.raises(InputError, match=what):
        SPEC.check(described(2), **filled)
    assert SPEC.parameters.validate({"unit": "2theta_deg"})[1]  # fibres are described in q


@pytest.mark.parametrize("fold", [False, True])
def test_bins_that_a_mask_hides_in_part_are_left_out(fold: bool):
    """Beside a gap through a streak nothing is left whose mean is not that of a whole bin."""
    frame = 1e6 * streak(20.0, 0.0)[None]
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[21:26] = True  # through the streak: at azimuth 70 and 0.282 nm^-1, 52 rows above the beam
    dataset = described(1, mask=Auxiliary(("detector_y", "detector_x"), ArrayReader(mask)))
    given = {**COARSE, "fold": fold}
    clear, _ = integrated(frame, fold=fold)
    strict, loose = (
        np.asarray(AzimuthalLibrary(**given, hidden=share)(frame.astype(np.float32), whole(dataset)).values[0], float)
        for share in (0.02, 1.0)
    )
    left_out = np.isfinite(loose) & np.isnan(strict)
    assert left_out.any()
    kept = np.isfinite(strict)
    if not fold:  # folded bins may have one whole side alone, which differs by the curvature of the Ewald sphere
        assert np.abs(strict - clear[0])[kept].max() < 0.02 * clear.max()
        assert np.abs(loose - clear[0])[left_out].max() > 0.1 * clear.max()
    assert kept.mean() > 0.6


@pytest.mark.parametrize("fold", [False, True])
def test_bins_that_the_edge_of_the_detector_cuts_are_left_out(fold: bool):
    """Of a frame cut through a streak bins on the cut are left out; those that are left have the values of the whole.

    What a cut frame knows is what the whole frame with the rest masked knows.
    """
    rows, columns = 100, 132  # the streak is at azimuth 20 and 56 pixels from the beam: at column 133
    frame = 1e6 * streak(70.0, 90.0)[None]
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[rows:] = True
    mask[:, columns:] = True
    masked = described(1, mask=Auxiliary(("detector_y", "detector_x"), ArrayReader(mask)))
    axes = (Axis("x", 1), Axis("detector_y", rows), Axis("detector_x", columns))
    cut = Dataset(axes, np.dtype(np.float32), "counts", "counts", {}, OWN)
    given = {**COARSE, "azimuth_range": (0.0, 180.0), "fold": fold}

    def values(dataset: Dataset, frames: np.ndarray, share: float) -> np.ndarray:
        found = AzimuthalLibrary(**given, hidden=share)(frames.astype(np.float32), whole(dataset))
        return np.asarray(found.values[0], float)

    strict, loose = (values(cut, frame[:, :rows, :columns], share) for share in (0.02, 1.0))
    assert np.array_equal(np.isfinite(strict), np.isfinite(values(masked, frame, 0.02)))
    left_out = np.isfinite(loose) & np.isnan(strict)
    assert left_out.sum() > 5
    clear = integrated(frame, fold=fold)[0][0]
    kept = np.isfinite(strict)
    assert kept.mean() > 0.5
    if not fold:
        assert np.abs(strict - clear)[kept].max() < 0.02 * clear.max()
        assert np.abs(loose - clear)[left_out].max() > 0.1 * clear.max()


def test_shares_that_are_hidden_are_those_of_areas():
    """Against areas by counting points of a fine grid on the detector's plane; with and without a tilt."""
    from tomosaxs_plugins.fibres.hidden_bins import hidden_shares

    filled, _ = SPEC.parameters.validate({"bins": 6, "azimuth_bins": 9, "error_model": "none"})
    mask = np.random.default_rng(1).random((ROWS, COLUMNS)) < 0.02
    mask[40:60, 100:130] = True
    axes = (Axis("x", 1), Axis("detector_y", 90), Axis("detector_x", 130))
    hidden_by = Auxiliary(("detector_y", "detector_x"), ArrayReader(mask[:90, :130]))
    dataset = Dataset(axes, np.dtype(np.float32), "counts", "counts", {"mask": hidden_by}, OWN)
    settings = AzimuthalLibrary(**filled).settings(dataset)
    share, beyond = hidden_shares(settings)
    fine = np.arange(-10, 170, 0.1) + 0.05
    rows, columns = fine[:, None], fine[None, :]
    q, chi = radial_coordinate(GEOMETRY, "q_nm^-1", rows, columns), GEOMETRY.chi(rows, columns)
    outside = (rows < 0) | (rows >= 90) | (columns < 0) | (columns >= 130)
    lost = outside | mask[:90, :130][np.clip(rows, 0, 89).astype(int), np.clip(columns, 0, 129).astype(int)]
    bin_of = np.floor((q - 0.24) / 0.015).astype(int) + 6 * np.floor(chi / 20.0).astype(int)
    here = (q >= 0.24) & (q < 0.33) & (chi >= 0)
    area = np.bincount(bin_of[here], minlength=54)
    for found, where in ((share, lost), (beyond, outside)):
        wanted = np.bincount(bin_of[here], where[here], 54) / area
        assert np.allclose(found.ravel(), wanted, atol=0.01)
    assert 0.1 < beyond.mean() < share.mean() < 0.6


def test_a_detector_that_ends_inside_the_range_is_told():
    filled, _ = SPEC.parameters.validate({})
    axes = (Axis("x", 1), Axis("detector_y", ROWS), Axis("detector_x", 120))
    cut = Dataset(axes, np.dtype(np.float32), "counts", "counts", {}, OWN)
    (text,) = [text for text in SPEC.look(cut, None, **filled) if "edge" in text]
    assert "of 1296 bins" in text
    assert not [text for text in SPEC.look(described(1), None, **filled) if "edge" in text]
