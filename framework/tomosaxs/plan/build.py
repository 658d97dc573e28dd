"""Build a plan: load the inputs' descriptions, infer every shape, group steps into passes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from tomosaxs.binned import bin_source, check_bin
from tomosaxs.dataset import Dataset, Source
from tomosaxs.errors import InputError, ListError, Problem
from tomosaxs.plan.infer import (
    core_of,
    halo_of,
    outputs_of,
    resolve,
    warnings_of,
)
from tomosaxs.plan.keys import digest, file_keys, step_key, uncertainty_key
from tomosaxs.plan.memory import least_memory, rounded_up, size_blocks, too_large, too_small
from tomosaxs.plan.model import Narrowing, Node, Options, Pass, Plan, PlannedInput, PlannedStep
from tomosaxs.plan.passes import PassBuilder
from tomosaxs.plan.placement import place_datasets
from tomosaxs.plan.sweeps import Choice, Family, Swept, choices, chosen_values, stacked
from tomosaxs.plugin import PluginError, PluginSpec
from tomosaxs.process_list import CheckedInput, CheckedList, CheckedStep, resolve_crop
from tomosaxs.process_list.entries import Entry

T = TypeVar("T")


def build_plan(checked: CheckedList, options: Options, narrowing: Narrowing | None = None) -> Plan:
    """Return the plan of a checked list, of a part of the slices from some step on where that is asked for.

    Raises
    ------
    ListError
        With every fault that shows once the data's shapes are known.
    """
    return _Builder(checked, options, narrowing).build()


class _Builder:
    def __init__(self, checked: CheckedList, options: Options, narrowing: Narrowing | None = None) -> None:
        self.checked, self.options, self.narrowing = checked, options, narrowing
        self.problems: list[Problem] = []
        self.nodes: list[Node] = []
        self.current: dict[str, Family[Node]] = {}
        self.estimates: dict[str, Family[PlannedStep]] = {}
        self.steps: list[PlannedStep] = []
        self.made: list[tuple[CheckedStep, Family[Node]]] = []
        self.passes = PassBuilder(self._node)
        self.warnings: list[str] = []
        self.remarks: list[str] = []

    def build(self) -> Plan:
        """Return the plan."""
        inputs = [found for each in self.checked.inputs if (found := self._input(each)) is not None]
        self._raise()
        for step in self.checked.steps:
            if step.entry.active:
                if self.narrowing is not None and step.entry.number > self.narrowing.after:
                    self._narrow(self.narrowing)
                    self.narrowing = None
                self._step(step)
        self._raise()
        passes = self.passes.finish()
        self._save()
        self._check_savers()
        self._raise()
        for number, one in enumerate(passes, start=1):
            one.number = number
        self._size(passes)
        self._put(passes)
        messages = [f"{found.checked.entry.name}: {text}" for found in inputs for text in found.source.messages]
        self.warnings.extend(filter(None, (too_large(one, self.options) for one in passes)))
        ranks, memory = self.options.ranks, self.options.memory
        return Plan(
            self.checked, inputs, self.steps, self.nodes, passes, ranks, memory, messages, self.warnings, self.remarks,
            self.options,
        )  # fmt: skip

    def _size(self, passes: list[Pass]) -> None:
        """Choose the blocks; refuse a budget that not even the smallest ones fit into."""
        for one in passes:
            size_blocks(one, self.options)
        fault = too_small(passes, self.options)
        if not fault:
            return
        need = least_memory(passes, self.options)[0]
        if need <= self.options.most_memory:
            self.remarks.append(
                f"memory: {rounded_up(need)} are taken, more than the usual share of what is free: no less will do"
            )
            self.options = replace(self.options, memory=need)
            for one in passes:
                size_blocks(one, self.options)
        elif self.options.block is None:
            raise InputError(fault)

    def _put(self, passes: list[Pass]) -> None:
        """Choose where datasets lie between passes; refuse what is to be in memory and does not fit."""
        fault = place_datasets(passes, self.options)
        if fault:
            raise InputError(
                f"--intermediates memory: {fault}; give more --memory, or let it be a file: --intermediates auto"
            )

    def _raise(self) -> None:
        if self.problems:
            raise ListError(sorted(self.problems, key=lambda problem: problem.line or 0))

    def _node(self, name: str, *, dataset: Dataset, **rest: Any) -> Node:
        node = Node(len(self.nodes), name, replace(dataset, name=name), **rest)
        self.nodes.append(node)
        return node

    def _guard(self, entry: Entry, action: Callable[[], T], key: str = "") -> T | None:
        """Run a plugin's own rule; what it objects to becomes a problem with its place."""
        try:
            return action()
        except ListError as error:
            self.problems.extend(error.problems)
        except InputError as error:
            self._object(entry, str(error), error.parameter or key)
        except PluginError as error:
            self._object(entry, f"the plugin is declared wrongly: {error}")
        except Exception as error:  # noqa: BLE001 - a stranger's rule may fail in any way; it is reported
            self._object(entry, f"the plugin's own check failed: {type(error).__name__}: {error}", key)
        return None

    def _object(self, entry: Entry, text: str, key: str = "") -> None:
        self.problems.append(entry.problem(text, self.checked.process_list.file, key))

    def _fits_site(self, spec: PluginSpec) -> bool:
        """Return whether the list's site speaks of the data that this loader reads."""
        site = self.checked.site
        return site is not None and site.loader in ("", spec.name)

    def _input(self, each: CheckedInput) -> PlannedInput | None:
        entry = each.entry
        source = self._guard(entry, lambda: each.spec.target(each.argument, **each.values), "path")
        if source is None:
            return None
        if not isinstance(source, Source):
            self._object(entry, f"loader {each.spec.name} returned {type(source).__name__}, not a Source")
            return None
        site = self.checked.site if self._fits_site(each.spec) else None
        if site is not None:
            source = site.applied(source)
        if entry.crop:
            whole = source.dataset
            crop = self._guard(entry, lambda: resolve_crop(entry.crop, whole), "crop")
            if crop is None:
                return None
            source = source.select(crop)
        if entry.bin:
            faults = check_bin(entry.bin, source.dataset.names)
            for message, axis in faults:
                self._object(entry, message, f"bin.{axis}")
            cropped = source
            binned = None if faults else self._guard(entry, lambda: bin_source(cropped, entry.bin), "bin")
            if binned is None:
                return None
            source = binned
        files = source.files or each.paths
        key = digest(
            {
                "files": file_keys(files),
                "loader": step_key(each.spec, each.values, (), {}, {}),
                "index": [digest([axis.binning, *axis.index.tolist()]) for axis in source.dataset.axes],
                **({} if site is None else {"site": site.changes()}),
            }
        )
        if (source.uncertainty is not None) != source.dataset.uncertainty:
            source = replace(source, dataset=replace(source.dataset, uncertainty=source.uncertainty is not None))
        node = self._node(entry.name, dataset=source.dataset, key=key, source=source)
        if source.uncertainty is not None:
            sigma = replace(source, reader=source.uncertainty, uncertainty=None)
            self._add_uncertainty(node, source=sigma)
        self.current[entry.name] = Family.single(node)
        return PlannedInput(each, source, key)

    def _step(self, checked: CheckedStep) -> None:
        """Plan a step of the list, once for every combination of the swept values that it depends on."""
        entry = checked.entry
        if any(name not in self.current for name in checked.on):
            return  # an earlier step that makes it is at fault, and that is reported
        own = [Swept(entry.number, entry.label, name, values) for name, values in entry.sweeps.items()]
        used = [self.estimates[ref.estimate] for ref in checked.postponed.values() if ref.estimate in self.estimates]
        swept, every = choices([*(self.current[name] for name in checked.on), *used], own)
        planned = []
        for number, choice in enumerate(every, start=1):
            step = self._guard(entry, partial(self._planned, checked, own, choice, number))
            if step is None:  # one message is enough, whatever the other values are
                for name in checked.to:
                    self.current.pop(name, None)
                return
            planned.append(step)
        self._register(checked, swept, planned)
        put = self.passes.add_estimator if checked.spec.kind == "estimator" else self.passes.add
        for step in planned:
            if self._guard(entry, partial(self._place, put, step)) is None:
                return
            self.steps.append(step)

    def _narrow(self, wanted: Narrowing) -> None:
        """Let the steps that follow see some slices only of every dataset that has the axis."""
        self.passes.close()
        for name, family in self.current.items():
            part: Family[Node] = Family(family.swept)
            for place, node in family.members.items():
                axis = next((axis for axis in node.dataset.axes if axis.name in wanted.names), None)
                if axis is None or node.uncertainty is not None:
                    part.members[place] = node
                    continue
                at = int(np.argmin(np.abs(axis.centres - wanted.place)))
                index = np.arange(max(0, at - wanted.around), min(axis.size, at + wanted.around + 1))
                selection = {axis.name: index}
                node.stored = node.stored or node.source is None
                part.members[place] = self._node(
                    name, dataset=node.dataset.select(selection), key=digest([node.key, axis.name, index.tolist()]),
                    origin=node, selection=selection,
                )  # fmt: skip
            self.current[name] = part

    def _register(self, checked: CheckedStep, swept: tuple[Swept, ...], planned: list[PlannedStep]) -> None:
        """Let later steps find what a step makes."""
        if checked.spec.kind == "estimator":
            values: Family[PlannedStep] = Family(swept)
            for step in planned:
                values.put(step.choice, step)
            self.estimates[checked.entry.label] = values
            return
        for place, name in enumerate(checked.to):
            family: Family[Node] = Family(swept)
            for step in planned:
                family.put(step.choice, step.outputs[place])
            self.current[name] = family
            self.made.append((checked, family))

    @staticmethod
    def _place(put: Callable[[PlannedStep], None], step: PlannedStep) -> bool:
        put(step)
        return True

    def _planned(self, checked: CheckedStep, own: list[Swept], choice: Choice, number: int) -> PlannedStep:
        """Plan a step with one combination of swept values."""
        spec = checked.spec
        inputs = tuple(self.current[name].of(choice) for name in checked.on)
        datasets = [node.dataset for node in inputs]
        cores = tuple(core_of(pattern, d) for (_, pattern), d in zip(spec.inputs, datasets, strict=True))
        values = resolve(spec, datasets, {**checked.values, **chosen_values(choice, own)})
        finders = {
            name: self.estimates[ref.estimate].of(choice)
            for name, ref in checked.postponed.items()
            if ref.estimate in self.estimates
        }
        postponed = {
            name: replace(ref, estimate=finders[name].label) if name in finders else ref
            for name, ref in checked.postponed.items()
        }
        step = PlannedStep(
            replace(checked, postponed=postponed), values, inputs, cores, choice=choice,
            number_of_choice=number if choice else 0,
        )  # fmt: skip
        step.halo = halo_of(spec, datasets[0], cores[0], values)
        used = {name: finders[name].key if name in finders else "" for name in postponed}
        fields = {name: ref.field for name, ref in postponed.items()}
        # two steps that write the same files write them into folders of their own
        label = "" if spec.outputs or spec.kind == "estimator" else step.label
        more = {"fields": fields, "label": label}
        if spec.variadic:
            more["names"] = checked.on  # an expression may use them
        step.key = step_key(spec, values, [node.key for node in inputs], used, more)
        made = outputs_of(spec, datasets, cores, values)
        step.outputs = tuple(
            self._node(name, dataset=dataset, key=digest([step.key, place]), made_by=step)
            for place, (name, dataset) in enumerate(zip(checked.to, made, strict=True))
        )
        for node in step.outputs:
            if node.dataset.uncertainty:
                self._add_uncertainty(node, made_by=step)
        if spec.outputs and not spec.uncertainty and any(dataset.uncertainty for dataset in datasets):
            self._tell(self.remarks, f"{step.called}: it does not carry uncertainties on; what it makes has none")
        for text in warnings_of(spec, datasets[0], _source_of(inputs[0]), values):
            self._tell(self.warnings, f"{step.called}: {text}")
        return step

    @staticmethod
    def _tell(texts: list[str], text: str) -> None:
        if text not in texts:
            texts.append(text)

    def _add_uncertainty(self, node: Node, **rest: Any) -> None:
        """Give a dataset the node of its standard uncertainties."""
        described = replace(node.dataset, label=f"standard uncertainty of {node.dataset.label}", uncertainty=False)
        key = uncertainty_key(node.key)
        node.uncertainty = self._node(f"{node.name}_uncertainty", dataset=described, key=key, values_of=node, **rest)

    def _check_savers(self) -> None:
        """Let the savers object to what they are to save."""
        saved = {node.saved_as: node.dataset for node in self.nodes if node.saved_as and node.stack is None}
        for output in self.checked.outputs:
            rule = output.spec.check
            if rule is not None:
                more = {"datasets": saved} if "datasets" in inspect.signature(rule).parameters else {}
                self._guard(output.entry, partial(rule, tuple(saved), **output.values, **more))

    def _save(self) -> None:
        """Name what the result holds: steps with ``save: true`` and every last version, those of a sweep stacked."""
        used = {each for step in self.steps for node in step.inputs if step.outputs for each in (node, node.origin)}
        for checked, family in self.made:
            if not (checked.entry.save or used.isdisjoint(family.members.values())):
                continue
            several = len(checked.to) > 1
            for node in family.members.values():
                node.saved_as = f"{checked.entry.label}_{node.name}" if several else checked.entry.label
            if family.swept:
                self._guard(checked.entry, partial(self._stack, family))

    def _stack(self, family: Family[Node]) -> Node:
        """Give the parts of a sweep the dataset of the result in which each has its place."""
        first = next(iter(family.members.values()))
        whole = self._stack_of(family.swept, family.members)
        if first.uncertainty is not None:
            sigmas = {slot: node.uncertainty for slot, node in family.members.items() if node.uncertainty is not None}
            whole.uncertainty = self._stack_of(family.swept, sigmas)
            whole.uncertainty.values_of = whole
            whole.uncertainty.key = uncertainty_key(whole.key)
        return whole

    def _stack_of(self, swept: tuple[Swept, ...], parts: dict[tuple[int, ...], Node]) -> Node:
        first = next(iter(parts.values()))
        dataset = stacked(swept, {slot: node.dataset for slot, node in parts.items()})
        key = digest(["stack", [node.key for node in parts.values()]])
        whole = self._node(first.name, dataset=dataset, key=key, made_by=first.made_by)
        whole.saved_as, whole.parts, whole.swept = first.saved_as, dict(parts), swept
        for slot, node in parts.items():
            node.stack, node.slot = whole, slot
        return whole


def _source_of(node: Node) -> Source | None:
    """Return the source of a dataset, or of what it is made of on the same axes; None where there is none."""
    names, shape = node.dataset.names, node.dataset.shape
    while node.source is None and node.made_by is not None:
        node = node.made_by.inputs[0]
        if node.dataset.names != names or node.dataset.shape != shape:
            return None
    return node.source
