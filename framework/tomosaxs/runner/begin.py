"""What a section writes into: made anew, or found as an earlier run left it."""

from __future__ import annotations

import shutil

from tomosaxs.errors import InputError, StepError
from tomosaxs.plan import Node, Pass
from tomosaxs.runner.between import take_memory
from tomosaxs.runner.context import Context
from tomosaxs.runner.journal import Earlier, Journal, Range, boot, forget_identity, identity, journal_key, new_identity
from tomosaxs.runner.told import add_told
from tomosaxs.store import Store

SCRATCH = ".parts"
"""Folder among the files of a saving step for what it needs until all of them are whole; removed then."""


def begin_section(context: Context, one: Pass, writes: list[Node], journal: Journal) -> list[Range]:
    """Make what a section writes into, or find what an earlier run left of it; return the missing slices. Collective.

    Raises
    ------
    StepError
        When there is no room for it.
    """
    comm = context.comm
    boots = comm.allgather(boot())
    wholes = [node for node in dict.fromkeys(each.stack or each for each in writes) if node.store is not None]
    begun = [number for number, node in enumerate(wholes) if node in context.begun]
    kept = comm.bcast([*begun, *_left_over(context, wholes)] if comm.rank == 0 else None)
    for number, node in enumerate(wholes):
        context.begun.add(node)
        if number not in kept:
            _allocate(context, one, node)
    missing = comm.bcast(_missing(context, one, wholes, journal, boots) if comm.rank == 0 else None)
    return [(int(low), int(high)) for low, high in missing]


def _left_over(context: Context, wholes: list[Node]) -> list[int]:
    """Return which datasets an earlier run left room for, with what it had made of them."""
    if not context.resume:
        return []
    return [
        number
        for number, node in enumerate(wholes)
        if isinstance(node.store, Store)
        and identity(node.store.file.parent)
        and node.store.holds(node.dataset.shape, node.dataset.dtype)
    ]


def _allocate(context: Context, one: Pass, node: Node) -> None:
    if node.store is None or (not node.store.lasting and take_memory(context, node)):
        return
    store = node.store
    if not isinstance(store, Store) or context.comm.rank != 0:
        return
    forget_identity(store.file.parent)
    try:
        store.create(node.dataset.shape, node.dataset.dtype)
    except InputError as error:
        raise StepError(f"pass {one.number}, {node.name} made by {node.made_by}: {error}") from error
    new_identity(store.file.parent)


def _missing(context: Context, one: Pass, wholes: list[Node], journal: Journal, boots: list[str]) -> list[list[int]]:
    """Return what is not made yet; begin a new journal where the one that is there speaks of other files."""
    folders = {f"data {node.key}": node.store.file.parent for node in wholes if isinstance(node.store, Store)}
    lasting = len(folders) == len(wholes)  # what was in memory is gone, and is made again
    savers = [step for step in one.steps if not step.outputs]
    homes = [context.home(step.key) for step in savers]
    folders.update({f"files {step.key}": home for step, home in zip(savers, homes, strict=True)})
    earlier = None
    if context.resume and lasting and all(step.spec.restartable for step in savers):
        earlier = journal.earlier({name: identity(folder) for name, folder in folders.items()}, boots)
    for home in homes:
        (home / "done.json").unlink(missing_ok=True)
        if earlier is None:
            forget_identity(home)
            shutil.rmtree(home / "files", ignore_errors=True)  # of a run that was cut short
            (home / "files").mkdir(parents=True)
            new_identity(home)
    if earlier is None:
        journal.begin({name: identity(folder) for name, folder in folders.items()})
        return [[0, one.count]]
    take_told(context, earlier)
    return [list(each) for each in earlier.missing(one.count)]


def take_told(context: Context, earlier: Earlier) -> None:
    """Take over what steps said of slices that are not made again."""
    add_told(context.notes, earlier.notes)
    add_told(context.remarks, earlier.remarks)
    for label, arrays in earlier.kept.items():
        for name, array in arrays.items():
            context.kept[label].setdefault(name, array)


def told_before(context: Context, one: Pass) -> None:
    """Take over what the steps of a section said in the earlier run that finished it."""
    folders = {f"data {node.key}": node.store.file.parent for node in one.stores if isinstance(node.store, Store)}
    journal = Journal(context.home(journal_key(one)) / "journal")
    earlier = journal.earlier({name: identity(folder) for name, folder in folders.items()}, [boot()])
    if earlier is not None and not earlier.missing(one.count):
        take_told(context, earlier)
