"""Blocks are sized by what a slice needs: within the budget, in whole lanes, and said where that cannot be."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tomosaxs import ArrayReader, Axis, CroppedReader, Dataset, InputError, Projections, Source, plugin
from tomosaxs.dataset import is_compressed
from tomosaxs.declaration import spec_of
from tomosaxs.plan import Options
from tomosaxs.plan.memory import pass_bytes, too_large
from tomosaxs.testing.contract import plan_of

BLOCK = 5024
"""Frames of the example that make a block of 256 MiB, in whole lanes."""


@plugin(memory=lambda slices, data, **_: 1e6 + 1e4 * slices)
def costly(data: Projections) -> Projections:
    """Need a megabyte at all, and ten kilobytes a slice."""
    return data


def frames(count=1000, compressed=False):
    axes = (Axis("rotation_angle", count), Axis("detector_y", 25), Axis("detector_x", 100))
    values = np.zeros((count, 25, 100), np.float32)
    reader = ArrayReader(values)
    if compressed:
        object.__setattr__(reader, "compressed", True)
    return Source(Dataset(axes, values.dtype), reader)


def planned(memory, *, ranks=1, source=None, block=None):
    options = Options(ranks, ranks, memory, block)
    return plan_of(source or frames(), spec_of(costly), {}, options).passes[0], options


def test_a_slice_costs_input_output_and_what_the_plugin_says():
    """And the input and output once more each: the next block is read and the last one written meanwhile, mapped."""
    one, _ = planned(1e9)
    assert pass_bytes(one, 1) - pass_bytes(one, 0) == 25 * 100 * 4 * 5 + 1e4
    assert pass_bytes(one, 0) == 1e6


@pytest.mark.parametrize("memory", [2e6, 5e6, 2e7])
@pytest.mark.parametrize("ranks", [1, 3])
def test_blocks_stay_within_the_budget_and_use_it(memory, ranks):
    if memory / ranks < 1.1e6:
        with pytest.raises(InputError, match=r"step 1 costly needs 3.18M on 3 ranks of a node"):
            planned(memory, ranks=ranks)
        return
    one, options = planned(memory, ranks=ranks)
    assert one.memory * ranks <= memory
    assert one.block == 1 or pass_bytes(one, one.block + 16) * ranks > memory or one.block == -(-1000 // ranks)
    assert not too_large(one, options)


def test_a_budget_below_one_slice_is_refused_with_the_least_one():
    """What the message asks for is enough; a little less is not."""
    with pytest.raises(InputError, match=r"step 1 costly needs 1\.06M even with one slice at a time, and 0\.001 MB"):
        planned(1000.0)
    assert planned(1.06e6)[0].block == 1
    with pytest.raises(InputError, match=r"give --memory 1\.06M or more"):
        planned(1.05e6)


def test_a_budget_nobody_asked_for_grows_to_what_is_needed():
    options = Options(memory=1000.0, most_memory=2e6)
    plan = plan_of(frames(), spec_of(costly), {}, options)
    assert plan.passes[0].block == 1
    assert plan.memory == plan.options.memory == pytest.approx(1.06e6, rel=1e-9)
    assert any("1.06M are taken, more than the usual share" in text for text in plan.remarks)


def test_a_block_that_was_asked_for_is_run_all_the_same():
    one, options = planned(1e6, block=10)
    assert one.block == 10
    assert "need about 1.6 MB on a node, 1 MB are allowed" in too_large(one, options)


def test_large_blocks_are_whole_lanes_and_not_larger_than_useful():
    one, _ = planned(1e12, source=frames(40000))
    assert one.block % 16 == 0
    assert one.memory < 2.8e8


def test_compressed_data_are_read_in_as_few_parts_as_fit():
    one, _ = planned(1e12, source=frames(40000, compressed=True))
    assert one.block == 40000


def test_a_given_block_is_taken():
    assert planned(1e9, block=7)[0].block == 7


def test_readers_tell_compression_through_a_crop(tmp_path):
    from tomosaxs_plugins.loaders.array import array

    for name, options in (("plain", {}), ("small", {"compression": "gzip", "chunks": (1, 4, 4)})):
        with h5py.File(tmp_path / f"{name}.h5", "w") as handle:
            handle.create_dataset("data", data=np.ones((3, 4, 4), np.float32), **options)
    axes = ["y", "detector_y", "detector_x"]
    told = [array(tmp_path / f"{name}.h5", dataset="data", axes=axes).reader for name in ("plain", "small")]
    assert [is_compressed(reader) for reader in told] == [False, True]
    assert is_compressed(CroppedReader(told[1], (slice(0, 2), slice(None), slice(None))))


@pytest.mark.parametrize(
    ("chunks", "block"),
    [
        ((1, 25, 100), BLOCK),  # a frame a chunk: no larger than without chunks
        ((1, 5, 20), BLOCK),
        ((3, 25, 100), -(-BLOCK // 3) * 3),  # whole chunks of three frames
        ((30_000, 5, 5), 30_000),
        ((100_000, 1, 1), 40_000),
    ],
)
def test_blocks_cover_whole_chunks(chunks, block):
    source = frames(40_000, compressed=True)
    object.__setattr__(source.reader, "chunks", chunks)
    assert planned(1e12, source=frames(40_000))[0].block == BLOCK
    one, _ = planned(1e12, source=source)
    assert one.block == block


def test_chunks_that_do_not_fit_are_read_in_as_few_parts_as_fit():
    source = frames(1000, compressed=True)
    object.__setattr__(source.reader, "chunks", (900, 1, 1))
    one, _ = planned(2e7, source=source)
    assert one.memory <= 2e7 < pass_bytes(one, one.block + 1)
    object.__setattr__(source.reader, "chunks", (50, 1, 1))
    assert planned(2e7, source=source)[0].block % 50 == 0


def large_frames(count=400):
    """Frames so large that a useful block would hold two."""
    axes = (Axis("rotation_angle", count), Axis("detector_y", 4000), Axis("detector_x", 4000))
    values = np.broadcast_to(np.float32(1), (count, 4000, 4000))
    return Source(Dataset(axes, values.dtype), ArrayReader(values))


@pytest.mark.parametrize(("threads", "block"), [(1, 16), (2, 16), (8, 64), (16, 128)])
def test_every_thread_gets_slices_even_of_large_frames(threads, block):
    options = Options(1, 1, 1e12, None, threads)
    one = plan_of(large_frames(), spec_of(costly), {}, options).passes[0]
    assert one.block == block
    assert plan_of(large_frames(), spec_of(costly), {}, Options(1, 1, 1e9, None, threads)).passes[0].memory <= 1e9
