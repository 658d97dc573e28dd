"""Run a pass: every rank takes a contiguous range of slices and carries blocks through all its steps."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tomosaxs.blocks import read_block, write_block
from tomosaxs.dataset import ArrayReader, CroppedReader, Reader, innermost, take_notes
from tomosaxs.errors import InputError, StepError, TomosaxsError
from tomosaxs.file_target import FileTarget
from tomosaxs.memory import release
from tomosaxs.memory_store import NodesStore
from tomosaxs.plan import Node, Pass, PlannedStep
from tomosaxs.plan.memory import WRITTEN
from tomosaxs.plan.work import WRITE, read_rate
from tomosaxs.runner.ahead import Read, ReadAhead
from tomosaxs.runner.begin import SCRATCH, begin_section
from tomosaxs.runner.behind import WriteBehind
from tomosaxs.runner.call import Block, run_step
from tomosaxs.runner.context import Context
from tomosaxs.runner.device import from_device
from tomosaxs.runner.disk_writes import DiskWrites
from tomosaxs.runner.journal import Journal, Range, blocks_of, journal_key
from tomosaxs.runner.progress import Progress
from tomosaxs.runner.told import Told, difference, told_by
from tomosaxs.store import Store, flush
from tomosaxs.traffic import bytes_so_far, count_bytes

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

    def __init__(self, context: Context, one: Pass, behind: WriteBehind | None = None) -> None:
        self.context, self.one = context, one
        self.behind = behind or WriteBehind()
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
            if step.spec.stateful:
                self.behind.wait()  # it may give the same memory again
            self.behind.check()
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

    def release(self) -> None:
        """Let go of what was mapped to read the blocks so far."""
        for reader in self.readers.values():
            inner = innermost(reader)
            if isinstance(inner, ArrayReader):
                release(inner.array)

    def _with_halo(self, low: int, high: int) -> tuple[int, int]:
        return max(0, low - self.one.halo), min(self.one.count, high + self.one.halo)

    def _read(self, node: Node, first: int, last: int) -> Read:
        start = time.perf_counter()
        before = bytes_so_far()["input_read"]
        block = read_block(self.readers[node], self.dimensions(node), first, last)
        origin = node.origin or node
        if origin.source is not None and bytes_so_far()["input_read"] == before:  # its reader does not count
            count_bytes("input_read", block.nbytes)
        elif isinstance(origin.store, Store):
            count_bytes("work_read", block.nbytes)
        self.context.meter.move(self.one.number, read_rate(node), block.nbytes, time.perf_counter() - start)
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
    """Run a section on this rank's share and store what later passes or the result need.

    Where an earlier run was cut short in it, only the missing slices are made.
    """
    comm = context.comm
    writes = [node for node in one.stores if node not in context.ready]  # what an earlier run finished is kept
    journal = Journal(context.home(journal_key(one)) / "journal")
    missing = begin_section(context, one, writes, journal)
    if missing:
        journal.open(comm.rank)
    targets = {node: _target(node) for node in writes if node.store is not None}
    apart = any(isinstance((node.origin or node).store, NodesStore) for node in one.reads)
    ranges = blocks_of(missing, comm.size, comm.rank, one.block, one.count if apart else 0)
    names = ", ".join(dict.fromkeys(step.checked.entry.label for step in one.steps))
    progress = Progress(context.log, comm.size)
    left = sum(high - low for low, high in missing)
    progress.begin(f"pass {one.number}: {names}: {one.count} slices{_found(one.count - left)}")
    try:
        if ranges:
            _carry_all(context, one, ranges, targets, journal, lambda done: progress.at(done, len(ranges), names))
        for node, target in targets.items():
            context.set_stage(f"pass {one.number}, writing {node.name}")
            flush(target)
    finally:
        journal.close()
        for target in targets.values():
            if isinstance(target, FileTarget):
                target.close()
    comm.barrier()
    _finish(context, one, writes, left)


def _finish(context: Context, one: Pass, writes: list[Node], made: int) -> None:
    """Mark what is whole, on the first rank; `made` slices were made by this run."""
    if context.comm.rank == 0:
        for node in dict.fromkeys(each.stack or each for each in writes):
            if node.store is not None and not _left(context, one, node):
                node.store.finish({"key": node.key, "name": node.name})
        for step in one.steps:
            if not step.outputs:
                files = context.home(step.key) / "files"
                shutil.rmtree(files / SCRATCH, ignore_errors=True)
                count_bytes("result_written", _size(files) * made // max(1, one.count))
                (context.home(step.key) / "done.json").write_text("{}")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _target(node: Node) -> Any:
    """Return what blocks of a dataset are written to."""
    store = node.store
    if isinstance(store, Store):
        saved = (node.stack or node).in_result
        return FileTarget(store.file, store.internal, store.slot, "result_written" if saved else "work_written")
    return None if store is None else store.open("r+")


def _found(count: int) -> str:
    return f", {count} of them are there from the earlier run" if count else ""


def _carry_all(
    context: Context,
    one: Pass,
    ranges: list[Range],
    targets: dict[Node, Any],
    journal: Journal,
    told: Callable[[int], None],
) -> None:
    """Carry this rank's blocks through the steps; the one before is written and the next one is read meanwhile."""
    behind = WriteBehind()
    runner = PassRunner(context, one, behind)
    disk = DiskWrites(
        [node.store.file for node in targets if isinstance(node.store, Store)] if _only(one) else [], journal
    )
    labels = list(dict.fromkeys(step.label for step in one.steps))
    kept: set[tuple[str, str]] = set()

    def write(pieces: dict[Node, Piece], low: int, high: int, notes: Told, remarks: Told) -> None:
        for node, target in targets.items():
            block, at = pieces[node]
            try:
                _put(context, one, target, runner.dimensions(node), at, block)
            except Exception as error:  # a disk may fail in any way: named, with its place
                raise _not_written(context, one, node, low, high, error) from error
        journal.note(low, high, notes, remarks)

    try:
        for number, (low, high) in enumerate(ranges, start=1):
            before = told_by(context.notes, labels), told_by(context.remarks, labels)
            pieces = runner.carry(low, high, ranges[number] if number < len(ranges) else None)
            notes = difference(told_by(context.notes, labels), before[0])
            remarks = difference(told_by(context.remarks, labels), before[1])
            names = {(label, name) for label in labels for name in context.kept.get(label, ())}
            if not names <= kept:
                kept = names
                journal.keep({label: context.kept[label] for label, _ in names})
            behind.put(partial(write, pieces, low, high, notes, remarks))
            del pieces
            runner.release()
            if context.comm.rank == 0:
                told(number)
        context.set_stage(f"pass {one.number}, writing slices {ranges[-1][0]} to {ranges[-1][1] - 1}")
        behind.wait()
    finally:
        disk.close()
        behind.close()
        runner.ahead.close()


