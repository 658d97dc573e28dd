"""Profiles, images and directions of fibres: against reference arrays, and what amplitudes stand for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomosaxs_plugins.fibres import geometry, profiles
from tomosaxs_plugins.fibres.model import point
from tomosaxs_plugins.fibres.problem import FibreTable

EXACT, STORED = 1e-10, 1e-6  # of a profile's maximum: references of float64 and of float32


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden" / "fibres"


def table(source: dict[str, np.ndarray], amplitude: np.ndarray) -> FibreTable:
    names = ("q0", "wa", "wMu", "delta")
    return FibreTable(*(source[name] for name in names), amplitude, source["alpha_deg"], source["beta_deg"])


def worst(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference of any profile, in parts of its own maximum."""
    return float((np.abs(found - wanted).max(axis=-1) / wanted.max(axis=-1)).max())


def test_profiles_of_twenty_fibres(golden: Path):
    source = dict(np.load(golden / "fibres20.npz"))
    fibres, wavelength = table(source, source["amp"] * source["weight"]), float(source["wavelength_nm"])
    window = {"q_begin": float(source["q1"]), "q_end": float(source["q2"]), "q_count": int(source["nq"])}
    for chi in ("180", "360"):
        found = profiles.azimuthal_profile(fibres, source[f"chi{chi}_deg"], **window, wavelength_nm=wavelength)
        assert worst(found, source[f"ichi{chi}"]) < EXACT
    sectors = {"half_width_deg": float(source["sector_halfwidth_deg"]), "count": int(source["sector_nsub"])}
    for q, wanted in (("q_iq", "iq"), ("q_iq120", "iq120")):
        found = profiles.sector_profiles(
            fibres, source[q], source["sector_chi_deg"], wavelength_nm=wavelength, **sectors
        )
        assert worst(found, source[wanted]) < EXACT


def test_detector_images(golden: Path):
    source, images = dict(np.load(golden / "fibres20.npz")), np.load(golden / "detector_images.npz")
    fibres = table(source, source["amp"]).take(images["fibre"])
    wavelength = float(source["wavelength_nm"])
    found = profiles.detector_image(fibres, images["qxD"], images["qyD"], wavelength_nm=wavelength)
    assert worst(found.reshape(3, -1), images["I"].reshape(3, -1)) < STORED
    assert np.all(found[:, 100, 100] == 0)


def test_profiles_of_a_lattice_at_every_rotation(golden: Path):
    source = dict(np.load(golden / "lattice8x8.npz"))
    fibres, wavelength = table(source, source["amp"]), float(source["wavelength_nm"])
    window = {"q_begin": float(source["q1"]), "q_end": float(source["q2"]), "q_count": int(source["nq"])}
    for r, rotation in enumerate(source["rot_deg"]):
        found = profiles.azimuthal_profile(
            fibres, source["chi_deg"], **window, wavelength_nm=wavelength, rotation_deg=float(rotation)
        )
        assert worst(found, source["V_truth"][r].astype(float)) < STORED
        paths = source["W"][r] @ found
        seen = source["ichi"][r].max(axis=1) > 0
        assert worst(paths[seen], source["ichi"][r][seen]) < EXACT


def test_directions(golden: Path):
    source = np.load(golden / "geometry.npz")
    wavelength = float(source["wavelength_nm"])
    trace = geometry.scattering_vector(source["trace_q"], source["trace_chi_deg"][:, None], wavelength)
    grid = -0.4 + 0.004 * np.arange(200)
    surface = geometry.detector_vectors(grid, grid, wavelength)
    for k, axis in enumerate("xyz"):
        assert np.abs(trace[..., k] - source[f"trace_q{axis}"]).max() < EXACT * 0.4
        assert np.abs(surface[..., k] - source[f"surf_q{axis}"]).max() < STORED * 0.4
    assert np.abs(np.linalg.norm(trace, axis=-1) - source["trace_q"]).max() < 1e-15
    alpha, beta = np.rad2deg(source["alpha_rad"])[:, None], np.rad2deg(source["beta_rad"])
    turned = geometry.rotation_to_fibre(alpha, beta)
    assert np.abs(turned - source["R_lab_to_body"]).max() < 1e-14
    assert np.abs(np.swapaxes(turned, -1, -2) - source["R_body_to_lab"]).max() < 1e-14
    assert np.abs(turned[..., 1, :] - geometry.fibre_direction(alpha, beta)).max() < 1e-15


