"""What was done to the chunks of an HDF5 dataset, and how to undo it without HDF5: raw bytes to values."""

from __future__ import annotations

import importlib.util
import zlib
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

SHUFFLE, DEFLATE, LZF, LZ4, BITSHUFFLE = 2, 1, 32000, 32004, 32008
_BITSHUFFLE_LZ4 = 2
_SLACK = 32  # bytes behind decoded values that the decoders may overwrite
_LARGEST_BLOCK = 1 << 20  # bytes of a block of bit-shuffled values; programs write 8192

Bytes = NDArray[np.uint8]


@dataclass
class Room:
    """Memory that one thread uses again and again."""

    raw: Bytes
    values: Bytes
    between: Bytes

    @classmethod
    def of(cls, size: int) -> Room:
        """Return room for chunks of `size` bytes."""
        return cls(np.empty(0, np.uint8), np.empty(size + _SLACK, np.uint8), np.empty(0, np.uint8))

    def raw_bytes(self, size: int) -> Bytes:
        """Return room for a chunk as it is stored."""
        if self.raw.size < size:
            self.raw = np.empty(size + size // 4, np.uint8)
        return self.raw[:size]

    def second(self, size: int) -> Bytes:
        """Return room for what lies between two filters, or for a block."""
        if self.between.size < size:
            self.between = np.empty(size, np.uint8)
        return self.between


@dataclass(frozen=True)
class Filters:
    """The filters of a dataset, in the order in which they were applied.

    Parameters
    ----------
    codes : tuple of int
        At most one byte shuffle, then at most one compression.
    width : int
        Bytes of an element.
    size : int
        Bytes of a chunk.
    """

    codes: tuple[int, ...]
    width: int
    size: int

    def decode(self, raw: Bytes, mask: int, room: Room, into: Bytes | None = None) -> Bytes | None:
        """Return the values of a chunk as bytes, or None where it is damaged.

        Parameters
        ----------
        raw : uint8 array
            The chunk as stored.
        mask : int
            Bit k is set where filter k was left out.
        room : Room
            Of this thread; the result may lie in it.
        into : (size,) uint8 array, optional
            Where the values are wanted; the result lies there where that costs no copy.
        """
        used = [code for number, code in enumerate(self.codes) if not mask >> number & 1]
        shuffled = bool(used) and used[0] == SHUFFLE and self.width > 1
        values: Bytes | None = raw
        if used and used[-1] != SHUFFLE:
            values = self._decompressed(used[-1], raw, room, None if shuffled else into)
        if values is None or values.size != self.size:
            return None
        if not shuffled:
            return values
        from tomosaxs_plugins.loaders.chunks_decode import unshuffle_bytes

        target = room.second(self.size) if into is None else into
        unshuffle_bytes(np.ascontiguousarray(values), self.width, target, self.size)
        return target[: self.size]

    def _decompressed(self, code: int, raw: Bytes, room: Room, into: Bytes | None) -> Bytes | None:
        if code == DEFLATE:
            return self._inflated(raw)
        if code == LZF:
            from tomosaxs_plugins.loaders.chunks_lzf import lzf_chunk

            target = room.values[: self.size] if into is None else into
            return target if lzf_chunk(raw, target, self.size) else None
        from tomosaxs_plugins.loaders.chunks_decode import bitshuffle_lz4, lz4_chunk

        if code == LZ4:
            return room.values[: self.size] if lz4_chunk(raw, room.values, self.size) else None
        target = room.values[: self.size] if into is None else into
        block = room.second(min(self.size, _LARGEST_BLOCK) + _SLACK)
        return target if bitshuffle_lz4(raw, self.width, target, self.size, block) else None

    def _inflated(self, raw: Bytes) -> Bytes | None:
        machine = zlib.decompressobj()
        try:
            # one byte more than there should be: a damaged stream is known without being followed to its end
            return np.frombuffer(machine.decompress(raw.data, self.size + 1), np.uint8)
        except zlib.error:
            return None


def filters_of(dataset: h5py.Dataset) -> Filters | None:
    """Return the filters of a chunked dataset, or None where only HDF5 itself knows how to undo them."""
    pipeline = dataset.id.get_create_plist()
    codes, width = [], int(dataset.dtype.itemsize)
    for number in range(pipeline.get_nfilters()):
        code, _, values, _ = pipeline.get_filter(number)
        if code == BITSHUFFLE and (len(values) < 5 or values[4] != _BITSHUFFLE_LZ4 or values[2] != width):
            return None
        if code == SHUFFLE and values and values[0] != width:
            return None
        codes.append(int(code))
    compression = codes[1:] if codes[:1] == [SHUFFLE] else codes
    if len(compression) > 1 or not set(compression) <= {DEFLATE, LZF, LZ4, BITSHUFFLE}:
        return None
    if BITSHUFFLE in codes and width not in (1, 2, 4, 8):
        return None
    if codes and codes != [DEFLATE] and importlib.util.find_spec("numba") is None:
        return None
    return Filters(tuple(codes), width, int(np.prod(dataset.chunks, dtype=np.int64)) * width)
