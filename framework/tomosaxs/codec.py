"""Values as bytes, without pickle: what ranks tell each other.

A message is a JSON header that holds the structure, followed by the raw contents of arrays and bytes, each at a
multiple of 64 bytes. Only data can come out of it: decoding never calls code that the message names.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = b"TSX1"
_PREFIX = struct.Struct("<4sIQ")  # magic, length of the JSON header, length of the whole message
_ALIGNMENT = 64
_NUMERIC_KINDS = "biufc"

ByteArray = npt.NDArray[np.uint8]


def _align(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT


def _bytes_view(array: npt.NDArray[Any]) -> ByteArray:
    flat: ByteArray = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat


class _Encoder:
    """Walks a value once; collects the buffers that follow the header."""

    def __init__(self) -> None:
        self.buffers: list[ByteArray] = []
        self.places: list[int] = []
        self.length = 0

    def add(self, buffer: ByteArray) -> list[int]:
        place = self.length
        self.buffers.append(buffer)
        self.places.append(place)
        self.length = _align(place + buffer.size)
        return [place, buffer.size]

    def structure(self, value: object) -> object:
        # numpy scalars first: np.float64 is also a float, but has to come back as np.float64
        if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.str_ | np.bytes_):
            return self._array(value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list):
            return [self.structure(item) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.structure(item) for item in value]}
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"a dict sent between ranks needs str keys, got {key!r}")
            return {"dict": {str(key): self.structure(item) for key, item in value.items()}}
        if isinstance(value, bytes | bytearray):
            return {"bytes": self.add(np.frombuffer(value, dtype=np.uint8))}
        raise TypeError(
            f"cannot send {type(value).__name__} between ranks: None, bool, int, float, str, bytes, list, tuple, "
            "dict with str keys and numeric numpy arrays can be sent"
        )

    def _array(self, value: npt.NDArray[Any] | np.generic) -> object:
        if value.dtype.kind not in _NUMERIC_KINDS:
            raise TypeError(f"cannot send an array of dtype {value.dtype} between ranks: only numbers")
        array = np.asarray(value)
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: [array.dtype.str, list(array.shape), *self.add(_bytes_view(array))]}


def encode(value: object) -> ByteArray:
    """Turn a value into bytes.

    Parameters
    ----------
    value : None, bool, int, float, str, bytes, list, tuple, dict with str keys, numeric numpy array or scalar
        Nested at will. Floats are kept exactly, nan and infinities included. Arrays arrive C-contiguous.

    Returns
    -------
    (n,) uint8 array

    Raises
    ------
    TypeError
        For anything else; an object array or a set, for instance.
    """
    encoder = _Encoder()
    header = json.dumps(encoder.structure(value)).encode("ascii")
    start = _align(_PREFIX.size + len(header))
    message = np.zeros(start + encoder.length, dtype=np.uint8)
    prefix = _PREFIX.pack(_MAGIC, len(header), message.size) + header
    message[: len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    for place, buffer in zip(encoder.places, encoder.buffers, strict=True):
        message[start + place : start + place + buffer.size] = buffer
    return message


def decode(message: ByteArray) -> Any:
    """Inverse of `encode`.

    Parameters
    ----------
    message : (n,) uint8 array
        Arrays in the result are views of it, aligned to 64 bytes where the message is.

    Raises
    ------
    ValueError
        The bytes are not one whole message.
    """
    if message.size < _PREFIX.size:
        raise ValueError(f"a message of {message.size} bytes is too short")
    magic, header_length, length = _PREFIX.unpack(message[: _PREFIX.size].tobytes())
    if magic != _MAGIC or length != message.size:
        raise ValueError(f"not one whole message: starts with {magic!r}, {message.size} of {length} bytes")
    header = message[_PREFIX.size : _PREFIX.size + header_length].tobytes()
    data = message[_align(_PREFIX.size + header_length) :]
    return _value(json.loads(header), data)


def _value(structure: Any, data: ByteArray) -> Any:
    if isinstance(structure, list):
        return [_value(item, data) for item in structure]
    if not isinstance(structure, dict):
        return structure
    ((kind, content),) = structure.items()
    if kind == "dict":
        return {key: _value(item, data) for key, item in content.items()}
    if kind == "tuple":
        return tuple(_value(item, data) for item in content)
    if kind == "bytes":
        place, size = content
        return data[place : place + size].tobytes()
    dtype, shape, place, size = content
    array = data[place : place + size].view(dtype).reshape(shape)
    return array if kind == "array" else array[()]
