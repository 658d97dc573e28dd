"""Copies of bytes between arrays as single machine instructions, for decoders compiled by numba.

numba has no unaligned words and no memory copy of its own; both are written here as LLVM instructions. Nothing is
checked: the caller sees to it that both ranges lie inside their arrays.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types
from numba.extending import intrinsic

cgutils: Any = untyped_cgutils

WORD = 16
"""Bytes that `copy_word` moves."""

_BYTES = types.Array(types.uint8, 1, "C")
_VECTOR = ir.VectorType(ir.IntType(8), WORD)


def _place(context: Any, builder: Any, signature: Any, arguments: Any, number: int) -> Any:
    """Return the pointer to an element: argument `number` is the array, the next one the position."""
    array = cgutils.create_struct_proxy(signature.args[number])(context, builder, value=arguments[number])
    return builder.gep(array.data, [arguments[number + 1]])


def _copy_word_typed(typing_context: Any, target: Any, at: Any, source: Any, begin: Any) -> Any:
    """Give signature and code of `copy_word` to numba."""
    return types.void(_BYTES, types.int64, source, types.int64), _copy_word_code


def _copy_word_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: target[at:at + 16] = source[begin:begin + 16], all loaded before any is stored."""
    pointer = _VECTOR.as_pointer()
    source = builder.bitcast(_place(context, builder, signature, arguments, 2), pointer)
    target = builder.bitcast(_place(context, builder, signature, arguments, 0), pointer)
    builder.store(builder.load(source, align=1), target, align=1)
    return context.get_dummy_value()


def _copy_bytes_typed(typing_context: Any, target: Any, at: Any, source: Any, begin: Any, count: Any) -> Any:
    """Give signature and code of `copy_bytes` to numba."""
    return types.void(_BYTES, types.int64, source, types.int64, types.int64), _copy_bytes_code


def _copy_bytes_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: target[at:at + count] = source[begin:begin + count]; the ranges do not overlap."""
    target = _place(context, builder, signature, arguments, 0)
    source = _place(context, builder, signature, arguments, 2)
    cgutils.raw_memcpy(builder, target, source, arguments[4], 1)
    return context.get_dummy_value()


def _fill_bytes_typed(typing_context: Any, target: Any, at: Any, value: Any, count: Any) -> Any:
    """Give signature and code of `fill_bytes` to numba."""
    return types.void(_BYTES, types.int64, types.uint8, types.int64), _fill_bytes_code


def _fill_bytes_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: target[at:at + count] = value."""
    target = _place(context, builder, signature, arguments, 0)
    cgutils.memset(builder, target, arguments[3], arguments[2])
    return context.get_dummy_value()


def _load_word_typed(typing_context: Any, source: Any, begin: Any) -> Any:
    """Give signature and code of `load_word` to numba."""
    return types.uint64(_BYTES, types.int64), _load_word_code


def _load_word_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: the eight bytes source[begin:begin + 8] as one number."""
    source = _place(context, builder, signature, arguments, 0)
    return builder.load(builder.bitcast(source, ir.IntType(64).as_pointer()), align=1)


load_word: Any = intrinsic(_load_word_typed)
copy_word: Any = intrinsic(_copy_word_typed)
copy_bytes: Any = intrinsic(_copy_bytes_typed)
fill_bytes: Any = intrinsic(_fill_bytes_typed)
