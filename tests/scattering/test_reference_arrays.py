"""Reference arrays made with the published program adcorr: equal where its formulas hold, and mended where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.scattering.kernels.angular_efficiency import divide_by_efficiency
from tomosaxs_plugins.scattering.kernels.dark_current import subtract_dark_current
from tomosaxs_plugins.scattering.kernels.dead_time import undo_dead_time
from tomosaxs_plugins.scattering.kernels.displaced_volume import subtract_dispersant
from tomosaxs_plugins.scattering.kernels.flat_field import divide_by_flat_field
from tomosaxs_plugins.scattering.kernels.flux_and_transmission import divide_by_flux
from tomosaxs_plugins.scattering.kernels.frame_time import divide_by_time
from tomosaxs_plugins.scattering.kernels.polarisation import divide_by_polarisation, polarisation_factor
from tomosaxs_plugins.scattering.kernels.self_absorption import self_absorption_ratio, undo_self_absorption
from tomosaxs_plugins.scattering.kernels.solid_angle import divide_by_solid_angle
from tomosaxs_plugins.scattering.kernels.thickness import divide_by_thickness

ROUNDING = {"rtol": 1e-12, "atol": 0.0}


class Reference:
    """The arrays, and what they were made with."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self.arrays = {name: file[name] for name in file.files}
        self.known: dict[str, Any] = json.loads(str(self.arrays["params"]))
        self.frames = self["frames"]
        self.times = self["count_times"].reshape(-1, 1, 1)
        self.transmission = (self["It"] / self["I0"]).reshape(-1, 1, 1)
        self.two_theta, self.azimuth = np.degrees(self["two_theta"]), np.degrees(self["psi"])
        self.cosine = np.cos(self["two_theta"])
        self.dead_time = self.known["minimum_pulse_separation"] + self.known["minimum_arrival_separation"]

    def __getitem__(self, name: str) -> Any:
        return self.arrays[name]


@pytest.fixture(scope="module")
def reference(shared: Path) -> Reference:
    path = shared / "golden" / "registration" / "adcorr.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return Reference(path)


def test_angles_are_those_of_the_geometry(reference: Reference) -> None:
    known = reference.known
    pixel = tuple(known["pixel_sizes"])
    geometry = DetectorGeometry.from_beam(tuple(known["beam_center"]), known["distance"], np.eye(3), pixel)
    rows, columns = (np.arange(size) + 0.5 for size in reference.frames.shape[1:])
    assert_allclose(geometry.two_theta(rows[:, None], columns), reference["two_theta"], rtol=1e-12)
    # theirs grows with the rows, ours against them; no correction knows the difference
    assert_allclose(geometry.azimuth(rows[:, None], columns), -reference["psi"], rtol=1e-12)


def test_dead_time(reference: Reference) -> None:
    # scipy's Lambert W, which they use, stops at 1e-8 of its own value and is a few 1e-13 off
    for counts, name in ((reference.frames, "deadtime"), (reference.frames * 150, "deadtime_hot")):
        assert_allclose(undo_dead_time(counts, reference.times, reference.dead_time)[0], reference[name], rtol=1e-11)


def test_dead_time_above_the_highest_rate_is_flagged(reference: Reference) -> None:
    """The real part of a complex solution would be an innocent number."""
    assert np.isnan(undo_dead_time(reference.frames * 1500, reference.times, reference.dead_time)[0]).all()


def test_corrections_that_agree(reference: Reference) -> None:
    frames, known = reference.frames, reference.known
    assert_allclose(divide_by_time(frames, reference.times)[0], reference["frame_time"], **ROUNDING)
    passed = divide_by_flux(frames, reference["I0"].reshape(-1, 1, 1), reference.transmission)[0]
    assert_allclose(passed, reference["transmitted"], **ROUNDING)
    assert_allclose(divide_by_flat_field(frames, 1 / reference["flatfield"])[0], reference["flat"], **ROUNDING)
    assert_allclose(divide_by_solid_angle(frames, reference.cosine)[0], reference["solid_angle"], **ROUNDING)
    assert_allclose(divide_by_thickness(frames, known["sample_thickness"])[0], reference["thickness"], **ROUNDING)
    left = subtract_dispersant(np.zeros_like(frames), -frames, known["displaced_fraction"])[0]
    assert_allclose(left, reference["displaced"], **ROUNDING)


def test_angular_efficiency_agrees_and_shows_the_units(reference: Reference) -> None:
    known = reference.known
    silicon = known["sensor_absorption_coefficient_si14keV"], known["sensor_thickness_pilatus"]
    ours = divide_by_efficiency(reference.frames, reference.cosine, *silicon)[0]
    assert_allclose(ours, reference["ang_eff_si"], **ROUNDING)
    # their defaults mix units: the sensor would absorb one photon in 1177
    mixed = known["sensor_absorption_coefficient"], known["sensor_thickness"]
    wrong = divide_by_efficiency(reference.frames, reference.cosine, *mixed)[0]
    assert_allclose(wrong, reference["ang_eff"], rtol=1e-11)  # theirs is 1 - exp, which loses three digits here
    assert np.median(wrong / ours) > 500


def test_dark_current_that_goes_with_the_flux_grows_with_time(reference: Reference) -> None:
    known = reference.known
    ours = subtract_dark_current(
        reference.frames,
        reference.times,
        base=known["base_dark_current"],
        rate=known["temporal_dark_current"],
        rate_of_flux=known["flux_dependant_dark_current"],
        flux=reference["It"].reshape(-1, 1, 1),
    )[0]
    assert_allclose(ours[0], reference["dark"][0], **ROUNDING)  # the first frame took 1 s
    missing = known["flux_dependant_dark_current"] * reference["It"].reshape(-1, 1, 1) * (reference.times - 1)
    assert missing.max() > 1e-3
    assert_allclose(ours + missing, reference["dark"], **ROUNDING)


def test_self_absorption_is_divided_by(reference: Reference) -> None:
    ratio = self_absorption_ratio(reference.transmission, reference.two_theta)
    # theirs multiplies, and writes 1 - T^(sec - 1), which is off by up to 1e-16 / a, a > 1e-7 here
    assert_allclose(reference.frames * ratio, reference["self_absorption"], rtol=2e-9)
    ours = undo_self_absorption(reference.frames, reference.transmission, reference.two_theta)[0]
    assert np.all(ours >= reference.frames)
    assert_allclose(ours * ratio**2, reference["self_absorption"], rtol=2e-9)


@pytest.mark.parametrize(("name", "horizontal"), [("polarization_05", 0.5), ("polarization_098", 0.98)])
def test_polarisation_is_divided_by_along_the_right_axis(reference: Reference, name: str, horizontal: float) -> None:
    # theirs multiplies, with horizontal and vertical exchanged
    exchanged = polarisation_factor(reference.two_theta, reference.azimuth, 1 - horizontal)
    assert_allclose(reference.frames * exchanged, reference[name], **ROUNDING)
    ours = divide_by_polarisation(reference.frames, reference.two_theta, reference.azimuth, horizontal)[0]
    factor = polarisation_factor(reference.two_theta, reference.azimuth, horizontal)
    assert_allclose(ours * factor, reference.frames, **ROUNDING)
    assert np.all(ours >= reference.frames)
