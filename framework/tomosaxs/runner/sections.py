"""Run a pass: every rank takes a contiguous range of slices and carries blocks through all its steps."""

from __future__ import annotations

import shutil
from typing import Any

from tomosaxs.blocks import block_ranges, read_block, share, write_block
from tomosaxs.dataset import CroppedReader, Reader, take_notes
from tomosaxs.errors import InputError, StepError
from tomosaxs.plan import Node, Pass, PlannedStep
from tomosaxs.runner.ahead import Read, ReadAhead
from tomosaxs.runner.call import Block, run_step
from tomosaxs.runner.context import Context
from tomosaxs.runner.device import from_device
from tomosaxs.runner.progress import Progress
from tomosaxs.store import flush

Piece = tuple[Block, int]
"""A block and the flat position of its first slice."""


def reader_of(node: Node) -> Reader:
    """Return how a dataset that is not made in this pass is read."""
    if node.origin is not None:
        crop = tuple(node.selection.get(name, slice(None)) for name in node.origin.dataset.names)
        return CroppedReader(reader_of(node.origin), crop)
    if node.source is not None:
        return node.source.reader
    if node.store is None:
        raise StepError(f"dataset {node.name} was to be stored and is not")
    return node.store.reader()


class PassRunner:
    """Carries blocks through the steps of one pass on this rank."""

    def __init__(self, context: Context, one: Pass) -> None:
        self.context, self.one = context, one
        self.readers = {node: reader_of(node) for node in one.reads}
        self.caches: dict[Node, dict[Any, Any]] = {}
        last = {node: number for number, step in enumerate(one.all_steps) for node in step.taken}
        self.last_use = last
        files = [node for node in one.reads if (node.origin or node).source is not None]
        self.ahead = ReadAhead(self._read, files)
        first_use = [min(n for n, step in enumerate(one.all_steps) if node in step.taken) for node in files]
        self.all_read = max(first_use, default=0)
        """The step before which every input of a block has been read, so that the next block's can be."""

    def dimensions(self, node: Node) -> list[int]:
        """Return the dimensions of a dataset that are sliced in this pass."""
        names = node.dataset.names
        return [names.index(name) for name in self.one.sliced[node]]

    def carry(self, low: int, high: int, following: tuple[int, int] | None = None) -> dict[Node, Piece]:
        """Run all steps on the slices [low, high); return what is wanted afterwards.

        `following` are the slices of the next call, which are read meanwhile.

        Wanted are a piece of every dataset to be stored, and of the estimator's input.
        """
        one = self.one
        first, last = self._with_halo(low, high)
        pieces: dict[Node, Piece] = {}
        kept: dict[Node, Piece] = {}
        for number, step in enumerate(one.steps):
            inputs = self._inputs(step, pieces, first, last)
            start = inputs[0][1]
            if following is not None and number == self.all_read:
                self.ahead.announce(*self._with_halo(*following))
            outputs = run_step(self.context, one, step, [block for block, _ in inputs], start, self.caches, (low, high))
            for position, node in enumerate(step.made):
                pieces[node] = self._shrink(step, (outputs[position], start))
                if node in one.stores:
                    kept[node] = pieces[node]
            for node in [n for n in pieces if self.last_use.get(n, -1) <= number and n not in self._wanted()]:
                del pieces[node]
        if one.estimator is not None:
            kept[one.estimator.inputs[0]] = self._inputs(one.estimator, pieces, first, last)[0]
        cut = {node: _cut(piece, low, high) for node, piece in kept.items()}
        return {node: (from_device(block), start) for node, (block, start) in cut.items()}

    def _with_halo(self, low: int, high: int) -> tuple[int, int]:
        return max(0, low - self.one.halo), min(self.one.count, high + self.one.halo)

    def _read(self, node: Node, first: int, last: int) -> Read:
        block = read_block(self.readers[node], self.dimensions(node), first, last)
        return block, take_notes(self.readers[node])

    def _wanted(self) -> set[Node]:
        return set(self.one.estimator.inputs) if self.one.estimator is not None else set()

    def _inputs(self, step: PlannedStep, pieces: dict[Node, Piece], first: int, last: int) -> list[Piece]:
        for node in step.taken:
            if node not in pieces:
                self.context.set_stage(f"{step}, reading slices {first} to {last - 1} of {self.one.count}")
                try:
                    block, notes = self.ahead.take(node, first, last)
                    if len(block) != last - first:
                        raise InputError(f"{len(block)} slices came of {last - first}")
                except Exception as error:  # a stranger's reader may fail in any way: named, with its place
                    raise self.context.fail(step, error, f"reading slices {first} to {last - 1}") from error
                for text, count in notes.items():
                    noted = self.context.notes[step.label]
                    noted[text] = noted.get(text, 0) + count
                pieces[node] = (block, first)
        found = [pieces[node] for node in step.taken]
        start = max(low for _, low in found)
        end = min(low + len(block) for block, low in found)
        return [_cut(piece, start, end) for piece in found]

    def _shrink(self, step: PlannedStep, piece: Piece) -> Piece:
        """After a step with a halo its outermost slices are not right, except at the ends of the data."""
        block, low = piece
        width, high = step.halo[1], piece[1] + len(piece[0])
        start = low + width if low > 0 else low
        end = high - width if high < self.one.count else high
        return _cut((block, low), start, end)


