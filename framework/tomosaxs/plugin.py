"""Plugins: one typed function (or dataclass) whose signature is the declaration."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints, overload

from tomosaxs.dataset import Axis, Dataset, Source
from tomosaxs.parameters import Parameter, Parameters, parameter
from tomosaxs.patterns import Pattern
from tomosaxs.scan import Scan

Kind: TypeAlias = Literal["step", "estimator", "loader", "saver"]
F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__tomosaxs_plugin__"


class PluginError(TypeError):
    """A plugin is declared wrongly; the message names file, line and the rule."""


@dataclass(frozen=True, eq=False)
class Output:
    """Shape and meaning of what a step returns, found before anything runs.

    Parameters
    ----------
    axes : tuple of Axis
        Core axes of the output, in the order of the block's dimensions after the leading one.
    dtype : str
        Type of the values.
    label, units : str
        What the values are.
    drop : tuple of str
        Auxiliaries that no longer describe the output.
    """

    axes: tuple[Axis, ...]
    dtype: str = "float32"
    label: str = "data"
    units: str = ""
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Estimate:
    """A named value that an estimator found.

    Parameters
    ----------
    value : float
        The value.
    units : str
        Its units.
    uncertainty, confidence : float
        Standard uncertainty in `units`; confidence 0..1. NaN where unknown.
    messages : tuple of str
        What the reader of the report should know.
    details : mapping of str to array or number
        Kept in the result, for instance the value found in every row.
    pictures : mapping of str to (y, x) or (y, x, 3) uint8 arrays
        Shown in the report.
    """

    value: Any
    units: str = ""
    uncertainty: float = float("nan")
    confidence: float = float("nan")
    messages: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)


ShapeRule: TypeAlias = Callable[..., "tuple[Axis, ...] | Output | list[tuple[Axis, ...] | Output]"]
SelectRule: TypeAlias = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class PluginSpec:
    """Everything the framework knows of a plugin, read from its signature and decorator."""

    name: str
    kind: Kind
    target: Callable[..., Any]
    inputs: tuple[tuple[str, Pattern], ...]
    outputs: tuple[Pattern, ...]
    parameters: Parameters
    wants_scan: str | None
    summary: str
    doc: str
    file: Path | None
    line: int
    cite: tuple[str, ...] = ()
    shape: ShapeRule | None = None
    select: SelectRule | None = None
    check: Callable[..., Any] | None = None
    halo: Mapping[str, int | str] = field(default_factory=dict)
    memory: Callable[..., float] | float | None = None
    determinism: float = 0.0
    gpu: bool = False
    array: str = "cupy"
    tile: int = 1
    stateful: bool = False
    version: str = ""

    @property
    def pointwise(self) -> bool:
        """Whether the plugin runs in any slicing."""
        return bool(self.inputs) and all(pattern.pointwise for _, pattern in self.inputs)

    @property
    def streaming(self) -> bool:
        """Whether an estimator takes its data tile by tile."""
        return self.kind == "estimator" and self.stateful


@overload
def plugin(function: F) -> F: ...
@overload
def plugin(
    *,
    name: str = "",
    cite: str | tuple[str, ...] = (),
    shape: ShapeRule | None = None,
    check: Callable[..., Any] | None = None,
    halo: Mapping[str, int | str] | None = None,
    memory: Callable[..., float] | float | None = None,
    determinism: float = 0.0,
    gpu: bool = False,
    array: str = "cupy",
) -> Callable[[F], F]: ...
def plugin(function: Any = None, **options: Any) -> Any:
    """Make a function (or dataclass with ``__call__``) a step of process lists.

    The function stays what it was: call it with plain arrays whenever you like. Positional arguments
    annotated with a pattern are the input datasets, the return annotation is the output (a tuple for
    several, None for a saver), keyword-only arguments are the user's parameters, an argument
    annotated `Scan` receives geometry and companions.

    Parameters
    ----------
    name : str, optional
        Name in lists; default the function's.
    cite : str or tuple of str, optional
        DOIs; they go into report and result.
    shape : callable, optional
        ``shape(dataset, **parameters)`` returns the output's core axes (`Axis` objects) or an `Output`;
        needed where the output's shape differs from the input's. Parameters that are known only
        while running (``${axis}``) are passed as None.
    check : callable, optional
        ``check(dataset, **parameters)`` raises `InputError` where parameters and data do not fit;
        called before anything runs.
    halo : mapping of axis name to int or parameter name, optional
        Neighbouring slices needed on both sides; at the ends of the data there are fewer.
    memory : callable or float, optional
        Peak bytes of a call: a factor of the input block's bytes, or
        ``memory(slices, dataset, **parameters)``. Default: input + output.
    determinism : float, optional
        0 (default): same bits for any block and number of ranks; else the relative tolerance.
    gpu : bool, optional
        The block arrives as an array of the package `array` (``cupy`` or ``torch``) on this rank's device.
    """
    return _decorate("step", function, options)


@overload
def estimator(function: F) -> F: ...
@overload
def estimator(
    *,
    name: str = "",
    cite: str | tuple[str, ...] = (),
    select: SelectRule | None = None,
    check: Callable[..., Any] | None = None,
    tile: int = 1,
    memory: Callable[..., float] | float | None = None,
    determinism: float = 0.0,
) -> Callable[[F], F]: ...
def estimator(function: Any = None, **options: Any) -> Any:
    """Make a function or class an estimator: it looks at a dataset and returns an `Estimate`.

    A function receives the whole selection, (n, \\*core), on one rank. A dataclass with
    ``update(block, scan)``, ``combine(other)`` and ``result()`` is streamed: a fresh instance sees one
    tile of `tile` slices, the instances are combined in the order of the tiles. Its fields declared with
    ``field(init=False)`` are its state (numbers, text, lists, dicts, numpy arrays); the others are parameters.

    Parameters
    ----------
    select : callable, optional
        ``select(dataset, **parameters)`` returns {axis name: indices or slice}: the part it needs.
    """
    return _decorate("estimator", function, options)


@overload
def loader(function: F) -> F: ...
@overload
def loader(*, name: str = "", cite: str | tuple[str, ...] = ()) -> Callable[[F], F]: ...
def loader(function: Any = None, **options: Any) -> Any:
    """Make ``f(path: Path, *, parameters) -> Source`` a loader for the ``input:`` part of lists."""
    return _decorate("loader", function, options)


@overload
def saver(function: F) -> F: ...
@overload
def saver(*, name: str = "", cite: str | tuple[str, ...] = ()) -> Callable[[F], F]: ...
def saver(function: Any = None, **options: Any) -> Any:
    """Make ``f(result: Result, folder: Path, *, parameters) -> list[Path]`` a saver for ``output:``."""
    return _decorate("saver", function, options)


def _decorate(kind: Kind, function: Any, options: dict[str, Any]) -> Any:
    if function is not None:
        setattr(function, _ATTRIBUTE, (kind, options))
        return function

    def attach(inner: Any) -> Any:
        setattr(inner, _ATTRIBUTE, (kind, options))
        return inner

    return attach


def is_plugin(target: Any) -> bool:
    """Return whether `target` was decorated as a plugin."""
    return hasattr(target, _ATTRIBUTE)


def spec_of(target: Any, *, name: str = "") -> PluginSpec:
    """Read a decorated function's or class's declaration.

    Raises
    ------
    PluginError
        When the declaration breaks a rule; the message names file and line.
    """
    kind, options = getattr(target, _ATTRIBUTE)
    file, line = _place(target)
    try:
        return _build(target, kind, dict(options), name, file, line)
    except PluginError as error:
        raise PluginError(f"{file}:{line}: plugin {target.__name__}: {error}") from None
    except NameError as error:
        raise PluginError(f"{file}:{line}: plugin {target.__name__}: annotation not found: {error}") from None


def _place(target: Any) -> tuple[Path | None, int]:
    try:
        return Path(inspect.getsourcefile(target) or ""), inspect.getsourcelines(target)[1]
    except (OSError, TypeError):
        return None, 0


def _build(target: Any, kind: Kind, options: dict[str, Any], name: str, file: Path | None, line: int) -> PluginSpec:
    stateful = inspect.isclass(target)
    call = _entry(target, kind) if stateful else target
    hints = get_type_hints(call, include_extras=True)
    inputs: list[tuple[str, Pattern]] = []
    declared: list[Parameter] = _fields(target) if stateful else []
    wants_scan = None
    for arg in list(inspect.signature(call).parameters.values())[1 if stateful else 0 :]:
        hint = hints.get(arg.name)
        if arg.kind in (arg.VAR_POSITIONAL, arg.VAR_KEYWORD):
            raise PluginError(f"argument *{arg.name}: a plugin declares every argument by name")
        if hint is None:
            raise PluginError(f"argument {arg.name!r} needs a type annotation")
        pattern = _pattern(hint)
        if pattern is not None:
            inputs.append((arg.name, pattern))
        elif hint is Scan:
            wants_scan = arg.name
        elif arg.kind is arg.KEYWORD_ONLY:
            default = () if arg.default is arg.empty else (arg.default,)
            declared.append(parameter(arg.name, hint, *default))
        elif kind in ("step", "estimator"):
            raise PluginError(
                f"positional argument {arg.name!r} must have a pattern type (Projections, Sinograms, ...) "
                "or be a Scan; parameters are keyword-only (put them after a *)"
            )
    if kind in ("step", "estimator") and not inputs:
        raise PluginError("it takes no dataset: annotate a positional argument with a pattern type")
    outputs = _outputs(hints.get("return"), kind)
    doc = inspect.getdoc(target) or ""
    if not doc:
        raise PluginError("it has no docstring: the first line is what users see in lists")
    cite = options.pop("cite", ())
    halo = options.pop("halo", None) or {}
    return PluginSpec(
        name=options.pop("name", "") or name or target.__name__,
        kind=kind,
        target=target,
        inputs=tuple(inputs),
        outputs=outputs,
        parameters=Parameters(tuple(declared)),
        wants_scan=wants_scan,
        summary=doc.splitlines()[0],
        doc=doc,
        file=file,
        line=line,
        cite=(cite,) if isinstance(cite, str) else tuple(cite),
        halo=halo,
        stateful=stateful,
        **options,
    )


def _entry(target: Any, kind: Kind) -> Any:
    if not dataclasses.is_dataclass(target):
        raise PluginError("a class plugin must be a dataclass: its fields are the parameters")
    wanted = ("update", "combine", "result") if kind == "estimator" else ("__call__",)
    for method in wanted:
        if not callable(getattr(target, method, None)):
            raise PluginError(f"a class {kind} needs the method {method}")
    return getattr(target, wanted[0])


def _fields(target: Any) -> list[Parameter]:
    hints = get_type_hints(target, include_extras=True)
    declared = []
    for each in dataclasses.fields(target):
        if not each.init:
            continue
        default: tuple[Any, ...] = ()
        if each.default is not dataclasses.MISSING:
            default = (each.default,)
        elif each.default_factory is not dataclasses.MISSING:
            default = (each.default_factory(),)
        declared.append(parameter(each.name, hints[each.name], *default))
    return declared


def _pattern(hint: Any) -> Pattern | None:
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, Pattern)), None)
    return None


def _outputs(hint: Any, kind: Kind) -> tuple[Pattern, ...]:
    if kind in ("loader", "saver", "estimator") or hint is None or hint is type(None):
        return ()
    parts = get_args(hint) if get_origin(hint) is tuple else (hint,)
    patterns = tuple(_pattern(part) for part in parts)
    if not all(isinstance(each, Pattern) for each in patterns):
        raise PluginError("the return annotation must be a pattern type, a tuple of them, or None")
    return tuple(each for each in patterns if each is not None)


LoaderFunction: TypeAlias = Callable[..., Source]
__all__ = [
    "Dataset", "Estimate", "Kind", "Output", "PluginError", "PluginSpec", "estimator", "is_plugin",
    "loader", "plugin", "saver", "spec_of",
]  # fmt: skip
