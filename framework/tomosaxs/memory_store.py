"""Stored data in memory: of one process, of all ranks of a node, or in parts on several nodes.

What is stored here is gone with the process, whatever way that ends. The axes lie in memory in the order in which the
data will be read, so that a block is read without a copy: the reslice is the one copy that writing makes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.blocks import BlockTarget, boxes, share
from tomosaxs.communicator import Communicator
from tomosaxs.copies import copy_into
from tomosaxs.dataset import ArrayReader, Reader, Selection
from tomosaxs.errors import TomosaxsError
from tomosaxs.shared_memory import NoRoomError, Window, free_memory
from tomosaxs.store import DataStore


class MemoryStore(DataStore):
    """A dataset in the memory of this process or, with more ranks, in a window that the ranks of the node share.

    Parameters
    ----------
    order : sequence of int
        The dataset's dimensions in the order in which they lie in memory, the outermost first; default storage order.
    writable : bool
        Whether what is read may be written to: where every slice is read once only, so that nobody else sees it.
    """

    lasting = False

    def __init__(self, order: Sequence[int] = (), *, writable: bool = False) -> None:
        self.order, self.writable = tuple(order), writable
        self.slot: tuple[int, ...] = ()
        self._held: list[NDArray[Any]] = []  # shared with the stores of its parts

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any], comm: Communicator) -> None:
        """Take the memory, collectively.

        Raises
        ------
        NoRoomError
            When it cannot be had, on all ranks alike.
        """
        self.release()
        order = self.order or tuple(range(len(shape)))
        lying = tuple(shape[number] for number in order)
        if comm.size == 1:
            made = _own_memory(lying, dtype)
        else:
            size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            made = Window(comm, size).bytes.view(dtype).reshape(lying)
        self._held.append(np.transpose(made, np.argsort(order)))

    def open(self, mode: str = "r") -> NDArray[Any]:
        """Return the dataset as an array, ``r`` to read or ``r+`` to write."""
        if not self._held:
            raise TomosaxsError("the memory of a dataset was given back before it was read")
        array = self._held[0][self.slot] if self.slot else self._held[0][...]
        array.flags.writeable = mode != "r" or self.writable
        return array

    def reader(self) -> Reader:
        """Return a reader over the stored values."""
        return ArrayReader(self.open())

    def part(self, slot: tuple[int, ...]) -> MemoryStore:
        """Return the store of one part of the dataset, at a place along its leading axes."""
        made = copy.copy(self)
        made.slot = slot
        return made

    def release(self) -> None:
        """Give the memory back, as soon as nobody holds a block of it any more."""
        self._held.clear()


def _own_memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    need, free = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize, free_memory()
    try:
        if need > free:
            raise MemoryError
        return np.empty(shape, dtype)
    except MemoryError:
        raise NoRoomError(f"{need / 1e6:.4g} MB are needed, {free / 1e6:.4g} MB are free") from None


@dataclass(frozen=True)
class _Run:
    """Slices [low, high) that `rank` takes for its node, to lie from row `row` of the node's memory on."""

    node: int
    rank: int
    low: int
    high: int
    row: int


