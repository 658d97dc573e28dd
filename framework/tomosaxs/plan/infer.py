"""What a step makes of its inputs: axes, type, units and companions, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Auxiliary, Axis, Dataset, Source
from tomosaxs.errors import InputError, did_you_mean
from tomosaxs.patterns import Pattern
from tomosaxs.plugin import Output, PluginError, PluginSpec


def core_of(pattern: Pattern, dataset: Dataset) -> tuple[str, ...] | None:
    """Return the core axes that a pattern takes of a dataset; None for a pointwise pattern.

    Raises
    ------
    InputError
        When the dataset does not have them.
    """
    if pattern.pointwise:
        return None
    core = pattern.core_of(dataset.names)
    if core is None:
        raise InputError(
            f"it works on {pattern.name}, axes {pattern.describe()}; the dataset has ({', '.join(dataset.names)})"
        )
    return core


def call_parameters(spec: PluginSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters by name, None for those that are known only while running."""
    return {name: values.get(name) for name in spec.parameters.names()}


def resolve(spec: PluginSpec, inputs: Sequence[Dataset], values: dict[str, Any]) -> dict[str, Any]:
    """Let the plugin check its parameters against the data and make them concrete."""
    if spec.check is None:
        return values
    concrete = spec.check(*inputs, **call_parameters(spec, values))
    return {**values, **concrete} if isinstance(concrete, Mapping) else values


def warnings_of(
    spec: PluginSpec, dataset: Dataset, source: Source | None, values: Mapping[str, Any]
) -> tuple[str, ...]:
    """Let the plugin look at the data and return what it warns of; data that cannot be read are no fault here."""
    if spec.look is None:
        return ()
    try:
        return tuple(str(text) for text in spec.look(dataset, source, **call_parameters(spec, values)))
    except (InputError, OSError) as error:
        return (f"the data could not be looked at: {error}",)


def outputs_of(
    spec: PluginSpec,
    inputs: Sequence[Dataset],
    cores: Sequence[tuple[str, ...] | None],
    values: Mapping[str, Any],
) -> list[Dataset]:
    """Return the descriptions of a step's outputs."""
    if not spec.outputs:
        return []
    first, core = inputs[0], cores[0]
    rules: list[Any]
    if spec.shape is None:
        rules = [None] * len(spec.outputs)
    else:
        answer = spec.shape(*inputs, **call_parameters(spec, values))
        rules = list(answer) if isinstance(answer, list) else [answer]
        if len(rules) != len(spec.outputs):
            raise PluginError(f"shape= describes {len(rules)} outputs, the signature {len(spec.outputs)}")
    return [_output(spec, first, core, pattern, rule) for pattern, rule in zip(spec.outputs, rules, strict=True)]


def _output(spec: PluginSpec, first: Dataset, core: tuple[str, ...] | None, pattern: Pattern, rule: Any) -> Dataset:
    if rule is None:
        if core is not None and not pattern.pointwise and pattern.core_of(first.names) != core:
            raise PluginError(f"plugin {spec.name} changes the axes: it needs a shape= rule")
        return replace(first, dtype=np.dtype(np.float32), uncertainty=spec.uncertainty and first.uncertainty)
    carried = spec.uncertainty and first.uncertainty
    plain = None if isinstance(rule, Output) else tuple(rule)
    described = rule if plain is None else Output(plain, label=first.label, units=first.units, uncertainty=carried)
    if described.uncertainty and not spec.uncertainty:
        raise PluginError("shape= says that the output has uncertainties: declare the plugin with uncertainty=True")
    axes, renamed = _axes(first, core or (), pattern, described.axes)
    sizes = {axis.name: axis.size for axis in axes}
    # what lies along an axis that is gone, or has another length now, no longer fits
    gone = {axis.name for axis in first.axes if axis.name not in renamed and sizes.get(axis.name) != axis.size}
    auxiliaries = {
        key: _renamed(auxiliary, renamed)
        for key, auxiliary in first.auxiliaries.items()
        if key not in described.drop and not gone.intersection(auxiliary.axes)
    }
    return replace(
        first,
        axes=axes,
        dtype=np.dtype(described.dtype),
        label=described.label,
        units=described.units,
        auxiliaries=auxiliaries,
        uncertainty=described.uncertainty,
        metadata={**first.metadata, **described.metadata},
    )


