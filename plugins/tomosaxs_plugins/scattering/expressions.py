"""Arithmetic on arrays written as text: what is allowed, and its evaluation by numexpr; no framework."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numexpr
import numpy as np
from numpy.typing import NDArray

# value by value, and in every numexpr from 2.9 on; sums and extremes would depend on how the data are cut
_FUNCTIONS = (
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "ceil", "cos", "cosh", "exp",
    "expm1", "floor", "log", "log10", "log1p", "sin", "sinh", "sqrt", "tan", "tanh", "where",
)  # fmt: skip
_CONSTANTS: Mapping[str, float] = {"pi": float(np.pi), "nan": float("nan"), "inf": float("inf")}
_ARITHMETIC = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.UAdd, ast.USub, ast.Invert, ast.BitAnd, ast.BitOr,
    ast.BitXor, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
_LONGEST = 2000
_HIGHEST_POWER = 64


def names_in(expression: str) -> list[str]:
    """Return the names of the arrays in an expression.

    Only numbers, names, arithmetic, one comparison at a time, ``& | ^ ~`` and functions of single values are
    allowed: no attributes, indices, strings, keywords or other calls. The text is parsed, not executed.

    Raises
    ------
    ValueError
        Naming what is not allowed.
    """
    return _parsed(expression)[1]


def _parsed(expression: str) -> tuple[str, list[str]]:
    """Return an expression as numexpr gets it, and the names of its arrays."""
    if len(expression) > _LONGEST:
        raise ValueError(f"the expression has {len(expression)} characters; {_LONGEST} are allowed")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        nodes = list(ast.walk(tree))
        for node in nodes:
            _allow(node)
        powers = {id(node.right) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)}
        for node in nodes:
            # integers would be added up by Python before anything runs: 9 ** 9 ** 9 would never end
            if not isinstance(node, ast.Constant) or not isinstance(node.value, (int, float)):
                continue
            if id(node) not in powers or abs(node.value) > _HIGHEST_POWER:
                node.value = float(node.value)
        text = ast.unparse(tree)
    except SyntaxError as error:
        raise ValueError(f"not an expression: {error.msg}") from None
    except (MemoryError, RecursionError, OverflowError) as error:
        raise ValueError(f"the expression is too deep or its numbers are too large ({type(error).__name__})") from None
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called)
    return text, [name for name in names if name not in _CONSTANTS]


def _allow(node: ast.AST) -> None:
    """Raise unless a part of an expression is arithmetic."""
    if isinstance(node, _ARITHMETIC):
        return
    shown = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
            raise ValueError(f"{shown}: the functions are {', '.join(_FUNCTIONS)}")
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            raise ValueError(f"{shown}: only numbers are constants")
    elif isinstance(node, ast.Compare):
        if len(node.ops) > 1:
            raise ValueError(f"{shown}: compare two at a time, (a < b) & (b < c)")
    elif isinstance(node, ast.BoolOp):
        raise ValueError(f"{shown}: write & and | with brackets, (a > 0) & (b > 0)")
    else:
        raise ValueError(f"{shown}: only arithmetic on named values is allowed")


def evaluate(expression: str, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return what the expression makes of arrays that broadcast to each other.

    Raises
    ------
    ValueError
        Where it is not allowed, uses a name that `values` does not have, or does not fit the kinds of its values.
    """
    text, names = _parsed(expression)
    missing = unknown(names, values)
    if missing:
        raise ValueError(f"unknown: {', '.join(missing)}; there are {', '.join(values) or 'no values'}")
    given = {name: np.asarray(values[name]) for name in names}
    constants = {name: np.float64(value) for name, value in _CONSTANTS.items()}
    try:
        answer = numexpr.evaluate(text, local_dict={**constants, **given}, global_dict={}, sanitize=True, order="C")
    except (TypeError, NotImplementedError, ArithmeticError, AttributeError, RecursionError) as error:
        raise ValueError(f"it cannot be calculated: {error}") from None
    return np.asarray(answer)


def spread(
    expression: str,
    values: Mapping[str, NDArray[Any]],
    sigmas: Iterable[tuple[Sequence[str], NDArray[Any]]],
) -> NDArray[np.float64]:
    """Return the standard uncertainty of what an expression makes of independent values.

    Each uncertain value in turn goes one standard uncertainty up and down; half the difference is its part, and the
    parts are added in squares. That is exact where the expression is linear in the value, and second order else.

    Parameters
    ----------
    values : mapping of str to array
        As for `evaluate`.
    sigmas : iterable of (names, array)
        Standard uncertainties of some of them; several names are several words for the same values.

    Raises
    ------
    ValueError
        As `evaluate`.
    """
    total, used = np.zeros(1), names_in(expression)
    for names, sigma in sigmas:
        if not set(names).intersection(used):
            continue
        here, step = np.asarray(values[names[0]], dtype=np.float64), np.asarray(sigma, dtype=np.float64)
        moved = [{**values, **dict.fromkeys(names, here + way * step)} for way in (1, -1)]
        ends = [np.asarray(evaluate(expression, each), np.float64) for each in moved]
        total = total + np.square(0.5 * (ends[0] - ends[1]))
    return np.asarray(np.sqrt(total), dtype=np.float64)


def unknown(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names that are not known."""
    have = set(known)
    return [name for name in names if name not in have]
