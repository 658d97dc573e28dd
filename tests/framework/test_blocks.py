"""Blocks of N-dimensional data: what is cut out equals plain numpy indexing, and goes back to its place."""

import itertools

import numpy as np
import pytest

from tomosaxs.blocks import block_ranges, boxes, read_block, share, slice_count, write_block
from tomosaxs.dataset import ArrayReader

CASES = [
    ((5, 4, 3), (0,)),
    ((5, 4, 3), (1,)),
    ((3, 4, 5, 2, 2), (0, 1, 2)),
    ((3, 4, 5, 2), (1, 3)),
    ((3, 4), (0, 1)),
]


@pytest.mark.parametrize(("shape", "sliced"), CASES)
def test_every_range_equals_numpy(shape, sliced):
    data = np.random.default_rng(0).random(shape)
    rest = [d for d in range(len(shape)) if d not in sliced]
    count = slice_count(shape, sliced)
    flat = np.transpose(data, [*sliced, *rest]).reshape(count, *(shape[d] for d in rest))
    for low, high in itertools.combinations(range(count + 1), 2):
        block = read_block(ArrayReader(data), sliced, low, high)
        assert np.array_equal(block, flat[low:high])
        target = np.full(shape, np.nan)
        write_block(target, sliced, low, block)
        back = np.transpose(target, [*sliced, *rest]).reshape(flat.shape)
        assert np.array_equal(back[low:high], flat[low:high])
        assert np.isnan(back[:low]).all()
        assert np.isnan(back[high:]).all()


def test_boxes_are_few():
    """A whole range is one box, an aligned one too: reads stay large."""
    assert len(list(boxes((4, 5, 6), 0, 120))) == 1
    assert len(list(boxes((4, 5, 6), 30, 90))) == 1
    assert len(list(boxes((4, 5, 6), 1, 119))) <= 5


def test_an_empty_range_gives_an_empty_block():
    assert read_block(ArrayReader(np.zeros((3, 4))), (0,), 2, 2).shape == (0, 4)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_shares_cover_everything_once(count, parts):
    ranges = [share(count, parts, number) for number in range(parts)]
    assert [i for low, high in ranges for i in range(low, high)] == list(range(count))
    sizes = [high - low for low, high in ranges]
    assert max(sizes) - min(sizes) <= 1


def test_block_ranges():
    assert block_ranges(3, 10, 3) == [(3, 6), (6, 9), (9, 10)]
    assert block_ranges(3, 3, 3) == []
