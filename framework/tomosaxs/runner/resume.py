"""Find what an earlier run finished, and which passes are left to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import h5py
import numpy as np

from tomosaxs.plan import Node, Pass, PlannedStep
from tomosaxs.plan.keys import uncertainty_key
from tomosaxs.plugin import Estimate
from tomosaxs.runner.context import Context
from tomosaxs.runner.estimates import load_estimate
from tomosaxs.runner.folder import RESULT, side_files
from tomosaxs.store import Store


def place_stores(context: Context, resume: bool) -> set[Node]:
    """Give every dataset that is written its file; return those that are there already."""
    old = saved_in(context.folder / RESULT) if resume else {}
    ready = set()
    equal: Counter[str] = Counter()
    stacks: set[Node] = set()
    for one in context.plan.passes:
        for node in dict.fromkeys(each.stack or each for each in one.stores):
            if node in stacks:
                continue  # some of its parts are made in an earlier pass
            stacks.update([node] if node.parts else ())
            internal = f"/entry/{node.in_result or f'{node.name}/data'}"
            home = context.home(node.key)
            if equal[node.key]:  # two steps that do the same to the same data
                home = home.with_name(f"{home.name}-{equal[node.key]}")
            equal[node.key] += 1
            store = node.store = Store(home / "data.h5", internal)
            finished = store.finished() if resume else None
            if finished is not None:
                node.store = finished
                ready.add(node)
            elif node.key in old:
                node.store = Store(context.folder / RESULT, old[node.key])
                ready.add(node)
    for node in stacks:
        for slot, part in node.parts.items():  # they are there together, or made together
            part.store = node.store.part(slot) if node.store is not None else None
            if node in ready:
                ready.add(part)
    return ready


def saved_in(result: Path) -> dict[str, str]:
    """Return content key -> dataset path of what a finished result holds."""
    found: dict[str, str] = {}
    if not result.is_file():
        return found
    try:
        with h5py.File(result, "r") as handle:
            entry = handle.get("entry")
            for name, group in entry.items() if isinstance(entry, h5py.Group) else ():
                key = group.attrs.get("key") if isinstance(group, h5py.Group) else None
                if key is not None and "data" in group:
                    found[str(key)] = f"/entry/{name}/data"
                    if "errors" in group:
                        found[uncertainty_key(str(key))] = f"/entry/{name}/errors"
    except OSError:
        return {}
    return found


def estimates_in(result: Path) -> dict[str, Estimate]:
    """Return content key -> estimate of what a finished result found, with what goes into the report."""
    if not result.is_file():
        return {}
    try:
        with h5py.File(result, "r") as handle:
            group = handle.get("entry/estimates")
            groups = list(group.values()) if isinstance(group, h5py.Group) else []
            return {str(g.attrs["key"]): _estimate(g) for g in groups if "key" in g.attrs and _is_numeric(g["value"])}
    except (OSError, KeyError):
        return {}


def _is_numeric(value: object) -> bool:
    return isinstance(value, h5py.Dataset) and value.dtype.kind in "iuf"


def _estimate(group: h5py.Group) -> Estimate:
    uncertainty, confidence = (float(group[name][()]) for name in ("uncertainty", "confidence"))
    value = group["value"][()] if group["value"].shape else float(group["value"][()])
    details = {n: d[()] for n, d in group.get("details", {}).items() if isinstance(d, h5py.Dataset)}
    pictures = {n: g["data"][()] for n, g in group.get("pictures", {}).items()}
    return Estimate(
        value,
        str(group["value"].attrs.get("units", "")),
        uncertainty,
        confidence,
        tuple(str(text) for text in group["messages"].asstr()[()]),
        {name: detail for name, detail in details.items() if np.asarray(detail).dtype.kind in "biuf"},
        pictures,
    )


def known_estimate(context: Context, one: Pass) -> Estimate | None:
    """Return the value that an earlier run found under the same key."""
    step = one.estimator
    if step is None:
        return None
    kept = load_estimate(context, step)
    return kept if kept is not None else estimates_in(context.folder / RESULT).get(step.key)


def _files_there(context: Context, step: PlannedStep) -> bool:
    """Return whether a saving step's files were finished, by a run that was cut short or by one that ended well."""
    if (context.home(step.key) / "done.json").is_file():
        return True
    place = context.folder / step.label
    key, names = side_files(place)
    return key == step.key and all((place / name).exists() for name in names)


def passes_to_run(context: Context, ready: set[Node], have_estimates: set[str], resume: bool) -> list[Pass]:
    """Walk back from what the result needs; a pass whose outputs are all there is left out."""
    needed: set[Node] = set()
    chosen: list[Pass] = []
    for one in reversed(context.plan.passes):
        if one.estimator is not None:
            run = one.estimator.label not in have_estimates
        else:
            files = [step for step in one.steps if not step.outputs]
            unfinished = [step for step in files if not (resume and _files_there(context, step))]
            saved = any(node.in_result and node not in ready for node in one.stores)
            run = saved or bool(unfinished) or any(node in needed for node in one.stores)
        if run:
            chosen.insert(0, one)
            for node in one.reads:
                origin = node.origin or node
                if origin.source is None and origin not in ready:
                    needed.add(origin)
    return chosen
