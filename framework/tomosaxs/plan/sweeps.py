"""Swept parameters: every combination of values is a branch of the plan of its own, and their results are stacked.

A step runs once for every combination of the swept parameters that its inputs, the estimates it uses and it itself
depend on: what lies before the first swept step runs once, an estimator behind it finds a value for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from tomosaxs.dataset import Axis, Dataset
from tomosaxs.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Swept:
    """A parameter that takes several values: a leading axis of all that comes of it.

    Parameters
    ----------
    step : int
        1-based number of the step.
    label : str
        How the step is called.
    parameter : str
        Name of the parameter.
    values : tuple
        In the order of the list.
    """

    step: int
    label: str
    parameter: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Name of the axis."""
        return f"{self.label}_{self.parameter}"

    def axis(self) -> Axis:
        """Return the axis; numbers are its coordinates."""
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in self.values)
        coordinates = np.asarray(self.values, dtype=np.float64) if numeric else None
        return Axis(self.name, len(self.values), coordinates)


Choice: TypeAlias = tuple[tuple[Swept, int], ...]
"""One combination: swept parameters, in the order of the list, each with the place of its value."""


def choice_text(choice: Choice) -> str:
    """Return a combination in words, for instance ``despike.size 5, reconstruct.filter hann``."""
    return ", ".join(f"{swept.label}.{swept.parameter} {value_text(swept.values[place])}" for swept, place in choice)


def value_text(value: Any) -> str:
    """Return a value as it is written in a list: 2.0 is 2, None is null."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(value_text(each) for each in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


@dataclass(eq=False)
class Family(Generic[T]):
    """What one entry of a list makes: one thing, or one for every combination of swept values.

    Parameters
    ----------
    swept : tuple of Swept
        On what it depends, in the order of the list.
    members : dict of tuple of int to object
        By the places of the values.
    """

    swept: tuple[Swept, ...] = ()
    members: dict[tuple[int, ...], T] = field(default_factory=dict)

    @classmethod
    def single(cls, member: T) -> Family[T]:
        """Return the family of what depends on no swept value."""
        return cls((), {(): member})

    def of(self, choice: Choice) -> T:
        """Return the member that belongs to a combination, which may hold further parameters."""
        places = dict(choice)
        return self.members[tuple(places[swept] for swept in self.swept)]

    def put(self, choice: Choice, member: T) -> None:
        """Add the member of a combination."""
        self.members[tuple(place for _, place in choice)] = member


def choices(families: Iterable[Family[Any]], own: Sequence[Swept]) -> tuple[tuple[Swept, ...], Iterator[Choice]]:
    """Return the swept parameters of a step, in the order of the list, and every combination of their values."""
    found = dict.fromkeys([swept for family in families for swept in family.swept] + list(own))
    swept = tuple(sorted(found, key=lambda each: each.step))
    places = product(*(range(len(each.values)) for each in swept))
    return swept, (tuple(zip(swept, each, strict=True)) for each in places)


def chosen_values(choice: Choice, own: Sequence[Swept]) -> dict[str, Any]:
    """Return a step's own swept parameters with their values."""
    places = dict(choice)
    return {swept.parameter: swept.values[places[swept]] for swept in own}


def stacked(swept: Sequence[Swept], parts: Mapping[tuple[int, ...], Dataset]) -> Dataset:
    """Return the description of all parts together, one leading axis for every swept parameter.

    Raises
    ------
    InputError
        When the parts have different shapes; the message names two of them.
    """
    (place, first), *others = parts.items()
    for other, dataset in others:
        if dataset.shape != first.shape or dataset.names != first.names:
            one, two = (choice_text(tuple(zip(swept, each, strict=True))) for each in (place, other))
            raise InputError(
                f"the swept values give outputs of different shapes, which cannot be stacked: {_shape(first)} for "
                f"{one}, {_shape(dataset)} for {two}; run them one by one, or sweep values that keep the shape"
            )
    return replace(first, axes=(*(each.axis() for each in swept), *first.axes))


def _shape(dataset: Dataset) -> str:
    return "(" + ", ".join(f"{axis.name} {axis.size}" for axis in dataset.axes) + ")"
