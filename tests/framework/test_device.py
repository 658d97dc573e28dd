"""GPU steps: how blocks go to a device and come back. The device is a stand-in; what runs on one is not tested here."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tomosaxs import Projections, StepError, plugin
from tomosaxs.testing import example_source, run_plugin


class DeviceArray:
    """An array that only its own library can compute with."""

    __cuda_array_interface__ = None  # its presence is what counts

    def __init__(self, values):
        self.values = np.array(values)
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def __len__(self):
        return len(self.values)

    def __getitem__(self, key):
        return DeviceArray(self.values[key])

    def get(self):
        return self.values


class OutOfMemoryError(Exception):
    pass


@pytest.fixture
def used(monkeypatch):
    """A package that looks like CuPy with two devices; returns the numbers of the devices used."""
    numbers = []

    class Device:
        def __init__(self, number):
            self.number = number

        def use(self):
            numbers.append(self.number)

    cuda = SimpleNamespace(Device=Device, runtime=SimpleNamespace(getDeviceCount=lambda: 2))
    pool = SimpleNamespace(free_all_blocks=lambda: numbers.append("freed"))
    package = SimpleNamespace(
        cuda=cuda,
        asarray=lambda a: a if isinstance(a, DeviceArray) else DeviceArray(a),
        get_default_memory_pool=lambda: pool,
    )
    monkeypatch.setitem(sys.modules, "cupy", package)
    return numbers


@plugin(gpu=True)
def doubled(data: Projections) -> Projections:
    """Double on a device."""
    assert isinstance(data, DeviceArray)
    return DeviceArray(2 * data.values.astype(np.float32))


@plugin(gpu=True)
def hungry(data: Projections) -> Projections:
    """Fit four slices into memory, not more."""
    if len(data) > 4:
        raise OutOfMemoryError("12 GB wanted")
    return DeviceArray(2 * data.values.astype(np.float32))


def test_a_block_goes_to_the_device_and_comes_back(used):
    source = example_source("Projections")
    (made,) = run_plugin(doubled, source, block=10)
    assert np.array_equal(made, 2 * source.reader.array)
    assert used == [0, 0, 0]


def test_out_of_memory_halves_the_block_once(used):
    source = example_source("Projections")
    (made,) = run_plugin(hungry, source, block=8)
    assert np.array_equal(made, 2 * source.reader.array)
    assert "freed" in used


def test_out_of_memory_twice_fails_by_name(used):
    with pytest.raises(StepError, match=r"hungry.*12 GB wanted"):
        run_plugin(hungry, example_source("Projections"), block=24)


def test_without_the_package_the_step_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(StepError, match="needs cupy, which is not installed"):
        run_plugin(doubled, example_source("Projections"))
