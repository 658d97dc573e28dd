"""Call one plugin on one block: lay out the axes, pass the parameters, check what comes back."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Dataset
from tomosaxs.errors import StepError, Stop
from tomosaxs.plan import Node, Pass, PlannedStep, estimated
from tomosaxs.plugin import Uncertain
from tomosaxs.runner.context import Context
from tomosaxs.runner.device import free_memory, from_device, is_out_of_memory, stays_on_device, to_device
from tomosaxs.runner.finite import refuse_new_nan
from tomosaxs.scan import Scan

Block = NDArray[Any]


def parameters_of(context: Context, step: PlannedStep) -> dict[str, Any]:
    """Return a step's parameters with the values of estimates filled in."""
    return {**step.values, **estimated(step, context.estimates)}


def target_of(context: Context, step: PlannedStep, values: dict[str, Any]) -> Any:
    """Return what is called: the function, or the dataclass instance of this rank, set up once."""
    if not step.spec.stateful:
        return step.spec.target
    key = id(step)
    if key not in context.instances:
        instance = step.spec.target(**values)
        if hasattr(instance, "setup"):
            instance.setup(step.inputs[0].dataset)
        context.instances[key] = instance
    return context.instances[key]


def run_step(
    context: Context,
    one: Pass,
    step: PlannedStep,
    blocks: Sequence[Block],
    low: int,
    caches: dict[Node, dict[Any, Any]],
    own: tuple[int, int] | None = None,
) -> list[Block]:
    """Run a step on the slices that start at `low`; those of the block itself are `own`, the others its halo.

    Returns
    -------
    list of array
        The output blocks, of the planned type and in the layout (n, \\*other axes in storage order).
    """
    high = low + len(blocks[0])
    block_name = f"slices {low} to {high - 1} of {one.count}"
    context.set_stage(f"{step}, {block_name}")
    _call_hooks(context, step, block_name, "before_step", block=(low, high))
    start = time.perf_counter()
    try:
        results = _call(context, one, step, parameters_of(context, step), blocks, low, caches, own)
        refuse_new_nan(step, blocks, results, low)
    except Stop:
        raise
    except MemoryError as error:
        raise context.fail(step, error, f"{block_name}: out of memory (try --memory)") from error
    except (Exception, SystemExit) as error:  # one rank alone must not leave: the others would wait for ever
        raise context.fail(step, error, block_name) from error
    seconds = time.perf_counter() - start
    context.seconds[step.label] += seconds
    context.meter.step(one.number, step, len(blocks[0]), seconds)
    _call_hooks(context, step, block_name, "after_step", block=(low, high), seconds=seconds)
    return results


def _call_hooks(context: Context, step: PlannedStep, block_name: str, name: str, **values: Any) -> None:
    try:
        getattr(context.hooks, name)(step=step, **values)
    except (Exception, SystemExit) as error:  # a stranger's hook may fail in any way
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{block_name}, hook {name} [{last.filename}:{last.lineno}]"
        raise context.fail(step, error, where) from error


def _call(
    context: Context,
    one: Pass,
    step: PlannedStep,
    values: dict[str, Any],
    blocks: Sequence[Block],
    low: int,
    caches: dict[Node, dict[Any, Any]],
    own: tuple[int, int] | None,
) -> list[Block]:
    """Call a plugin; on a GPU that runs out of memory, once more with the block in two halves."""
    half = len(blocks[0]) // 2
    try:
        return _one_call(context, one, step, values, blocks, low, caches, own)
    except Exception as error:
        if not (step.spec.gpu and half and not step.halo[1] and is_out_of_memory(error)):
            raise
    free_memory(step.spec.array)
    parts = [
        _one_call(context, one, step, values, [block[cut] for block in blocks], low + (cut.start or 0), caches, own)
        for cut in (slice(half), slice(half, None))
    ]
    return [np.concatenate([from_device(piece) for piece in pieces]) for pieces in zip(*parts, strict=True)]


def _one_call(
    context: Context,
    one: Pass,
    step: PlannedStep,
    values: dict[str, Any],
    blocks: Sequence[Block],
    low: int,
    caches: dict[Node, dict[Any, Any]],
    own: tuple[int, int] | None,
) -> list[Block]:
    target = target_of(context, step, values)
    arguments = {} if step.spec.stateful else values
    rest = _rest(step.inputs[0].dataset, one.sliced[step.inputs[0]])
    core = step.cores[0]
    others = [name for name in rest if core is not None and name not in core] if step.halo[0] else []
    if others:
        return _each_other(context, one, step, target, arguments, blocks, low, others, caches)
    ready = [
        to_core(block, node.dataset, one.sliced[node], wanted)
        for block, node, wanted in zip(blocks[: len(step.inputs)], step.inputs, step.cores, strict=True)
    ]
    if step.spec.wants_scan:
        index = np.arange(low, low + len(blocks[0]), dtype=np.intp)
        scan = scan_of(context, one, step, index, core or rest, caches)
        scan.uncertainties = _uncertainties(one, step, blocks)
        if own is not None:
            scan.own = slice(max(own[0] - low, 0), max(own[1] - low, 0))
        arguments = {**arguments, step.spec.wants_scan: scan}
    if step.spec.gpu:
        ready = [to_device(block, step.spec.array, context.comm) for block in ready]
    else:
        ready = [from_device(block) for block in ready]
    answer = target(*ready, **arguments)
    return _outputs(one, step, answer, len(blocks[0]))