def _put(context: Context, one: Pass, target: Any, sliced: list[int], low: int, block: Block) -> None:
    """Write a block; to a mapped file a few slices at a time, because until they are let go they count as memory."""
    file = isinstance(target, FileTarget)
    mapped = file and sliced != list(range(len(sliced)))
    step = max(1, len(block) * WRITTEN // max(1, block.nbytes)) if mapped else max(1, len(block))
    start = time.perf_counter()
    for first in range(0, len(block), step):
        write_block(target, sliced, low + first, block[first : first + step])
    if file:
        context.meter.move(one.number, WRITE, block.nbytes, time.perf_counter() - start)


def _not_written(context: Context, one: Pass, node: Node, low: int, high: int, error: Exception) -> StepError:
    rank = f"rank {context.comm.rank} of {context.comm.size}"
    kind = "" if isinstance(error, TomosaxsError) else f"{type(error).__name__}: "
    return StepError(
        f"{node.made_by}, writing {node.name}, slices {low} to {high - 1} of {one.count}, {rank}: {kind}{error}"
    )


def _only(one: Pass) -> bool:
    """Return whether a section writes datasets only: files of saving steps are not handed to the disk on the way."""
    return all(step.outputs for step in one.steps)


def _left(context: Context, one: Pass, node: Node) -> bool:
    """Return whether a later pass makes a part of a sweep that has begun."""
    later = {made for each in context.plan.passes if each.number > one.number for made in each.stores}
    return not later.isdisjoint(node.parts.values())
