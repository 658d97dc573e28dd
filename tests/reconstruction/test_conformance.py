"""One suite for every reconstruction backend that is installed, against phantoms with closed-form projections.

Limits, unless argued at a test: 2 per cent of the mean is what every backend promises on a smooth object; this
package's own backprojection is far better and is held to that.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from analytic import Blob, Shape, SoftDisc, picture, sinogram, smooth_phantom

from tomosaxs_plugins.reconstruction.backends import BACKENDS, load, resolve
from tomosaxs_plugins.reconstruction.backends.base import Backend

ALL = [(name, algorithm) for name in BACKENDS for algorithm in load(name).algorithms]
FILTERED = [(name, algorithm) for name, algorithm in ALL if algorithm in load(name).filtered]
ITERATIONS = {"sirt": 150, "cgls": 12, "fista_tv": 60}  # enough for 48 to 65 columns


def usable(name: str) -> Backend:
    """Return a backend, or skip with the reason why there is none."""
    backend = load(name)
    reason = backend.missing()
    if reason is not None:
        pytest.skip(reason)
    return backend


def run(name: str, algorithm: str, shapes: list[Shape], angles: Any, width: int, centre: float, **more: Any) -> Any:
    """Reconstruct one slice of a phantom."""
    data = sinogram(shapes, angles, width, centre)[np.newaxis].astype(np.float32)
    if algorithm in ITERATIONS:
        more["iterations"] = ITERATIONS[algorithm]
    if algorithm == "fista_tv":
        more["regularisation"] = 2e-4  # hardly any: here it shall solve the same equations as the others
    return usable(name).reconstruct(data, angles, centre, algorithm=algorithm, threads=1, **more)[0]


def relative_error(slice_: Any, truth: Any, radius: float = 0.9) -> float:
    """Return the root mean square error inside a circle, in units of the mean of the truth there."""
    place = np.arange(len(truth)) - 0.5 * (len(truth) - 1)
    inside = np.hypot(place[:, np.newaxis], place) <= radius * 0.5 * len(truth)
    return float(np.sqrt(np.mean((slice_ - truth)[inside] ** 2)) / truth[inside].mean())


def centroid(slice_: Any) -> tuple[float, float]:
    """Return the centre (x, y) of a Gaussian from the middle of the slice, weighted with the squared values.

    The square is a Gaussian about the same centre, and makes faint streaks far away count for nothing.
    """
    place = np.arange(len(slice_)) - 0.5 * (len(slice_) - 1)
    weight = slice_.astype(np.float64) ** 2
    return float((weight * place).sum() / weight.sum()), float((weight * place[:, np.newaxis]).sum() / weight.sum())


def limit(name: str, algorithm: str = "fbp") -> float:
    """Return the largest relative error that is allowed: less for what is no matter of a projector on a grid."""
    return 1e-3 if name == "tomosaxs" and algorithm not in ITERATIONS else 0.02


@pytest.mark.parametrize(("name", "algorithm"), ALL)
@pytest.mark.parametrize(("width", "centre"), [(64, 30.3), (65, 34.6)])
def test_smooth_phantom(name: str, algorithm: str, width: int, centre: float) -> None:
    angles = np.arange(100) * 1.8
    phantom = smooth_phantom(width)
    error = relative_error(run(name, algorithm, phantom, angles, width, centre), picture(phantom, width))
    assert error < limit(name, algorithm)


@pytest.mark.parametrize(("name", "algorithm"), FILTERED)
def test_wider_detector(name: str, algorithm: str) -> None:
    """Padding is relatively smallest here: what wraps around, or is lost with frequency zero, shows."""
    phantom = smooth_phantom(200)
    error = relative_error(run(name, algorithm, phantom, np.arange(200) * 0.9, 200, 96.2), picture(phantom, 200))
    assert error < (1e-4 if name == "tomosaxs" else 8e-3)


@pytest.mark.parametrize(("name", "algorithm"), ALL)
def test_homogeneous_disc_has_its_value(name: str, algorithm: str) -> None:
    """The mean over the inner half of a disc; the ringing of its sharp edge averages out to below 0.2 per cent."""
    width = 64
    place = np.arange(width) - 0.5 * (width - 1)
    inside = np.hypot(place - 3, place[:, np.newaxis] + 2) < 10
    disc: list[Shape] = [SoftDisc(3, -2, 20.5, 0.02, 0)]
    slice_ = run(name, algorithm, disc, np.arange(100) * 1.8, width, 31.1)
    assert slice_[inside].mean() == pytest.approx(0.02, rel=0.002 if limit(name, algorithm) < 2e-3 else 0.005)


@pytest.mark.parametrize(("name", "algorithm"), ALL)
def test_orientation(name: str, algorithm: str) -> None:
    """At 0 degrees the detector runs along the columns of the slice, at 90 degrees along its rows, downwards."""
    spots: list[Shape] = [Blob(12, 0, 3.0, 1.0), Blob(0, 9, 3.0, 0.7)]
    slice_ = run(name, algorithm, spots, np.arange(90) * 2.0, 49, 24.0)
    assert np.unravel_index(slice_.argmax(), slice_.shape) == (24, 36)
    assert slice_[33, 24] == pytest.approx(0.7, rel=0.03)
    assert abs(slice_[15, 24]) < 0.05
    assert abs(slice_[24, 12]) < 0.05


@pytest.mark.parametrize(("name", "algorithm"), ALL)
@pytest.mark.parametrize("centre", [23.0, 23.5, 24.27])
@pytest.mark.parametrize("size", [47, 48])
def test_position_of_a_blob(name: str, algorithm: str, centre: float, size: int) -> None:
    """No half pixel anywhere: sub-pixel axes, and slices with odd and even sides from the same detector."""
    slice_ = run(name, algorithm, [Blob(5.3, -3.8, 3.0)], np.arange(80) * 2.25, 48, centre, size=size)
    assert slice_.shape == (size, size)
    assert centroid(slice_) == pytest.approx((5.3, -3.8), abs=0.02)


def angle_sets() -> dict[str, Any]:
    """Return scans of the same object that must all give the same slice."""
    even = np.arange(120) * 1.5
    random = np.random.default_rng(3)
    uneven = np.sort((even + random.uniform(-0.5, 0.5, 120)) % 180)
    dense = np.concatenate([np.arange(0, 60, 0.5), np.arange(60, 180, 1.5)])
    return {
        "180 degrees": even,
        "180 degrees and the first frame again": np.arange(121) * 1.5,
        "360 degrees": np.arange(240) * 1.5,
        "360 degrees and the first frame again": np.arange(241) * 1.5,
        "odd number over 360 degrees": np.arange(241) * 360 / 241,
        "uneven": uneven,
        "a third three times as dense": dense,
        "unsorted": random.permutation(uneven),
        "negative and beyond a turn": even[::-1] - 425.0,
    }


@pytest.mark.parametrize(("name", "algorithm"), FILTERED)
@pytest.mark.parametrize("scan", angle_sets())
def test_any_angles(name: str, algorithm: str, scan: str) -> None:
    angles = angle_sets()[scan]
    phantom = smooth_phantom(64)
    slice_ = run(name, algorithm, phantom, angles, 64, 32.4)
    # uneven steps integrate less exactly than even ones: a few tenths of a per cent
    bound = 4e-3 if "uneven" in scan or "unsorted" in scan or "dense" in scan else 1e-3
    assert relative_error(slice_, picture(phantom, 64)) < max(bound, limit(name))


@pytest.mark.parametrize("algorithm", ["sirt", "cgls"])
def test_iterative_methods_take_unsorted_uneven_angles(algorithm: str) -> None:
    angles = np.random.default_rng(4).permutation(angle_sets()["uneven"])
    phantom = smooth_phantom(48)
    assert relative_error(run("astra", algorithm, phantom, angles, 48, 24.4), picture(phantom, 48)) < 0.02


@pytest.mark.parametrize(("name", "algorithm"), FILTERED)
def test_gain_is_linear(name: str, algorithm: str) -> None:
    """Twice the attenuation is exactly twice the slice; no scaling hides in a backend."""
    one = run(name, algorithm, [SoftDisc(2, 3, 20, 1.0)], np.arange(60) * 3.0, 64, 31.0)
    two = run(name, algorithm, [SoftDisc(2, 3, 20, 2.0)], np.arange(60) * 3.0, 64, 31.0)
    np.testing.assert_allclose(two, 2 * one, atol=2e-6)


@pytest.mark.parametrize("size", [32, 64, 65, 96])
@pytest.mark.parametrize(("name", "algorithm"), FILTERED)
def test_size_of_the_slice(name: str, algorithm: str, size: int) -> None:
    phantom = smooth_phantom(64)
    slice_ = run(name, algorithm, phantom, np.arange(100) * 1.8, 64, 30.3, size=size)
    assert relative_error(slice_, picture(phantom, size), min(0.9, 0.9 * 64 / size)) < limit(name)


@pytest.mark.parametrize("algorithm", ["backproject", "gridding"])
def test_beyond_the_detector_is_right_when_the_object_is_inside(algorithm: str) -> None:
    """Our own only: the corners of a slice see filtered projections beyond the ends of the detector."""
    disc: list[Shape] = [SoftDisc(18, 3, 11, 1.0, 3)]
    slice_ = run("tomosaxs", algorithm, disc, np.arange(180) * 1.0, 64, 34.0, size=128)
    assert np.abs(slice_ - picture(disc, 128)).max() < 6e-4


@pytest.mark.parametrize(("name", "algorithm"), ALL)
def test_slices_do_not_depend_on_their_neighbours(name: str, algorithm: str) -> None:
    """Bit for bit, for any batch, place in the batch and number of threads."""
    backend = usable(name)
    stack = np.random.default_rng(1).standard_normal((19, 37, 29)).astype(np.float32)
    angles = np.arange(37) * 180 / 37
    more: dict[str, Any] = {"algorithm": algorithm}
    if algorithm in ITERATIONS:
        more["iterations"] = 3
    whole = backend.reconstruct(stack, angles, 13.3, threads=1, **more)
    assert np.array_equal(whole, backend.reconstruct(stack, angles, 13.3, threads=3, **more))
    for batch in (1, 2, 7):
        parts = [
            backend.reconstruct(stack[i : i + batch], angles, 13.3, threads=2, **more) for i in range(0, 19, batch)
        ]
        assert np.array_equal(whole, np.concatenate(parts)), batch
    broken = stack.copy()
    broken[4] = np.nan
    other = backend.reconstruct(broken, angles, 13.3, threads=1, **more)
    keep = np.arange(19) != 4
    assert np.array_equal(whole[keep], other[keep])


@pytest.mark.parametrize(("name", "algorithm"), FILTERED)
def test_no_slices_give_no_slices(name: str, algorithm: str) -> None:
    nothing = np.zeros((0, 10, 16), dtype=np.float32)
    assert usable(name).reconstruct(nothing, np.arange(10) * 18.0, 7.5, algorithm=algorithm).shape == (
        0,
        16,
        16,
    )


@pytest.mark.parametrize(("name", "algorithm"), ALL)
def test_circular_mask(name: str, algorithm: str) -> None:
    slice_ = run(name, algorithm, [Blob(0, 0, 9.0)], np.arange(30) * 6.0, 48, 23.5, mask_ratio=0.5)
    place = np.arange(48) - 23.5
    outside = np.hypot(place, place[:, np.newaxis]) > 12
    assert (slice_[outside] == 0).all()
    assert (slice_[~outside] != 0).all()


@pytest.mark.parametrize("algorithm", ["backproject", "gridding"])
def test_impulse_response_is_symmetric(algorithm: str) -> None:
    """A point on the axis looks the same from all four sides and in the mirror (angles in steps of 360/4n)."""
    data = np.zeros((1, 120, 41), dtype=np.float32)
    data[..., 20] = 1.0
    slice_ = usable("tomosaxs").reconstruct(data, np.arange(120) * 1.5, 20.0, algorithm=algorithm)[0]
    assert np.unravel_index(slice_.argmax(), slice_.shape) == (20, 20)
    for other in (np.rot90(slice_), slice_[::-1], slice_[:, ::-1], slice_.T):
        assert np.abs(other - slice_).max() < 2e-6 * slice_.max()


@pytest.mark.parametrize("algorithm", ["backproject", "gridding"])
@pytest.mark.parametrize("name", ["ramp", "cosine", "hann"])
def test_noise_of_the_filtered_backprojection(name: str, algorithm: str) -> None:
    """White noise of variance 1 in A projections becomes ``pi**2 / A`` times the integral of the squared filter.

    For the plain ramp that is ``pi**2 / (12 A)`` (see Kijewski and Judy, DOI 10.1088/0031-9155/32/5/003).
    Interpolation between samples twice as fine, with its damping divided out, keeps the variance of an exact
    interpolation to about one per cent; gridding keeps it to 0.1; the estimate itself is good to one.
    """
    views, width = 90, 96
    noise = np.random.default_rng(2).standard_normal((32, views, width)).astype(np.float32)
    volume = usable("tomosaxs").reconstruct(noise, np.arange(views) * 2.0, 47.5, filter=name, algorithm=algorithm)
    frequency = np.linspace(0, 0.5, 20001)
    window = {
        "ramp": np.ones_like(frequency),
        "cosine": np.cos(np.pi * frequency),
        "hann": 0.5 + 0.5 * np.cos(2 * np.pi * frequency),
    }[name]
    expected = np.pi**2 / views * 2 * np.trapezoid((frequency * window) ** 2, frequency)
    place = np.arange(width) - 47.5
    inside = np.hypot(place, place[:, np.newaxis]) < 40
    assert volume[:, inside].var() == pytest.approx(expected, rel=0.025)


@pytest.mark.parametrize("algorithm", ["backproject", "gridding"])
def test_edge_padding_for_objects_wider_than_the_detector(algorithm: str) -> None:
    """Zeros beyond the detector make a bright rim; going on with the outermost values takes it away.

    Neither can restore what was not measured: with the latter the slice falls off gently instead.
    """
    wide: list[Shape] = [SoftDisc(0, 0, 60, 1.0, 0)]
    place = np.arange(64) - 31.5
    radius = np.hypot(place, place[:, np.newaxis])
    rim, inner = (radius > 25) & (radius < 31), radius < 15
    zero = run("tomosaxs", algorithm, wide, np.arange(180) * 1.0, 64, 31.5, padding="zero")
    edge = run("tomosaxs", algorithm, wide, np.arange(180) * 1.0, 64, 31.5, padding="edge")
    assert zero[rim].mean() > 1.3 * zero[inner].mean()
    assert 0.7 * edge[inner].mean() < edge[rim].mean() < edge[inner].mean()
    assert np.abs(edge[rim] - 1).mean() < np.abs(zero[rim] - 1).mean() / 3


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"algorithm": "magic"}, "has no algorithm 'magic'; it has fbp"),
        ({"filter": "rampp"}, "no filter is called 'rampp'; there are ramp, shepp-logan"),
        ({"padding": "mirror"}, "no padding is called 'mirror'; there are zero, edge"),
        ({"colour": 3}, "has no option colour"),
        ({"iterations": 5}, "fbp .* has no iterations"),
        ({"size": 0}, "at least one pixel"),
    ],
)
def test_wrong_options_are_refused_by_name(name: str, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(name).reconstruct(np.zeros((1, 4, 8), np.float32), [0, 45, 90, 135], 3.5, **wrong)


@pytest.mark.parametrize("name", BACKENDS)
def test_wrong_input_is_refused(name: str) -> None:
    data = np.zeros((1, 4, 8), np.float32)
    with pytest.raises(ValueError, match="3 angles but 4 projections"):
        load(name).reconstruct(data, [0, 45, 90], 3.5)
    with pytest.raises(ValueError, match="not on the detector"):
        load(name).reconstruct(data, [0, 45, 90, 135], 8.0)
    with pytest.raises(ValueError, match="slices, angles, columns"):
        load(name).reconstruct(data[0], [0, 45, 90, 135], 3.5)


@pytest.mark.parametrize("name", ["astra", "tomopy"])
def test_a_missing_library_is_named_with_its_cure(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"tomosaxs_plugins.reconstruction.backends.{name}.installed", lambda _: False)
    assert "install" in (load(name).missing() or "")
    assert not load(name).has_gpu()
    with pytest.raises(ValueError, match="not installed"):
        resolve(name)


def test_auto_is_a_concrete_name(monkeypatch: pytest.MonkeyPatch) -> None:
    astra = type(load("astra"))
    monkeypatch.setattr(astra, "missing", lambda self: None)
    monkeypatch.setattr(astra, "has_gpu", lambda self: False)
    assert resolve("auto") == "tomosaxs"
    assert resolve("auto", "cgls") == "tomosaxs"
    monkeypatch.setattr(astra, "has_gpu", lambda self: True)
    assert resolve("auto") == "astra"
    with pytest.raises(ValueError, match="no backend has an algorithm 'magic'"):
        resolve("auto", "magic")
    with pytest.raises(ValueError, match="there are auto, tomosaxs, astra, tomopy"):
        resolve("nobody")
