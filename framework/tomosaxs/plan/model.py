"""The parts of a plan: dataset versions, steps and passes over the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tomosaxs.dataset import Dataset, Selection, Source
from tomosaxs.plan.sweeps import Choice, Swept, choice_text
from tomosaxs.plugin import PluginSpec
from tomosaxs.process_list import CheckedInput, CheckedList, CheckedStep
from tomosaxs.store import DataStore

Intermediates: TypeAlias = Literal["auto", "memory", "file"]
"""Where datasets lie between passes."""


@dataclass(frozen=True)
class Options:
    """How a plan is to be run.

    Parameters
    ----------
    ranks : int
        Ranks that share the work.
    node_ranks : int
        Ranks on one node.
    memory : float
        Bytes that the ranks of one node together may hold, beside `tomosaxs.memory.BESIDE` each.
    block : int or None
        Slices a block; None: from the memory.
    threads : int
        Threads of a rank.
    intermediates : {"auto", "memory", "file"}
        Where datasets lie between passes: in memory where they fit, always, or never.
    room : float
        Bytes that the ranks of a node can share, as far as the system has them free.
    nodes : tuple of int
        Of every rank, the number of its node; default `node_ranks` on each.
    most_memory : float
        What `memory` may become where no less will do, because nobody asked for `memory`; 0: it is a promise.
    """

    ranks: int = 1
    node_ranks: int = 1
    memory: float = 4e9
    block: int | None = None
    threads: int = 1
    most_memory: float = 0.0
    intermediates: Intermediates = "auto"
    room: float = math.inf
    nodes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a dataset lies until the last pass has read it.

    Parameters
    ----------
    kind : {"file", "memory"}
        In a file of the work folder or the result, or in memory.
    reason : str
        Why.
    sliced : tuple of int
        In memory: the dimensions that are sliced where it is read first.
    halo : int
        In memory: neighbouring slices that are read there.
    single : bool
        In memory: whether every slice is read once, so that a block may be written to.
    """

    kind: Literal["file", "memory"]
    reason: str
    sliced: tuple[int, ...] = ()
    halo: int = 0
    single: bool = False

    @property
    def in_memory(self) -> bool:
        """Whether it is gone with the run."""
        return self.kind == "memory"


@dataclass(frozen=True)
class Narrowing:
    """From a step on, only some slices go on: what lies before needs more of them.

    Parameters
    ----------
    after : int
        1-based number of the last step that gets all.
    names : tuple of str
        The axis, under any of its names.
    place : int
        In the full, unbinned axis.
    around : int
        Entries on both sides that later steps need.
    """

    after: int
    names: tuple[str, ...]
    place: int
    around: int = 0


@dataclass(eq=False)
class Node:
    """One version of a named dataset: an input, or what a step made of it.

    Parameters
    ----------
    number : int
        Order of creation.
    name : str
        Name in the list.
    dataset : Dataset
        Axes, type and companions.
    key : str
        Content key.
    source : Source or None
        For an input: how it is read.
    origin : Node or None
        For the selection of an estimate: the node it is cut from, along `selection`.
    stored : bool
        Whether a later pass reads it, so that it is written.
    saved_as : str
        Name in the result; empty when it is not saved.
    uncertainty : Node or None
        The node of its standard uncertainties.
    values_of : Node or None
        Of a node of uncertainties: the node of the values.
    stack : Node or None
        Of what was made with one combination of swept values: the dataset of the result that it is a part of.
    slot : tuple of int
        Its place along the leading axes of `stack`.
    parts : dict of tuple of int to Node
        Of a stack: its parts by their slots.
    place : Place or None
        Of what is stored: where, and why.
    """

    number: int
    name: str
    dataset: Dataset
    key: str = ""
    source: Source | None = None
    origin: Node | None = None
    selection: Mapping[str, Selection] = field(default_factory=dict)
    made_by: PlannedStep | None = None
    stored: bool = False
    saved_as: str = ""
    store: DataStore | None = None
    place: Place | None = None
    uncertainty: Node | None = None
    values_of: Node | None = None
    stack: Node | None = None
    slot: tuple[int, ...] = ()
    parts: dict[tuple[int, ...], Node] = field(default_factory=dict)
    swept: tuple[Swept, ...] = ()

    @property
    def on_disk(self) -> bool:
        """Whether it is written to a file, where it is stored at all."""
        return self.place is None or not self.place.in_memory

    @property
    def in_result(self) -> str:
        """Place in the result, below the entry; empty when it is not saved."""
        if self.values_of is not None:
            return f"{self.values_of.saved_as}/errors" if self.values_of.saved_as else ""
        return f"{self.saved_as}/data" if self.saved_as else ""


