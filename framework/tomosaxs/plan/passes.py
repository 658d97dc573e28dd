"""Group steps into passes: runs of steps that slice the data alike, and selections ahead of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Dataset
from tomosaxs.errors import InputError
from tomosaxs.plan.infer import outputs_of, selection_of, sliced_renames
from tomosaxs.plan.model import Node, Pass, PlannedStep

SHARE_FRACTION = 0.5
SHARE_BYTES = 1 << 28


class PassBuilder:
    """Takes the steps in the order of the list.

    A step joins the open section when it slices alike; a pointwise step always does. A section in
    which only pointwise steps have been met has no slicing yet: the first other step gives it one, so
    that an ordinary absorption list reads sinograms straight from the file.
    """

    def __init__(self, make_node: Callable[..., Node]) -> None:
        self.make_node = make_node
        self.done: list[Pass] = []
        self.open: Pass | None = None

    def add(self, step: PlannedStep) -> None:
        """Put a step into the open section, or close it and begin another."""
        if self.open is not None and not self._joins(self.open, step):
            self.close()
        section = self.open or Pass("section")
        if not section.fixed:
            self._fix(section, step)
        slicings = _slicings(section, step)
        _check_alike(section, step, slicings)
        for node, names in zip(step.inputs, slicings, strict=True):
            section.sliced.update(dict.fromkeys(_with_uncertainty(node), names))
        section.sliced.update(_sliced_outputs(step, section))
        section.steps.append(step)
        self.open = section

    def _joins(self, section: Pass, step: PlannedStep) -> bool:
        if not section.fixed:
            made, first = set(section.produced), next(iter(section.sliced))
            wanted = {step.required_slicing(position) for position in range(len(step.inputs))} - {None}
            alike = (node in made or _shape(node.dataset) == _shape(first.dataset) for node in step.inputs)
            kept = _kept_whole([*section.steps, step])
            return len(wanted) <= 1 and all(alike) and not any(kept.intersection(names or ()) for names in wanted)
        for position, (node, names) in enumerate(zip(step.inputs, _slicings(section, step), strict=True)):
            required = step.required_slicing(position)
            if required is not None and required != names:
                return False
            if _sizes(node.dataset, names) != section.sizes or step.keeps_whole.intersection(names):
                return False
        return True

    def _fix(self, section: Pass, step: PlannedStep) -> None:
        """Give the section the slicing of its first step that is not pointwise."""
        for position, node in enumerate(step.inputs):
            required = step.required_slicing(position)
            if required is not None:
                self._slice(section, node.dataset, required)
                return

    @staticmethod
    def _slice(section: Pass, dataset: Dataset, names: tuple[str, ...]) -> None:
        section.fixed = True
        section.sizes = tuple(dataset.axis(name).size for name in names)
        for node in section.sliced:
            section.sliced[node] = names

    def close(self) -> None:
        """End the open section."""
        section = self.open
        if section is None:
            return
        if not section.fixed:
            dataset = section.steps[0].inputs[0].dataset
            self._slice(section, dataset, _free_slicing(dataset, _kept_whole(section.steps)))
        if any(step.choice for step in section.steps):
            section.steps = _branch_by_branch(section.steps)
        self.done.append(section)
        self.open = None

    def add_estimator(self, step: PlannedStep) -> None:
        """Plan the selection that an estimator needs, ahead of the open section."""
        node = step.inputs[0]
        if len(step.inputs) != 1:
            raise InputError("an estimator looks at one dataset")
        required = step.required_slicing(0)
        kept = _kept_whole([step, *(self.open.steps if self.open is not None else [])])
        sliced = required or _free_slicing(node.dataset, kept)
        selection = selection_of(step.spec, node.dataset, step.values, sliced)
        fraction = float(np.prod([len(ix) / node.dataset.axis(name).size for name, ix in selection.items()]))
        chain = self._chain(node, sliced)
        large = fraction > SHARE_FRACTION and node.dataset.nbytes > SHARE_BYTES
        if chain is None or (chain and large):
            # the steps before it cannot run on the selection alone, or that would cost as much as
            # the main pass: run them once, keep the result, and let everything after share it
            self.close()
            chain = []
        self.done.append(self._estimate_pass(step, node, sliced, selection, chain, fraction))

    def _chain(self, node: Node, sliced: tuple[str, ...]) -> list[PlannedStep] | None:
        """Return the open section's steps that lead to `node`, or None if a selection cannot run them."""
        section = self.open
        if section is None or node not in section.produced:
            return []
        if section.fixed and section.sliced[node] != sliced:
            return None
        chain: list[PlannedStep] = []
        wanted = {node}
        for step in reversed(section.steps):
            if wanted.intersection(step.outputs):
                if step.halo[1] or len(step.inputs) > 1 or step.keeps_whole.intersection(sliced):
                    return None
                chain.insert(0, step)
                wanted.update(step.inputs)
        return chain

    def _estimate_pass(
        self,
        step: PlannedStep,
        node: Node,
        sliced: tuple[str, ...],
        selection: dict[str, NDArray[np.intp]],
        chain: list[PlannedStep],
        fraction: float,
    ) -> Pass:
        """Repeat the chain on the selected part, with descriptions of its own."""
        one = Pass("estimate", fraction=fraction, fixed=True)
        start = chain[0].inputs[0] if chain else node
        names = sliced
        if chain and self.open is not None and self.open.fixed:
            names = self.open.sliced[start]  # the chain may rename axes (rows become heights)
        selection = {names[sliced.index(name)]: index for name, index in selection.items()}
        part = self.make_node(
            start.name,
            dataset=replace(start.dataset.select(selection), uncertainty=False),
            key=start.key,
            origin=start,
            selection=selection,
        )
        start.stored = start.stored or start.source is None
        one.sliced[part] = names
        one.sizes = tuple(part.dataset.axis(name).size for name in names)
        versions = {start: part}
        for original in chain:
            inputs = (versions[original.inputs[0]],)
            repeated = PlannedStep(
                original.checked, original.values, inputs, original.cores, choice=original.choice,
                number_of_choice=original.number_of_choice, key=original.key,
            )  # fmt: skip
            made = outputs_of(original.spec, [inputs[0].dataset], original.cores, original.values)
            repeated.outputs = tuple(
                self.make_node(old.name, dataset=new, key=old.key, made_by=repeated)
                for old, new in zip(original.outputs, made, strict=True)
            )
            versions.update(zip(original.outputs, repeated.outputs, strict=True))
            one.sliced.update(_sliced_outputs(repeated, one))
            one.steps.append(repeated)
        step.inputs = (versions[node],)
        one.estimator = step
        return one

    def finish(self) -> list[Pass]:
        """Close the last section and mark what must be written because a later pass reads it."""
        self.close()
        made_in = {node: one for one in self.done for node in one.produced}
        for one in self.done:
            for node in one.reads:
                if node.source is None and node.origin is None and node in made_in:
                    node.stored = True
        return self.done


