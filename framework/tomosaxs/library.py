"""The same from Python as from the shell: read, check, plan and run a process list."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from tomosaxs.available import SHARE, available_memory
from tomosaxs.communicator import Communicator, world
from tomosaxs.errors import InputError, ListError, TomosaxsError
from tomosaxs.plan import Intermediates, Options, Plan, build_plan
from tomosaxs.process_list import CheckedList, check_list, parse_list, read_list
from tomosaxs.result import Result
from tomosaxs.runner.context import Log, console
from tomosaxs.runner.folder import is_input_folder
from tomosaxs.runner.run import Run
from tomosaxs.shared_memory import shared_room
from tomosaxs.threads import planned_for, usable_cores

T = TypeVar("T")
MOST_SHARE = 0.9
"""Of what is available, what blocks may take where the usual share is too little for the smallest ones."""


def check(
    process_list: str | Path,
    *,
    inputs: Sequence[str] = (),
    settings: Sequence[str] = (),
    roots: Sequence[str] = (),
    folder: Path | None = None,
) -> CheckedList:
    """Read and check a process list without looking at the data.

    Parameters
    ----------
    process_list : str or Path
        File; or the list itself as text of several lines.
    inputs : sequence of str
        ``PATH`` or ``NAME=PATH``, as ``--input``.
    settings : sequence of str
        ``STEP.PARAM=VALUE``, as ``--set``.
    roots : sequence of str
        ``OLD=NEW``, as ``--root``.
    folder : Path, optional
        Where relative paths of a list that is given as text belong; default the current folder.

    Raises
    ------
    ListError
        With all faults at once.
    """
    if isinstance(process_list, str) and "\n" in process_list:
        found = parse_list(process_list, folder=folder, settings=settings, inputs=inputs, roots=roots)
    else:
        found = read_list(Path(process_list), settings=settings, inputs=inputs, roots=roots)
    return check_list(found)


def warnings_of(checked: CheckedList) -> list[str]:
    """Return what a look at the data of a checked list warns of.

    What does not fit these data is among the warnings: the list itself may be right for others.
    """
    try:
        return build_plan(checked, usual_options()).warnings
    except ListError as error:
        return [f"with these data it would not run: {problem}" for problem in error.problems]
    except InputError as error:
        return [f"on this machine it would not run: {error}"]


def usual_options(ranks: int = 1, node_ranks: int = 1, threads: int = 1) -> Options:
    """Return the options of a run that nobody gave a memory: a share of what is available, more where it must be."""
    free = available_memory()
    return Options(ranks, node_ranks, free * SHARE, None, threads, free * MOST_SHARE)


def plan(
    process_list: str | Path,
    *,
    inputs: Sequence[str] = (),
    settings: Sequence[str] = (),
    roots: Sequence[str] = (),
    ranks: int | None = None,
    nodes: int | None = None,
    threads: int | None = None,
    memory: float | None = None,
    block: int | None = None,
    intermediates: Intermediates = "auto",
) -> Plan:
    """Check a process list against its data and return the plan; nothing is computed.

    Parameters
    ----------
    ranks : int, optional
        Ranks to plan for; default those that run now.
    nodes : int, optional
        Nodes that these ranks are spread over; default as few as this machine's cores allow.
    threads : int, optional
        Threads of a rank; default its share of this machine's cores.
    memory : float, optional
        Bytes that the ranks of one node may take for data; default half of what is free on this machine.
    block : int, optional
        Slices a block; default from the memory.
    intermediates : {"auto", "memory", "file"}
        Where datasets lie between passes, see `run`.

    Raises
    ------
    ListError
        With all faults at once.
    """
    checked = check(process_list, inputs=inputs, settings=settings, roots=roots)
    wanted = ranks or nodes or world().size
    if nodes is not None and nodes > wanted:
        raise InputError(f"{wanted} rank{'s' if wanted > 1 else ''} cannot be spread over {nodes} nodes")
    cores = os.cpu_count() or 1
    node_ranks = -(-wanted // (nodes or max(1, -(-wanted // cores))))
    if ranks is None and nodes is None:
        node_ranks = world().node_size
    each = threads or (_thread_count() if wanted == world().size else max(1, len(usable_cores()) // node_ranks))
    free = available_memory()
    allowed, most = (memory, 0.0) if memory is not None else (free * SHARE, free * MOST_SHARE)
    room = shared_room() if memory is None else memory  # of another machine nothing else is known
    options = Options(wanted, node_ranks, allowed, block, each, most, intermediates, room)
    with planned_for(each):
        return build_plan(checked, options)


def _thread_count() -> int:
    """Return the threads of this rank that numeric libraries use."""
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    return int(limit) if limit.isdigit() and int(limit) > 0 else len(usable_cores())


def _plan(
    checked: CheckedList,
    ranks: int | None,
    memory: float | None,
    block: int | None,
    threads: int,
    intermediates: Intermediates,
    free: float | None = None,
    room: float | None = None,
    nodes: Sequence[int] = (),
) -> Plan:
    comm = world()
    free = available_memory() if free is None else free
    room = shared_room() if room is None else room
    allowed, most = (memory, 0.0) if memory is not None else (free * SHARE, free * MOST_SHARE)
    node_ranks = min(ranks, os.cpu_count() or 1) if ranks is not None else comm.node_size
    if nodes:  # of the largest node, so that every rank makes the same plan
        node_ranks = max(Counter(nodes).values())
    options = Options(ranks or comm.size, node_ranks, allowed, block, threads, most, intermediates, room, tuple(nodes))
    return build_plan(checked, options)


def run(
    process_list: str | Path,
    *,
    inputs: Sequence[str] = (),
    settings: Sequence[str] = (),
    roots: Sequence[str] = (),
    output: str | Path | None = None,
    resume: bool = False,
    memory: float | None = None,
    block: int | None = None,
    keep_work: bool = False,
    intermediates: Intermediates = "auto",
    log: Log | None = None,
    threads: int = 0,
    checksums: Literal["auto", "full", "sampled"] = "auto",
    stall: float | None = None,
    folder: Path | None = None,
) -> Result:
    """Run a process list; under ``mpirun`` every rank calls this alike.

    Parameters
    ----------
    output : str or Path, optional
        Folder for result.nxs, report.html and run.log; default the list's name in the current folder
        (with ``_result`` where the scan itself is a folder of that name).
    resume : bool
        Use what an earlier run into the same folder finished.
    keep_work : bool
        Keep intermediate data after success; they are then files.
    intermediates : {"auto", "memory", "file"}
        Where datasets lie between the pass that makes them and those that read them. ``auto``: in memory where they fit
        beside the blocks, else in a file. ``memory``: nowhere else. ``file``: always in files, so that `resume` finds
        them after a run that was cut short.
    log : callable, optional
        Receives every line of the log; default standard error.
    checksums : {"auto", "full", "sampled"}
        Of the inputs, sha256: of all bytes, or of the size and of samples spread over the file. ``auto``: all bytes of
        files up to 64 MiB, of larger ones samples.
    stall : float, optional
        Seconds without any sign of progress after which all ranks are ended, 0: never. Default: never, and one process
        on its own, a notebook for instance, is not watched at all.
    folder : Path, optional
        Where relative paths of a list that is given as text belong; default the current folder.

    Returns
    -------
    Result
        The result; ``result.data`` is the default dataset, ``result.estimates["axis"].value`` a value.

    Raises
    ------
    ListError, InputError
        When list or input is at fault; nothing was computed.
    StepError
        When a step failed.
    """
    comm = world()
    free = comm.bcast(available_memory())
    nodes = comm.allgather([comm.node, shared_room()])
    room = min(each for _, each in nodes)
    if keep_work and intermediates == "auto":
        intermediates = "file"
    count = comm.bcast(_thread_count())  # of the first rank: every rank makes the same plan

    def planned() -> Plan:
        checked = check(process_list, inputs=inputs, settings=settings, roots=roots, folder=folder)
        places = [node for node, _ in nodes]
        return _plan(checked, None, memory, block, count, intermediates, free, room, places)

    made = together(comm, planned)
    place = _folder(output, made)
    writer = LogWriter(place, log or console) if comm.rank == 0 else None
    running = Run(
        made,
        comm,
        place,
        resume=resume,
        log=writer if writer is not None else _silent,
        threads=threads,
        keep_work=keep_work,
        checksums=checksums,
        stall=stall,
    )
    try:
        return running()
    finally:
        if writer is not None:
            writer.close()


def _silent(text: str) -> None:
    """Only the first rank logs."""


def together(comm: Communicator, action: Callable[[], T]) -> T:
    """Do the same on every rank; what fails on one is raised on all, as an error of all."""
    value: T | None = None
    own: TomosaxsError | None = None
    try:
        value = action()
    except TomosaxsError as error:
        own = error
    texts = comm.allgather(None if own is None else str(own))
    first = next((text for text in texts if text is not None), None)
    if own is not None:
        own.everywhere = True
        raise own
    if first is not None:
        problem = InputError(first)
        problem.everywhere = True
        raise problem
    if value is None:
        raise TomosaxsError("planning gave no plan")
    return value


def _folder(output: str | Path | None, made: Plan) -> Path:
    if output is not None:
        return Path(output).expanduser().absolute()
    file = made.checked.process_list.file
    place = Path.cwd() / (file.stem if file is not None else "tomosaxs_run")
    # A list that has the name of the folder of its scan must not fill that folder: readers would find the result there.
    return place.with_name(f"{place.name}_result") if is_input_folder(place, made) else place


class LogWriter:
    """Writes lines to the screen and, once the folder exists, to run.log."""

    def __init__(self, folder: Path, screen: Log) -> None:
        self.path, self.screen = folder / "run.log", screen
        self.begun = self.told = False
        self.kept: list[str] = []

    def __call__(self, text: str) -> None:
        """Write one line."""
        self.screen(text)
        self.kept.append(text)
        if self.path.parent.is_dir() and (self.path.parent / ".work").is_dir():
            try:
                with self.path.open("a" if self.begun else "w") as handle:
                    handle.writelines(line + "\n" for line in self.kept)
            except OSError as error:  # a full disk ends the run where data are lost; a line of the log is none
                if not self.told:
                    self.screen(f"{self.path} cannot be written: {error}")
                self.told = True
                return
            self.begun = True
            self.kept.clear()

    def close(self) -> None:
        """Write what is left, where the folder was made by this run."""
        self.kept.clear()


__all__ = ["ListError", "check", "plan", "run"]
