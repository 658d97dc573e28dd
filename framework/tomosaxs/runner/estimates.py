"""Run an estimator: fixed tiles of its selection, combined in their order, so that ranks do not matter."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from tomosaxs.blocks import block_ranges, share
from tomosaxs.codec import decode, encode
from tomosaxs.errors import StepError, Stop
from tomosaxs.memory import forget_blocks
from tomosaxs.plan import Pass, PlannedStep
from tomosaxs.plugin import Estimate
from tomosaxs.runner.call import parameters_of, scan_of, to_core
from tomosaxs.runner.context import Context
from tomosaxs.runner.sections import PassRunner


def run_estimate(context: Context, one: Pass) -> Estimate:
    """Run the steps of an estimate pass on the selection, then the estimator; the value reaches all ranks."""
    step = one.estimator
    if step is None:
        raise StepError("an estimate pass without an estimator")
    known = _known(context, one, step)
    if known is not None:
        return known
    context.log(f"pass {one.number}: {step.label}: {one.count} slices, {one.fraction:.0%} of the data")
    runner = PassRunner(context, one)
    tile = step.spec.tile if step.spec.streaming else 1
    tiles = -(-one.count // tile)
    low, high = share(tiles, context.comm.size, context.comm.rank)
    low, high = low * tile, min(high * tile, one.count)
    size = max(tile, one.block // tile * tile)
    try:
        values = parameters_of(context, step)
    except StepError as error:
        raise context.fail(step, error, "its parameters") from error
    ranges = block_ranges(low, high, size)
    if step.spec.streaming:
        parts = [part for cut in ranges for part in _parts(context, one, step, values, _block(runner, one, cut), cut)]
        everything = _gathered(context, one, step, parts)
    else:
        everything = _whole(context, one, runner, ranges)
    plain: Any = None
    if context.comm.rank == 0:
        plain = estimate_to_plain(_finish(context, one, step, values, everything))
    del everything
    forget_blocks()
    context.set_stage(f"{step}, waiting for the value")
    try:
        return estimate_from_plain(context.comm.bcast(plain))
    except (TypeError, ValueError) as error:  # a value of a type that cannot be sent
        raise context.fail(step, error, "handing its value over") from error


def _known(context: Context, one: Pass, step: PlannedStep) -> Estimate | None:
    """Return what an estimator knows from its parameters alone; nothing is read for it then."""
    if not (step.spec.streaming and hasattr(step.spec.target, "known")):
        return None
    try:
        found = step.spec.target(**parameters_of(context, step)).known()
        if not (found is None or isinstance(found, Estimate)):
            raise StepError(f"known() returned {type(found).__name__}, neither an Estimate nor None")
    except (Exception, SystemExit) as error:  # a plugin may fail in any way: named, with its place
        raise context.fail(step, error, "what it knows from its parameters") from error
    return found


def _block(runner: PassRunner, one: Pass, cut: tuple[int, int]) -> Any:
    """Return the slices [start, end) of the estimator's input, as its pattern orders them."""
    step = one.all_steps[-1]
    block, _ = runner.carry(*cut)[step.inputs[0]]
    runner.release()
    return to_core(block, step.inputs[0].dataset, one.sliced[step.inputs[0]], step.cores[0])


def _parts(
    context: Context, one: Pass, step: PlannedStep, values: dict[str, Any], block: Any, cut: tuple[int, int]
) -> list[dict[str, Any]]:
    """Return what a streaming estimator finds in every tile of a block."""
    (start, end), tile = cut, step.spec.tile
    firsts = range(start, end, tile)
    return [_update(context, one, step, values, block[at - start : min(at + tile, end) - start], at) for at in firsts]


def _gathered(context: Context, one: Pass, step: PlannedStep, parts: list[dict[str, Any]]) -> list[Any]:
    """Return the parts of all ranks on the first one, in the order of the tiles."""
    try:
        gathered = context.comm.gather(parts)
    except (TypeError, ValueError) as error:  # state of a type that cannot be sent
        raise context.fail(step, error, "handing its parts over") from error
    return [part for rank_parts in gathered or [] for part in rank_parts]