def _branch_by_branch(steps: list[PlannedStep]) -> list[PlannedStep]:
    """Order steps so that each follows what it takes at once, and few blocks are held at a time."""
    waiting = list(steps)
    ordered: list[PlannedStep] = []
    made_by = {node: step for step in steps for node in step.made}
    done: set[PlannedStep] = set()
    while waiting:
        ready = [s for s in waiting if all(made_by.get(node) in done or node not in made_by for node in s.taken)]
        last = ordered[-1].made if ordered else ()
        step = next((each for each in ready if set(each.taken).intersection(last)), ready[0])
        waiting.remove(step)
        ordered.append(step)
        done.add(step)
    return ordered


def _shape(dataset: Dataset) -> tuple[tuple[str, int], ...]:
    return tuple((axis.name, axis.size) for axis in dataset.axes)


def _sizes(dataset: Dataset, names: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return the sizes of the named axes, None where one does not exist."""
    if any(name not in dataset.names for name in names):
        return None
    return tuple(dataset.axis(name).size for name in names)


def _slicings(section: Pass, step: PlannedStep) -> list[tuple[str, ...]]:
    """Return how every input of a step is sliced in a section; a pointwise one like the others."""
    found = [
        section.sliced[node] if node in section.sliced else step.required_slicing(position)
        for position, node in enumerate(step.inputs)
    ]
    known = [names for names in (*found, *section.sliced.values()) if names is not None]
    return [names if names is not None else known[0] if known else () for names in found]


def _check_alike(section: Pass, step: PlannedStep, slicings: list[tuple[str, ...]]) -> None:
    """Refuse inputs that cannot be cut into the same slices."""
    first = step.inputs[0]
    taken: dict[Node, tuple[str, ...]] = {}
    for node, names in zip(step.inputs, slicings, strict=True):
        if taken.setdefault(node, names) != names:
            raise InputError(
                f"it takes {node.name} twice and would need it sliced in two ways; give it a copy of its own"
            )
        if not section.fixed and _shape(node.dataset) != _shape(first.dataset):
            raise InputError(f"its inputs differ: {_described(first)}, {_described(node)}")
        if section.fixed and _sizes(node.dataset, names) != section.sizes:
            raise InputError(
                f"its inputs cannot be cut into the same slices: {_described(first)}, sliced along "
                f"({', '.join(slicings[0])}); {_described(node)}"
            )


def _described(node: Node) -> str:
    return f"{node.name} has (" + ", ".join(f"{name}: {size}" for name, size in _shape(node.dataset)) + ")"


def _sliced_outputs(step: PlannedStep, section: Pass) -> dict[Node, tuple[str, ...]]:
    """Return the outputs' sliced axes: the first input's, renamed as the pattern of each output says."""
    names = section.sliced[step.inputs[0]]
    found = {}
    for pattern, node in zip(step.spec.outputs, step.outputs, strict=True):
        renames = sliced_renames(pattern, names)
        have = node.dataset.names
        kept = tuple(renames[name] if renames.get(name) in have else name for name in names)
        found.update(dict.fromkeys(_with_uncertainty(node), kept))
    return found


def _with_uncertainty(node: Node) -> list[Node]:
    return [node] if node.uncertainty is None else [node, node.uncertainty]


def _kept_whole(steps: list[PlannedStep]) -> set[str]:
    """Return the axes that pointwise steps want whole."""
    return {name for step in steps for name in step.keeps_whole}


def _free_slicing(dataset: Dataset, kept: set[str]) -> tuple[str, ...]:
    """Return the slicing of steps that leave it open: all axes but two, or the first that may be sliced."""
    first = dataset.names[: max(1, len(dataset.axes) - 2)]
    chosen = tuple(name for name in first if name not in kept)
    return chosen or tuple(name for name in dataset.names if name not in kept)[:1]
