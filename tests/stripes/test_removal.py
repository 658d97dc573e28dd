"""Stripes of every kind are removed where they are, and nothing else is changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, InputError
from tomosaxs.declaration import spec_of
from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Phantom
from tomosaxs.testing.samples import packing, plateau_phantom, random_phantom, smooth_phantom
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection
from tomosaxs_plugins.stripes.combined import remove_all_stripes, remove_dead_stripes, remove_large_stripes
from tomosaxs_plugins.stripes.metric import ring_score
from tomosaxs_plugins.stripes.smooth import remove_stripes_by_fitting, remove_stripes_by_wavelets
from tomosaxs_plugins.stripes.sorting import remove_stripes_by_filtering, remove_stripes_by_sorting

COLUMNS, ANGLES = 192, 240
DEGREES = np.linspace(0, 180, ANGLES, endpoint=False)
Array = NDArray[np.float32]

BODY = [
    Ellipsoid((3, -5, 0), (77.0, 63.0, 99), 10, 0.01),
    Cylinder((-30, 15, 0), (15, 9, 99), 0, -0.004),
    Cylinder((38, -22, 0), (7, 7, 99), 0, 0.006),
]
INCLUSION = Cylinder((22, 30, 0), (11, 11, 99), 0, 1e-4)


def sinogram(*shapes: Any) -> Array:
    """Return exact line integrals of the bodies."""
    found = Phantom(shapes).projections(DEGREES, 1, COLUMNS, subsample=2)
    return np.asarray(found[:, 0], dtype=np.float32)


def measured() -> Array:
    """Return the sinogram of body and inclusion with noise of half a per cent of the beam."""
    noise = np.random.default_rng(1).normal(size=(ANGLES, COLUMNS))
    return np.asarray(sinogram(*BODY, INCLUSION) + 0.005 * noise, dtype=np.float32)


def planted(kind: str, data: Array) -> Array:
    """Return a sinogram with stripes of a kind."""
    rng = np.random.default_rng(5)
    out = data.copy()
    turn = np.linspace(-1, 1, ANGLES)
    if kind in ("narrow", "slow", "partial", "all"):
        for column in rng.choice(np.arange(16, COLUMNS - 16, 6), 7 if kind == "all" else 14, replace=False):
            strength = rng.choice([-1, 1]) * rng.uniform(0.03, 0.08) * np.ones(ANGLES)
            if kind == "slow":
                strength *= 1 + 0.5 * turn * rng.choice([-1, 1]) + 0.3 * turn**2
            if kind == "partial":
                first = int(rng.integers(0, ANGLES // 2))
                strength[:first] = strength[first + ANGLES // 2 :] = 0
            out[:, column] += strength
    if kind in ("wide", "all"):
        for column, width in ((44, 6), (81, 9), (131, 7))[:: 2 if kind == "all" else 1]:
            out[:, column : column + width] += rng.choice([-1, 1]) * rng.uniform(0.15, 0.3)
    if kind in ("dead", "all"):
        out[:, [35, 150]] = [0.2, 0.7]
        for column in (60, 110, 121):
            out[:, column] += 0.3 * rng.normal(size=ANGLES)
    return out


def sliced(data: Array) -> Array:
    """Return the slice that belongs to a sinogram."""
    return filtered_backprojection(data[None], DEGREES, (COLUMNS - 1) / 2)[0]


def contrast(with_it: Array, without: Array) -> float:
    """Return the step at the inclusion in the difference of two slices."""
    y, x = np.mgrid[:COLUMNS, :COLUMNS] - (COLUMNS - 1) / 2
    apart = np.hypot(x - 22, y - 30)
    found = with_it.astype(np.float64) - without
    return float(found[apart < 8].mean() - found[(apart > 14) & (apart < 20)].mean())


Step = Callable[..., Any]
NARROW = [
    remove_stripes_by_sorting, remove_stripes_by_filtering, remove_stripes_by_fitting, remove_stripes_by_wavelets,
]  # fmt: skip
STEPS = [*NARROW, remove_large_stripes, remove_dead_stripes, remove_all_stripes]
MEANT_FOR: list[tuple[Step, str, dict[str, Any]]] = [
    *((step, "narrow", {}) for step in NARROW),
    (remove_stripes_by_fitting, "slow", {}),
    (remove_stripes_by_filtering, "partial", {"part": 0.3, "sort": False}),
    (remove_large_stripes, "wide", {}),
    (remove_dead_stripes, "dead", {}),
    (remove_all_stripes, "all", {}),
]
LIBRARY = {
    "remove_stripes_by_sorting": "remove_stripe_based_sorting",
    "remove_stripes_by_filtering": "remove_stripe_based_filtering",
    "remove_stripes_by_fitting": "remove_stripe_based_fitting",
    "remove_stripes_by_wavelets": "remove_stripe_based_wavelet_fft",
    "remove_large_stripes": "remove_large_stripe",
    "remove_dead_stripes": "remove_dead_stripe",
    "remove_all_stripes": "remove_all_stripe",
}
CASES = [pytest.param(*case, id=f"{case[0].__name__}-{case[1]}") for case in MEANT_FOR]


@cache
def _data(kind: str) -> Array:
    return planted(kind, measured())


@cache
def _before(kind: str) -> float:
    return ring_score(sliced(_data(kind)))


def _round(*radii: float) -> Phantom:
    """Return cylinders about the rotation axis."""
    return Phantom([Cylinder((0, 0, 0), (r, r, 99), 0, 0.01) for r in radii])


PERFECT: dict[str, Callable[[], Phantom]] = {
    "smooth": lambda: smooth_phantom(256, 1),
    "plateau": lambda: plateau_phantom(256, 1),
    "random": lambda: random_phantom(256, 1, 3),
    "packing": lambda: packing(256, 64, seed=4),
    "another packing": lambda: packing(256, 64, seed=1),
    "nested": lambda: _round(13.0, 52.0, 110.0),
    "tubes": lambda: Phantom(
        [Cylinder((0, 0, 0), (r, r, 99), 0, v) for r, v in ((110, 0.01), (104, -0.01), (5, 0.03))]
    ),
    "shell": lambda: Phantom([Cylinder((2.3, 1.1, 0), (r, r, 99), 0, v) for r, v in ((108, 0.02), (102, -0.02))]),
    "dots": lambda: Phantom(
        [Cylinder((x, y, 0), (2, 2, 99), 0, 0.2) for x, y in np.random.default_rng(1).uniform(-77, 77, (30, 2))]
    ),
    "ellipse": lambda: Phantom([Ellipsoid((3, -5, 0), (102, 51, 99), 10, 0.01)]),
    "wider than the detector": lambda: Phantom(
        [Ellipsoid((3, -5, 0), (358, 307, 9999), 10, 0.003), *random_phantom(256, 1, 7).shapes]
    ),
    "air": lambda: Phantom([]),
}


TURNS = [(name, 45 if name == "another packing" else 300, 180.0) for name in PERFECT]
TURNS += [(name, 45, 180.0) for name in ("nested", "dots", "shell")]
TURNS += [(name, 360, 360.0) for name in ("tubes", "random", "ellipse")]


@pytest.mark.parametrize(("name", "count", "turn"), TURNS)
def test_perfect_data_pass_bit_for_bit(name: str, count: int, turn: float) -> None:
    angles = np.linspace(0, turn, count, endpoint=False)
    perfect = PERFECT[name]().projections(angles, 1, 256, 127.8)[:, 0].astype(np.float32)
    for data in (perfect, np.exp(-perfect)):
        for step in (remove_all_stripes, remove_large_stripes, remove_dead_stripes, remove_stripes_by_sorting):
            assert np.array_equal(step(data[None])[0], data), step.__name__
    if count == 300:  # the detection is the same as for sorting
        for step in NARROW[1:]:
            assert np.array_equal(step(perfect[None])[0], perfect), step.__name__


@pytest.mark.parametrize(("step", "kind", "parameters"), CASES)
def test_rings_are_five_times_weaker(step: Step, kind: str, parameters: dict[str, Any]) -> None:
    after = ring_score(sliced(step(_data(kind)[None], **parameters)[0]))
    assert _before(kind) / after >= 5.0


@pytest.mark.parametrize(("step", "kind", "parameters"), CASES)
def test_an_inclusion_of_one_per_cent_keeps_its_contrast(step: Step, kind: str, parameters: dict[str, Any]) -> None:
    inclusion = sinogram(INCLUSION)
    data = measured()
    clean = contrast(sliced(data), sliced(data - inclusion))
    for stripes in ("none", kind):
        found, less = (planted(stripes, each) for each in (data, data - inclusion))
        kept = contrast(*(sliced(step(each[None], **parameters)[0]) for each in (found, less)))
        assert kept / clean == pytest.approx(1.0, abs=0.05), stripes


@pytest.mark.parametrize(("step", "kind", "parameters"), CASES)
def test_it_is_as_good_as_the_library(step: Step, kind: str, parameters: dict[str, Any]) -> None:
    removal = pytest.importorskip("algotom.prep.removal", reason="algotom is not installed")
    original = getattr(removal, LIBRARY[step.__name__])
    theirs = sliced(np.asarray(original(_data(kind).copy()), dtype=np.float32))
    ours = sliced(step(_data(kind)[None], **parameters)[0])
    truth = sliced(measured())
    assert np.std(ours - truth) <= 1.05 * np.std(theirs - truth)


def test_stripes_opposite_of_each_other_are_no_wall() -> None:
    clean = measured()
    striped = clean.copy()
    striped[:, [58, COLUMNS - 1 - 58]] += 0.08
    assert np.std(remove_all_stripes(striped[None])[0] - clean) < 0.1 * np.std(striped - clean)


def test_sorting_of_all_columns_is_the_published_method() -> None:
    removal = pytest.importorskip("algotom.prep.removal", reason="algotom is not installed")
    data = _data("narrow")
    theirs = removal.remove_stripe_based_sorting(data, size=21)
    np.testing.assert_allclose(remove_stripes_by_sorting(data[None], threshold=0.0)[0], theirs, atol=1e-6)


@pytest.mark.parametrize(("angles", "columns"), [(7, 65), (31, 67), (400, 53)])
def test_small_sinograms_and_few_angles(angles: int, columns: int) -> None:
    degrees = np.linspace(0, 180, angles, endpoint=False)
    body = Phantom([Ellipsoid((1, -2, 0), (20, 16, 9), 10, 0.02)])
    data = body.projections(degrees, 1, columns, subsample=2)[:, 0].astype(np.float32)
    striped = data.copy()
    striped[:, columns // 3] += 0.2
    for step in NARROW:
        fixed = step(striped[None])[0]
        assert np.abs(fixed - data).max() < 0.1 * 0.2 + 0.04, step.__name__


@cache
def _grains() -> Array:
    return np.asarray(packing(COLUMNS, 64, seed=4).projections(DEGREES, 1, COLUMNS)[:, 0], dtype=np.float32)


@pytest.mark.parametrize("photons", [0, 6000])
def test_weak_rings_in_a_sample_full_of_edges(photons: int) -> None:
    """Pixels that answer non-linearly or drift: slices get better, with noise or without, and none gets worse."""
    ratios = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        clean = _grains().astype(np.float64)
        if photons:
            clean = -np.log(np.maximum(rng.poisson(photons * np.exp(-clean)), 1) / photons)
        bent = np.where(rng.uniform(size=COLUMNS) < 0.012, 0.026 * rng.normal(size=COLUMNS), 0)
        wander = np.where(rng.uniform(size=COLUMNS) < 0.008, 0.05 * rng.normal(size=COLUMNS), 0)
        drift = np.log1p(wander * np.sin(np.linspace(0, np.pi, ANGLES))[:, None])
        striped = ((1 + bent) * clean - drift).astype(np.float32)
        truth = sliced(clean.astype(np.float32))
        after = sliced(remove_all_stripes(striped[None])[0])
        ratios.append(float(np.std(after - truth) / np.std(sliced(striped) - truth)))
    assert max(ratios) <= 1.0
    assert np.mean(ratios) <= (0.85 if photons else 0.65), ratios


def _dataset(label: str, angles: int = 90, columns: int = 64) -> Dataset:
    axes = (Axis("rotation_angle", angles), Axis("detector_y", 1), Axis("detector_x", columns))
    return Dataset(axes, np.dtype("float32"), label=label)


@pytest.mark.parametrize("step", [remove_stripes_by_fitting, remove_stripes_by_wavelets])
def test_steps_that_need_attenuation_refuse_transmission(step: Step) -> None:
    check = spec_of(step).check
    assert check is not None
    check(_dataset("attenuation"))
    with pytest.raises(InputError, match="put it after minus_log"):
        check(_dataset("transmission"))


def test_windows_that_cannot_be_are_refused() -> None:
    check = spec_of(remove_stripes_by_sorting).check
    assert check is not None
    check(_dataset("transmission"), size=21, widest=16)
    refused: list[tuple[dict[str, int], str]] = [
        ({"size": 20}, "odd number of columns, given 20; try 21"),
        ({"large_size": 65}, "65 columns are more than the 64"),
        ({"widest": 17}, "17 px cannot be told in 64 columns"),
    ]
    for wrong, words in refused:
        with pytest.raises(InputError, match=words):
            check(_dataset("attenuation"), **wrong)
    with pytest.raises(InputError, match="at least 3 and 9"):
        check(_dataset("attenuation", angles=2))


def test_missing_points_stay_missing_and_the_stripe_goes() -> None:
    data = _data("narrow").copy()
    data[10:20, 100:104] = np.nan
    data[50] = np.nan
    fixed = remove_stripes_by_sorting(data[None])[0]
    assert np.array_equal(np.isnan(fixed), np.isnan(data))
    whole = remove_stripes_by_sorting(_data("narrow")[None])[0]
    assert np.nanmedian(np.abs(fixed - whole)) < 1e-3
    nothing = np.full((1, ANGLES, COLUMNS), np.nan, np.float32)
    assert np.isnan(remove_all_stripes(nothing)).all()
