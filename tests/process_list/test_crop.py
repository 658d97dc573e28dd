"""Crops: ranges relative to begin, mid and end are clipped, plain numbers are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomosaxs import Axis, Dataset, InputError
from tomosaxs.process_list import resolve_crop

DATASET = Dataset((Axis("rotation_angle", 7), Axis("detector_y", 20), Axis("detector_x", 31)), np.dtype(np.uint16))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([0, 20], slice(0, 20, 1)),
        ([3, 9, 2], slice(3, 9, 2)),
        (5, slice(5, 6, 1)),
        ("mid", slice(10, 11, 1)),
        (["mid-8", "mid+8"], slice(2, 18, 1)),
        (["mid - 80", "mid + 80"], slice(0, 20, 1)),
        (["begin", "end"], slice(0, 20, 1)),
        (["begin+2", "end-3"], slice(2, 17, 1)),
        (["begin-2", 4], slice(0, 4, 1)),
        ([4, "end+9"], slice(4, 20, 1)),
        (["end-1", "end"], slice(19, 20, 1)),
    ],
)
def test_good_crops(bounds, expected):
    assert resolve_crop({"detector_y": bounds}, DATASET) == {"detector_y": expected}


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([0, 21], r"\[0, 21\] is outside: the axis has 20 entries, 0 to 19"),
        ([20, "end"], r"\[20, end\] is outside"),
        (20, "20 is outside: the axis has indices 0 to 19"),
        ([-3, 5], "-3 is negative; count from the end with end-3"),
        ([5, 5], "is empty"),
        (["end", "mid"], "is empty: of 20 entries it takes 20 to 10"),
        (["end+1", "end+4"], "is empty"),
        ([0, 9, 0], "the step must be a whole number from 1, got 0"),
        ([0, 9, -1], "the step must be a whole number from 1, got -1"),
        ([0.5, 9], "got 0.5"),
        ([True, 9], "got True"),
        ([None, 9], "got nothing"),
        (["middle", 9], "got 'middle'"),
        ([0], "got 1 value"),
        ([0, 1, 1, 1], "got 4 values"),
        ("mid+99", r"mid\+99 \(index 109\) is outside"),
        ({"a": 1}, "got {'a': 1}"),
    ],
)
def test_bad_crops(bounds, expected):
    with pytest.raises(InputError, match="detector_y: .*" + expected):
        resolve_crop({"detector_y": bounds}, DATASET)


def test_unknown_axes_and_several_faults_at_once():
    with pytest.raises(InputError) as caught:
        resolve_crop({"detectr_x": 3, "detector_y": 99, "rotation_angle": 3}, DATASET, "input tomo.crop")
    assert str(caught.value) == (
        "input tomo.crop: the dataset has no axis 'detectr_x' (did you mean 'detector_x' or 'detector_y'?); "
        "detector_y: 99 is outside: the axis has indices 0 to 19"
    )


words = st.builds("{}{}{}".format, st.sampled_from(["begin", "mid", "end"]), st.sampled_from("+-"), st.integers(0, 40))


@given(first=st.integers(0, 40) | words, last=st.integers(0, 40) | words, size=st.integers(1, 30))
@settings(deadline=None)
def test_a_crop_is_inside_and_not_empty_or_refused(first, last, size):
    dataset = Dataset((Axis("x", size),), np.dtype(np.float32))
    try:
        part = resolve_crop({"x": [first, last]}, dataset)["x"]
    except InputError:
        return
    assert 0 <= part.start < part.stop <= size
    assert dataset.select({"x": part}).shape == (part.stop - part.start,)
    if isinstance(first, int):
        assert part.start == first
    if isinstance(last, int):
        assert part.stop == last
