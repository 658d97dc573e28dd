"""Vectors of neighbouring float32 values inside compiled functions.

numba has no vector type and turns a loop over a few lanes into vector instructions only where it can prove that no two
arrays overlap. Here a vector is a value like any other: it is loaded from a contiguous array, added, multiplied and
stored, and becomes one register or a few, whatever the width that the processor has. Lanes never mix.

``add(load8(values, 0), load8(values, 8))`` works on eight values at once; plain ``+``, ``-`` and ``*`` do too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types
from numba.core.datamodel import models as untyped_models
from numba.core.datamodel.registry import register_default
from numba.extending import intrinsic
from numba.extending import lower_builtin as untyped_lower_builtin
from numba.extending import type_callable as untyped_type_callable

cgutils: Any = untyped_cgutils
models: Any = untyped_models
lower_builtin: Any = untyped_lower_builtin
type_callable: Any = untyped_type_callable


class Vector(types.Type):
    """So many float32 values side by side.

    Parameters
    ----------
    lanes : int
        How many.
    """

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Vector(float32, {lanes})")


@register_default(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is an LLVM vector, in registers and in memory."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, ir.VectorType(ir.FloatType(), vector.lanes))


def _typed(operation: Any) -> None:
    @type_callable(operation)  # type: ignore[untyped-decorator]
    def typing(context: Any) -> Callable[[Any, Any], Any]:
        def result(one: Any, other: Any) -> Any:
            same = isinstance(one, Vector) and isinstance(other, Vector) and one.lanes == other.lanes
            return one if same else None

        return result


def _lowered(operation: Any, instruction: str) -> None:
    @lower_builtin(operation, Vector, Vector)  # type: ignore[untyped-decorator]
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


for _operation, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _typed(_operation)
    _lowered(_operation, _instruction)


def _address(context: Any, builder: Any, kind: Any, array: Any, place: Any, lanes: int) -> Any:
    data = cgutils.create_struct_proxy(kind)(context, builder, value=array).data
    pointer = builder.gep(data, [place])
    return builder.bitcast(pointer, ir.VectorType(ir.FloatType(), lanes).as_pointer())


def _is_flat(array: Any) -> bool:
    return isinstance(array, types.Array) and array.dtype == types.float32 and array.ndim == 1 and array.layout == "C"


def _loader(lanes: int) -> Any:
    def load(typing_context: Any, array: Any, place: Any) -> Any:
        """Return the values of a flat contiguous array that begin at a place; nothing is checked."""
        if not (_is_flat(array) and isinstance(place, types.Integer)):
            return None

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(
                _address(context, builder, signature.args[0], arguments[0], arguments[1], lanes), align=4
            )

        return Vector(lanes)(array, types.intp), code

    return intrinsic(load)


def _spread_out(builder: Any, value: Any, lanes: int) -> Any:
    kind = ir.VectorType(ir.FloatType(), lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), first)


def _spreader(lanes: int) -> Any:
    def spread(typing_context: Any, value: Any) -> Any:
        """Return a vector with the same number, as float32, in every lane."""
        if not isinstance(value, types.Number):
            return None

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _spread_out(builder, arguments[0], lanes)

        return Vector(lanes)(types.float32), code

    return intrinsic(spread)


def _taker(lanes: int) -> Any:
    def take(typing_context: Any, array: Any, place: Any) -> Any:
        """Return a vector with one value of a flat contiguous array in every lane; nothing is checked."""
        if not (_is_flat(array) and isinstance(place, types.Integer)):
            return None

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0]).data
            return _spread_out(builder, builder.load(builder.gep(data, [arguments[1]]), align=4), lanes)

        return Vector(lanes)(array, types.intp), code

    return intrinsic(take)


def _store(typing_context: Any, array: Any, place: Any, vector: Any) -> Any:
    """Put a vector into a flat contiguous array from a place on; nothing is checked."""
    if not (_is_flat(array) and isinstance(place, types.Integer) and isinstance(vector, Vector)):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = _address(context, builder, signature.args[0], arguments[0], arguments[1], vector.lanes)
        builder.store(arguments[2], where, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


def _transposed(typing_context: Any, source: Any, begin: Any, step: Any, target: Any, to: Any, target_step: Any) -> Any:
    """Copy eight rows of eight values, `step` apart, to eight columns, which lie `target_step` apart."""
    places = (begin, step, to, target_step)
    if not (_is_flat(source) and _is_flat(target) and all(isinstance(place, types.Integer) for place in places)):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args

        def mixed(one: Any, other: Any, lanes: list[int]) -> Any:
            return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), 8), lanes))

        def row(array: int, first: int, between: int, number: int) -> Any:
            place = builder.add(
                arguments[first], builder.mul(arguments[between], ir.Constant(arguments[1].type, number))
            )
            return _address(context, builder, kinds[array], arguments[array], place, 8)

        rows = [builder.load(row(0, 1, 2, number), align=4) for number in range(8)]
        low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
        pairs = [mixed(rows[k], rows[k + 1], lanes) for k in range(0, 8, 2) for lanes in (low, high)]
        left, right = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
        fours = [mixed(pairs[k], pairs[k + 2], lanes) for k in (0, 1, 4, 5) for lanes in (left, right)]
        front, back = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]
        columns = [mixed(fours[k], fours[k + 4], lanes) for lanes in (front, back) for k in range(4)]
        for number, column in enumerate(columns):
            builder.store(column, row(3, 4, 5, number), align=4)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(source, intp, intp, target, intp, intp), code


def _fused(negative: bool) -> Any:
    def fused(typing_context: Any, one: Any, other: Any, last: Any) -> Any:
        """Return ``one * other`` plus or minus the last, in one instruction where the processor has it."""
        if not (isinstance(one, Vector) and one == other == last):
            return None

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = ir.VectorType(ir.FloatType(), one.lanes)
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{one.lanes}f32"
            )
            first, second, third = arguments
            return builder.call(function, [first, second, builder.fneg(third) if negative else third])

        return one(one, one, one), code

    return intrinsic(fused)


load8, load16 = _loader(8), _loader(16)
spread8, spread16 = _spreader(8), _spreader(16)
store: Any = intrinsic(_store)
take8, take16 = _taker(8), _taker(16)
transpose8: Any = intrinsic(_transposed)
multiply_add: Any = _fused(negative=False)
multiply_subtract: Any = _fused(negative=True)
