"""How many slices a block holds: what a slice needs, against the memory that may be used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from tomosaxs.blocks import turned_piece
from tomosaxs.dataset import chunks_of, is_compressed
from tomosaxs.plan.infer import call_parameters
from tomosaxs.plan.model import Node, Options, Pass, PlannedStep

CACHE_FRIENDLY = 1 << 28
"""Bytes; a block larger than this gains nothing unless reading needs it."""
LANES = 16
"""Kernels work on so many slices at a time: blocks are whole numbers of them."""
WRITTEN = 1 << 24
"""Bytes of a mapped file that are written at a time."""
_OF_A_THREAD = 8
"""Slices, at least, that every thread of a rank gets of a block where memory allows."""


def node_bytes(one: Pass, node: Node) -> float:
    """Return the bytes of one slice of a dataset in a pass."""
    return node.dataset.nbytes / max(1, one.count)


def step_bytes(one: Pass, step: PlannedStep, slices: int) -> float:
    """Return the peak bytes of a step on so many slices: inputs, outputs, companions and the plugin's own need."""
    inputs = slices * sum(node_bytes(one, node) for node in step.taken)
    outputs = slices * sum(node_bytes(one, node) for node in step.made)
    return inputs + outputs + own_bytes(one, step, slices) + companion_bytes(one, step, slices)


def own_bytes(one: Pass, step: PlannedStep, slices: int) -> float:
    """Return what a plugin says it needs beside its inputs and outputs; as much as its inputs where it says nothing."""
    inputs = slices * sum(node_bytes(one, node) for node in step.taken)
    declared = step.spec.memory
    if declared is None:
        return inputs
    if callable(declared):
        return float(declared(slices, step.inputs[0].dataset, **call_parameters(step.spec, step.values)))
    return float(declared) * inputs


def companion_bytes(one: Pass, step: PlannedStep, slices: int) -> float:
    """Return the bytes of what goes with a step's first input (flats, darks) for a block: as read, and in order."""
    if not step.spec.wants_scan:
        return 0.0
    node = step.inputs[0]
    sliced = one.sliced[node]
    total = 0.0
    for each in node.dataset.auxiliaries.values():
        entries = 1.0
        for name, size in zip(each.axes, each.reader.shape, strict=True):
            entries *= size if name not in sliced else min(size, slices)
        total += entries * each.reader.dtype.itemsize
    return 2.0 * total


def pass_bytes(one: Pass, slices: int) -> float:
    """Return the peak bytes of a rank in a pass with blocks of so many slices, halo, reading and writing included."""
    own, slices = slices, min(slices + 2 * one.halo, max(1, one.count))
    if slices == 0:
        own = 0
    reading = [_reading(one, node, slices) for node in one.reads]
    inputs = [size for size, node in zip(reading, one.reads, strict=True) if (node.origin or node).source is not None]
    # the inputs of the next block are read while a section works on the present one, and the one before is written
    ahead = sum(inputs) if one.kind == "section" else 0.0
    behind = own * sum(node_bytes(one, node) for node in one.stores) if one.kind == "section" else 0.0
    behind += min(behind, WRITTEN)
    held = _held(one)
    steps = (step_bytes(one, step, slices) + slices * held[step] for step in _at_once(one))
    return max(sum(reading), ahead + behind + max(steps, default=0.0), 1.0)


def _at_once(one: Pass) -> list[PlannedStep]:
    """Return the steps that run on blocks: all but an estimator that looks at the whole selection on the first rank."""
    return one.all_steps if one.estimator is None or one.estimator.spec.streaming else one.steps


def _reading(one: Pass, node: Node, slices: int) -> float:
    """Return the bytes that reading a block takes: itself, the pieces that it is read in, the chunks being decoded."""
    block = slices * node_bytes(one, node)
    origin = node.origin or node
    names = one.sliced[node]
    turned = node.dataset.names[: len(names)] != names
    pieces = 2.0 * turned_piece(int(block)) if block and turned else 0.0
    if origin.source is None or not is_compressed(origin.source.reader):
        return block + min(pieces, block)
    chunks = chunks_of(origin.source.reader) or origin.dataset.shape
    chunk = float(np.prod(np.minimum(chunks, origin.dataset.shape), dtype=np.float64)) * origin.dataset.dtype.itemsize
    return block + min(pieces, block) + 2.0 * one.threads * chunk


def first_rank_bytes(one: Pass, ranks: int = 1) -> float:
    """Return what the first rank needs at most in a pass, where that is more than `pass_bytes`.

    An estimator that is no streaming one gets its whole selection there. The blocks of all `ranks` arrive while it is
    put together.
    """
    step = one.estimator
    if step is None or step.spec.streaming:
        return 0.0
    whole = one.count * sum(node_bytes(one, node) for node in step.taken)
    arriving = (1 + ranks) * one.block * sum(node_bytes(one, node) for node in step.taken)
    putting = whole + pass_bytes(one, one.block) + arriving
    return max(putting, step_bytes(one, step, one.count))


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


def node_need(one: Pass, options: Options, block: int | None = None) -> float:
    """Return the bytes that all ranks of a node need in a pass, datasets in shared memory included."""
    need = options.node_ranks * (one.memory if block is None else pass_bytes(one, block))
    each = need / max(1, options.node_ranks)
    return one.held + max(need, need - each + first_rank_bytes(one, options.node_ranks))