class NodesStore(DataStore):
    """A dataset whose parts lie on the nodes whose ranks will read them.

    Every rank will read its share of the slices, with their neighbours where a halo is needed, and nothing else.
    What is written goes to the node that will read it, through MPI.

    Parameters
    ----------
    sliced : sequence of int
        Dimensions that are sliced where it is read.
    halo : int
        Slices that are read on both sides of a block.
    stacked : int
        Leading dimensions along which parts are stacked, before those that `sliced` counts.
    writable : bool
        As for `MemoryStore`.
    """

    lasting = False

    def __init__(self, sliced: Sequence[int], halo: int = 0, *, stacked: int = 0, writable: bool = False) -> None:
        self.sliced, self.halo, self.stacked, self.writable = tuple(sliced), halo, stacked, writable
        self.slot: tuple[int, ...] = ()
        self._held: list[_Parts] = []

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any], comm: Communicator) -> None:
        """Take the memory of all nodes, collectively.

        Raises
        ------
        NoRoomError
            When one of them has none, on all ranks alike.
        """
        self.release()
        self._held.append(_Parts(shape[: self.stacked], shape[self.stacked :], dtype, self.sliced, self.halo, comm))

    def _whole(self) -> _Parts:
        if not self._held:
            raise TomosaxsError("the memory of a dataset was given back before it was read")
        return self._held[0]

    def _number(self) -> int:
        parts = self._whole()
        return int(np.ravel_multi_index(self.slot, parts.stack)) if parts.stack else 0

    def open(self, mode: str = "r") -> BlockTarget:
        """Return what blocks are written to; collective, as is its `flush`."""
        return _NodesTarget(self._whole(), self._number())

    def reader(self) -> Reader:
        """Return a reader over what lies on this node."""
        return _NodeReader(self._whole(), self._number(), self.writable)

    def part(self, slot: tuple[int, ...]) -> NodesStore:
        """Return the store of one part of the dataset, at a place along its leading axes."""
        made = copy.copy(self)
        made.slot = slot
        return made

    def release(self) -> None:
        """Give the memory back, as soon as nobody holds a block of it any more."""
        self._held.clear()


class _Parts:
    """What lies where: on every node rows of (slices, \\*other dimensions), one part of a stack after another."""

    def __init__(
        self, stack: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any], sliced: tuple[int, ...], halo: int,
        comm: Communicator,
    ) -> None:  # fmt: skip
        self.stack, self.shape, self.dtype, self.sliced = stack, shape, dtype, sliced
        self.rest = tuple(number for number in range(len(shape)) if number not in sliced)
        self.sizes = [shape[number] for number in sliced]
        self.core = tuple(shape[number] for number in self.rest)
        self.node = comm.node
        nodes = comm.allgather(comm.node)
        self.runs = runs_of(int(np.prod(self.sizes, dtype=np.int64)), nodes, halo)
        rows = self.rows(self.node)
        self.slice_bytes = int(np.prod(self.core, dtype=np.int64)) * dtype.itemsize
        count = int(np.prod(stack, dtype=np.int64))
        own = Window(comm, count * rows * self.slice_bytes).bytes
        self.local: NDArray[Any] = own.view(dtype).reshape(count, rows, *self.core)
        self.comm = comm

    def rows(self, node: int) -> int:
        """Return the number of slices on a node."""
        return sum(run.high - run.low for run in self.runs if run.node == node)


def runs_of(count: int, nodes: Sequence[int], halo: int) -> list[_Run]:
    """Return which slices lie on which node, when rank n on ``nodes[n]`` reads its share and a halo.

    Parameters
    ----------
    count : int
        Slices in all.
    nodes : sequence of int
        Of every rank.
    halo : int
        Slices on both sides.
    """
    found: list[_Run] = []
    for node in dict.fromkeys(nodes):
        row, reached = 0, 0
        for rank, place in enumerate(nodes):
            low, high = share(count, len(nodes), rank)
            if place != node or low == high:
                continue
            low, high = max(low - halo, reached), min(high + halo, count)
            if low < high:
                found.append(_Run(node, rank, low, high, row))
                row, reached = row + high - low, high
    return found