def test_directions_by_hand():
    assert geometry.fibre_direction(0, 77) == pytest.approx([0, 1, 0])  # vertical
    assert geometry.fibre_direction(90, 0) == pytest.approx([0, 0, 1])  # along the beam
    assert geometry.fibre_direction(90, 90) == pytest.approx([1, 0, 0])  # along the columns
    assert geometry.streak_azimuth([0, 90, 45], [90, 90, 90]) == pytest.approx([90, 0, 45])
    with pytest.raises(ValueError, match="q must be"):
        geometry.scattering_vector(200, 0, 0.08856)


def test_streak_lies_where_it_should_and_turns_with_the_sample():
    fibre = FibreTable(*(np.array([x]) for x in (0.282, 0.002, 0.1, 0.5, 1.0, 60.0, 60.0)))
    chi = np.arange(0, 180, 0.25)
    window = {"q_begin": 0.262, "q_end": 0.302, "q_count": 60, "wavelength_nm": 0.08856}
    found = profiles.azimuthal_profile(fibre, chi, rotation_deg=30.0, **window)[0]
    assert chi[np.argmax(found)] == pytest.approx(30, abs=0.3)
    assert found.max() > 1e3 * profiles.azimuthal_profile(fibre, chi, rotation_deg=-20.0, **window).max()
    with pytest.raises(ValueError, match="over nothing"):
        profiles.azimuthal_profile(fibre, chi, q_begin=0.3, q_end=0.3, q_count=5, wavelength_nm=0.08856)


def test_height_amplitude_and_integral_of_a_streak():
    shape = {"q0": 0.282, "wa": 0.002, "wmu": 0.2}
    height = profiles.height_of(5.0, **shape)
    assert profiles.amplitude_of(height, **shape) == pytest.approx(5.0, rel=1e-14)
    width = 0.282 * np.tan(0.2)
    assert height == pytest.approx(5.0 / (2 * np.pi * 0.002 * width), rel=1e-14)
    # the integral over a flat streak: rings of p times steps of u, with the tails of the Lorentzian added by hand
    p = width * (np.arange(120) + 0.5) * 0.05
    u = 0.282 + 0.002 * (np.arange(-400, 400) + 0.5) * 0.1
    for delta, tolerance in ((1e-4, 1e-3), (0.5, 0.02)):
        radius = 0.282 / delta
        total = 0.0
        for across in p:
            # along the normal of the sphere, so that tails are the same everywhere
            theta = across / radius
            along = (u - 0.282 + radius) * np.cos(theta) + 0.282 - radius
            off = (u - 0.282 + radius) * np.sin(theta)
            row = sum(
                point(float(np.hypot(a, b)), float(a), 0.282, 0.002, 0.2, delta)
                for a, b in zip(along, off, strict=True)
            )
            total += row * 2e-4 * 2 * np.pi * radius * np.sin(theta) * 0.05 * width
        total *= np.pi / (2 * np.arctan(40))
        wanted = profiles.integrated_intensity_of(1.0, **shape)
        assert total / wanted == pytest.approx(1 - (width / radius) ** 2 / 3, abs=tolerance)


def test_diameter_is_the_line_it_says():
    # the reference gives 60 nm for a third order at 0.282 nm^-1 and 0.2 rad
    assert profiles.fibril_diameter(q0=0.282, wmu=0.2) == pytest.approx(60, abs=0.1)
