"""Build a plan: load the inputs' descriptions, infer every shape, group steps into passes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from tomosaxs.binned import bin_source, check_bin
from tomosaxs.dataset import Dataset, Source
from tomosaxs.errors import InputError, ListError, Problem
from tomosaxs.plan.infer import (
    core_of,
    halo_of,
    outputs_of,
    resolve,
    swept_dataset,
    variants_of,
    warnings_of,
)
from tomosaxs.plan.keys import backend_key, digest, sampled_digest, shown_values, step_key, uncertainty_key
from tomosaxs.plan.memory import size_blocks, too_large
from tomosaxs.plan.model import Node, Options, Plan, PlannedInput, PlannedStep
from tomosaxs.plan.passes import PassBuilder
from tomosaxs.plugin import PluginError
from tomosaxs.process_list import CheckedInput, CheckedList, CheckedStep, resolve_crop
from tomosaxs.process_list.entries import Entry

T = TypeVar("T")


def build_plan(checked: CheckedList, options: Options) -> Plan:
    """Return the plan of a checked list.

    Raises
    ------
    ListError
        With every fault that shows once the data's shapes are known.
    """
    return _Builder(checked, options).build()


class _Builder:
    def __init__(self, checked: CheckedList, options: Options) -> None:
        self.checked, self.options = checked, options
        self.problems: list[Problem] = []
        self.nodes: list[Node] = []
        self.current: dict[str, Node] = {}
        self.estimates: dict[str, str] = {}
        self.steps: list[PlannedStep] = []
        self.passes = PassBuilder(self._node)
        self.warnings: list[str] = []
        self.remarks: list[str] = []

    def build(self) -> Plan:
        inputs = [found for each in self.checked.inputs if (found := self._input(each)) is not None]
        self._raise()
        for step in self.checked.steps:
            if step.entry.active:
                self._step(step)
        self._raise()
        passes = self.passes.finish()
        self._save()
        self._check_savers()
        self._raise()
        for number, one in enumerate(passes, start=1):
            one.number = number
            size_blocks(one, self.options)
        messages = [f"{found.checked.entry.name}: {text}" for found in inputs for text in found.source.messages]
        self.warnings.extend(filter(None, (too_large(one, self.options) for one in passes)))
        ranks, memory = self.options.ranks, self.options.memory
        return Plan(
            self.checked, inputs, self.steps, self.nodes, passes, ranks, memory, messages, self.warnings, self.remarks,
            self.options,
        )  # fmt: skip

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

    def _input(self, each: CheckedInput) -> PlannedInput | None:
        entry = each.entry
        source = self._guard(entry, lambda: each.spec.target(each.argument, **each.values), "path")
        if source is None:
            return None
        if not isinstance(source, Source):
            self._object(entry, f"loader {each.spec.name} returned {type(source).__name__}, not a Source")
            return None
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
                "files": [sampled_digest(path) if path.is_file() else str(path) for path in files],
                "loader": step_key(each.spec, each.values, (), {}, {}),
                "index": [digest([axis.binning, *axis.index.tolist()]) for axis in source.dataset.axes],
            }
        )
        if (source.uncertainty is not None) != source.dataset.uncertainty:
            source = replace(source, dataset=replace(source.dataset, uncertainty=source.uncertainty is not None))
        node = self._node(entry.name, dataset=source.dataset, key=key, source=source)
        if source.uncertainty is not None:
            sigma = replace(source, reader=source.uncertainty, uncertainty=None)
            self._add_uncertainty(node, source=sigma)
        self.current[entry.name] = node
        return PlannedInput(each, source, key)

    def _step(self, checked: CheckedStep) -> None:
        entry = checked.entry
        if any(name not in self.current for name in checked.on):
            return  # an earlier step that makes it is at fault, and that is reported
        step = self._guard(entry, lambda: self._planned(checked))
        if step is None:
            for name in checked.to:
                self.current.pop(name, None)
            return
        self.steps.append(step)
        if step.spec.kind == "estimator":
            self.estimates[step.label] = step.key
            found = self._guard(entry, lambda: self._place(self.passes.add_estimator, step))
        else:
            for name, node in zip(checked.to, step.outputs, strict=True):
                self.current[name] = node
            found = self._guard(entry, lambda: self._place(self.passes.add, step))
        if not found:
            self.steps.pop()

    @staticmethod
    def _place(put: Callable[[PlannedStep], None], step: PlannedStep) -> bool:
        put(step)
        return True

    def _planned(self, checked: CheckedStep) -> PlannedStep:
        spec, entry = checked.spec, checked.entry
        inputs = tuple(self.current[name] for name in checked.on)
        datasets = [node.dataset for node in inputs]
        cores = tuple(core_of(pattern, d) for (_, pattern), d in zip(spec.inputs, datasets, strict=True))
        if spec.kind == "estimator" and entry.sweeps:
            raise InputError("an estimator cannot be swept: sweep the step that uses its value")
        if not spec.outputs and entry.sweeps:
            raise InputError(
                "it makes no dataset, so it cannot be swept: the files of one value would replace the others"
            )
        variants = tuple(resolve(spec, datasets, {**checked.values, **each}) for each in variants_of(entry.sweeps))
        values = variants[0]
        step = PlannedStep(checked, values, inputs, cores, variants=variants)
        step.halo = halo_of(spec, datasets[0], cores[0], variants)
        used = {name: self.estimates.get(ref.estimate, "") for name, ref in checked.postponed.items()}
        fields = {name: ref.field for name, ref in checked.postponed.items()}
        # two steps that write the same files write them into folders of their own
        label = "" if spec.outputs or spec.kind == "estimator" else step.label
        shown = [{"parameters": shown_values(spec, each), "backend": backend_key(spec, each)} for each in variants]
        more = {"variants": shown, "fields": fields, "label": label}
        if spec.variadic:
            more["names"] = checked.on  # an expression may use them
        step.key = step_key(spec, values, [node.key for node in inputs], used, more)
        made = outputs_of(spec, datasets, cores, values)
        if entry.sweeps:
            for variant in variants[1:]:
                other = outputs_of(spec, datasets, cores, variant)
                if [d.shape for d in other] != [d.shape for d in made]:
                    raise InputError("the swept values give outputs of different shapes, which cannot be stacked")
            made = [swept_dataset(dataset, step.label, entry.sweeps) for dataset in made]
        step.outputs = tuple(
            self._node(name, dataset=dataset, key=digest([step.key, number]), made_by=step)
            for number, (name, dataset) in enumerate(zip(checked.to, made, strict=True))
        )
        for node in step.outputs:
            if node.dataset.uncertainty:
                self._add_uncertainty(node, made_by=step)
        if spec.outputs and not spec.uncertainty and any(dataset.uncertainty for dataset in datasets):
            self.remarks.append(f"{step}: it does not carry uncertainties on; what it makes has none")
        seen = warnings_of(spec, datasets[0], _source_of(inputs[0]), values)
        self.warnings.extend(f"{step}: {text}" for text in seen)
        return step

    def _add_uncertainty(self, node: Node, **rest: Any) -> None:
        """Give a dataset the node of its standard uncertainties."""
        described = replace(node.dataset, label=f"standard uncertainty of {node.dataset.label}", uncertainty=False)
        key = uncertainty_key(node.key)
        node.uncertainty = self._node(f"{node.name}_uncertainty", dataset=described, key=key, values_of=node, **rest)

    def _check_savers(self) -> None:
        """Let the savers object to what they are to save."""
        saved = {node.saved_as: node.dataset for node in self.nodes if node.saved_as}
        for output in self.checked.outputs:
            rule = output.spec.check
            if rule is not None:
                more = {"datasets": saved} if "datasets" in inspect.signature(rule).parameters else {}
                self._guard(output.entry, partial(rule, tuple(saved), **output.values, **more))

    def _save(self) -> None:
        """Name what the result holds: steps with ``save: true`` and every last version."""
        used = {node for step in self.steps for node in step.inputs if step.outputs}
        for step in self.steps:
            for node in step.outputs:
                if step.checked.entry.save or node not in used:
                    node.saved_as = step.label if len(step.outputs) == 1 else f"{step.label}_{node.name}"


def _source_of(node: Node) -> Source | None:
    """Return the source of a dataset, or of what it is made of on the same axes; None where there is none."""
    names, shape = node.dataset.names, node.dataset.shape
    while node.source is None and node.made_by is not None:
        node = node.made_by.inputs[0]
        if node.dataset.names != names or node.dataset.shape != shape:
            return None
    return node.source