class _NodesTarget:
    """Takes blocks and sends every node what its ranks will read."""

    def __init__(self, parts: _Parts, number: int) -> None:
        self.parts, self.local = parts, parts.local[number]
        self.deliveries = parts.comm.deliveries(self._taken)

    def write(self, sliced: Sequence[int], low: int, block: NDArray[Any]) -> None:
        """Put a block to its place; see `tomosaxs.blocks.write_block`."""
        parts = self.parts
        if self.deliveries is not None:
            self.deliveries.settle()  # the block before: it travelled while this one was made
        shape = parts.shape
        others = [number for number in range(len(shape)) if number not in sliced]
        front = [*parts.sliced, *parts.rest]
        for start, box in boxes([shape[number] for number in sliced], low, low + len(block)):
            lengths = [each.stop - each.start for each in box]
            count = int(np.prod(lengths, dtype=np.int64))
            piece = block[start : start + count].reshape(*lengths, *(shape[number] for number in others))
            corner = dict(zip(sliced, (each.start for each in box), strict=True))
            lying = np.transpose(np.transpose(piece, np.argsort([*sliced, *others])), front)
            self._spread(lying, [corner.get(number, 0) for number in front])

    def _spread(self, piece: NDArray[Any], corner: Sequence[int]) -> None:
        """Send a box of (\\*sliced, \\*other dimensions) to the nodes that its slices belong to."""
        parts = self.parts
        depth = len(parts.sliced)
        for run in parts.runs:
            for first, inside in _common(piece.shape[:depth], corner[:depth], parts.sizes, run):
                rows = piece[inside].reshape(-1, *piece.shape[depth:])
                where = (run.row + first - run.low, *corner[depth:])
                if run.node == parts.node or self.deliveries is None:
                    self._place(where, rows)
                else:
                    self.deliveries.send(run.rank, where, rows.astype(parts.dtype, copy=False))

    def _place(self, where: Sequence[int], rows: NDArray[Any]) -> None:
        """Put neighbouring slices to their place in this node's memory."""
        box = tuple(slice(at, at + size) for at, size in zip(where, rows.shape, strict=True))
        copy_into(self.local[box], rows)

    def _taken(self, head: tuple[int, ...], values: NDArray[np.uint8]) -> None:
        where, shape = head[: len(head) // 2], head[len(head) // 2 :]
        self._place(where, values.view(self.parts.dtype).reshape(shape))

    def flush(self) -> None:
        """Return when all that any rank has written for this one has arrived. Collective."""
        if self.deliveries is not None:
            self.deliveries.end()


def _common(
    lengths: Sequence[int], corner: Sequence[int], sizes: Sequence[int], run: _Run
) -> Iterator[tuple[int, tuple[slice | int, ...]]]:
    """Yield the first slice and the place in a box of all rows of neighbouring slices that lie in a run, too."""
    if not lengths:
        yield 0, ()
        return
    for _, box in boxes(sizes, run.low, run.high):
        starts = [max(each.start, at) for each, at in zip(box, corner, strict=True)]
        ends = [min(each.stop, at + n) for each, at, n in zip(box, corner, lengths, strict=True)]
        if any(start >= end for start, end in zip(starts, ends, strict=True)):
            continue
        for outer in np.ndindex(*(end - start for start, end in zip(starts[:-1], ends[:-1], strict=True))):
            place = [start + step for start, step in zip(starts[:-1], outer, strict=True)]
            first = int(np.ravel_multi_index((*place, starts[-1]), tuple(sizes)))
            inside = [at - base for at, base in zip(place, corner, strict=False)]
            yield first, (*inside, slice(starts[-1] - corner[-1], ends[-1] - corner[-1]))


class _NodeReader:
    """Reads slices that lie on this node."""

    def __init__(self, parts: _Parts, number: int, writable: bool) -> None:
        self.parts, self.number = parts, number
        self.local = parts.local[number]
        self.local.flags.writeable = writable

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole dataset."""
        return self.parts.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.parts.dtype

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part, which has to lie on this node."""
        parts = self.parts
        index = [np.arange(size)[chosen] for size, chosen in zip(parts.shape, selection, strict=True)]
        wanted = [index[number] for number in parts.sliced]
        flat = np.ravel_multi_index(np.ix_(*wanted), tuple(parts.sizes)).ravel() if wanted else np.zeros(1, np.intp)
        rows = self._rows(flat)
        straight = len(rows) == 0 or bool((np.diff(rows) == 1).all())
        found = self.local[slice(rows[0], rows[-1] + 1) if straight and len(rows) else rows]
        for place, number in enumerate(parts.rest):
            found = found[(slice(None),) * (1 + place) + (selection[number],)]
        lying = found.reshape(*(len(each) for each in wanted), *found.shape[1:])
        return np.transpose(lying, np.argsort([*parts.sliced, *parts.rest]))

    def _rows(self, flat: NDArray[Any]) -> NDArray[Any]:
        rows = np.full(flat.shape, -1, np.intp)
        for run in self.parts.runs:
            if run.node == self.parts.node:
                here = (flat >= run.low) & (flat < run.high)
                rows[here] = flat[here] - run.low + run.row
        if (rows < 0).any():
            raise TomosaxsError("slices were to be read that lie in the memory of another node")
        return rows
