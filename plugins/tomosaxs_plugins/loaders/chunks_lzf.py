"""Decoder of LZF chunks, compiled by numba; it runs without Python's lock.

A damaged chunk is told by the return value; no byte outside the given arrays is read or written.

The format: a control byte below 32 is followed by one literal byte more than it says. Of any other one the upper three
bits are a length (7: the next byte is added to it) and the lower five bits with the byte after that a distance less
one; length + 2 bytes are repeated from there (LibLZF, http://oldhome.schmorp.de/marc/liblzf.html, lzf_d.c). HDF5
filter 32000, as registered with the HDF Group; h5py applies it to whole chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tomosaxs_plugins.compiled import compiled


def _nogil(function: Any) -> Any:
    return compiled(function, nogil=True, error_model="numpy", boundscheck=False)


@_nogil
def lzf_chunk(source: Any, target: Any, size: int) -> bool:
    """Decode a chunk into target[:size].

    Parameters
    ----------
    source : uint8 array
        The chunk as stored.
    target : uint8 array
        At least `size` bytes.
    size : int
        Bytes of the chunk.

    Returns
    -------
    bool
        Whether it was whole, gave exactly `size` bytes and kept to the format.
    """
    at, out, end = np.int64(0), np.int64(0), np.int64(source.size)
    while at < end:
        control = np.int64(source[at])
        at += 1
        if control < 32:
            count = control + 1
            if count > end - at or count > size - out:
                return False
            for k in range(count):
                target[out + k] = source[at + k]
            at += count
            out += count
            continue
        count = control >> 5
        if count == 7:
            if at >= end:
                return False
            count += np.int64(source[at])
            at += 1
        if at >= end:
            return False
        distance = ((control & 31) << 8) + np.int64(source[at]) + 1
        at += 1
        count += 2
        if distance > out or count > size - out:
            return False
        for k in range(count):  # one by one: the ranges overlap where bytes repeat
            target[out + k] = target[out + k - distance]
        out += count
    return bool(out == size)