def _axes(
    first: Dataset, core: tuple[str, ...], pattern: Pattern, made: tuple[Axis, ...]
) -> tuple[tuple[Axis, ...], dict[str, str]]:
    """Return the output's axes in storage order and how sliced axes were renamed."""
    if not core and not made:  # pointwise with an Output: same axes, other meaning
        return first.axes, {}
    if tuple(axis.name for axis in made) == core:  # same axes, perhaps of another length: order is kept
        new = {axis.name: axis for axis in made}
        return tuple(new.get(axis.name, axis) for axis in first.axes), {}
    renamed = sliced_renames(pattern, [a.name for a in first.axes if a.name not in core])
    sliced = tuple(axis.renamed(renamed.get(axis.name, axis.name)) for axis in first.axes if axis.name not in core)
    axes = (*sliced, *made)
    names = [axis.name for axis in axes]
    if len(set(names)) != len(names):
        raise PluginError(f"the output would have two axes of one name: {names}")
    return axes, renamed


def sliced_renames(pattern: Pattern, sliced: Sequence[str]) -> dict[str, str]:
    """Return how the sliced axes are called after a step with this output pattern.

    A new name is given once and never to a second axis: in a raster scan of frames the heights ``y`` become
    ``z`` and the rows of the detector stay what they are.
    """
    found: dict[str, str] = {}
    for old, new in reversed(pattern.renames):
        if old in sliced and new not in sliced and new not in found.values():
            found[old] = new
    return found


def _renamed(auxiliary: Auxiliary, renamed: Mapping[str, str]) -> Auxiliary:
    return replace(auxiliary, axes=tuple(renamed.get(name, name) for name in auxiliary.axes))


def halo_of(
    spec: PluginSpec, dataset: Dataset, core: tuple[str, ...] | None, values: Mapping[str, Any]
) -> tuple[str, int]:
    """Return the axis and the number of neighbouring slices that a plugin needs.

    ``halo={"rotation_angle": 2}`` gives the number; ``halo={"rotation_angle": "size"}`` takes half of the
    parameter's value.
    """
    for name, amount in spec.halo.items():
        if name not in dataset.names:
            raise InputError(f"its halo runs along {name!r}{did_you_mean(name, dataset.names)}")
        if name in (core or ()):
            raise PluginError(f"its halo runs along {name!r}, which it gets whole")
        width = _halo_width(amount, values)
        others = [each for each in dataset.names if core is not None and each not in (name, *core)]
        if width and others and (spec.wants_scan or len(spec.inputs) > 1 or len(spec.outputs) != 1):
            raise InputError(
                f"it needs neighbours along {name} and is run for every position along {', '.join(others)}; "
                "that works only for one input, one output and no Scan"
            )
        if width:
            return name, width
    return "", 0


def _halo_width(amount: int | str, values: Mapping[str, Any]) -> int:
    if not isinstance(amount, str):
        return int(amount)
    value = values.get(amount)
    if value is None:
        raise InputError(
            "the neighbouring slices that it needs follow from this value: give a number", parameter=amount
        )
    return int(value) // 2


def selection_of(
    spec: PluginSpec, dataset: Dataset, values: Mapping[str, Any], sliced: tuple[str, ...]
) -> dict[str, NDArray[np.intp]]:
    """Return the checked selection that an estimator declares."""
    if spec.select is None:
        return {}
    chosen = spec.select(dataset, **call_parameters(spec, values))
    found = {}
    for name, part in chosen.items():
        size = dataset.axis(name).size
        if name not in sliced:
            raise InputError(f"it selects along {name!r}, which it gets whole; it may select along {sliced}")
        index = np.unique(np.arange(size, dtype=np.intp)[part])
        if index.size == 0:
            raise InputError(f"it selects nothing of axis {name!r}")
        found[name] = index
    return found
