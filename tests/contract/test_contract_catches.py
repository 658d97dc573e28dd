"""Plugins that each break one rule of the contract are caught; good ones of every kind pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pytest
from scipy.ndimage import median_filter, uniform_filter1d

from tomosaxs import (
    AzimuthalProfiles,
    Dataset,
    DiffractionPatterns,
    Estimate,
    InputError,
    Output,
    Param,
    Pointwise,
    Projections,
    Scan,
    Sinograms,
    Spectra,
    StepError,
    VolumeSlices,
    estimator,
    plugin,
)
from tomosaxs.testing import ContractError, check_plugin, example_source, run_plugin

# --- plugins that keep the contract


@plugin
def despike(data: Projections, *, size: Annotated[int, Param("window", unit="px", ge=1)] = 3) -> Projections:
    """Replace isolated bright pixels by the local median."""
    return median_filter(data, size=(1, size, size))


@plugin(halo={"rotation_angle": "size"})
def smooth_in_time(data: Projections, *, size: int = 3) -> Projections:
    """Replace every value by the median of neighbouring projections."""
    return median_filter(data, size=(size, 1, 1), mode="nearest")


@plugin
def subtract_mean(data: Sinograms) -> Sinograms:
    """Subtract the mean of every sinogram."""
    return data - data.mean(axis=(1, 2), keepdims=True)


@plugin
def square(data: Pointwise) -> Pointwise:
    """Square every value."""
    return data * data


@plugin
def scale_spectra(data: Spectra) -> Spectra:
    """Divide every spectrum by its largest value."""
    return data / data.max(axis=1, keepdims=True)


@plugin
def difference(data: VolumeSlices, other: VolumeSlices) -> VolumeSlices:
    """Subtract one volume from another."""
    return data - other


@plugin(shape=lambda data, **_: [data.axes[-2:], data.axes[-1:]])
def frame_and_profile(data: DiffractionPatterns) -> tuple[DiffractionPatterns, Pointwise]:
    """Return the frames and their sums over rows."""
    return data, data.sum(axis=1)


@plugin(shape=lambda data, *, bins: (data.axis("q").select(slice(0, bins)),))
def head(data: AzimuthalProfiles, *, bins: int = 4) -> AzimuthalProfiles:
    """Keep the first bins of every curve."""
    return data[:, :bins].copy()


@plugin
def refuse_nan(data: Projections) -> Projections:
    """Divide by the largest value of all, and refuse NaN."""
    if np.isnan(data).any():
        raise InputError("NaN in the data")
    return data


@plugin
@dataclass
class Stretch:
    """Multiply by a power of the width."""

    power: float = 0.5
    factor: float = field(default=0.0, init=False)

    def setup(self, dataset: Dataset) -> None:
        """Find the factor."""
        self.factor = dataset.axis("detector_x").size ** self.power

    def __call__(self, data: Projections) -> Projections:
        """Multiply."""
        return data * np.float32(self.factor)


@estimator(tile=2)
@dataclass
class FindMean:
    """Find the mean value."""

    total: float = field(default=0.0, init=False)
    count: int = field(default=0, init=False)

    def update(self, data: Projections) -> None:
        """Add a tile."""
        self.total += float(data.sum(dtype=np.float64))
        self.count += data.size

    def combine(self, other: FindMean) -> None:
        """Add what another saw."""
        self.total += other.total
        self.count += other.count

    def result(self) -> Estimate:
        """Return the mean."""
        return Estimate(self.total / self.count, "counts")


GOOD = [
    despike, smooth_in_time, subtract_mean, square, scale_spectra, difference, frame_and_profile, head, refuse_nan,
    Stretch, FindMean,
]  # fmt: skip


@pytest.mark.parametrize("target", GOOD, ids=lambda target: target.__name__)
def test_good_plugins_pass(target: Any) -> None:
    made = check_plugin(target)
    assert isinstance(made, Estimate) or all(np.isfinite(each).any() for each in made)


# --- plugins that break one rule each


@plugin
def writes_into_its_input(data: Projections) -> Projections:
    """Subtract the smallest value in place."""
    data -= data.min(axis=(1, 2), keepdims=True)
    return data


@plugin
def writes_into_a_companion(data: Projections, scan: Scan) -> Projections:
    """Subtract the darks after changing them."""
    darks = scan.get("darks")
    darks += 1
    return data - darks[0]


@plugin
def wants_writable_memory(data: Projections) -> Projections:
    """Put back what it changed, which a read-only block does not allow."""
    data += 0
    return data.copy()


@plugin
def depends_on_the_block(data: Projections) -> Projections:
    """Subtract the mean of whatever came along."""
    return data - data.mean()


@plugin
def uses_neighbours_without_a_halo(data: Projections) -> Projections:
    """Average neighbouring projections without saying so."""
    return uniform_filter1d(data, 3, axis=0, mode="nearest")


@plugin(halo={"rotation_angle": 1})
def halo_too_small(data: Projections) -> Projections:
    """Average five projections, ask for one at each side."""
    return uniform_filter1d(data, 5, axis=0, mode="nearest")


@plugin
def wrong_shape(data: Projections) -> Projections:
    """Crop without a shape rule."""
    return data[:, 1:]


@plugin(shape=lambda data, **_: Output((), "uint8"))
def wrong_type(data: Pointwise) -> Pointwise:
    """Return numbers that the planned type cannot hold."""
    return data * 1000.5


@plugin(halo={"rotation_angle": 1})
def leaks_nan(data: Projections) -> Projections:
    """Average neighbouring projections with a running sum, which never forgets a NaN."""
    return uniform_filter1d(data, 3, axis=0, mode="nearest")


@plugin
def makes_nan(data: Projections) -> Projections:
    """Divide by something that is zero now and then, and do not say so."""
    with np.errstate(all="ignore"):
        return np.asarray(data / (data - data[:, :1, :1]), dtype=np.float32)


@plugin
def random_result(data: Projections) -> Projections:
    """Add noise without a seed."""
    return data + np.random.default_rng().random(data.shape, dtype=np.float32)


@plugin
def not_pointwise(data: Pointwise) -> Pointwise:
    """Subtract a mean along whatever axis comes second: not pointwise."""
    return data - data.mean(axis=1, keepdims=True)


@estimator
def depends_on_order_of_ranks(data: Projections) -> Estimate:
    """Draw a number."""
    return Estimate(float(np.random.default_rng().random()))


@estimator
def certain_beyond_measure(data: Projections) -> Estimate:
    """Return a confidence in per cent."""
    return Estimate(1.0, confidence=95.0)


BAD = [
    (writes_into_its_input, "changes input 0 in place"),
    (writes_into_a_companion, "changes darks in place"),
    (wants_writable_memory, "read-only"),
    (depends_on_the_block, "output 0 differs with 2 ranks"),
    (uses_neighbours_without_a_halo, "output 0 differs with"),
    (halo_too_small, "output 0 differs with"),
    (wrong_shape, "returned shape .* planned was"),
    (wrong_type, "returns float32, planned was uint8"),
    (leaks_nan, "a NaN in slice 12 changes slices"),
    (makes_nan, "of finite data: .* NaN or infinite in slice"),
    (random_result, "output 0 differs"),
    (not_pointwise, "declared pointwise"),
    (depends_on_order_of_ranks, "value of its estimate differs"),
    (certain_beyond_measure, "its confidence is 95"),
]


@pytest.mark.parametrize(("target", "message"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_broken_plugins_are_caught(target: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        check_plugin(target)
    assert f"{__file__}:" in str(caught.value)
    assert f"plugin {target.__name__}" in str(caught.value)


def test_a_stated_determinism_is_the_tolerance() -> None:
    @plugin(determinism=1e-3)
    def nearly(data: Projections) -> Projections:
        """Multiply by nearly one, depending on the block."""
        return data * np.float32(1 + 1e-4 * len(data) / 24)

    @plugin(determinism=1e-6)
    def not_so_nearly(data: Projections) -> Projections:
        """Multiply by nearly one, depending on the block."""
        return data * np.float32(1 + 1e-4 * len(data) / 24)

    check_plugin(nearly)
    with pytest.raises(ContractError, match="differs with"):
        check_plugin(not_so_nearly)


def test_files_that_a_plugin_writes_are_compared() -> None:
    @plugin
    def slice_files(data: Projections, scan: Scan) -> None:
        """Write the sum of every slice."""
        assert scan.output is not None
        for number, frame in zip(scan.index, data, strict=True):
            (scan.output / f"{number}.txt").write_text(f"{float(frame.sum()):.6e}")

    @plugin
    def block_files(data: Projections, scan: Scan) -> None:
        """Write one file a block."""
        assert scan.output is not None
        (scan.output / f"{scan.index[0]}.txt").write_text(f"{float(data.sum()):.6e}")

    check_plugin(slice_files)
    with pytest.raises(ContractError, match="its files differ"):
        check_plugin(block_files)


def test_a_wrong_parameter_is_told() -> None:
    with pytest.raises(InputError, match="size"):
        check_plugin(despike, None, {"size": 0})


def test_a_plugin_that_fails_is_told_with_its_own_message() -> None:
    @plugin
    def fails(data: Projections) -> Projections:
        """Fail."""
        raise ValueError("no beam")

    with pytest.raises(StepError, match="no beam"):
        check_plugin(fails)


def test_run_plugin_gives_what_the_plain_function_gives() -> None:
    source = example_source("Projections")
    whole = source.reader.read((slice(None),) * 3)
    (made,) = run_plugin(despike, source, {"size": 5}, ranks=3, block=2)
    np.testing.assert_array_equal(made, despike(whole, size=5))


@pytest.mark.parametrize(
    "pattern",
    [
        "Projections",
        "Sinograms",
        "Pointwise",
        "Rows",
        "DiffractionPatterns",
        "AzimuthalProfiles",
        "Spectra",
        "VolumeSlices",
    ],
)
def test_every_pattern_has_an_example_that_fits(pattern: str) -> None:
    from tomosaxs.patterns import PATTERNS

    source = example_source(pattern)
    assert set(PATTERNS) == {
        "Projections", "Sinograms", "Pointwise", "Rows", "DiffractionPatterns", "AzimuthalProfiles", "Spectra",
        "VolumeSlices",
    }, "a new pattern: give it an example in tomosaxs.testing.examples, and name it here"  # fmt: skip
    assert PATTERNS[pattern].pointwise or PATTERNS[pattern].core_of(source.dataset.names)
    assert source.reader.shape == source.dataset.shape
    assert source.reader.dtype == source.dataset.dtype
    again = example_source(pattern)
    whole = (slice(None),) * len(source.dataset.shape)
    np.testing.assert_array_equal(source.reader.read(whole), again.reader.read(whole))


def test_an_example_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="did you mean 'Projections'"):
        example_source("Projection")