def _cut(piece: Piece, low: int, high: int) -> Piece:
    block, start = piece
    if start == low and start + len(block) == high:
        return piece
    return block[low - start : high - start], low


def run_section(context: Context, one: Pass) -> None:
    """Run a section on this rank's share and store what later passes or the result need."""
    comm = context.comm
    writes = [node for node in one.stores if node not in context.ready]  # what an earlier run finished is kept
    for node in writes:
        whole = node.stack or node
        if whole in context.begun:
            continue
        context.begun.add(whole)
        if whole.store is not None and comm.rank == 0:
            try:
                whole.store.create(whole.dataset.shape, whole.dataset.dtype)
            except InputError as error:
                raise StepError(f"pass {one.number}, {node.name} made by {node.made_by}: {error}") from error
    if comm.rank == 0:
        for step in one.steps:
            if not step.outputs:
                home = context.home(step.key)
                (home / "done.json").unlink(missing_ok=True)
                shutil.rmtree(home / "files", ignore_errors=True)  # of a run that was cut short
                (home / "files").mkdir(parents=True)
    comm.barrier()
    targets = {node: node.store.open("r+") for node in writes if node.store is not None}
    runner = PassRunner(context, one)
    low, high = share(one.count, comm.size, comm.rank)
    ranges = block_ranges(low, high, one.block)
    names = ", ".join(dict.fromkeys(step.checked.entry.label for step in one.steps))
    progress = Progress(context.log, comm.size)
    progress.begin(f"pass {one.number}: {names}: {one.count} slices")
    try:
        for number, (start, end) in enumerate(ranges, start=1):
            done = runner.carry(start, end, ranges[number] if number < len(ranges) else None)
            for node, target in targets.items():
                block, at = done[node]
                write_block(target, runner.dimensions(node), at, block)
            if comm.rank == 0:
                progress.at(number, len(ranges), names)
    finally:
        runner.ahead.close()
    for node, target in targets.items():
        context.set_stage(f"pass {one.number}, writing {node.name}")
        flush(target)
    comm.barrier()
    if comm.rank == 0:
        for node in dict.fromkeys(each.stack or each for each in writes):
            if node.store is not None and not _left(context, one, node):
                node.store.finish({"key": node.key, "name": node.name})
        for step in one.steps:
            if not step.outputs:
                (context.home(step.key) / "done.json").write_text("{}")


def _left(context: Context, one: Pass, node: Node) -> bool:
    """Return whether a later pass makes a part of a sweep that has begun."""
    later = {made for each in context.plan.passes if each.number > one.number for made in each.stores}
    return not later.isdisjoint(node.parts.values())
