"""Datasets that lie in memory between passes: they get it, and give it back after the last pass that reads them."""

from __future__ import annotations

from collections.abc import Iterable

from tomosaxs.communicator import Communicator
from tomosaxs.memory_store import MemoryStore, NodesStore
from tomosaxs.plan import Node, Pass
from tomosaxs.runner.context import Context
from tomosaxs.shared_memory import NoRoomError
from tomosaxs.store import DataStore


def keep_in_memory(context: Context, left: Iterable[Pass], begun: set[int]) -> None:
    """Let what the plan puts into memory, and no earlier run has begun in a file, lie there; alike on all ranks.

    Parameters
    ----------
    left : iterable of Pass
        Passes that are run.
    begun : set of int
        Numbers of nodes whose file an earlier run has begun.
    """
    for one in left:
        for node in one.stores:
            if node.place is None or node.store is None or node in context.ready:
                continue
            if node.place.in_memory and node.number not in begun:
                context.files[node] = node.store
                node.store = _in_memory(node, context.comm)
            if not node.in_result:
                where = "a file of the work folder" if node.store.lasting else "memory"
                why = "an earlier run has begun it there" if node.number in begun else node.place.reason
                context.log(f"{node.name} of pass {one.number} lies in {where} until it is read: {why}")


def _in_memory(node: Node, comm: Communicator) -> DataStore:
    place = node.place
    assert place is not None
    if comm.node_size < comm.size:
        return NodesStore(place.sliced, place.halo, writable=place.single)
    rest = [number for number in range(len(node.dataset.shape)) if number not in place.sliced]
    return MemoryStore([*place.sliced, *rest], writable=place.single)


def take_memory(context: Context, node: Node) -> bool:
    """Take the memory of a dataset; return whether it could be had, else it lies in its file. Collective."""
    assert node.store is not None
    try:
        node.store.allocate(node.dataset.shape, node.dataset.dtype, context.comm)
    except NoRoomError as error:
        node.store = context.files[node]
        context.log(f"{node.name} lies in a file of the work folder all the same: {error}")
        return False
    return True


def give_back(context: Context, later: Iterable[Pass]) -> None:
    """Give back the memory of what no later pass reads."""
    read = {node.origin or node for one in later for node in one.reads}
    made = {node for one in later for node in one.stores}
    for node in context.files:
        if node.store is not None and node not in read | made:
            node.store.release()
