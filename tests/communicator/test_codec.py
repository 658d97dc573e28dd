"""Values come back from bytes as they were."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from tomosaxs.codec import decode, encode


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**100),
        "ä\ud800\0",
        b"\0\xff",
        b"",
        [],
        {},
        {"tuple": [1], "array": {"bytes": None}, "": [[], {}]},  # names the codec uses itself are only names
        (1, (2.5, None)),
        [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf],
    ],
)
def test_plain_values(value: object) -> None:
    got = decode(encode(value))
    assert got == value
    assert repr(got) == repr(value)  # also tells True from 1, -0.0 from 0.0


def test_not_a_number() -> None:
    assert math.isnan(decode(encode(math.nan)))


@pytest.mark.parametrize("dtype", ["?", "i1", "<u2", ">u2", "<i8", "<f2", "<f4", ">f8", "<c8", "<c16"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_arrays(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    array = rng.integers(0, 2, size=shape).astype(dtype)
    got = decode(encode({"a": [array, "text", array]}))["a"][2]
    assert got.dtype == array.dtype
    assert got.shape == shape
    assert got.tobytes() == array.tobytes()
    assert got.flags.writeable


def test_every_bit_of_a_float_array() -> None:
    payload = struct.pack("<3Q", 0x7FF8000000000123, 0xFFF0000000000001, 0x8000000000000000)
    array = np.frombuffer(payload, dtype="<f8")
    assert decode(encode(array)).tobytes() == payload


def test_strided_and_fortran_arrays() -> None:
    array = np.asfortranarray(np.arange(24.0).reshape(4, 6))[::-1, ::2]
    np.testing.assert_array_equal(decode(encode(array)), array)


def test_numpy_scalars_keep_their_type() -> None:
    for value in (np.float64(0.1), np.float32(0.1), np.uint16(7), np.bool_(True)):
        got = decode(encode([value]))[0]
        assert type(got) is type(value)
        assert got == value


@pytest.mark.parametrize(
    "value", [{1: 2}, {3}, object(), np.array([None]), np.array(["a"]), np.zeros(1, "datetime64[s]"), print]
)
def test_what_cannot_be_sent_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="between ranks"):
        encode([value])


def test_damaged_messages_are_refused() -> None:
    message = encode({"a": np.arange(100)})
    with pytest.raises(ValueError, match="whole message"):
        decode(message[:-1])
    with pytest.raises(ValueError, match="too short"):
        decode(message[:3])
    message[0] = 0
    with pytest.raises(ValueError, match="whole message"):
        decode(message)
