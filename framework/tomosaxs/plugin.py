"""Plugins: one typed function (or dataclass) whose signature is the declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np

from tomosaxs.dataset import Axis, Quantity
from tomosaxs.parameters import Parameters
from tomosaxs.patterns import Pattern

Kind: TypeAlias = Literal["step", "estimator", "loader", "saver"]
INPUT_KEYS = ("plugin", "path", "crop", "bin")
STEP_KEYS = ("plugin", "name", "on", "to", "save", "active")
OWN_KEYS: Mapping[Kind, tuple[str, ...]] = {
    "step": STEP_KEYS, "estimator": STEP_KEYS, "loader": INPUT_KEYS, "saver": ("plugin",),
}  # fmt: skip
"""Keys of every entry of a list, which can not be parameters of the plugin."""
F = TypeVar("F", bound=Callable[..., Any])
ESTIMATE_FIELDS = ("value", "uncertainty", "confidence", "units")
"""What lists may refer to of every estimate, ``${axis.uncertainty}``."""
ATTRIBUTE = "__tomosaxs_plugin__"
"""Where a decorated function or class carries its kind and options."""


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
    uncertainty : bool
        Whether the step returns `Uncertain` values.
    metadata : mapping of str to Quantity or str
        What is known of the output besides; replaces entries of the input's metadata that have the same names.
    """

    axes: tuple[Axis, ...]
    dtype: str = "float32"
    label: str = "data"
    units: str = ""
    drop: tuple[str, ...] = ()
    uncertainty: bool = False
    metadata: Mapping[str, Quantity | str] = field(default_factory=dict)


class Uncertain(NamedTuple):
    """Values and their standard uncertainties, as a step returns them.

    Parameters
    ----------
    values, sigma : arrays of one shape
        One standard deviation in `sigma`, in the units of `values`; NaN where it is not known.
    """

    values: Any
    sigma: Any


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

    def entry(self, name: str) -> Any:
        """Return what ``${estimate.name}`` stands for, a field or a detail of the estimate; else None."""
        if name in ESTIMATE_FIELDS:
            return getattr(self, name)
        found = self.details.get(name)
        return found.item() if isinstance(found, (np.ndarray, np.generic)) and found.size == 1 else found


