"""Compiled inner loop of the backprojection: sixteen slices side by side in the lanes of a vector.

All slices of a scan see the same geometry, so that position and weights of an interpolation are worked out once and
serve sixteen slices, whose samples lie side by side in memory. Lanes never mix: what a slice becomes does not depend
on its neighbours. The loop is written as LLVM vector instructions, because numba has no vector type of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types
from numba.extending import intrinsic

from tomosaxs_plugins.compiled import compiled

LANES = 16
"""Slices that are reconstructed side by side."""

_UNROLL = 4  # neighbouring pixels handled together: independent sums keep the arithmetic units busy
_VIEWS = 16  # views whose part of a tile stays in the first-level cache
_TILE = 32  # columns of a tile, a multiple of _UNROLL

cgutils: Any = untyped_cgutils


def _add_views_typed(
    typing_context: Any,
    total: Any,
    total_at: Any,
    samples: Any,
    columns: Any,
    origin: Any,
    step: Any,
    first_x: Any,
    first_view: Any,
    last_view: Any,
) -> Any:
    """Give signature and code of `add_views` to numba."""
    flat = types.Array(types.float32, 1, "C")
    table = types.Array(types.float64, 1, "C")
    index = types.intp
    signature = types.void(flat, index, flat, index, table, table, types.float64, index, index)
    return signature, _add_views_code


def _add_views_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build the loop over views for four neighbouring pixels."""
    total, total_at, samples, columns, origin, step, first_x, first_view, last_view = arguments
    single, double, word = ir.FloatType(), ir.DoubleType(), total_at.type
    vector = ir.VectorType(single, LANES)

    def data(number: int, value: Any) -> Any:
        return cgutils.create_struct_proxy(signature.args[number])(context, builder, value=value).data

    total_data, samples_data = data(0, total), data(2, samples)
    origin_data, step_data = data(4, origin), data(5, step)

    def vector_pointer(base: Any, position: Any) -> Any:
        return builder.bitcast(builder.gep(base, [position]), vector.as_pointer())

    def broadcast(value: Any) -> Any:
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)

    multiply_add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
    )
    lanes = ir.Constant(word, LANES)
    sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES)) for _ in range(_UNROLL)]
    positions_x = [builder.fadd(first_x, ir.Constant(double, float(k))) for k in range(_UNROLL)]
    for place in sums:
        builder.store(ir.Constant(vector, [0.0] * LANES), place)
    with cgutils.for_range_slice(builder, first_view, last_view, ir.Constant(word, 1), word) as (view, _):
        start = builder.load(builder.gep(origin_data, [view]))
        along = builder.load(builder.gep(step_data, [view]))
        row = builder.mul(view, columns)
        for place, x in zip(sums, positions_x, strict=True):
            position = builder.fadd(start, builder.fmul(x, along))
            whole = builder.fptosi(position, word)
            part = builder.fptrunc(builder.fsub(position, builder.sitofp(whole, double)), single)
            left_at = builder.mul(builder.add(row, whole), lanes)
            left = builder.load(vector_pointer(samples_data, left_at), align=4)
            right = builder.load(vector_pointer(samples_data, builder.add(left_at, lanes)), align=4)
            value = builder.call(multiply_add, [broadcast(part), builder.fsub(right, left), left])
            builder.store(builder.fadd(builder.load(place), value), place)
    for k, place in enumerate(sums):
        target = vector_pointer(total_data, builder.add(total_at, ir.Constant(word, k * LANES)))
        builder.store(builder.fadd(builder.load(target, align=4), builder.load(place)), target, align=4)
    return context.get_dummy_value()


add_views: Any = intrinsic(_add_views_typed)


@partial(compiled, nogil=True, error_model="numpy")
def add_backprojection(
    total: Any,
    samples: Any,
    origin: Any,
    along_x: Any,
    along_y: Any,
    middle_x: float,
    middle_y: float,
    first_row: int,
    last_row: int,
) -> None:
    """Add the backprojection of some views of sixteen slices to some rows of their sums.

    Parameters
    ----------
    total : ndarray, shape (rows, columns, 16), float32, contiguous
        Sums so far, changed in place; the number of columns is a multiple of 4.
    samples : ndarray, shape (views, positions, 16), float32, contiguous
        Filtered projections, interpolated linearly between neighbouring positions.
    origin, along_x, along_y : ndarray, shape (views,), float64, contiguous
        Pixel (row, column) sees the position ``origin + (column - middle_x) * along_x + (row - middle_y) * along_y``.
        All of them must lie between 0 and positions - 1 (exclusive); this is not checked.
    middle_x, middle_y : float
        Column and row of the rotation axis, perhaps outside the sums.
    first_row, last_row : int
        Rows to work on, the last one excluded.
    """
    width = total.shape[1]
    views, positions = samples.shape[0], samples.shape[1]
    sums = total.reshape(total.size)
    values = samples.reshape(samples.size)
    row_origin = np.empty(views)
    for view in range(0, views, _VIEWS):
        end = min(views, view + _VIEWS)
        for left in range(0, width, _TILE):
            for row in range(first_row, last_row):
                for k in range(view, end):
                    row_origin[k] = origin[k] + (row - middle_y) * along_y[k]
                for column in range(left, min(width, left + _TILE), _UNROLL):
                    at = (row * width + column) * LANES
                    add_views(sums, at, values, positions, row_origin, along_x, column - middle_x, view, end)
