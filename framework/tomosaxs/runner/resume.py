"""Find what an earlier run finished, and which passes are left to do."""

from __future__ import annotations

from pathlib import Path

import h5py

from tomosaxs.plan import Node, Pass
from tomosaxs.plugin import Estimate
from tomosaxs.runner.context import Context
from tomosaxs.runner.estimates import load_estimate
from tomosaxs.runner.folder import RESULT
from tomosaxs.store import Store


def place_stores(context: Context, resume: bool) -> set[Node]:
    """Give every dataset that is written its file; return those that are there already."""
    old = saved_in(context.folder / RESULT) if resume else {}
    ready = set()
    for one in context.plan.passes:
        for node in one.stores:
            internal = f"/entry/{node.saved_as or node.name}/data"
            node.store = Store(context.home(node.key) / "data.h5", internal)
            if resume and node.store.finished:
                ready.add(node)
            elif node.key in old:
                node.store = Store(context.folder / RESULT, old[node.key])
                ready.add(node)
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
    except OSError:
        return {}
    return found


def estimates_in(result: Path) -> dict[str, tuple[float, str, float, float]]:
    """Return content key -> (value, units, uncertainty, confidence) of a finished result's estimates."""
    found: dict[str, tuple[float, str, float, float]] = {}
    if not result.is_file():
        return found
    try:
        with h5py.File(result, "r") as handle:
            group = handle.get("entry/estimates")
            for each in group.values() if isinstance(group, h5py.Group) else ():
                if "key" in each.attrs and each["value"].shape == ():
                    units = str(each["value"].attrs.get("units", ""))
                    numbers = [float(each[name][()]) for name in ("value", "uncertainty", "confidence")]
                    found[str(each.attrs["key"])] = (numbers[0], units, numbers[1], numbers[2])
    except (OSError, KeyError):
        return {}
    return found


def known_estimate(context: Context, one: Pass) -> Estimate | None:
    """Return the value that an earlier run found under the same key."""
    step = one.estimator
    if step is None:
        return None
    kept = load_estimate(context, step)
    if kept is not None:
        return kept
    old = estimates_in(context.folder / RESULT).get(step.key)
    if old is None:
        return None
    return Estimate(old[0], old[1], old[2], old[3], messages=("taken from the earlier result",))


def passes_to_run(context: Context, ready: set[Node], have_estimates: set[str]) -> list[Pass]:
    """Walk back from what the result needs; a pass whose outputs are all there is left out."""
    needed: set[Node] = set()
    chosen: list[Pass] = []
    for one in reversed(context.plan.passes):
        if one.estimator is not None:
            run = one.estimator.label not in have_estimates
        else:
            files = [step for step in one.steps if not step.outputs]
            unfinished = [step for step in files if not (context.home(step.key) / "done.json").is_file()]
            saved = any(node.saved_as and node not in ready for node in one.stores)
            run = saved or bool(unfinished) or any(node in needed for node in one.stores)
        if run:
            chosen.insert(0, one)
            for node in one.reads:
                origin = node.origin or node
                if origin.source is None and origin not in ready:
                    needed.add(origin)
    return chosen