def _whole(context: Context, one: Pass, runner: PassRunner, ranges: list[tuple[int, int]]) -> Any:
    """Return the whole selection on the first rank, which takes it block by block: it is never there twice."""
    whole: Any = None
    for number in range(int(context.comm.allreduce_max(len(ranges)))):
        cut = ranges[number] if number < len(ranges) else None
        block = None if cut is None else np.ascontiguousarray(_block(runner, one, cut))
        for part in context.comm.gather([cut[0], block] if cut is not None else []) or []:
            if part:
                start, values = part
                if whole is None:
                    whole = np.empty((one.count, *values.shape[1:]), values.dtype)
                whole[start : start + len(values)] = values
    return whole


def _state(instance: Any) -> dict[str, Any]:
    return {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance) if not f.init}


def _update(
    context: Context, one: Pass, step: PlannedStep, values: dict[str, Any], block: Any, first: int
) -> dict[str, Any]:
    context.set_stage(f"{step}, slices {first} to {first + len(block) - 1} of {one.count}")
    start = time.perf_counter()
    try:
        instance = step.spec.target(**values)
        if step.spec.wants_scan:
            instance.update(block, **{step.spec.wants_scan: _scan(context, one, step, first, len(block))})
        else:
            instance.update(block)
    except (Exception, SystemExit) as error:  # a plugin may fail in any way: named, with its place
        block_name = f"slices {first} to {first + len(block) - 1} of {one.count}"
        raise context.fail(step, error, block_name) from error
    seconds = time.perf_counter() - start
    context.seconds[step.label] += seconds
    context.meter.step(one.number, step, len(block), seconds)
    return _state(instance)


def _scan(context: Context, one: Pass, step: PlannedStep, first: int, count: int) -> Any:
    node = step.inputs[0]
    index = np.arange(first, first + count, dtype=np.intp)
    rest = tuple(name for name in node.dataset.names if name not in one.sliced[node])
    return scan_of(context, one, step, index, step.cores[0] or rest, {})


def _finish(context: Context, one: Pass, step: PlannedStep, values: dict[str, Any], parts: Any) -> Estimate:
    context.set_stage(f"{step}, combining")
    start = time.perf_counter()
    try:
        if step.spec.streaming:
            total = _revive(step, values, parts[0])
            for part in parts[1:]:
                total.combine(_revive(step, values, part))
            found = total.result()
        else:
            arguments = dict(values)
            if step.spec.wants_scan:
                arguments[step.spec.wants_scan] = _scan(context, one, step, 0, one.count)
            found = step.spec.target(parts, **arguments)
        if not isinstance(found, Estimate):
            raise StepError(f"it returned {type(found).__name__}, not an Estimate")
    except Stop as stop:
        raise Stop(str(stop).replace("{step}", step.label), stop.pictures) from None
    except (Exception, SystemExit) as error:  # a plugin may fail in any way: named, with its place
        raise context.fail(step, error, "combining its parts") from error
    seconds = time.perf_counter() - start
    context.seconds[step.label] += seconds
    if not step.spec.streaming:
        context.meter.whole(one.number, step, seconds)
    return found


def _revive(step: PlannedStep, values: dict[str, Any], state: dict[str, Any]) -> Any:
    instance = step.spec.target(**values)
    for name, value in state.items():
        setattr(instance, name, value)
    return instance


def estimate_to_plain(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as plain numbers, text and arrays."""
    return {
        "value": estimate.value,
        "units": estimate.units,
        "uncertainty": float(estimate.uncertainty),
        "confidence": float(estimate.confidence),
        "messages": list(estimate.messages),
        "details": dict(estimate.details),
        "pictures": dict(estimate.pictures),
    }


def estimate_from_plain(plain: dict[str, Any]) -> Estimate:
    """Return the estimate that `estimate_to_plain` took apart."""
    return Estimate(**{**plain, "messages": tuple(plain["messages"])})


def save_estimate(context: Context, step: PlannedStep, estimate: Estimate) -> None:
    """Keep an estimate for a later --resume."""
    home = context.home(step.key)
    home.mkdir(parents=True, exist_ok=True)
    part = home / "estimate.part"
    part.write_bytes(encode(estimate_to_plain(estimate)).tobytes())
    part.replace(home / "estimate.bin")


def load_estimate(context: Context, step: PlannedStep) -> Estimate | None:
    """Return the estimate that an earlier run kept under the same key, or None."""
    file = context.home(step.key) / "estimate.bin"
    return estimate_from_plain(decode(np.fromfile(file, np.uint8))) if file.is_file() else None
