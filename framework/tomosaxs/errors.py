"""Few, named, helpful errors; each knows the exit status it ends a run with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


class TomosaxsError(Exception):
    """Base of every error that tomosaxs raises on purpose.

    Attributes
    ----------
    exit_status : int
        Status of the command that meets it: 1 a step failed, 2 the list or the input is at fault,
        130 interrupted.
    everywhere : bool
        Whether every rank raised it, so that all can end in order.
    told : bool
        Whether another rank that failed at the same time tells already.
    """

    exit_status = 1
    everywhere = False
    told = False


class InputError(TomosaxsError):
    """The input, the output folder or the set-up is at fault; nothing was computed.

    Parameters
    ----------
    message : str
        What is wrong, what was given and what exists.
    parameter : str
        The parameter at fault, where one is: the message then gets its line in the list.
    """

    exit_status = 2

    def __init__(self, message: str = "", *, parameter: str = "") -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True)
class Problem:
    """One fault of a process list, with its place.

    Parameters
    ----------
    message : str
        What is wrong, what was given and what exists.
    file : Path or None
        The list; None when the text did not come from a file.
    line : int or None
        1-based line.
    where : str
        For instance ``step 4 reconstruct.centre``.
    """

    message: str
    file: Path | None = None
    line: int | None = None
    where: str = ""

    def __str__(self) -> str:
        place = str(self.file) if self.file is not None else "<list>"
        if self.line is not None:
            place += f":{self.line}"
        return ": ".join(part for part in (place, self.where, self.message) if part)


class ListError(InputError):
    """The process list is at fault; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        tail = f"\n{count} problems; nothing was run" if count > 1 else ""
        super().__init__("\n".join(str(problem) for problem in self.problems) + tail)


class StepError(TomosaxsError):
    """A step failed while it ran; the message names step, plugin, block and rank."""


class Stop(TomosaxsError):
    """A plugin decided that going on would give a wrong result.

    Parameters
    ----------
    message : str
        Why, and what the user can do; ``{step}`` stands for the step's name, as in ``--set {step}.value=``.
    pictures : mapping of str to (y, x) uint8 arrays, optional
        Written beside the report, for instance a contact sheet of candidate axes.
    """

    def __init__(self, message: str, pictures: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.pictures = pictures or {}


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` or, where nothing is near, the list of what exists."""
    names = sorted(set(known))
    near = difflib.get_close_matches(given, names, n=2, cutoff=0.6)
    if near:
        return " (did you mean " + " or ".join(repr(name) for name in near) + "?)"
    if not names:
        return " (none exist)"
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return f" (known: {shown})"
