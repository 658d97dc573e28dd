"""How many slices a block holds: what a slice needs, against the memory that may be used."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from tomosaxs.dataset import chunks_of, is_compressed
from tomosaxs.plan.infer import call_parameters
from tomosaxs.plan.model import Node, Options, Pass, PlannedStep

CACHE_FRIENDLY = 1 << 28
"""Bytes; a block larger than this gains nothing unless reading needs it."""
LANES = 16
"""Kernels work on so many slices at a time: blocks are whole numbers of them."""
_OF_A_THREAD = 8
"""Slices, at least, that every thread of a rank gets of a block where memory allows."""


def available_memory() -> float:
    """Return the bytes this machine (or container) can still give, as far as it tells."""
    limits = []
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            limits.append(float(line.split()[1]) * 1024)
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = "".join(_lines(Path(name))).strip()
        if text.isdigit():
            limits.append(float(text))
    if not limits:
        limits.append(float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES") * 0.5)
    return min(limits)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def node_bytes(one: Pass, node: Node) -> float:
    """Return the bytes of one slice of a dataset in a pass."""
    return node.dataset.nbytes / max(1, one.count)


def step_bytes(one: Pass, step: PlannedStep, slices: int) -> float:
    """Return the peak bytes of a step on so many slices: inputs, outputs and the plugin's own need."""
    inputs = slices * sum(node_bytes(one, node) for node in step.taken)
    outputs = slices * sum(node_bytes(one, node) for node in step.made)
    declared = step.spec.memory
    if declared is None:
        extra = inputs
    elif callable(declared):
        extra = float(declared(slices, step.inputs[0].dataset, **call_parameters(step.spec, step.values)))
    else:
        extra = float(declared) * inputs
    return inputs + outputs + extra


def pass_bytes(one: Pass, slices: int) -> float:
    """Return the peak bytes of a rank in a pass with blocks of so many slices, halo and reading included."""
    slices = min(slices + 2 * one.halo, max(1, one.count))
    reading = 2.0 * slices * sum(node_bytes(one, node) for node in one.reads)
    inputs = [node for node in one.reads if (node.origin or node).source is not None]
    # the inputs of the next block are read while a section works on the present one
    ahead = slices * sum(node_bytes(one, node) for node in inputs) if one.kind == "section" else 0.0
    held = _held(one)
    steps = (step_bytes(one, step, slices) + slices * held[step] for step in one.all_steps)
    return max(reading, ahead + max(steps, default=0.0), 1.0)


def _held(one: Pass) -> dict[PlannedStep, float]:
    """Return the bytes a slice that wait for later steps, or for the end of the block, while a step runs."""
    steps = one.all_steps
    last = {node: number for number, step in enumerate(steps) for node in step.taken}
    last.update(dict.fromkeys(one.stores, len(steps)))
    waiting: dict[Node, float] = {}
    total = 0.0
    found = {}
    for number, step in enumerate(steps):
        taken = set(step.taken)
        found[step] = total - sum(waiting.get(node, 0.0) for node in taken)
        for node in taken.union(step.made):
            if last.get(node, -1) > number and node not in waiting:
                waiting[node] = node_bytes(one, node)
                total += waiting[node]
            elif last.get(node, -1) <= number:
                total -= waiting.pop(node, 0.0)
    return found


def spare_memory(passes: Iterable[Pass], options: Options) -> float:
    """Return the bytes of a node that can hold datasets while the given passes run, beside blocks of useful size.

    What is held so goes into `Pass.held` of every pass during which it is there: `size_blocks` then makes the blocks
    out of what is left.
    """
    free = options.memory
    for one in passes:
        share = max(1, -(-one.count // options.ranks))
        free = min(free, options.memory - one.held - options.node_ranks * pass_bytes(one, min(share, LANES)))
    return max(free, 0.0)


def size_blocks(one: Pass, options: Options) -> None:
    """Set the block size of a pass and the bytes that a rank then needs."""
    share = max(1, -(-one.count // options.ranks))
    one.block = max(1, min(options.block or _wanted(one, options, share), share))
    one.memory = pass_bytes(one, one.block)


def too_large(one: Pass, options: Options) -> str:
    """Return a warning where the blocks of a pass need more memory than is allowed, else an empty text."""
    need, allowed = one.memory * options.node_ranks + one.held, options.memory
    if need <= allowed:
        return ""
    return (
        f"pass {one.number}: blocks of {one.block} need about {need / 1e6:.3g} MB on a node, "
        f"{allowed / 1e6:.3g} MB are allowed; it is run all the same"
    )


def _wanted(one: Pass, options: Options, share: int) -> int:
    budget = (options.memory - one.held) / max(1, options.node_ranks)
    fixed = pass_bytes(one, 0)
    slope = max(1.0, (pass_bytes(one, share) - fixed) / share)
    fits = int((budget - fixed) // slope)
    wanted = max(LANES, _OF_A_THREAD * options.threads, int(CACHE_FRIENDLY // slope)) // LANES * LANES
    together = max(_decoded_together(one, node, share) for node in one.reads) if one.reads else 1
    if together > 1:  # a block decodes every chunk it touches: whole chunks, or as few parts of them as fit
        wanted = -(-wanted // together) * together
        fits = fits if fits < together else fits // together * together
    return min(fits, wanted)


def _decoded_together(one: Pass, node: Node, share: int) -> int:
    """Return how many slices in a row lie in the same compressed chunks: 1 where every slice has its own."""
    origin = node.origin or node
    if origin.source is None or not is_compressed(origin.source.reader):
        return 1
    chunks = chunks_of(origin.source.reader)
    if chunks is None:
        return share
    dataset = origin.dataset
    sizes = [dataset.axis(name).size for name in one.sliced[node]]
    for number, name in enumerate(one.sliced[node]):
        deep = min(chunks[dataset.names.index(name)], sizes[number])
        if deep > 1:
            return min(math.prod(sizes[number + 1 :]) * deep, share)
    return 1


def peak_memory() -> int:
    """Return this process's peak resident memory in bytes."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
