"""Run again what made a result, and compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tomosaxs import library
from tomosaxs.communicator import Communicator, world
from tomosaxs.errors import InputError
from tomosaxs.report.again import read_result
from tomosaxs.report.compare import Comparison, compare_results
from tomosaxs.result import InputRecord, Result
from tomosaxs.runner.checksums import Extent, checksum_of


def replay_result(
    path: Path | str,
    *,
    output: Path | str | None = None,
    roots: Sequence[str] = (),
    inputs: Sequence[str] = (),
    changed_inputs: bool = False,
    tolerance: float | None = None,
) -> Comparison | None:
    """Run again what made a result and compare the two; under ``mpirun`` every rank calls this alike.

    Parameters
    ----------
    path : Path or str
        The result.nxs, or the folder of the run.
    output : Path or str, optional
        Folder of the new run; default the old one's name with ``_replay`` in the current folder.
    roots, inputs : sequence of str
        As for `tomosaxs.run`: where things lie now.
    changed_inputs : bool
        Run although the content of inputs is not what it was.
    tolerance : float, optional
        As for `compare_results`.

    Returns
    -------
    Comparison or None
        A is the old result, B the new one; None on all ranks but the first.

    Raises
    ------
    InputError
        When there is no such result, an input is not found or is not what it was.
    """
    comm = world()
    given = Path(path).expanduser()
    folder = (given.parent if given.is_file() else given).absolute()
    target = Path(output) if output is not None else Path.cwd() / f"{folder.name}_replay"
    if target.absolute() == folder:
        raise InputError(f"{target} holds the result that is to be run again: choose another folder with -o")
    old = library.together(comm, lambda: read_result(folder))
    options = _options(old)
    moved, roots = _moved(old, roots)
    inputs = [*moved, *inputs]
    named = {text.partition("=")[0] for text in inputs if "=" in text} or ({old.inputs[0].name} if inputs else set())
    before = [text for text in _inputs(old, options) if text.partition("=")[0] not in named]
    if not roots and not changed_inputs:
        _agree(comm, lambda: [fault for each in old.inputs if each.name not in named for fault in _faults(each)])
    library.run(
        old.list_text if old.list_text.endswith("\n") else f"{old.list_text}\n",
        inputs=[*before, *inputs],
        settings=[text for option, text in options if option == "--set"],
        roots=[*(text for option, text in options if option == "--root"), *roots],
        output=target,
        folder=None if old.list_file is None else old.list_file.parent,
    )
    return compare_results(folder, target, tolerance) if comm.rank == 0 else None


def _options(old: Result) -> list[tuple[str, str]]:
    """Return what was given on the command line as (option, text) pairs."""
    return [(option, text) for option, _, text in (line.partition(" ") for line in old.settings)]


def _inputs(old: Result, options: list[tuple[str, str]]) -> list[str]:
    """Return ``NAME=PATH`` for inputs that the command line named, with the path that was read then."""
    found = []
    for option, text in options:
        if option == "--input":
            name = text.partition("=")[0] if "=" in text else old.inputs[0].name
            record = next((each for each in old.inputs if each.name == name), None)
            found.append(text if record is None else f"{name}={record.path}")
    return found


def _moved(old: Result, roots: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return ``NAME=PATH`` for inputs that a list names by a relative path, and the roots that are left.

    The message that a file is missing names the absolute path it had, so that is what OLD begins with.
    """
    moved, left = [], []
    for text in roots:
        before, _, now = text.partition("=")
        head = Path(before)
        begun = [each for each in old.inputs if head.is_absolute() and head in (each.path, *each.path.parents)]
        if now and begun and before not in old.list_text:
            moved += [f"{each.name}={Path(now).expanduser() / each.path.relative_to(head)}" for each in begun]
        else:
            left.append(text)
    return moved, left


def _faults(each: InputRecord) -> list[str]:
    """Return what is not as it was with the files of an input."""
    faults = []
    for file, size, checksum in each.files:
        if not file.is_file():
            faults.append(f"input {each.name}: {file} does not exist; say where it is with --input or --root OLD=NEW")
        elif file.stat().st_size != size or checksum_of(file, size, _extent(checksum)) != checksum:
            faults.append(f"input {each.name}: {file} is not what it was (size or checksum); see --changed-inputs")
    return faults


def _extent(checksum: str) -> Extent:
    return "sampled" if checksum.startswith("sampled:") else "full"


def _agree(comm: Communicator, look: Callable[[], list[str]]) -> None:
    """Look on the first rank; what is wrong there is an error of all."""
    faults = comm.bcast(look() if comm.rank == 0 else [])
    if faults:
        problem = InputError("\n".join(faults))
        problem.everywhere = True
        raise problem
