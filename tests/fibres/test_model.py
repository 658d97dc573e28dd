"""The model of a fibre's streak: against reference arrays, against its own limits, and its derivatives."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from tomosaxs_plugins.fibres import model
from tomosaxs_plugins.fibres.averaging import averaging
from tomosaxs_plugins.fibres.geometry import fibre_direction, scattering_vector
from tomosaxs_plugins.fibres.problem import Bins

WAVELENGTH = 0.08856
NAMES = ("q0", "log wa", "log wmu", "logit delta", "alpha", "beta")


def bins(chi_samples: int = 3, q_samples: int = 4, smearing: float = 0.0, **changes: Any) -> Bins:
    given = {
        "chi_deg": 2.5 + 5.0 * np.arange(36), "chi_width_deg": 5.0, "q": 0.24 + 0.0025 * (0.5 + np.arange(36)),
        "q_width": 0.0025, "wavelength_nm": WAVELENGTH,
    }  # fmt: skip
    return Bins(**{**given, **changes}, chi_samples=chi_samples, q_samples=q_samples, smearing=smearing)


def fibres(n: int = 12, seed: int = 3) -> list[np.ndarray]:
    """alpha, beta, q0, wa, wmu, delta: fibres near the plane of the detector, so that they are lit."""
    rng = np.random.default_rng(seed)
    return [
        np.deg2rad(rng.uniform(20, 160, n)), np.deg2rad(rng.normal(90, 8, n)), 6 * np.pi / rng.normal(66.8, 0.6, n),
        rng.uniform(0.0012, 0.004, n), rng.uniform(0.1, 0.4, n), rng.choice([0.001, 0.2, 0.5, 0.8, 0.99], n),
    ]  # fmt: skip


def written_out(u: np.ndarray, p: np.ndarray, q0: float, wa: float, wmu: float, delta: float) -> np.ndarray:
    """The formulas as they are written, in extended precision."""
    u, p = np.abs(np.asarray(u, np.longdouble)), np.asarray(p, np.longdouble)
    radius = np.longdouble(q0) / np.longdouble(delta)
    a = u - (np.longdouble(q0) - radius)
    d, theta = np.hypot(a, p), np.arctan2(p, a)
    width = np.longdouble(q0) * np.tan(np.longdouble(wmu))
    return np.asarray(np.exp(-((radius * theta / width) ** 2) / 2) / (1 + ((d - radius) / wa) ** 2), np.float64)


def test_kernel_in_the_frame_of_the_fibre(shared: Path):
    golden = np.load(shared / "golden" / "fibres" / "kernel_body_frame.npz")
    q0, wa, wmu = (float(golden[name]) for name in ("q0", "wa", "wMu"))
    u, p = golden["u"], golden["p"]
    for delta, wanted in zip(golden["delta"], golden["I"], strict=True):
        found = np.array([[model.point(math.hypot(x, y), x, q0, wa, wmu, delta) for y in p] for x in u])
        found /= 2 * np.pi * wa * q0 * math.tan(wmu)
        away = np.hypot(u[:, None], p) > 1e-9  # the references hold the original's cap, or a value, at Q = 0
        assert np.abs(found - wanted)[away].max() < 1e-10 * wanted[away].max(), delta


def test_value_at_special_points_and_far_from_the_streak():
    for delta in (0.001, 0.5, 1.0):
        given = (0.28, 0.002, 0.2, delta)
        assert model.point(0.0, 0.0, *given) == 0
        assert np.all(np.isfinite(model.point_derivatives(0.0, 0.0, *given)))
        assert model.point(0.28, 0.28, *given) == pytest.approx(1, abs=1e-13)
        assert np.all(np.isfinite(model.point_derivatives(0.28, 0.28, *given)))  # p = 0
        assert np.all(np.isfinite(model.point_derivatives(0.28, 0.0, *given)))  # u = 0
        assert model.point(0.3, -0.25, *given) == model.point(0.3, 0.25, *given)
        u, p = np.meshgrid(np.linspace(0, 0.4, 41), np.linspace(0, 0.4, 41)[1:])
        found = np.vectorize(lambda x, y, g=given: model.point(math.hypot(x, y), x, *g))(u, p)
        wanted = written_out(u, p, *given)
        seen = wanted > 1e-250
        assert np.abs(found / wanted - 1)[seen].max() < 3e-10  # of the value itself, however small it is


def test_limits_flat_and_spherical():
    q = np.linspace(0.25, 0.31, 50)
    psi = np.linspace(0, 0.3, 40)[:, None]
    given = {"q0": 0.28, "wa": 0.002, "wmu": 0.2}
    u, p = q * np.cos(psi), q * np.sin(psi)
    width = 0.28 * math.tan(0.2)
    point = np.vectorize(lambda length, along, delta: model.point(length, along, *given.values(), delta))
    flat = np.exp(-((p / width) ** 2) / 2) / (1 + ((u - 0.28) / 0.002) ** 2)
    difference = [np.abs(point(q + 0 * u, u, delta) - flat).max() for delta in (1e-3, 1e-4, 1e-5)]
    assert difference[0] < 0.03
    assert difference[1] < 0.11 * difference[0]
    assert difference[2] < 0.11 * difference[1]  # first order in delta, down to where float64 would have cancelled
    sphere = np.exp(-((0.28 * psi / width) ** 2) / 2) / (1 + ((q - 0.28) / 0.002) ** 2)
    assert np.abs(point(q + 0 * u, u, 1.0) - sphere).max() < 1e-12


def test_a_fibre_has_no_sense_of_direction():
    q, chi = np.linspace(0.2, 0.34, 30)[:, None], np.linspace(-180, 180, 91)
    given = {"q0": 0.28, "wa": 0.002, "wmu": 0.2, "delta": 0.4, "wavelength_nm": WAVELENGTH}
    one = model.intensity(q, chi, alpha_deg=35.0, beta_deg=80.0, **given)
    other = model.intensity(q, chi, alpha_deg=145.0, beta_deg=260.0, **given)
    assert np.abs(one - other).max() < 1e-12 * one.max()
    # the two streaks of a fibre differ by the curvature of the Ewald sphere alone
    opposite = model.intensity(q, chi + 180, alpha_deg=35.0, beta_deg=100.0, **given)
    assert np.abs(one - opposite).max() < 1e-12 * one.max()
    assert np.abs(one - model.intensity(q, chi + 180, alpha_deg=35.0, beta_deg=80.0, **given)).max() > 1e-3 * one.max()


def test_intensity_broadcasts_and_refuses():
    given = {"q0": 0.28, "wa": 0.002, "wmu": 0.2, "delta": 0.4, "wavelength_nm": WAVELENGTH}
    many = model.intensity([[0.28], [0.29]], 40.0, alpha_deg=[50.0, 60.0, 70.0], beta_deg=90.0, **given)
    assert many.shape == (2, 3)
    assert many[1, 2] == model.intensity(0.29, 40.0, alpha_deg=70.0, beta_deg=90.0, **given)
    for name, value in (("delta", 1.01), ("delta", 0.0), ("wa", 0.0), ("wmu", 1.6), ("q0", -0.28), ("wa", np.nan)):
        with pytest.raises(ValueError, match=name):
            model.intensity(0.28, 0.0, alpha_deg=0.0, beta_deg=0.0, **{**given, name: value})
    with pytest.raises(ValueError, match="q must be from 0"):
        model.intensity(150.0, 0.0, alpha_deg=0.0, beta_deg=0.0, **given)
    for wrong in ({"q_width": 0.0}, {"smearing": -1.0}, {"chi_samples": 0}, {"q": np.array([0.001])}, {"q_width": 1.0}):
        with pytest.raises(ValueError):
            averaging(bins(**wrong))


def moved(given: list[np.ndarray], name: str, step: float) -> list[np.ndarray]:
    """Fibres with one parameter changed, in the scale of its derivative."""
    alpha, beta, q0, wa, wmu, delta = (value.copy() for value in given)
    if name == "logit delta":
        delta = 1 / (1 + (1 / delta - 1) * np.exp(-step))
    else:
        alpha, beta, q0 = alpha + step * (name == "alpha"), beta + step * (name == "beta"), q0 + step * (name == "q0")
        wa, wmu = wa * np.exp(step * (name == "log wa")), wmu * np.exp(step * (name == "log wmu"))
    return [alpha, beta, q0, wa, wmu, delta]


@pytest.mark.parametrize("smearing", [0.0, 8e-4])
def test_derivatives(smearing: float):
    where, given = bins(smearing=smearing), fibres()
    values, derivatives, _ = model.bin_means_and_derivatives(where, *given, tolerance=0)
    assert np.abs(values - model.bin_means(where, *given, tolerance=0)[0]).max() < 1e-13
    for k, name in enumerate(NAMES):
        h = {"q0": 2e-5, "alpha": 1e-4, "beta": 1e-4}.get(name, 5e-3)
        at = {s: model.bin_means(where, *moved(given, name, s * h), tolerance=0)[0] for s in (-3, -2, -1, 1, 2, 3)}
        wanted = (at[3] - at[-3] - 9 * (at[2] - at[-2]) + 45 * (at[1] - at[-1])) / (60 * h)
        scale = np.abs(wanted).max(axis=(1, 2))
        error = np.abs(derivatives[:, k] - wanted).max(axis=(1, 2))
        assert np.all(error < 1e-6 * scale + 1e-11 / h * (name == "logit delta")), name  # noise of flat ones


def test_point_derivatives_are_those_of_bins():
    alpha, beta, q0, wa, wmu, delta = 1.0, 1.5, 0.282, 0.002, 0.25, 0.4
    q, chi = 0.279, np.deg2rad(31.0)
    small = bins(1, 1, chi_deg=np.array([31.0]), q=np.array([q]), chi_width_deg=1e-3, q_width=1e-6)
    means, slopes, _ = model.bin_means_and_derivatives(
        small, *(np.array([x]) for x in (alpha, beta, q0, wa, wmu, delta))
    )
    place = scattering_vector(q, np.rad2deg(chi), WAVELENGTH)
    u = float(place @ fibre_direction(np.rad2deg(alpha), np.rad2deg(beta)))
    value, by_q0, by_wa, by_wmu, by_delta, by_u = model.point_derivatives(q, u, q0, wa, wmu, delta)
    turned = np.array([np.cos(alpha) * np.sin(beta), -np.sin(alpha), np.cos(alpha) * np.cos(beta)])
    assert means.item() == pytest.approx(value, rel=1e-12)
    assert slopes.ravel()[:5] == pytest.approx([by_q0, by_wa, by_wmu, by_delta, by_u * float(place @ turned)], rel=1e-9)
    assert value == pytest.approx(model.point(q, u, q0, wa, wmu, delta), rel=1e-12)


def test_means_of_bins_converge_to_the_mean_of_many_points():
    given = fibres(6)
    exact = model.bin_means(bins(24, 24), *given, tolerance=0)[0]
    where = bins()
    chi = where.chi_deg[:, None] + 5.0 * ((np.arange(40) + 0.5) / 40 - 0.5)
    q = where.q[:, None] + 0.0025 * ((np.arange(40) + 0.5) / 40 - 0.5)
    for k in range(2):
        alpha, beta, *rest = (float(x[k]) for x in given)
        direction = {"alpha_deg": np.rad2deg(alpha), "beta_deg": np.rad2deg(beta), "wavelength_nm": WAVELENGTH}
        shape = dict(zip(("q0", "wa", "wmu", "delta"), rest, strict=True))
        every = model.intensity(q.ravel(), chi.reshape(-1, 1), **direction, **shape)
        every *= 2 * np.pi * rest[1] * rest[0] * np.tan(rest[2])
        assert np.abs(every.reshape(36, 40, 36, 40).mean(axis=(1, 3)) - exact[k]).max() < 5e-4  # middles of 40 x 40
    error = [np.abs(model.bin_means(bins(*n), *given, tolerance=0)[0] - exact).max() for n in ((2, 2), (3, 4), (6, 8))]
    assert error[1] < 0.02
    assert error[1] < 0.6 * error[0]
    assert error[2] < 0.1 * error[1]


@pytest.mark.parametrize("smearing", [1e-4, 5e-4, 2e-3])
def test_smearing_is_a_convolution_in_q(smearing: float):
    given = fibres(4)
    found = model.bin_means(bins(2, 12, smearing), *given, tolerance=0)[0]
    step = 0.0025 / 50
    fine = bins(2, 1, 0.0, q=np.arange(0.215, 0.355, step), q_width=step)
    values = model.bin_means(fine, *given, tolerance=0)[0]
    begin = bins().q[:, None] - 0.00125
    share = ndtr((begin + 0.0025 - fine.q) / smearing) - ndtr((begin - fine.q) / smearing)
    wanted = values @ (share.T * step / 0.0025)
    # what lies beyond five standard deviations, and the sum over steps where the smearing is not much wider than one
    assert np.abs(found - wanted).max() < (2e-4 if smearing < 3 * step else 3e-6)


def test_bins_of_q_with_gaps_and_overlaps():
    given = fibres(3)
    whole, _ = model.bin_means(bins(), *given)
    order = np.array([30, 3, 17])
    some, _ = model.bin_means(bins(q=bins().q[order]), *given)
    assert np.abs(some - whole[:, :, order]).max() < 1e-10
    smeared = model.bin_means(bins(smearing=6e-4), *given)[0]
    assert (
        np.abs(model.bin_means(bins(smearing=6e-4, q=bins().q[order]), *given)[0] - smeared[:, :, order]).max() < 2e-3
    )


def test_dark_azimuths_are_left_out_within_the_tolerance():
    given = fibres(20)
    given[1] = np.deg2rad(np.linspace(0, 180, 20))  # some are far out of the plane
    given[4][:] = 0.08
    whole, every = model.bin_means(bins(), *given, tolerance=0)
    assert np.all(every == [0, 36])
    for tolerance in (1e-3, 1e-8):
        values, slopes, window = model.bin_means_and_derivatives(bins(), *given, tolerance=tolerance)
        assert np.abs(values - whole).max() <= tolerance
        assert np.any(window[:, 1] == 0)
        assert np.any((window[:, 1] > 0) & (window[:, 1] - window[:, 0] < 20))
        for k, (first, stop) in enumerate(window):
            assert not values[k, :first].any()
            assert not values[k, stop:].any()
            assert not slopes[k, :, stop:].any()
            assert first == stop == 0 or (values[k, first].any() and values[k, stop - 1].any())


def test_numbers_do_not_depend_on_threads_or_company():
    given = fibres(11)
    one = model.bin_means_and_derivatives(bins(), *given, threads=1)
    for other in (model.bin_means_and_derivatives(bins(), *given, threads=3),):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    alone = model.bin_means_and_derivatives(bins(), *(x[7:8] for x in given), threads=1)
    assert all(np.array_equal(a[7:8], b) for a, b in zip(one, alone, strict=True))


def test_float32_is_storage_alone():
    given = fibres(8)
    exact = model.bin_means_and_derivatives(bins(), *given)
    stored = model.bin_means_and_derivatives(bins(), *given, dtype=np.float32)
    for wide, narrow in zip(exact[:2], stored[:2], strict=True):
        assert narrow.dtype == np.float32
        assert np.array_equal(narrow, wide.astype(np.float32))  # 6e-8 of every value, at delta = 0.001 too
