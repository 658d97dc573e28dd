"""How much a plan has to do: what every pass reads, computes and writes, in units that machines have rates for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tomosaxs.dataset import chunks_of, is_compressed
from tomosaxs.plan.infer import call_parameters
from tomosaxs.plan.memory import node_bytes
from tomosaxs.plan.model import Node, Pass, Plan, PlannedStep

START, FINISH = "start", "finish"
"""Names of what comes before the first pass and after the last one."""
WRITE = "write"
_CHOICES = ("backend", "algorithm", "method", "error_model")
"""Parameters whose words choose another way of working, which has a rate of its own."""


@dataclass(frozen=True)
class StepWork:
    """What one step has to do in a pass.

    Parameters
    ----------
    label : str
        Of the step.
    rate : str
        Name of the rate that applies.
    work : float
        Of all slices together, in the unit of the plugin's ``cost=``, else bytes.
    whole : bool
        Whether the first rank does it alone, with the whole selection.
    """

    label: str
    rate: str
    work: float
    whole: bool = False


@dataclass
class PassWork:
    """What one pass has to do, all ranks together.

    Parameters
    ----------
    number : int
        Of the pass.
    reads : dict of str to float
        Bytes that have to be read or decoded, by the name of the rate: more than the data hold where chunks are
        decoded several times.
    asked : float
        Bytes of the values that are read.
    from_memory : float
        Those of them that lie in memory since an earlier pass.
    written : float
        Bytes of the values that are written to files.
    blocks : int
        Of a rank.
    block : int
        Slices of a block.
    """

    number: int
    steps: list[StepWork] = field(default_factory=list)
    reads: dict[str, float] = field(default_factory=dict)
    asked: float = 0.0
    from_memory: float = 0.0
    written: float = 0.0
    blocks: int = 1
    block: int = 1
    count: int = 1

    @property
    def factor(self) -> float:
        """How many times more is read or decoded than the values have bytes."""
        return sum(self.reads.values()) / self.asked if self.asked else 1.0


def rate_name(step: PlannedStep) -> str:
    """Return the name of a step's rate: the plugin and the words that choose its way of working."""
    words = [f"{name}={step.values[name]}" for name in _CHOICES if isinstance(step.values.get(name), str)]
    return " ".join([step.spec.name, *words])


def step_work(one: Pass, step: PlannedStep, slices: int) -> float:
    """Return the work of a step on so many slices."""
    cost = step.spec.cost
    if cost is not None:
        return float(cost(slices, step.inputs[0].dataset, **call_parameters(step.spec, step.values)))
    return slices * sum(node_bytes(one, node) for node in (*step.taken, *step.made))


def read_rate(node: Node) -> str:
    """Return the name of the rate that a dataset is read at."""
    origin = node.origin or node
    if origin.source is None:
        return "read stored"
    return "read compressed" if is_compressed(origin.source.reader) else "read"


def work_of(one: Pass, ranks: int) -> PassWork:
    """Return the work of a pass."""
    share = max(1, -(-one.count // max(1, ranks)))
    block = max(1, min(one.block, share))
    made = PassWork(one.number, blocks=-(-share // block), block=block, count=one.count)
    for node in one.reads:
        size = one.count * node_bytes(one, node)
        halo = 1.0 + 2.0 * one.halo / block if one.count > block else 1.0
        made.asked += size
        made.from_memory += 0.0 if (node.origin or node).on_disk else size
        name = read_rate(node)
        made.reads[name] = made.reads.get(name, 0.0) + size * halo * decoded(one, node, block, share)
    made.steps = [StepWork(step.label, rate_name(step), step_work(one, step, one.count)) for step in one.steps]
    if one.estimator is not None:
        step = one.estimator
        made.steps.append(
            StepWork(step.label, rate_name(step), step_work(one, step, one.count), not step.spec.streaming)
        )
    made.written = sum(one.count * node_bytes(one, node) for node in one.stores if node.on_disk)
    return made


def decoded(one: Pass, node: Node, block: int, share: int) -> float:
    """Return how many times the chunks of a compressed dataset are decoded when it is read block by block.

    A block decodes every chunk that it touches, whole.
    """
    origin = node.origin or node
    if origin.source is None or not is_compressed(origin.source.reader):
        return 1.0
    chunks = chunks_of(origin.source.reader)
    names, sizes = origin.dataset.names, origin.dataset.shape
    if chunks is None:
        return float(-(-share // block))
    sliced = one.sliced[node]
    factor = 1.0
    if node.origin is not None:  # a selection: the chunks that its entries lie in
        for name, chosen in node.selection.items():
            at = names.index(name)
            places = range(sizes[at])[chosen] if isinstance(chosen, slice) else chosen
            touched = len({int(place) // chunks[at] for place in places}) * chunks[at]
            factor *= min(touched, sizes[at]) / max(1, len(places))
        return max(factor, 1.0)
    inner = 1
    for name in reversed(sliced):  # how deep blocks of consecutive slices reach along the sliced axes
        at = names.index(name)
        deep = max(1.0, block / inner)
        if chunks[at] > 1 and deep < sizes[at]:
            factor *= _touched(deep, chunks[at], sizes[at]) / deep
        inner *= sizes[at]
    return max(factor, 1.0)


def _touched(deep: float, chunk: int, size: int) -> float:
    """Return the mean number of entries, in whole chunks, that a range of `deep` entries touches."""
    deep = max(1, round(deep))
    if deep % chunk == 0:
        return float(min(deep, size))
    if deep < chunk and chunk % deep == 0:
        return float(min(chunk, size))
    return float(min(chunk * (1.0 + (deep - 1) / chunk), size))


def total_read(plan: Plan) -> float:
    """Return the bytes that all passes read or decode."""
    return sum(sum(work_of(one, plan.ranks).reads.values()) for one in plan.passes)


def is_number(value: float) -> bool:
    """Return whether a rate can be used."""
    return math.isfinite(value) and value > 0
