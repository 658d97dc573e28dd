"""Samples wider than the detector, parts of slices, turned slices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Axis, Dataset, InputError, Quantity, Source
from tomosaxs.testing import run_plugin
from tomosaxs.testing.phantoms import Cylinder, Ellipsoid, Phantom
from tomosaxs_plugins.reconstruction.local import continue_as_cylinder, margin

Floats = NDArray[np.float32]

COLUMNS, VALUE = 120, 0.01
ANGLES = np.arange(320) * 180 / 320
# (x, y, radius) over the radius of the sample, value: three in the field of 60 %, three outside
INCLUSIONS = (
    (0.3, 0.1, 0.08, 0.004), (-0.25, 0.3, 0.06, -0.006), (0.05, -0.4, 0.05, 0.008),
    (0.75, 0.2, 0.1, 0.008), (-0.6, -0.55, 0.12, -0.01), (0.1, 0.8, 0.1, 0.01),
)  # fmt: skip


def sample(radius: float, kind: str = "round") -> Phantom:
    """Return a cylinder with inclusions: round, elliptic (and aside), or aside."""
    body = {
        "round": Cylinder((0, 0, 0), (radius, radius, 99), 0, VALUE),
        "elliptic": Ellipsoid((0.1 * radius, 0.05 * radius, 0), (radius, 0.8 * radius, 1e4), 30, VALUE),
        "aside": Cylinder((0.2 * radius, -0.05 * radius, 0), (radius, radius, 99), 0, VALUE),
    }[kind]
    small = (Cylinder((x * radius, y * radius, 0), (r * radius, r * radius, 99), 0, v) for x, y, r, v in INCLUSIONS)
    return Phantom([body, *small])


def source(data: Floats, angles: NDArray[np.float64] = ANGLES, **metadata: Quantity) -> Source:
    """Return sinograms (rows, angles, columns) as a dataset."""
    axes = (
        Axis("rotation_angle", len(angles), angles, "deg"),
        Axis("detector_y", len(data)),
        Axis("detector_x", data.shape[-1]),
    )
    return Source(Dataset(axes, np.dtype(np.float32), metadata=metadata), ArrayReader(data.transpose(1, 0, 2).copy()))


def sinogram(phantom: Phantom, rows: int = 1, angles: NDArray[np.float64] = ANGLES) -> Floats:
    return phantom.projections(angles, rows, COLUMNS, subsample=2).astype(np.float32).transpose(1, 0, 2)


def errors(volume: Floats, phantom: Phantom, radius: float) -> tuple[float, float]:
    """Return the mean error within 95 % of the field, and by how much the rim lies above the middle; per VALUE."""
    x = np.arange(COLUMNS) - (COLUMNS - 1) / 2
    r = np.hypot(x, x[:, None]) / (COLUMNS / 2)
    away = np.ones_like(r, dtype=bool)
    for cx, cy, reach, _ in INCLUSIONS:
        away &= np.hypot(x - cx * radius, x[:, None] - cy * radius) > reach * radius + 3
    error = (volume[0] - phantom.volume(COLUMNS, 1, subsample=2)[0]) / VALUE
    return (
        float(error[away & (r < 0.95)].mean()),
        float(error[away & (r > 0.8) & (r < 0.9)].mean() - error[away & (r < 0.25)].mean()),
    )


@pytest.mark.parametrize("field", [0.6, 0.4])
@pytest.mark.parametrize("kind", ["round", "elliptic", "aside"])
def test_cylinder_padding_gives_values_within_two_per_cent_and_no_cupping(kind: str, field: float) -> None:
    radius = COLUMNS / field / 2
    phantom = sample(radius, kind)
    made = run_plugin("reconstruct", source(sinogram(phantom)), {"padding": "cylinder", "backend": "tomosaxs"})[0]
    mean, cupping = errors(made, phantom, radius)
    assert abs(mean) < 0.02
    assert abs(cupping) < 0.01


def test_other_paddings_do_not() -> None:
    """What the guide quotes: an offset of a third and a slope of a sixth of the value with edges that go on."""
    radius = COLUMNS / 0.6 / 2
    phantom = sample(radius)
    found = {
        padding: errors(run_plugin("reconstruct", source(sinogram(phantom)), {"padding": padding})[0], phantom, radius)
        for padding in ("zero", "edge")
    }
    assert found["edge"][0] == pytest.approx(-0.36, abs=0.05)
    assert found["edge"][1] == pytest.approx(-0.17, abs=0.03)
    assert found["zero"][0] > 0.5
    assert found["zero"][1] > 0.5


def test_every_backend_gets_the_same_cylinder() -> None:
    pytest.importorskip("astra", reason="the ASTRA toolbox is not installed")
    radius = COLUMNS / 0.6 / 2
    phantom = sample(radius)
    made = run_plugin("reconstruct", source(sinogram(phantom)), {"padding": "cylinder", "backend": "astra"})[0]
    mean, cupping = errors(made, phantom, radius)
    assert abs(mean) < 0.02
    assert abs(cupping) < 0.01


def test_a_sample_inside_the_field_is_continued_by_nothing() -> None:
    rng = np.random.default_rng(0)
    data = sinogram(sample(0.4 * COLUMNS))
    clean = continue_as_cylinder(data)
    side = margin(COLUMNS)
    assert clean.shape == (1, len(ANGLES), 3 * COLUMNS)
    assert not clean[..., :side].any()
    assert not clean[..., -side:].any()
    np.testing.assert_array_equal(clean[..., side:-side], data)
    noisy = continue_as_cylinder(data + 0.02 * rng.standard_normal(data.shape).astype(np.float32))
    assert np.abs(np.delete(noisy, np.s_[side:-side], axis=2)).max() < 0.05
    one, other = (run_plugin("reconstruct", source(data), {"padding": padding})[0] for padding in ("zero", "cylinder"))
    np.testing.assert_allclose(other, one, atol=3e-3 * VALUE)  # its ramp filter is longer


def test_a_continued_cylinder_is_the_whole_one() -> None:
    """A homogeneous cylinder: the guess is exact but for the pixels that make the edge value."""
    body = Phantom([Cylinder((6, -9, 0), (100, 100, 99), 0, VALUE)])
    wide = continue_as_cylinder(sinogram(body))[0]
    truth = body.projections(ANGLES, 1, 3 * COLUMNS)[:, 0]
    assert (
        np.abs(wide - truth).max() < 0.02 * truth.max()
    )  # at the very edge of the cylinder, where the slope is infinite
    assert np.std(wide - truth) < 0.002 * truth.max()


def test_slices_do_not_see_their_neighbours() -> None:
    data = np.concatenate([sinogram(sample(100)), sinogram(sample(80, "aside")), 0 * sinogram(sample(100))])
    together = continue_as_cylinder(data)
    for number in range(3):
        np.testing.assert_array_equal(continue_as_cylinder(data[number : number + 1])[0], together[number])
    assert not together[2].any()


@pytest.mark.parametrize("roi", [{"x": (31, 78)}, {"y": (0, 5)}, {"x": (7, 50), "y": (40, 120)}])
@pytest.mark.parametrize("more", [{}, {"mask": 0.8, "size": 130, "centre": 57.3}, {"backend": "astra"}])
def test_part_of_a_slice_is_that_part_bit_for_bit(roi: dict[str, tuple[int, int]], more: dict[str, object]) -> None:
    if more.get("backend") == "astra":
        pytest.importorskip("astra", reason="the ASTRA toolbox is not installed")
    data = source(sinogram(sample(50), rows=2))
    whole = run_plugin("reconstruct", data, more)[0]
    part = run_plugin("reconstruct", data, {"roi": roi, **more})[0]
    y, x = (slice(*roi.get(name, (0, whole.shape[-1]))) for name in ("y", "x"))
    np.testing.assert_array_equal(part, whole[:, y, x])


@pytest.mark.parametrize(
    ("roi", "message"),
    [
        ({"z": (1, 2)}, "a slice has no axis 'z'"),
        ({"x": (5, 500)}, r"x: \[5, 500\] must be two increasing numbers within 0 to 120"),
        ({"x": (7, 7)}, "two increasing numbers"),
    ],
)
def test_parts_that_do_not_exist(roi: dict[str, tuple[int, int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_plugin("reconstruct", source(sinogram(sample(50))), {"roi": roi})


@pytest.mark.parametrize("offset", [20.0, -75.0, 90.0])
def test_angle_offset_turns_the_slice_counter_clockwise(offset: float) -> None:
    """With y down: what lies on the right moves up."""

    def blobs(turn: float) -> Phantom:
        places = ((30.0, 0.0, 9.0), (0.0, 18.0, 6.0), (-20.0, -25.0, 8.0))
        cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        return Phantom(
            Cylinder((x * cosine + y * sine, -x * sine + y * cosine, 0), (r, r, 99), 0, VALUE) for x, y, r in places
        )

    turned = run_plugin("reconstruct", source(sinogram(blobs(0.0))), {"angle_offset": offset})[0]
    truth = run_plugin("reconstruct", source(sinogram(blobs(offset))), {})[0]
    assert np.std(turned - truth) < 0.01 * VALUE
    if offset == 90.0:
        assert turned[0, 25:35, 55:65].mean() > 0.9 * VALUE  # above the middle of the picture


@pytest.mark.parametrize("parameters", [{"algorithm": "sirt", "backend": "astra"}, {"padding": "cylinder"}])
def test_weighted_sinograms_are_no_line_integrals(parameters: dict[str, str]) -> None:
    if "backend" in parameters:
        pytest.importorskip("astra", reason="the ASTRA toolbox is not installed")
    data = source(sinogram(sample(50)), view_period=Quantity(360.0, "deg"))
    with pytest.raises(InputError, match="use convert_360_to_180 in its place"):
        run_plugin("reconstruct", data, parameters)
