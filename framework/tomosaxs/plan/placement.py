"""Where a dataset lies between the pass that makes it and those that read it: in memory, or in a file.

Memory is the faster place where the disk is slow, and never wears it. It is taken for what fits beside useful blocks
into the budget of a node, in the order of the list; the file is for the rest, for what the result keeps anyhow, and
for what is to outlive a run that is cut short.
"""

from __future__ import annotations

from collections.abc import Sequence

from tomosaxs.memory_store import runs_of
from tomosaxs.plan.memory import size_blocks, spare_memory
from tomosaxs.plan.model import Node, Options, Pass, Place


def place_datasets(passes: Sequence[Pass], options: Options) -> str:
    """Choose the place of everything that is stored; blocks then get what is left of the memory.

    Parameters
    ----------
    passes : sequence of Pass
        Their blocks have a size already; `Pass.held`, the blocks and `Node.place` are set.
    options : Options
        How the plan is to be run.

    Returns
    -------
    str
        Where all was to be in memory and is not: what does not fit, and why; else empty.
    """
    faults = []
    for number, one in enumerate(passes):
        for node in one.stores:
            whole = node.stack or node
            if whole.place is None:
                whole.place = _placed(whole, number, passes, options)
                if options.intermediates == "memory" and not (whole.in_result or whole.place.in_memory):
                    faults.append(f"{node.name}, made by {node.made_by}: {whole.place.reason}")
            node.place = whole.place
    for one in passes:
        if one.held:
            size_blocks(one, options)
    return "; ".join(faults)


def _placed(node: Node, made: int, passes: Sequence[Pass], options: Options) -> Place:
    if node.in_result:
        return Place("file", "the result keeps it")
    if node.parts:
        return Place("file", "parts of it are made in several passes")
    if options.intermediates == "file":
        return Place("file", "asked for")
    readers = [(number, one, each) for number, one in enumerate(passes) for each in one.reads if _is_of(each, node)]
    if not readers:
        return Place("file", "no pass reads it")
    _, one, read = readers[0]
    names = node.dataset.names
    sliced = tuple(names.index(name) for name in one.sliced[read])
    single = len(readers) == 1 and one.kind == "section" and read is node
    if options.ranks > options.node_ranks and not single:
        return Place("file", "a node can hold what its ranks read of it in one pass, and several read it")
    size = _on_node(node, one, options) if options.ranks > options.node_ranks else float(node.dataset.nbytes)
    living = passes[made : readers[-1][0] + 1]
    spare = spare_memory(living, options)
    room = options.room if options.ranks > 1 else float("inf")
    taken = max(each.held for each in living)
    if size > spare:
        return Place("file", f"its {_size(size)} a node do not fit into the {_size(spare)} that blocks leave")
    if size > room - taken:
        return Place("file", f"its {_size(size)} a node do not fit into the {_size(room)} that ranks can share")
    for each in living:
        each.held += size
    return Place(
        "memory", f"it fits beside the blocks, {_size(size)} a node", sliced, one.halo, single and not one.halo
    )


def _is_of(node: Node, stored: Node) -> bool:
    return (node.origin or node) is stored


def _on_node(node: Node, one: Pass, options: Options) -> float:
    """Return the bytes of the part of a dataset that a node's ranks read, of the largest one."""
    nodes = options.nodes or tuple(rank // options.node_ranks for rank in range(options.ranks))
    runs = runs_of(one.count, nodes, one.halo)
    rows = max(sum(run.high - run.low for run in runs if run.node == place) for place in set(nodes))
    return rows * node.dataset.nbytes / max(1, one.count)


def _size(count: float) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
