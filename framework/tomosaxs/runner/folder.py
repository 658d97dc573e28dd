"""The output folder: made, checked, locked, and left as it should be."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tomosaxs.errors import InputError

if TYPE_CHECKING:
    from tomosaxs.plan import Plan

RESULT = "result.nxs"
TOLD = "told"
_MOVING = ".moving"
SPOILED = "spoiled"
"""File in the work folder: an input changed while these data were made of it, so that no run may use them."""
SIDE_KEY = ".key"
"""File in the folder of a saving step: the content key of what lies there, then one written file a line."""


class Lock:
    """Refuses a second run into the same folder; freed by the system however the run ends."""

    def __init__(self, work: Path) -> None:
        self.path = work / "lock"
        self.handle: IO[str] | None = None

    def take(self) -> str:
        """Take the lock; return a warning where the file system has no locks, else an empty text.

        Raises
        ------
        InputError
            When another run holds it; the message says which.
        """
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = self.path.open("a+")
            except FileNotFoundError:  # the run before is just removing its work folder
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                holder = handle.read().strip() or "another run"
                handle.close()
                raise InputError(
                    f"{self.path.parent.parent}: {holder} is writing here; wait for it or choose another -o"
                ) from None
            except OSError as error:
                handle.close()
                return f"{self.path}: this file system has no locks ({error}); two runs into one folder are not refused"
            if self._is_current(handle):
                break
            handle.close()
        self.handle = handle
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        return ""

    def _is_current(self, handle: IO[str]) -> bool:
        """Return whether the locked file is still the one that others would open."""
        try:
            return os.path.samestat(os.fstat(handle.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def free(self) -> None:
        """Give the lock back."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None


def is_input_folder(folder: Path, plan: Plan) -> bool:
    """Return whether a folder is one of the inputs, a folder of images for instance."""
    return folder.is_dir() and any(
        path.is_dir() and path.samefile(folder) for each in plan.inputs for path in each.checked.paths
    )


def prepare(folder: Path, inputs: Iterable[Path], plan: Plan | None = None) -> None:
    """Make the folder and refuse what would lose data.

    Raises
    ------
    InputError
        When it cannot be written, is a file, is a folder of raw data, or its result.nxs is one of the inputs.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"output {folder} is a file, not a folder; choose another with -o")
    if plan is not None and is_input_folder(folder, plan):
        raise InputError(f"output {folder} is the folder of an input, which stays as it is; choose another with -o")
    target = (folder / RESULT).resolve()
    for path in inputs:
        if path.resolve() == target or (target.exists() and path.exists() and path.samefile(target)):
            raise InputError(f"input and output are the same file, {target}; choose another folder with -o")
        if (folder / ".work").resolve() in path.resolve().parents:
            raise InputError(f"input {path} is unfinished data of this output folder; choose another folder with -o")
    try:
        (folder / ".work").mkdir(parents=True, exist_ok=True)
        probe = folder / ".work" / f"probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"output folder {folder} cannot be written: {error}; choose another with -o") from error


def first_to_tell(folder: Path) -> bool:
    """Return whether no other rank has failed before, so that of several messages one appears."""
    try:
        os.close(os.open(folder / ".work" / TOLD, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    except OSError:  # the disk may be what failed
        return True
    return True


def side_files(place: Path) -> tuple[str, list[str]]:
    """Return the content key of what a saving step left in a folder, and its files; empty where it left nothing."""
    mark = place / SIDE_KEY
    key, *names = mark.read_text().split("\n") if mark.is_file() else [""]
    return key, names


def move_side_files(made: Path, target: Path, key: str) -> None:
    """Put a saving step's new files in place of its old ones; what others laid beside them stays.

    A run that is killed half way is finished by the next one, which finds what was to be moved in a list.
    """
    target.mkdir(exist_ok=True)
    known, old = side_files(target)
    names = _to_be_moved(made)
    if names or known != key:  # else killed when all was moved
        # no key: not whole until all are there
        _write_whole(target / SIDE_KEY, "\n".join(["", *sorted({*old, *names})]))
        for name in names:
            if (made / name).exists():  # not moved by a run that was killed
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(made / name, target / name)
        for name in set(old) - set(names):
            (target / name).unlink(missing_ok=True)
        _write_whole(target / SIDE_KEY, "\n".join([key, *names]))
    shutil.rmtree(made)


def _to_be_moved(made: Path) -> list[str]:
    listed = made / _MOVING
    if not listed.is_file():
        names = sorted(str(path.relative_to(made)) for path in made.rglob("*") if not path.is_dir())
        names = [name for name in names if not name.startswith(_MOVING)]
        _write_whole(listed, json.dumps(names))
    found: list[str] = json.loads(listed.read_text())
    return found


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def clear_work(folder: Path) -> None:
    """Remove unfinished data of earlier runs (not the lock)."""
    for path in (folder / ".work").glob("*"):
        if path.name == "lock":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_work(folder: Path) -> None:
    """Remove the work folder with everything in it."""
    shutil.rmtree(folder / ".work", ignore_errors=True)


def note_state(folder: Path, state: str, text: str) -> None:
    """Leave a note on how the run ended, for ``--resume`` and for people."""
    if (folder / ".work").is_dir():
        (folder / ".work" / "state.json").write_text(json.dumps({"state": state, "text": text}))


def shown(path: Path) -> str:
    """Return a path as a user would write it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
