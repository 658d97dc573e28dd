"""Shuffled bits or bytes back to elements, 64 elements at a time, as LLVM vector instructions for numba.

Nothing is checked: the caller sees to it that rows and target are large enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types
from numba.extending import intrinsic

cgutils: Any = untyped_cgutils

GROUP = 64
"""Elements that are put together at a time: one 64-bit word of every bit row."""

_BYTES = types.Array(types.uint8, 1, "C")
_BYTE, _INDEX, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_PLANE = ir.VectorType(_BYTE, GROUP)
_BITS = ir.VectorType(ir.IntType(1), GROUP)


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, number: int) -> Any:
    """Return the pointer to an element: argument `number` is the array, the next one the position."""
    array = cgutils.create_struct_proxy(signature.args[number])(context, builder, value=arguments[number])
    return builder.gep(array.data, [arguments[number + 1]])


def _plane_of_bits(builder: Any, rows: Any, length: Any, byte: int) -> Any:
    """Return one byte of 64 elements: its bit k from row 8 `byte` + k, rows being `length` bytes apart."""
    plane = ir.Constant(_PLANE, [0] * GROUP)
    for bit in range(8):
        place = builder.gep(rows, [builder.mul(length, ir.Constant(_WORD, 8 * byte + bit))])
        word = builder.load(builder.bitcast(place, _WORD.as_pointer()), align=1)
        given = ir.Constant(_PLANE, [1 << bit] * GROUP)
        none = ir.Constant(_PLANE, [0] * GROUP)
        plane = builder.or_(plane, builder.select(builder.bitcast(word, _BITS), given, none))
    return plane


def _plane_of_bytes(builder: Any, rows: Any, length: Any, byte: int) -> Any:
    """Return one byte of 64 elements, from row `byte`."""
    place = builder.gep(rows, [builder.mul(length, ir.Constant(_WORD, byte))])
    return builder.load(builder.bitcast(place, _PLANE.as_pointer()), align=1)


def _elements(builder: Any, planes: list[Any]) -> list[Any]:
    """Return the vectors of the elements whose bytes are given, in the order of memory."""
    if len(planes) == 1:
        return planes
    order = [k // 2 + GROUP * (k % 2) for k in range(2 * GROUP)]
    halves = [ir.Constant(ir.VectorType(_INDEX, GROUP), part) for part in (order[:GROUP], order[GROUP:])]
    mixed: list[Any] = []
    # bytes 0, 2, 4 .. in turns with bytes 1, 3, 5 .. are all of them in order
    for even, odd in zip(_elements(builder, planes[::2]), _elements(builder, planes[1::2]), strict=True):
        mixed += [builder.shuffle_vector(even, odd, half) for half in halves]
    return mixed


def _typed(width: int, plane_of: Callable[[Any, Any, Any, int], Any]) -> Any:
    def typed(typing_context: Any, rows: Any, at: Any, length: Any, used: Any, target: Any, begin: Any) -> Any:
        """Give signature and code to numba."""
        signature = types.void(_BYTES, types.int64, types.int64, types.int64, _BYTES, types.int64)

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            """Build: rows to 64 elements of `width` bytes; bytes whose bit in `used` is 0 are zeros."""
            rows = _pointer(context, builder, signature, arguments, 0)
            target = _pointer(context, builder, signature, arguments, 4)
            planes = []
            for byte in range(width):
                flag = builder.and_(arguments[3], ir.Constant(_WORD, 1 << byte))
                room = cgutils.alloca_once(builder, _PLANE)
                builder.store(ir.Constant(_PLANE, [0] * GROUP), room)
                with builder.if_then(builder.icmp_unsigned("!=", flag, ir.Constant(_WORD, 0))):
                    builder.store(plane_of(builder, rows, arguments[2], byte), room)
                planes.append(builder.load(room))
            for number, vector in enumerate(_elements(builder, planes)):
                place = builder.gep(target, [ir.Constant(_WORD, GROUP * number)])
                builder.store(vector, builder.bitcast(place, _PLANE.as_pointer()), align=1)
            return context.get_dummy_value()

        return signature, code

    return typed


join_bits_1: Any = intrinsic(_typed(1, _plane_of_bits))
join_bits_2: Any = intrinsic(_typed(2, _plane_of_bits))
join_bits_4: Any = intrinsic(_typed(4, _plane_of_bits))
join_bits_8: Any = intrinsic(_typed(8, _plane_of_bits))
join_bytes_2: Any = intrinsic(_typed(2, _plane_of_bytes))
join_bytes_4: Any = intrinsic(_typed(4, _plane_of_bytes))
join_bytes_8: Any = intrinsic(_typed(8, _plane_of_bytes))
