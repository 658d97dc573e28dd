"""Vector instructions of the integration loops: eight frames side by side in the lanes of a vector.

All frames share the geometry, so that bins and weights of a pixel are looked up once and serve eight frames. Lanes
never mix: what a frame becomes does not depend on its neighbours. Products and sums are separate instructions, never
fused, so that a compiled loop gives the same bits as any other order of lanes. Written as LLVM vector instructions,
because numba has no vector type of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types
from numba.extending import intrinsic

from tomosaxs_plugins.compiled import compiled as kept

LANES = 8
"""Frames that are integrated side by side, and pixels that are loaded together."""

cgutils: Any = untyped_cgutils

_DOUBLES = types.Array(types.float64, 1, "C")
_INDICES = types.Array(types.int64, 1, "C")
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_INDEX32 = ir.VectorType(ir.IntType(32), LANES)


compiled = partial(kept, nogil=True, error_model="numpy")
"""Compiles a function, and keeps the machine code."""


def _data(context: Any, builder: Any, signature: Any, number: int, value: Any) -> Any:
    """Return the pointer to the elements of an array argument."""
    return cgutils.create_struct_proxy(signature.args[number])(context, builder, value=value).data


def _vector_at(builder: Any, base: Any, position: Any, vector: Any) -> Any:
    return builder.bitcast(builder.gep(base, [position]), vector.as_pointer())


def _broadcast(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, LANES)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), ir.Constant(_INDEX32, [0] * LANES))


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of eight vectors of eight: three rounds of a perfect shuffle."""
    halves = [[k // 2 + LANES * (k % 2) + first for k in range(LANES)] for first in (0, LANES // 2)]
    masks = [ir.Constant(_INDEX32, each) for each in halves]
    for _ in range(3):
        rows = [builder.shuffle_vector(rows[k // 2], rows[k // 2 + LANES // 2], masks[k % 2]) for k in range(LANES)]
    return rows


def _usable(builder: Any, kind: Any, values: Any, low: Any, high: Any) -> Any:
    """Return for every lane whether its value is between the limits; NaN is not."""
    if isinstance(kind, types.Float):
        above = builder.fcmp_ordered(">=", values, _broadcast(builder, low))
        return builder.and_(above, builder.fcmp_ordered("<=", values, _broadcast(builder, high)))
    # one comparison: what lies below the lower limit wraps around to a large number
    shifted = builder.sub(values, _broadcast(builder, low))
    return builder.icmp_unsigned("<=", shifted, _broadcast(builder, builder.sub(high, low)))


def _as_double(builder: Any, kind: Any, values: Any) -> Any:
    if isinstance(kind, types.Float):
        return values if kind.bitwidth == 64 else builder.fpext(values, _VECTOR)
    return builder.sitofp(values, _VECTOR) if kind.signed else builder.uitofp(values, _VECTOR)


def _load_pixels_typed(
    typing_context: Any, frames: Any, starts: Any, at: Any, keep: Any, low: Any, high: Any, buffer: Any
) -> Any:
    """Give signature and code of `load_pixels` to numba."""
    kind = frames.dtype
    return types.boolean(frames, _INDICES, types.int64, types.uint8, kind, kind, _DOUBLES), _load_pixels_code


def _load_pixels_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: load, clean and transpose eight pixels of eight frames; say whether an unusable value was met."""
    frames, starts, at, keep, low, high, buffer = arguments
    kind = signature.args[0].dtype
    element = context.get_data_type(kind)
    vector = ir.VectorType(element, LANES)
    frames_data = _data(context, builder, signature, 0, frames)
    starts_data = _data(context, builder, signature, 1, starts)
    buffer_data = _data(context, builder, signature, 6, buffer)
    wanted = builder.bitcast(keep, ir.VectorType(ir.IntType(1), LANES))
    zeros = ir.Constant(vector, [0.0 if isinstance(kind, types.Float) else 0] * LANES)
    rows, met = [], ir.Constant(ir.VectorType(ir.IntType(1), LANES), [0] * LANES)
    for lane in range(LANES):
        start = builder.load(builder.gep(starts_data, [ir.Constant(ir.IntType(64), lane)]))
        place = _vector_at(builder, frames_data, builder.add(start, at), vector)
        values = builder.load(place, align=kind.bitwidth // 8)
        good = _usable(builder, kind, values, low, high)
        met = builder.or_(met, builder.and_(wanted, builder.not_(good)))
        rows.append(builder.select(good, values, zeros))
    for pixel, values in enumerate(_transposed(builder, rows)):
        target = _vector_at(builder, buffer_data, ir.Constant(ir.IntType(64), pixel * LANES), _VECTOR)
        builder.store(_as_double(builder, kind, values), target, align=8)
    return builder.icmp_unsigned("!=", builder.bitcast(met, ir.IntType(8)), ir.Constant(ir.IntType(8), 0))


def _add_scaled_typed(typing_context: Any, sums: Any, sums_at: Any, values: Any, values_at: Any, factor: Any) -> Any:
    """Give signature and code of `add_scaled` to numba."""
    return types.void(_DOUBLES, types.int64, _DOUBLES, types.int64, types.float64), _add_scaled_code


def _add_scaled_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: sums[at:at + 8] += values[at:at + 8] * factor."""
    sums, sums_at, values, values_at, factor = arguments
    target = _vector_at(builder, _data(context, builder, signature, 0, sums), sums_at, _VECTOR)
    source = _vector_at(builder, _data(context, builder, signature, 2, values), values_at, _VECTOR)
    product = builder.fmul(builder.load(source, align=8), _broadcast(builder, factor))
    builder.store(builder.fadd(builder.load(target, align=8), product), target, align=8)
    return context.get_dummy_value()


load_pixels: Any = intrinsic(_load_pixels_typed)
add_scaled: Any = intrinsic(_add_scaled_typed)
