"""Parameters of a plugin: declared by its signature, checked by pydantic, shown to people and editors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from tomosaxs.errors import did_you_mean

_MISSING: Any = object()


@dataclass(frozen=True)
class Param:
    """What a parameter means and which values it takes.

    Parameters
    ----------
    description : str
        One phrase.
    unit : str, optional
        Unit of the value, for instance ``px``, ``deg``, ``m``.
    ge, gt, le, lt : float, optional
        Limits.
    choices : sequence of str, optional
        The values that exist. Prefer ``Literal`` where the set is closed.
    former : tuple of str, optional
        Names it had before: lists with one of them are told the new one, and ``tomosaxs upgrade`` writes it.
    """

    description: str
    unit: str = ""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[str, ...] | None = None
    former: tuple[str, ...] = ()

    def limits(self) -> str:
        """Return the limits as text, for instance ``>= 1, <= 31``."""
        named = ((">=", self.ge), (">", self.gt), ("<=", self.le), ("<", self.lt))
        parts = [f"{sign} {value:g}" for sign, value in named if value is not None]
        if self.choices:
            parts.append("one of " + ", ".join(self.choices))
        return ", ".join(parts)


@dataclass(frozen=True)
class _FileMark:
    """Marks a parameter that names an input file, or also a folder of them."""

    folder: bool = False


InputFile: TypeAlias = Annotated[Path, _FileMark()]
"""A parameter that is a file: relative to the list, must exist, its content counts for resume."""
InputPath: TypeAlias = Annotated[Path, _FileMark(folder=True)]
"""A parameter that is a file or a folder of files: relative to the list, must exist, its content counts for resume."""


@dataclass(frozen=True)
class Parameter:
    """One parameter as declared.

    Parameters
    ----------
    name : str
        Name in the list.
    annotation : type
        Type of the value, without the `Param`.
    default : object
        Default; `required` tells when there is none.
    param : Param
        Description, unit and limits.
    """

    name: str
    annotation: Any
    default: Any
    param: Param

    @property
    def required(self) -> bool:
        """Whether the list must give a value."""
        return self.default is _MISSING

    @property
    def is_file(self) -> bool:
        """Whether the value names an input file."""
        return _marks_file(self.annotation)

    @property
    def may_be_folder(self) -> bool:
        """Whether the value may name a folder of input files."""
        return _marks_file(self.annotation, folder=True)

    def type_name(self) -> str:
        """Return the type in words."""
        return type_name(self.annotation)


def parameter(name: str, hint: Any, default: Any = _MISSING) -> Parameter:
    """Build a parameter from a resolved type hint and a default."""
    param = Param("")
    hint = _without_implicit_optional(hint)
    if get_origin(hint) is Annotated:
        base, *extras = get_args(hint)
        others = [extra for extra in extras if not isinstance(extra, Param)]
        for extra in extras:
            if isinstance(extra, Param):
                param = extra
        pieces = (base, *others)
        hint = Annotated[pieces] if others else base
    return Parameter(name, hint, default, param)


def _without_implicit_optional(hint: Any) -> Any:
    """Undo what `get_type_hints` of Python 3.10 does to an argument whose default is None.

    It wraps the whole ``Annotated[float | None, Param(...)]`` once more into an ``Optional``, which would hide
    the `Param` with its limits.
    """
    parts = get_args(hint) if get_origin(hint) is Union else ()
    annotated = [part for part in parts if get_origin(part) is Annotated]
    if len(annotated) != 1 or any(part is not type(None) and part is not annotated[0] for part in parts):
        return hint
    if not any(isinstance(extra, Param) for extra in get_args(annotated[0])):
        return hint
    base, *extras = get_args(annotated[0])
    pieces = (base | None, *extras)
    return Annotated[pieces]


def _marks_file(hint: Any, *, folder: bool = False) -> bool:
    if isinstance(hint, _FileMark):
        return hint.folder or not folder
    return get_origin(hint) is not Literal and any(_marks_file(part, folder=folder) for part in get_args(hint))


def type_name(hint: Any) -> str:
    """Return a type hint in the words of a list's author."""
    if hint is type(None):
        return "null"
    if hint is Path:
        return "path"
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_name(args[0])
    if origin is Literal:
        return " | ".join(str(arg) for arg in args)
    if origin in (list, tuple):
        inner = ", ".join(type_name(arg) for arg in args if arg is not Ellipsis)
        return f"list[{inner}]"
    if origin is dict:
        return "mapping"
    if getattr(origin or hint, "__name__", "") == "ndarray":
        return "array"
    if args:
        return " | ".join(type_name(arg) for arg in args)
    return {"float": "number", "int": "integer", "bool": "true/false", "str": "text"}.get(
        getattr(hint, "__name__", str(hint)), getattr(hint, "__name__", str(hint))
    )


