"""How a command ends: one message, the right exit status, no rank left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from types import FrameType
from typing import Any

import click

from tomosaxs.errors import Stop, TomosaxsError

_INTERRUPTED = "tomosaxs: interrupted; what is finished is kept, --resume goes on from there"
_PATIENCE = 4.0  # seconds between a signal and the end, whatever still computes
_OTHER_RANK_TELLS = 3.0  # seconds; it ends this rank as soon as its message is out


def _asked_to_end(number: int, frame: FrameType | None) -> None:
    """End in order; where a library's own loop does not let go, end all the same.

    Python cannot leave a thread that computes in a library, and would wait for it.
    """
    timer = threading.Timer(_PATIENCE, _end_at_once)
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt(f"signal {number}")


def _end_at_once() -> None:
    if _first():
        _say(_INTERRUPTED)
    try:
        _end_all(130)
    finally:
        os._exit(130)


def guarded(command: Any, arguments: list[str]) -> int:
    """Run a click command; turn every error into one message and an exit status.

    Returns
    -------
    int
        0 done, 1 a step failed, 2 list or input at fault, 130 interrupted.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _asked_to_end)
    debug = "--debug" in arguments
    try:
        answer = command.main(args=arguments, standalone_mode=False)
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.ClickException as error:
        if _first():
            error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(debug)
    except TomosaxsError as error:
        return _failed(error, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as end:  # something that was called left the program
        return _left(end)
    except Exception as error:  # noqa: BLE001 - a fault of tomosaxs itself: say so, and end all ranks
        return _crashed(error, debug)
    return int(answer) if isinstance(answer, int) else 0


def _first() -> bool:
    from tomosaxs.launcher import launcher_rank

    return launcher_rank() == 0


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text.rstrip() + "\n")
    sys.stderr.flush()


def _failed(error: TomosaxsError, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    status = error.exit_status
    if error.told:
        time.sleep(_OTHER_RANK_TELLS)
    elif not error.everywhere or _first():
        kind = "stopped" if isinstance(error, Stop) else "error"
        _say(f"tomosaxs: {kind}: {error}")
    if not error.everywhere:
        _end_all(status)
    return status


def _crashed(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    last = traceback.extract_tb(error.__traceback__)[-1]
    _say(
        f"tomosaxs: error: {type(error).__name__}: {error} ({last.filename}:{last.lineno}); "
        "this is a fault of tomosaxs or of a library it uses; --debug shows the whole traceback"
    )
    _end_all(1)
    return 1


def _left(end: SystemExit) -> int:
    status = end.code if isinstance(end.code, int) else int(end.code is not None)
    communicator = sys.modules.get("tomosaxs.communicator")
    if communicator is None or not communicator.world.cache_info().currsize or communicator.world().size == 1:
        return status
    _say(f"tomosaxs: error: a library or a plugin ended the program on one rank, with exit status {end.code}")
    _end_all(status or 1)
    return status or 1


def _interrupted(debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if _first():
        _say(_INTERRUPTED)
    _end_all(130)
    return 130


def _end_all(status: int) -> None:
    """End every rank: the others wait for this one and would wait for ever."""
    communicator = sys.modules.get("tomosaxs.communicator")
    if communicator is None or not communicator.world.cache_info().currsize:
        return  # nobody else is there, or MPI could not be started
    world = communicator.world()
    if world.size > 1:
        world.abort(status)
