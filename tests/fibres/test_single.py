"""A fit of one streak finds it, and says how well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tomosaxs_plugins.fibres import geometry, profiles
from tomosaxs_plugins.fibres.problem import FibreTable
from tomosaxs_plugins.fibres.single import fit_single

WAVELENGTH = 0.08856
START = (0.2822, 0.002, 0.2, 0.5)
Q = np.linspace(0.24, 0.33, 60)


def case(seed: int, noise: float = 0.01) -> tuple[dict[str, float], np.ndarray, np.ndarray, dict[str, Any]]:
    """Truth, azimuths, data with noise of a part of their maximum, and what a fit is told."""
    rng = np.random.default_rng(seed)
    names = ("q0", "wa", "wmu", "delta", "amplitude", "alpha_deg", "beta_deg")
    values = (
        6 * np.pi / rng.normal(66.8, 0.6), rng.uniform(0.0018, 0.003), rng.uniform(0.12, 0.22), rng.uniform(0.3, 0.7),
        1e6, rng.uniform(60, 120), rng.uniform(85, 95),
    )  # fmt: skip
    truth = dict(zip(names, values, strict=True))
    fibre = FibreTable(*(np.array([value]) for value in values))
    centres = geometry.streak_azimuth(fibre.alpha_deg, fibre.beta_deg)[0] + np.array([-9.0, 0, 9.0])
    data = profiles.sector_profiles(fibre, Q, centres, wavelength_nm=WAVELENGTH)[0]
    told = {"alpha_deg": truth["alpha_deg"], "beta_deg": truth["beta_deg"], "wavelength_nm": WAVELENGTH, "start": START}
    told["sigma"] = np.full(data.shape, max(noise, 1e-3) * data.max())
    truth["height"] = float(fibre.height[0])
    data = data + noise * data.max() * rng.normal(size=data.shape)
    return truth, centres[:, None] + np.linspace(-3, 3, 6), data, told


def test_finds_the_truth_without_noise():
    truth, chi, data, told = case(1, noise=0.0)
    found = fit_single(Q, chi, data, **told)
    assert found.converged
    for name in ("q0", "wa", "wmu", "delta", "height", "amplitude"):
        assert getattr(found, name) == pytest.approx(truth[name], rel=1e-4), name


def test_uncertainties_are_what_they_say():
    z: dict[str, list[float]] = {}
    spread = []
    for seed in range(120):
        truth, chi, data, told = case(seed)
        found = fit_single(Q, chi, data, **told)
        assert found.converged
        spread.append(found.chi_squared / found.degrees_of_freedom)
        for name, sd in found.sd.items():
            z.setdefault(name, []).append((getattr(found, name) - truth[name]) / sd)
    assert np.mean(spread) == pytest.approx(1, abs=0.03)
    for name, values in z.items():  # 120 draws of a normal distribution have a s.d. of 1 +- 0.065
        assert 0.8 < np.std(values) < 1.25, name
        assert abs(np.mean(values)) < 0.35, name


def test_unknown_noise_is_found_from_the_residual():
    _, chi, data, told = case(7)
    known = fit_single(Q, chi, data, **told)
    unknown = fit_single(Q, chi, data, **{**told, "sigma": None})
    assert unknown.q0 == pytest.approx(known.q0, rel=1e-8)
    assert unknown.sd["wa"] == pytest.approx(known.sd["wa"], rel=0.15)


def test_hidden_values_are_not_used():
    _, chi, data, told = case(5)
    whole = fit_single(Q, chi, data, **told)
    holes, sigma = data.copy(), told["sigma"].copy()
    holes[0, 10], holes[2, 30:33] = np.nan, 1e12
    sigma[2, 30:33] = np.inf
    some = fit_single(Q, chi, holes, **{**told, "sigma": sigma})
    assert some.degrees_of_freedom == whole.degrees_of_freedom - 4
    assert abs(some.q0 - whole.q0) < 2 * whole.sd["q0"]


def test_faults_are_told():
    _, chi, data, told = case(2)
    with pytest.raises(ValueError, match="values must be"):
        fit_single(Q[:-1], chi, data, **told)
    with pytest.raises(ValueError, match="usable values"):
        fit_single(Q, chi, np.full(data.shape, np.nan), **told)
    with pytest.raises(ValueError, match="start must have"):
        fit_single(Q, chi, data, **{**told, "start": (0.28, -1.0, 0.2, 0.5)})
    nothing = fit_single(Q, chi, -np.abs(data), **told)
    assert not nothing.converged
    assert np.isnan(nothing.sd["q0"])
