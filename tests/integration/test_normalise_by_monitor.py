"""Division by the monitor: values by hand, references, points without a dose."""

from __future__ import annotations

import numpy as np
import pytest

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Scan
from tomosaxs.declaration import spec_of
from tomosaxs_plugins.corrections.normalise_by_monitor import divide_by_monitor, normalise_by_monitor

MONITOR = np.array([[2.0, 4.0, 0.0], [8.0, np.nan, 2.0]])


def described(monitor: np.ndarray = MONITOR) -> Dataset:
    axes = (Axis("rotation_angle", 2), Axis("x", 3), Axis("q", 2))
    auxiliaries = {"monitor": Auxiliary(("rotation_angle", "x"), ArrayReader(monitor))}
    return Dataset(axes, np.dtype(np.uint16), "counts", "counts", auxiliaries)


DATA = np.arange(12, dtype=np.uint16).reshape(2, 3, 2) + 1


@pytest.mark.parametrize(("reference", "count"), [("none", 1.0), ("mean", 4.0), ("max", 8.0), ("first", 2.0)])
@pytest.mark.parametrize("core", [("q",), ("x", "q"), ("rotation_angle", "q")])
def test_values_by_hand_in_any_slicing(reference: str, count: float, core: tuple[str, ...]):
    dataset = described()
    truth = DATA * count / np.where(MONITOR > 0, MONITOR, np.nan)[..., None]
    sliced = [name for name in dataset.names if name not in core]
    order = [dataset.names.index(name) for name in (*sliced, *core)]
    sizes = [dataset.axis(name).size for name in core]
    block = DATA.transpose(order).reshape(-1, *sizes)
    whole = normalise_by_monitor(block, Scan.whole(dataset, core), reference=reference)
    assert whole.dtype == np.float32
    assert np.allclose(whole, truth.transpose(order).reshape(-1, *sizes), rtol=1e-7, equal_nan=True)
    for at in range(len(block)):  # one slice at a time: the reference is that of the whole scan
        scan = Scan(dataset, tuple(sliced), core, np.array([at]))
        assert normalise_by_monitor(block[at : at + 1], scan, reference=reference).tobytes() == whole[at].tobytes()


def test_a_point_without_a_known_dose_is_nan():
    found = divide_by_monitor(np.ones(5), np.array([2.0, 0.0, -1.0, np.nan, np.inf]))
    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()


def test_refused_before_the_run():
    check = spec_of(normalise_by_monitor).check
    check(described(), monitor="monitor", reference="none")
    with pytest.raises(InputError, match="did you mean 'monitor'"):
        check(described(), monitor="monitr", reference="none")
    with pytest.raises(InputError, match="no positive value"):
        check(described(np.zeros((2, 3))), monitor="monitor", reference="mean")
    flats = Auxiliary(("flat", "x"), ArrayReader(np.ones((4, 3))))
    with pytest.raises(InputError, match="one value a frame"):
        check(Dataset(described().axes, np.dtype(float), auxiliaries={"flats": flats}), monitor="flats")


def test_declared_meaning():
    spec = spec_of(normalise_by_monitor)
    assert spec.pointwise
    assert spec.shape(described(), monitor="monitor", reference="none").label == "transmission"
    assert spec.shape(described(), monitor="monitor", reference="mean").units == "counts"
