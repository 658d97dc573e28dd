"""Read a plugin's declaration from its signature; every broken rule is named with file and line."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from tomosaxs.parameters import Parameter, Parameters, parameter
from tomosaxs.patterns import Pattern
from tomosaxs.plugin import ATTRIBUTE, OWN_KEYS, Kind, PluginError, PluginSpec
from tomosaxs.scan import Scan


def spec_of(target: Any, *, name: str = "") -> PluginSpec:
    """Read a decorated function's or class's declaration.

    Raises
    ------
    PluginError
        When the declaration breaks a rule; the message names file and line.
    """
    kind, options = getattr(target, ATTRIBUTE)
    file, line = _place(target)
    try:
        return _build(target, kind, dict(options), name, file, line)
    except PluginError as error:
        raise PluginError(f"{file}:{line}: plugin {target.__name__}: {error}") from None
    except NameError as error:
        raise PluginError(f"{file}:{line}: plugin {target.__name__}: annotation not found: {error}") from None


def _place(target: Any) -> tuple[Path | None, int]:
    """Return where a plugin is written; of a function without reading its file."""
    try:
        file = Path(inspect.getsourcefile(target) or "")
        code = getattr(inspect.unwrap(target), "__code__", None)
        return file, inspect.getsourcelines(target)[1] if code is None else code.co_firstlineno
    except (OSError, TypeError):
        return None, 0


def _build(target: Any, kind: Kind, options: dict[str, Any], name: str, file: Path | None, line: int) -> PluginSpec:
    stateful = inspect.isclass(target)
    call = _entry(target, kind) if stateful else target
    hints = get_type_hints(call, include_extras=True)
    inputs: list[tuple[str, Pattern]] = []
    declared: list[Parameter] = _fields(target) if stateful else []
    wants_scan, many_paths, needs_path, variadic = None, False, True, False
    for arg in list(inspect.signature(call).parameters.values())[1 if stateful else 0 :]:
        hint = hints.get(arg.name)
        pattern = None if hint is None else _pattern(hint)
        several = arg.kind is arg.VAR_POSITIONAL and kind == "step" and pattern is not None
        if arg.kind in (arg.VAR_POSITIONAL, arg.VAR_KEYWORD) and not several:
            raise PluginError(
                f"argument *{arg.name}: a plugin declares every argument by name; only the datasets of a step may be "
                "any number, *data: Pointwise"
            )
        if hint is None:
            raise PluginError(f"argument {arg.name!r} needs a type annotation")
        if pattern is not None:
            if (several and inputs) or variadic:
                raise PluginError("beside a *argument of datasets there can be no other dataset")
            variadic = several
            inputs.append((arg.name, pattern))
        elif hint is Scan:
            wants_scan = arg.name
        elif arg.kind is arg.KEYWORD_ONLY:
            default = () if arg.default is arg.empty else (arg.default,)
            declared.append(parameter(arg.name, hint, *default))
        elif kind == "loader":
            many_paths |= _several_paths(hint)
            needs_path &= arg.default is arg.empty
        elif kind in ("step", "estimator"):
            raise PluginError(
                f"positional argument {arg.name!r} must have a pattern type (Projections, Sinograms, ...) "
                "or be a Scan; parameters are keyword-only (put them after a *)"
            )
    for each in declared:
        if each.name in OWN_KEYS[kind]:
            raise PluginError(
                f"a parameter cannot be called {each.name!r}: in a list, {', '.join(OWN_KEYS[kind])} are the "
                f"{'input' if kind == 'loader' else kind}'s own keys"
            )
    absent = options.get("absent", "")
    if absent and absent not in [each.name for each in declared]:
        raise PluginError(f"absent={absent!r} names no parameter")
    if kind in ("step", "estimator") and not inputs:
        raise PluginError("it takes no dataset: annotate a positional argument with a pattern type")
    outputs = _outputs(hints.get("return"), kind)
    doc = inspect.getdoc(target) or ""
    if not doc:
        raise PluginError("it has no docstring: the first line is what users see in lists")
    if options.get("uncertainty") and wants_scan is None:
        raise PluginError("with uncertainty=True it needs an argument of type Scan, which holds the uncertainties")
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
        variadic=variadic,
        many_paths=many_paths,
        needs_path=needs_path,
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


def _several_paths(hint: Any) -> bool:
    """Whether an argument is declared as ``Sequence[Path]``, ``tuple[Path, ...]`` or ``list[Path]``."""
    return get_origin(hint) in (Sequence, tuple, list) and Path in get_args(hint)


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