def rank_need(passes: Iterable[Pass], options: Options) -> float:
    """Return the bytes that the first rank, which needs most, takes at most beside `tomosaxs.memory.BESIDE`."""
    return max((max(one.memory, first_rank_bytes(one, options.node_ranks)) for one in passes), default=0.0)


def spare_memory(passes: Iterable[Pass], options: Options) -> float:
    """Return the bytes of a node that can hold datasets while the given passes run, beside blocks of useful size.

    What is held so goes into `Pass.held` of every pass during which it is there: `size_blocks` then makes the blocks
    out of what is left.
    """
    free = options.memory
    for one in passes:
        share = max(1, -(-one.count // options.ranks))
        free = min(free, options.memory - node_need(one, options, min(share, LANES)))
    return max(free, 0.0)


def size_blocks(one: Pass, options: Options) -> None:
    """Set the block size of a pass and the bytes that a rank then needs."""
    one.threads = options.threads
    share = max(1, -(-one.count // options.ranks))
    one.block = max(_least_block(one), min(options.block or _wanted(one, options, share), share))
    one.memory = pass_bytes(one, one.block)


def _least_block(one: Pass) -> int:
    """Return the slices that a block has at least: a streaming estimator works on whole tiles."""
    step = one.estimator
    return min(step.spec.tile, one.count) if step is not None and step.spec.streaming else 1


def least_memory(passes: Iterable[Pass], options: Options) -> tuple[float, Pass | None]:
    """Return the smallest ``--memory`` that the passes can do with, and the pass that asks for it."""
    needs = [(_least(one, options), one) for one in passes]
    return max(needs, key=lambda each: each[0]) if needs else (0.0, None)


def _least(one: Pass, options: Options) -> float:
    block, one.block = one.block, _least_block(one)
    need = node_need(one, options, one.block)
    one.block = block
    return need


def too_small(passes: Sequence[Pass], options: Options) -> str:
    """Return what is wrong with the memory that is allowed, naming step and least budget; empty where it suffices."""
    need, one = least_memory(passes, options)
    if one is None or need <= options.memory:
        return ""
    held = _held(one)
    least = _least_block(one)
    at_once = _at_once(one)
    step = max(at_once, key=lambda each: step_bytes(one, each, least) + least * held[each]) if at_once else None
    if one.estimator is not None and first_rank_bytes(one) > pass_bytes(one, least):
        step, what = one.estimator, "its whole selection at once"
    else:
        what = "one slice at a time" if least == 1 else f"{least} slices at a time"
    ranks = f" on {options.node_ranks} ranks of a node" if options.node_ranks > 1 else ""
    fewer = ""
    if options.node_ranks > 1:
        alone = replace(options, ranks=max(1, options.ranks // options.node_ranks), node_ranks=1)
        fewer = f"; 1 rank a node needs {rounded_up(least_memory(passes, alone)[0])}"
    return (
        f"{step if step is not None else f'pass {one.number}'} needs {rounded_up(need)}{ranks} even with {what}, "
        f"and {options.memory / 1e6:.4g} MB are allowed: give --memory {rounded_up(need)} or more{fewer}"
    )


def rounded_up(size: float) -> str:
    """Return an amount of memory as ``--memory`` takes it, rounded up to three digits."""
    unit, name = (1e9, "G") if size >= 1e9 else (1e6, "M")
    digits = 10 ** max(0, 2 - math.floor(math.log10(max(size / unit, 1e-9))))
    return f"{math.ceil(size / unit * digits - 1e-6) / digits:g}{name}"


def too_large(one: Pass, options: Options) -> str:
    """Return a warning where blocks of a size that was asked for need more memory than is allowed, else ``""``."""
    need, allowed = node_need(one, options), options.memory
    if need <= allowed:
        return ""
    return (
        f"pass {one.number}: blocks of {one.block} need about {need / 1e6:.3g} MB on a node, "
        f"{allowed / 1e6:.3g} MB are allowed; it is run all the same"
    )


def _wanted(one: Pass, options: Options, share: int) -> int:
    budget = (options.memory - one.held) / max(1, options.node_ranks)
    slope = max(1.0, (pass_bytes(one, share) - pass_bytes(one, 0)) / share)
    fits = _fitting(one, share, budget)
    useful = _fitting(one, share, pass_bytes(one, 0) + CACHE_FRIENDLY)
    wanted = share if useful == share else max(LANES, _OF_A_THREAD * options.threads, useful) // LANES * LANES
    together = max(_decoded_together(one, node, share) for node in one.reads) if one.reads else 1
    if together > 1:  # a block decodes every chunk it touches: whole chunks, or as few parts of them as fit
        wanted = -(-wanted // together) * together
        fits = fits if fits < together else fits // together * together
    wanted = min(fits, wanted)
    step = one.estimator
    if step is not None and not step.spec.streaming:  # its selection comes together on the first rank
        each = sum(node_bytes(one, node) for node in step.taken)
        left = options.memory - one.held - one.count * each - options.node_ranks * pass_bytes(one, 0)
        wanted = min(wanted, int(left // max(1.0, options.node_ranks * (slope + each) + each)))
    lanes = LANES <= wanted < share and together == 1
    return wanted // LANES * LANES if lanes else wanted


def _fitting(one: Pass, share: int, budget: float) -> int:
    """Return the largest block, at most `share`, whose need is within the budget; 0 where none is."""
    low, high = 0, share
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if pass_bytes(one, middle) <= budget else (low, middle - 1)
    return low


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