@dataclass(eq=False)
class PlannedStep:
    """A step whose inputs, outputs and slicing are known.

    `cores` holds, for every input, the core axes in the order of the plugin's pattern; None for
    a pointwise input. In a sweep there is one for every combination of values: its `choice`; `number_of_choice`
    counts them from 1, 0 where nothing is swept.
    """

    checked: CheckedStep
    values: dict[str, Any]
    inputs: tuple[Node, ...]
    cores: tuple[tuple[str, ...] | None, ...]
    outputs: tuple[Node, ...] = ()
    choice: Choice = ()
    number_of_choice: int = 0
    key: str = ""
    halo: tuple[str, int] = ("", 0)
    extra_memory: float = 0.0

    @property
    def spec(self) -> PluginSpec:
        """Declaration of the plugin."""
        return self.checked.spec

    @property
    def number(self) -> int:
        """1-based place in the list."""
        return self.checked.entry.number

    @property
    def label(self) -> str:
        """Name in the list, else the plugin's; values and files of a sweep have the number of their combination."""
        label = self.checked.entry.label
        return label if self.spec.outputs or not self.choice else f"{label}.{self.number_of_choice}"

    @property
    def called(self) -> str:
        """How messages call the step of the list, whatever is swept."""
        return f"step {self.number} {self.checked.entry.label}"

    @property
    def taken(self) -> tuple[Node, ...]:
        """The inputs and, for a step that carries them on, their uncertainties."""
        sigmas = [node.uncertainty for node in self.inputs if node.uncertainty is not None]
        return (*self.inputs, *(sigmas if self.spec.uncertainty else ()))

    @property
    def made(self) -> tuple[Node, ...]:
        """The outputs and their uncertainties."""
        return (*self.outputs, *(node.uncertainty for node in self.outputs if node.uncertainty is not None))

    @property
    def keeps_whole(self) -> set[str]:
        """Return the axes that a pointwise plugin must not have sliced."""
        return {
            name
            for (_, pattern), node in zip(self.spec.inputs, self.inputs, strict=True)
            for name in pattern.whole
            if name in node.dataset.names
        }

    def required_slicing(self, position: int) -> tuple[str, ...] | None:
        """Return the axes that input `position` must be sliced along; None when any will do."""
        core = self.cores[position]
        if self.halo[0]:
            return (self.halo[0],)
        if core is None:
            return None
        return tuple(name for name in self.inputs[position].dataset.names if name not in core)

    def __str__(self) -> str:
        return f"{self.called} ({choice_text(self.choice)})" if self.choice else self.called


@dataclass(eq=False)
class Pass:
    """Steps that carry a block of one slicing through memory together.

    Parameters
    ----------
    kind : str
        ``section``: over all slices; ``estimate``: over a selection, ending in an estimator.
    sliced : dict of Node to tuple of str
        Sliced axes of every dataset in it.
    sizes : tuple of int
        Sizes of the sliced axes.
    held : float
        Bytes of a node that datasets in shared memory take while the pass runs.
    threads : int
        Threads of a rank.
    """

    kind: Literal["section", "estimate"]
    steps: list[PlannedStep] = field(default_factory=list)
    sliced: dict[Node, tuple[str, ...]] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    fixed: bool = False
    estimator: PlannedStep | None = None
    fraction: float = 1.0
    block: int = 1
    memory: float = 0.0
    held: float = 0.0
    threads: int = 1
    number: int = 0

    @property
    def count(self) -> int:
        """Number of slices."""
        total = 1
        for size in self.sizes:
            total *= size
        return total

    @property
    def produced(self) -> list[Node]:
        """Datasets that its steps make, in order."""
        return [node for step in self.steps for node in step.made]

    @property
    def stores(self) -> list[Node]:
        """Datasets that it writes."""
        return [node for node in self.produced if node.stored or node.in_result]

    @property
    def reads(self) -> list[Node]:
        """Datasets that it reads from a file or a store."""
        made = set(self.produced)
        everyone = [node for step in self.all_steps for node in step.taken]
        return [node for node in dict.fromkeys(everyone) if node not in made]

    @property
    def all_steps(self) -> list[PlannedStep]:
        """Its steps, the estimator included."""
        return [*self.steps, *([self.estimator] if self.estimator is not None else [])]

    @property
    def halo(self) -> int:
        """Slices needed on both sides of a block so that every step of every branch gets its halo."""
        behind: dict[Node, int] = {}
        for step in reversed(self.steps):
            need = step.halo[1] + max((behind.get(node, 0) for node in step.made), default=0)
            for node in step.taken:
                behind[node] = max(behind.get(node, 0), need)
        return max(behind.values(), default=0)


@dataclass(frozen=True, eq=False)
class PlannedInput:
    """An input as read: the loader's answer after the crop."""

    checked: CheckedInput
    source: Source
    key: str


@dataclass(eq=False)
class Plan:
    """What will happen, decided before anything runs.

    `messages` are what the loaders recognised; `warnings` what the user should look at before and after the run;
    `remarks` what else is worth knowing.
    """

    checked: CheckedList
    inputs: list[PlannedInput]
    steps: list[PlannedStep]
    nodes: list[Node]
    passes: list[Pass]
    ranks: int
    memory: float
    messages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    options: Options = field(default_factory=Options)

    @property
    def saved(self) -> list[Node]:
        """Datasets of the result, those of a sweep stacked, the default one last."""
        whole = [node for node in self.nodes if node.saved_as and node.stack is None]
        return sorted(whole, key=lambda node: min((part.number for part in node.parts.values()), default=node.number))

    @property
    def disk(self) -> int:
        """Bytes that the run writes."""
        return sum(node.dataset.nbytes for one in self.passes for node in one.stores if node.on_disk)
