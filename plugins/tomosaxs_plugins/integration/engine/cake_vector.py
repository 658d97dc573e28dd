"""One more vector instruction of the kind in `vector`: squared deviations of eight frames from their means."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from tomosaxs_plugins.integration.engine.vector import _DOUBLES, _VECTOR, _broadcast, _data, _vector_at


def _add_squares_typed(
    typing_context: Any,
    sums: Any,
    at: Any,
    values: Any,
    values_at: Any,
    means: Any,
    without: Any,
    times: Any,
    weight: Any,
) -> Any:
    """Give signature and code of `add_squares` to numba."""
    real, index = types.float64, types.int64
    return types.void(_DOUBLES, index, _DOUBLES, index, _DOUBLES, real, real, real), _add_squares_code


def _add_squares_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Build: sums[at:at + 8] += ((values[values_at:values_at + 8] - without - times * means[at:at + 8]) * weight)^2."""
    sums, at, values, values_at, means, without, times, weight = arguments
    target = _vector_at(builder, _data(context, builder, signature, 0, sums), at, _VECTOR)
    source = _vector_at(builder, _data(context, builder, signature, 2, values), values_at, _VECTOR)
    mean = _vector_at(builder, _data(context, builder, signature, 4, means), at, _VECTOR)
    expected = builder.fmul(_broadcast(builder, times), builder.load(mean, align=8))
    above = builder.fsub(builder.load(source, align=8), _broadcast(builder, without))
    off = builder.fmul(builder.fsub(above, expected), _broadcast(builder, weight))
    builder.store(builder.fadd(builder.load(target, align=8), builder.fmul(off, off)), target, align=8)
    return context.get_dummy_value()


add_squares: Any = intrinsic(_add_squares_typed)
