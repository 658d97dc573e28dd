"""Angles at which something stands before the sample: found without a miss, and without weight afterwards."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import tomosaxs
from tomosaxs import ArrayReader, Axis, Dataset, InputError, Source
from tomosaxs.testing import example_source, random_phantom, run_plugin
from tomosaxs_plugins.corrections.find_obscured_angles import obscured

ROWS, COLUMNS = 12, 64
ANGLES = np.linspace(0, 180, 180, endpoint=False)
BLOCKED = np.r_[30:48, 101:119]  # a fifth of the projections, by two columns of a press


def source(frames, angles=ANGLES, label="transmission"):
    axes = (
        Axis("rotation_angle", len(angles), angles, "deg"),
        Axis("detector_y", ROWS, None, "px"),
        Axis("detector_x", COLUMNS, None, "px"),
    )
    return Source(Dataset(axes, frames.dtype, label), ArrayReader(frames))


@pytest.fixture(scope="module")
def press():
    """A noisy scan with a dense core, part of which is hidden by columns; the same without them."""
    rng = np.random.default_rng(7)
    paths = random_phantom(COLUMNS, ROWS, 5, 0.03).projections(ANGLES, ROWS, COLUMNS)
    paths[:, :, 26:34] += 6.0  # an eighth is dense, but in all projections: transmission 0.002
    clear = np.exp(-paths) + rng.normal(0, 0.005, paths.shape)
    hidden = clear.copy()
    for first, frames in ((0, BLOCKED[:18]), (30, BLOCKED[18:])):
        for step, number in enumerate(frames):
            hidden[number, :, first + step : first + step + 14] *= 0.001
    return hidden.astype(np.float32), clear.astype(np.float32)


def test_a_fifth_is_found_without_a_miss(press) -> None:
    found = run_plugin("find_obscured_angles", source(press[0]), {"margin": 0})
    assert found.value.tolist() == BLOCKED.tolist()
    assert found.confidence > 0.5
    assert found.messages[0].startswith("36 of 180 projections are obscured; with 0 on either side: 30 to 47, 101 to")
    assert found.details["covered"].shape == (180,)
    wider = run_plugin("find_obscured_angles", source(press[0]), {"rows": 3})
    assert wider.value.tolist() == [*range(28, 50), *range(99, 121)]
    assert run_plugin("find_obscured_angles", source(press[1])).value.size == 0


def test_neighbours_are_neighbours_in_angle(press) -> None:
    order = np.random.default_rng(0).permutation(len(ANGLES))
    found = run_plugin("find_obscured_angles", source(press[0][order], ANGLES[order]))
    assert sorted(order[found.value]) == [*range(28, 50), *range(99, 121)]
    excess = np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0])
    assert obscured(excess, np.arange(6.0), 0.1, 1).tolist() == [False, True, True, True, False, False]
    assert obscured(excess, np.arange(6.0), 0.1, 9).all()


def test_numbers_are_those_of_the_whole_scan(press) -> None:
    part = source(press[0]).select({"rotation_angle": slice(20, 110, 2)})
    found = run_plugin("find_obscured_angles", part, {"margin": 0})
    assert found.value.tolist() == [number for number in range(20, 110, 2) if number in BLOCKED]


def attenuation(frames):
    return -np.log(np.clip(frames, 1e-3, None))


def test_excluded_is_as_never_measured(press) -> None:
    everything = source(attenuation(press[0]), label="attenuation")
    kept = np.setdiff1d(np.arange(180), BLOCKED)
    deleted = source(attenuation(press[0])[kept], ANGLES[kept], "attenuation")
    for options in ({}, {"algorithm": "fbp", "filter": "hann", "centre": 30.2}):
        without = run_plugin("reconstruct", deleted, options)[0]
        for numbers in (BLOCKED, BLOCKED.tolist(), BLOCKED[::-1].tolist()):
            assert np.array_equal(run_plugin("reconstruct", everything, {**options, "exclude": numbers})[0], without)
    whole = run_plugin("reconstruct", everything)[0]
    assert np.abs(whole - without).max() > 0.1
    assert np.array_equal(run_plugin("reconstruct", everything, {"exclude": []})[0], whole)
    # of a crop the numbers are still those of the scan; what is not there any more is no matter
    part = everything.select({"rotation_angle": slice(25, 180)})
    cropped = source(attenuation(press[0])[kept[kept >= 25]], ANGLES[kept[kept >= 25]], "attenuation")
    expected = run_plugin("reconstruct", cropped)[0]
    assert np.array_equal(run_plugin("reconstruct", part, {"exclude": [3, *BLOCKED.tolist()]})[0], expected)
    spoiled = attenuation(press[0])
    spoiled[BLOCKED] = np.nan  # not even looked at
    out = run_plugin("reconstruct", source(spoiled, label="attenuation"), {"exclude": BLOCKED})[0]
    assert np.array_equal(out, run_plugin("reconstruct", deleted)[0])


def test_a_list_with_all_of_it(press, tmp_path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as handle:
        handle["frames"], handle["angles"] = press[0], ANGLES
    text = f"""
input:
  tomo:
    plugin: array
    path: {tmp_path}/scan.h5
    dataset: frames
    axes: [rotation_angle, detector_y, detector_x]
    angles: {tmp_path}/scan.h5
    angles_path: angles
    angle_units: deg
    label: transmission
steps:
  - plugin: find_obscured_angles
    name: obscured
  - plugin: minus_log
    minimum: 0.001
  - plugin: reconstruct
    exclude: ${{obscured}}
output: {{plugin: nexus}}
"""
    result = tomosaxs.run(text, output=tmp_path / "out", log=lambda _: None)
    found = np.asarray(result.estimates["obscured"].value)
    assert len(found) == 44
    given = tomosaxs.run(
        text.replace("${obscured}", str(found.tolist())), output=tmp_path / "given", log=lambda _: None
    )
    assert np.array_equal(result.data, given.data)


def test_what_cannot_be_is_refused(press) -> None:
    numbers = source(attenuation(press[0]), label="attenuation")
    for exclude, message in (([180], "no projection 180: the scan has 0 to 179"), (list(range(179)), "too few")):
        with pytest.raises(InputError, match=message):
            run_plugin("reconstruct", numbers, {"exclude": exclude})
    with pytest.raises(InputError, match="are integers"):
        run_plugin("reconstruct", numbers, {"exclude": np.array([1.5])})
    with pytest.raises(InputError, match="before minus_log"):
        run_plugin("find_obscured_angles", numbers)
    assert run_plugin("find_obscured_angles", example_source("Sinograms")).value.dtype == np.int64
