"""Axes keep their absolute place, crops compose, companions are cut with the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomosaxs import ArrayReader, Auxiliary, Axis, CroppedReader, Dataset, InputError, Quantity, Scan, Source
from tomosaxs.dataset import compose


def dataset(rows=4, columns=5, angles=6):
    rng = np.random.default_rng(1)
    aux = {
        "flats": Auxiliary(("flat", "detector_y", "detector_x"), ArrayReader(rng.random((2, rows, columns)))),
        "monitor": Auxiliary(("rotation_angle",), ArrayReader(np.arange(angles) + 1.0)),
    }
    axes = (
        Axis("rotation_angle", angles, np.linspace(0, 150, angles), "deg"),
        Axis("detector_y", rows),
        Axis("detector_x", columns),
    )
    return Dataset(axes, np.dtype(np.float32), auxiliaries=aux, metadata={"energy": Quantity(20.0, "keV")})


selections = st.one_of(
    st.builds(slice, st.integers(0, 12), st.integers(0, 12), st.integers(1, 4)),
    st.lists(st.integers(0, 3), max_size=4, unique=True).map(lambda x: np.array(sorted(x), dtype=np.intp)),
)


@given(st.builds(slice, st.integers(0, 12), st.integers(0, 12), st.integers(1, 4)), selections)
@settings(deadline=None)
def test_composed_selection_equals_selecting_twice(first, second):
    data = np.arange(12)
    once = data[first]
    if not isinstance(second, slice) and (len(second) and second.max() >= len(once)):
        return
    assert np.array_equal(data[compose(12, first, second)], once[second])


def test_a_crop_of_a_crop_reads_the_right_part():
    data = np.arange(60).reshape(3, 4, 5)
    reader = CroppedReader(ArrayReader(data), (slice(1, 3), slice(None), np.array([0, 2, 4])))
    assert reader.shape == (2, 4, 3)
    part = reader.read((slice(0, 1), slice(1, 4, 2), np.array([1, 2])))
    assert np.array_equal(part, data[1:3][0:1][:, 1:4:2][:, :, [2, 4]])


def test_a_crop_cuts_axes_and_companions_and_keeps_positions():
    whole = dataset()
    source = Source(whole, ArrayReader(np.zeros(whole.shape, np.float32)))
    part = source.select({"detector_y": slice(1, 3), "rotation_angle": slice(0, 6, 2)})
    assert part.reader.shape == part.dataset.shape == (3, 2, 5)
    assert list(part.dataset.axis("detector_y").index) == [1, 2]
    assert part.dataset.axis("detector_y").full_size == 4
    assert list(part.dataset.axis("rotation_angle").values) == [0, 60, 120]
    assert part.dataset.auxiliaries["flats"].reader.shape == (2, 2, 5)
    assert list(part.dataset.auxiliaries["monitor"].reader.read((slice(None),))) == [1, 3, 5]


def test_companions_broadcast_to_any_slicing():
    whole = dataset()
    flats = whole.auxiliaries["flats"].reader.read((slice(None),) * 3)
    projections = Scan(whole, ("rotation_angle",), ("detector_y", "detector_x"), np.array([2, 3]))
    assert projections.get("flats").shape == (2, 1, 4, 5)
    assert projections.get("monitor").shape == (2, 1, 1)
    assert list(projections.get("monitor").ravel()) == [3, 4]
    assert list(projections.angles) == [60, 90]
    sinograms = Scan(whole, ("detector_y",), ("rotation_angle", "detector_x"), np.array([1, 2]))
    assert sinograms.get("flats").shape == (2, 2, 1, 5)
    assert np.array_equal(sinograms.get("flats")[:, :, 0], flats[:, 1:3])
    assert sinograms.get("monitor").shape == (1, 6, 1)
    assert len(sinograms.angles) == 6
    both = Scan(whole, ("rotation_angle", "detector_y"), ("detector_x",), np.array([5, 6, 7]))
    assert list(both.get("monitor").ravel()) == [2, 2, 2]
    assert np.array_equal(both.get("flats"), flats[:, [1, 2, 3]])


def test_what_is_missing_is_named_with_what_exists():
    scan = Scan.whole(dataset(), ("detector_y", "detector_x"))
    with pytest.raises(InputError, match="did you mean 'flats'"):
        scan.get("flat")
    with pytest.raises(InputError, match="no axis 'detector_z'"):
        scan.axis("detector_z")
    with pytest.raises(InputError, match="without 'distance'"):
        scan.quantity("distance", "m")
    assert scan.quantity("energy", "eV") == 20000.0
    with pytest.raises(InputError, match="cannot convert"):
        scan.quantity("energy", "m")