def scan_of(
    context: Context,
    one: Pass,
    step: PlannedStep,
    index: NDArray[np.intp],
    core: tuple[str, ...],
    caches: dict[Node, dict[Any, Any]],
) -> Scan:
    """Return the `Scan` of a block of the step's first input."""
    node = step.inputs[0]
    cache = caches.setdefault(node, {})
    for key in [key for key in cache if key[1] not in (b"", index.tobytes())]:
        del cache[key]
    output = context.home(step.key) / "files"
    scan = Scan(node.dataset, one.sliced[node], core, index, output, context.notes[step.label], cache)
    scan.remarks = context.remarks[step.label]
    scan.names = tuple(each.name for each in step.inputs)
    scan.kept = context.kept[step.label]
    return scan


def _rest(dataset: Dataset, sliced: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in dataset.names if name not in sliced)


def to_core(block: Block, dataset: Dataset, sliced: tuple[str, ...], core: tuple[str, ...] | None) -> Block:
    """Order the dimensions of a block as the plugin's pattern names them."""
    rest = _rest(dataset, sliced)
    if core is None or core == rest:
        return block
    return np.ascontiguousarray(np.transpose(from_device(block), [0, *(1 + rest.index(name) for name in core)]))


def _uncertainties(one: Pass, step: PlannedStep, blocks: Sequence[Block]) -> tuple[Block | None, ...]:
    """Return the uncertainties that came with the inputs, in the layout of the inputs."""
    given = dict(zip(step.taken, blocks, strict=True))
    found: list[Block | None] = []
    for node, core in zip(step.inputs, step.cores, strict=True):
        sigma = node.uncertainty if step.spec.uncertainty else None
        block = None if sigma is None else from_device(given[sigma])
        found.append(None if block is None else to_core(block, node.dataset, one.sliced[node], core))
    return tuple(found)


def _with_sigmas(step: PlannedStep, answers: tuple[Any, ...]) -> list[Any]:
    """Return what goes into `PlannedStep.made`: values, then the uncertainties that are planned."""
    if len(answers) != len(step.outputs):
        raise StepError(f"it returned {len(answers)} arrays, declared are {len(step.outputs)}")
    values, sigmas = [], []
    for answer, node in zip(answers, step.outputs, strict=True):
        values.append(answer.values if isinstance(answer, Uncertain) else answer)
        if node.uncertainty is not None:
            if not isinstance(answer, Uncertain):
                raise StepError(f"it returned values without the uncertainties that {node.name} was to have")
            sigmas.append(answer.sigma)
    return values + sigmas


def _outputs(one: Pass, step: PlannedStep, answer: Any, count: int) -> list[Block]:
    """Check and lay out what a plugin returned."""
    wanted = step.made
    if not wanted:
        if answer is not None:
            raise StepError(f"it is declared to return None and returned {type(answer).__name__}")
        return []
    several = isinstance(answer, tuple) and not isinstance(answer, Uncertain)
    answers = _with_sigmas(step, answer if several else (answer,))
    made = []
    for array, node in zip(answers, wanted, strict=True):
        plain = node.dataset
        rest = _rest(plain, one.sliced[node])
        core = _output_core(step, step.outputs.index(node.values_of or node), plain, rest)
        planned = (count, *(plain.axis(name).size for name in core))
        if core == rest and stays_on_device(array, planned, plain.dtype):
            made.append(array)  # the next step may take it from there
            continue
        array = from_device(array)
        if not isinstance(array, np.ndarray):
            raise StepError(f"it returned {type(array).__name__}, not an array")
        if array.shape != planned:
            raise StepError(f"it returned shape {array.shape}, planned was {planned}")
        if array.dtype.kind == "c" and plain.dtype.kind != "c":
            raise StepError(f"it returned complex values, planned was {plain.dtype}")
        array = np.asarray(array, dtype=plain.dtype)
        if core != rest:
            array = np.transpose(array, [0, *(1 + core.index(name) for name in rest)])
        made.append(np.ascontiguousarray(array))
    return made


def _output_core(step: PlannedStep, position: int, plain: Dataset, rest: tuple[str, ...]) -> tuple[str, ...]:
    core = step.spec.outputs[position].core_of(plain.names)
    return core if core is not None and set(core) == set(rest) else rest


def _each_other(
    context: Context,
    one: Pass,
    step: PlannedStep,
    target: Any,
    arguments: dict[str, Any],
    blocks: Sequence[Block],
    low: int,
    others: list[str],
    caches: dict[Node, dict[Any, Any]],
) -> list[Block]:
    """A halo slices its axis alone: run the plugin for every position along the other axes."""
    node = step.inputs[0]
    rest = _rest(node.dataset, one.sliced[node])
    core = step.cores[0] or ()
    sizes = [node.dataset.axis(name).size for name in others]
    front = [0, *(1 + rest.index(name) for name in (*others, *core))]
    block = np.transpose(from_device(blocks[0]), front)
    pieces = [
        np.asarray(target(np.ascontiguousarray(block[place]), **arguments))
        for place in [(slice(None), *index) for index in np.ndindex(*sizes)]
    ]
    stacked = np.stack(pieces, axis=1).reshape(len(block), *sizes, *pieces[0].shape[1:])
    back = np.transpose(stacked, np.argsort(front))
    planned = step.outputs[0].dataset
    wanted = (len(block), *(planned.axis(name).size for name in rest))
    if back.shape != wanted:
        raise StepError(f"it returned shape {pieces[0].shape}, which does not fit the planned {wanted}")
    return [np.ascontiguousarray(back, dtype=planned.dtype)]