ShapeRule: TypeAlias = Callable[..., "tuple[Axis, ...] | Output | list[tuple[Axis, ...] | Output]"]
SelectRule: TypeAlias = Callable[..., Mapping[str, Any]]
LookRule: TypeAlias = Callable[..., Iterable[str]]


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
    look: LookRule | None = None
    halo: Mapping[str, int | str] = field(default_factory=dict)
    memory: Callable[..., float] | float | None = None
    cost: Callable[..., float] | None = None
    determinism: float = 0.0
    gpu: bool = False
    array: str = "cupy"
    uncertainty: bool = False
    nan: bool = False
    tile: int = 1
    stateful: bool = False
    variadic: bool = False
    version: str = ""
    many_paths: bool = False
    absent: str = ""
    needs_path: bool = True
    gives: tuple[str, ...] = ()
    restartable: bool = False

    @property
    def pointwise(self) -> bool:
        """Whether the plugin runs in any slicing."""
        return bool(self.inputs) and all(pattern.pointwise for _, pattern in self.inputs)

    def reading(self, count: int) -> PluginSpec:
        """Return the declaration for so many input datasets; only one that takes any number (``*data``) changes."""
        return replace(self, inputs=self.inputs[:1] * count) if self.variadic else self

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
    look: LookRule | None = None,
    halo: Mapping[str, int | str] | None = None,
    memory: Callable[..., float] | float | None = None,
    cost: Callable[..., float] | None = None,
    determinism: float = 0.0,
    gpu: bool = False,
    array: str = "cupy",
    uncertainty: bool = False,
    nan: bool = False,
    restartable: bool = False,
) -> Callable[[F], F]: ...
def plugin(function: Any = None, **options: Any) -> Any:
    """Make a function (or dataclass with ``__call__``) a step of process lists.

    The function stays what it was: call it with plain arrays whenever you like. Positional arguments
    annotated with a pattern are the input datasets (``*data: Pointwise`` takes any number, at least one), the return
    annotation is the output (a tuple for several, None for a saver), keyword-only arguments are the user's
    parameters, an argument annotated `Scan` receives geometry and companions.

    Parameters
    ----------
    name : str, optional
        Name in lists; default the function's.
    cite : str or tuple of str, optional
        DOIs; they go into report and result.
    shape : callable, optional
        ``shape(dataset, **parameters)`` returns the output's core axes (`Axis` objects) or an `Output`;
        needed where the output's shape differs from the input's. Parameters that are known only
        while running (``${axis}``) are passed as None: answer with the largest shape that may come. The rule is
        asked again with the value when it is known, and that shape is made.
    check : callable, optional
        ``check(dataset, **parameters)`` raises `InputError` where parameters and data do not fit;
        called before anything runs.
    look : callable, optional
        ``look(dataset, source, **parameters)`` looks at the data before the run and returns warnings (texts) that
        `tomosaxs check` and `plan`, log and report show; nothing is refused. `source` is the `Source` whose
        reader gives the values the step works on, or those that they are made of on the same axes; None where there
        is none. Read little: it is called each time a list is checked.
    halo : mapping of axis name to int or parameter name, optional
        Neighbouring slices needed on both sides; at the ends of the data there are fewer.
    memory : callable or float, optional
        Peak bytes of a call: a factor of the input block's bytes, or
        ``memory(slices, dataset, **parameters)``. Default: input + output.
    cost : callable, optional
        ``cost(slices, dataset, **parameters)`` returns a number that the seconds of a call are proportional to, in
        any unit, with one set of words among the parameters (backend, algorithm, method ...); `tomosaxs plan`
        foretells seconds with it, at the rate measured in earlier runs. Default: the bytes of inputs and outputs.
    determinism : float, optional
        0 (default): same bits for any block and number of ranks; else the relative tolerance.
    gpu : bool, optional
        The block arrives as an array of the package `array` (``cupy`` or ``torch``) on this rank's device.
    uncertainty : bool, optional
        The step knows what becomes of standard uncertainties: it finds those of its inputs in
        ``scan.uncertainty`` (None where there are none) and returns `Uncertain` values where its output has
        them: where ``shape=`` says so, or, without that rule, where its first input has. After a step that does not
        know, there are none.
    nan : bool, optional
        NaN or infinity in the output means something, for instance a bin that no pixel falls into. Without it a step
        that makes them of finite inputs fails, by name; those that were in the inputs may stay.
    restartable : bool, optional
        Of a saving step: what belongs to a block is in its files when the call returns, and a call may be repeated
        with the same or other blocks, in another process. ``--resume`` then goes on inside its section; otherwise
        all of its slices are written again. What it needs until all is whole belongs into ``scan.output / ".parts"``,
        which the runner removes in the end.
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
    look: LookRule | None = None,
    tile: int = 1,
    gives: tuple[str, ...] = (),
    memory: Callable[..., float] | float | None = None,
    cost: Callable[..., float] | None = None,
    determinism: float = 0.0,
) -> Callable[[F], F]: ...
def estimator(function: Any = None, **options: Any) -> Any:
    """Make a function or class an estimator: it looks at a dataset and returns an `Estimate`.

    A function receives the whole selection, (n, \\*core), on one rank. A dataclass with
    ``update(block, scan)``, ``combine(other)`` and ``result()`` is streamed: a fresh instance sees one
    tile of `tile` slices, the instances are combined in the order of the tiles. Its fields declared with
    ``field(init=False)`` are its state (numbers, text, lists, dicts, numpy arrays); the others are parameters. It may
    have a method ``known()`` that returns the `Estimate` where its parameters alone tell it (a value is given), else
    None: then nothing is read for it.

    Parameters
    ----------
    select : callable, optional
        ``select(dataset, **parameters)`` returns {axis name: indices or slice}: the part it needs.
    gives : tuple of str, optional
        Names of entries of `Estimate.details` that lists may refer to, for instance ``tilt_deg`` for
        ``${axis.tilt_deg}``.
    """
    return _decorate("estimator", function, options)


@overload
def loader(function: F) -> F: ...
@overload
def loader(*, name: str = "", cite: str | tuple[str, ...] = (), absent: str = "") -> Callable[[F], F]: ...
def loader(function: Any = None, **options: Any) -> Any:
    """Make ``f(path: Path, *, parameters) -> Source`` a loader for the ``input:`` part of lists.

    A loader of which ``path`` is ``Path | None = None`` may also be used without a file: its data are computed.

    A loader whose first argument is annotated ``Sequence[Path]`` (or ``tuple[Path, ...]``) takes several paths as one
    dataset: ``path:`` may then be a text, a list of texts, or patterns such as ``scan-*.nxs``, whose matches come in
    natural order (2 before 10). A folder comes as it is.

    Parameters
    ----------
    absent : str, optional
        Name of a true/false parameter with which files that are named may be absent: the loader then gets their
        paths all the same. Without it a file that is named and does not exist is a fault of the list.
    """
    return _decorate("loader", function, options)


@overload
def saver(function: F) -> F: ...
@overload
def saver(
    *, name: str = "", cite: str | tuple[str, ...] = (), check: Callable[..., Any] | None = None
) -> Callable[[F], F]: ...
def saver(function: Any = None, **options: Any) -> Any:
    """Make ``f(result: Result, folder: Path, *, parameters) -> list[Path]`` a saver for ``output:``.

    ``check(names, **parameters)`` raises `InputError` where it could not save datasets of these names; it is called
    before anything runs. A rule with an argument ``datasets`` gets their descriptions too, by name.
    """
    return _decorate("saver", function, options)


def _decorate(kind: Kind, function: Any, options: dict[str, Any]) -> Any:
    if function is not None:
        setattr(function, ATTRIBUTE, (kind, options))
        return function

    def attach(inner: Any) -> Any:
        setattr(inner, ATTRIBUTE, (kind, options))
        return inner

    return attach


def is_plugin(target: Any) -> bool:
    """Return whether `target` was decorated as a plugin."""
    return hasattr(target, ATTRIBUTE)