@dataclass(frozen=True)
class ParameterFault:
    """One wrong parameter: its name (empty for the whole), and what is wrong."""

    name: str
    message: str


@dataclass(frozen=True)
class Parameters:
    """All parameters of a plugin."""

    declared: tuple[Parameter, ...]

    def __iter__(self) -> Any:
        return iter(self.declared)

    def names(self) -> tuple[str, ...]:
        """Names in order of declaration."""
        return tuple(each.name for each in self.declared)

    def get(self, name: str) -> Parameter | None:
        """Return the parameter called `name`, or None."""
        return next((each for each in self.declared if each.name == name), None)

    def validate(
        self, given: Mapping[str, Any], *, postponed: frozenset[str] = frozenset()
    ) -> tuple[dict[str, Any], list[ParameterFault]]:
        """Check values and fill in defaults.

        Parameters
        ----------
        given : mapping
            Values from a list.
        postponed : frozenset of str
            Names whose value is known only while running; they are left out of check and result.

        Returns
        -------
        values : dict
            Checked values of the right types, defaults included.
        faults : list of ParameterFault
            Everything that is wrong; empty when all is well.
        """
        faults = [
            ParameterFault(name, f"unknown parameter{did_you_mean(name, self.names())}")
            for name in given
            if self.get(name) is None
        ]
        values: dict[str, Any] = {}
        for each in self.declared:
            if each.name in postponed:
                continue
            if each.name not in given:
                if each.required:
                    needed = f"a value is required ({each.type_name()}): {each.param.description}"
                    faults.append(ParameterFault(each.name, needed.rstrip(": ")))
                else:
                    values[each.name] = each.default
                continue
            value, fault = check_value(each, given[each.name])
            if fault:
                faults.append(ParameterFault(each.name, fault))
            else:
                values[each.name] = value
        return values, faults


def check_value(declared: Parameter, given: Any) -> tuple[Any, str]:
    """Return the value in its declared type and ``""``, or None and what is wrong."""
    import pydantic

    try:
        value = _adapter(declared.annotation).validate_python(given)
    except pydantic.ValidationError as error:
        wanted = declared.type_name()
        return None, f"expected {wanted}, got {_shown(given)}{_detail(error, wanted, given)}"
    except TypeError as error:
        return None, f"expected {declared.type_name()}, got {_shown(given)} ({error})"
    fault = _outside(declared.param, value)
    return (None, fault) if fault else (value, "")


def _shown(given: Any) -> str:
    kind = {"str": "text", "int": "integer", "float": "number", "bool": "true/false", "dict": "mapping"}
    name = kind.get(type(given).__name__, type(given).__name__)
    return "null" if given is None else f"{name} {given!r}"


def _detail(error: Any, wanted: str, given: Any) -> str:
    if "|" in wanted and isinstance(given, str):
        guess = did_you_mean(given, [part.strip() for part in wanted.split("|")])
        return guess if "did you mean" in guess else ""
    # names of pydantic's own steps between the parts of a value tell the user nothing
    place = [str(part) for part in error.errors()[0]["loc"] if isinstance(part, int) or part.isidentifier()]
    return f" (at {'.'.join(place)})" if place else ""


def _outside(param: Param, value: Any) -> str:
    numbers = [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []
    if isinstance(value, (list, tuple)):
        numbers = [v for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
    for number in numbers:
        bad = (
            (param.ge is not None and not number >= param.ge)
            or (param.gt is not None and not number > param.gt)
            or (param.le is not None and not number <= param.le)
            or (param.lt is not None and not number < param.lt)
        )
        if bad:
            unit = f" {param.unit}" if param.unit else ""
            return f"must be {param.limits()}{unit}, got {number!r}"
    if param.choices and isinstance(value, str) and value not in param.choices:
        return f"got {value!r}{did_you_mean(value, param.choices)}"
    return ""


def _adapter(hint: Any) -> Any:
    import pydantic

    config = pydantic.ConfigDict(strict=True, arbitrary_types_allowed=True)
    return pydantic.TypeAdapter(_as_written_in_yaml(hint), config=config)


def _as_written_in_yaml(hint: Any) -> Any:
    """Strict scalars, but a YAML list may fill a tuple and a YAML text a path."""
    import pydantic

    origin, args = get_origin(hint), get_args(hint)
    if hint is Path or hint in (list, tuple, dict):
        return Annotated[hint, pydantic.Strict(False)]
    if origin is Annotated:
        return _as_written_in_yaml(args[0])
    if origin in (Union, UnionType):
        return Union[tuple(_as_written_in_yaml(arg) for arg in args)]  # noqa: UP007
    if origin in (list, tuple, dict):
        inner = tuple(arg if arg is Ellipsis else _as_written_in_yaml(arg) for arg in args)
        return Annotated[origin[inner], pydantic.Strict(False)]
    return hint
