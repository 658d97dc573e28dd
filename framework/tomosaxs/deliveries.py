"""Pieces of arrays on their way to other ranks, taken there by a thread while the rank computes.

MPI moves large messages only while both sides call it, and a rank that computes does not. So every rank has a thread
that looks for messages, asleep most of the time. This file imports no MPI:
`tomosaxs.communicator.Communicator.deliveries` gives it what it needs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.copies import copy_into

_CHUNK = 1 << 28
"""Bytes of one message, far below the 2^31 that some libraries count to."""
_LONGEST_SLEEP = 0.002
_END = np.zeros(0, np.uint8)
Taken = Callable[[tuple[int, ...], NDArray[np.uint8]], None]
"""Takes a piece: where it belongs, as it was sent, then its shape; and its bytes."""


class Deliveries:
    """One round: every rank sends pieces to any others, and in the end all have what was sent to them.

    Parameters
    ----------
    mpi : module
        ``mpi4py.MPI``.
    comm : object
        MPI communicator of all ranks for this round alone; it is freed at the end.
    taken : callable
        Called in the thread, with every piece that comes.
    wait : callable
        Waits for a request, without keeping the processor busy.
    """

    def __init__(self, mpi: Any, comm: Any, taken: Taken, wait: Callable[[Any], None]) -> None:
        self._mpi, self._comm, self._taken, self._wait = mpi, comm, taken, wait
        self._under_way: list[tuple[Any, NDArray[np.uint8]]] = []
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._receive, daemon=True, name="deliveries")
        self._thread.start()

    def send(self, rank: int, where: Sequence[int], piece: NDArray[Any]) -> None:
        """Begin to send a piece, in parts where it is large; it is copied, and may be changed at once.

        Parameters
        ----------
        rank : int
            Who gets it.
        where : sequence of int
            Place of the piece: the last ``piece.ndim`` numbers are its corner.
        piece : array
            The values.
        """
        depth = len(where) - piece.ndim
        for part in _parts(piece.shape, piece.dtype.itemsize):
            values = piece[part]
            corner = [at + each.start for at, each in zip(where[depth:], part, strict=True)]
            head = np.array([*where[:depth], *corner, *values.shape], np.int64)
            message = np.empty(8 + head.nbytes + values.nbytes, np.uint8)
            message[:8].view(np.int64)[0] = len(head)
            message[8 : 8 + head.nbytes].view(np.int64)[:] = head
            copy_into(message[8 + head.nbytes :].view(piece.dtype).reshape(values.shape), values)
            self._under_way.append((self._comm.Isend([message, message.size, self._mpi.BYTE], rank), message))

    def settle(self) -> None:
        """Wait until all that was sent has left."""
        for request, _ in self._under_way:
            self._wait(request)
        self._under_way.clear()

    def end(self) -> None:
        """Wait until every rank has sent all, and this one has taken what was for it. Collective."""
        for rank in range(self._comm.Get_size()):
            self._under_way.append((self._comm.Isend([_END, 0, self._mpi.BYTE], rank), _END))
        self.settle()
        pause = 2e-5
        while self._thread.is_alive():
            self._thread.join(pause)
            pause = min(2 * pause, 0.05)
        if self._fault is not None:
            raise self._fault
        self._comm.Free()

    def _receive(self) -> None:
        try:
            left, pause = self._comm.Get_size(), 2e-5
            status = self._mpi.Status()
            while left:
                message = self._comm.Improbe(self._mpi.ANY_SOURCE, 0, status)
                if message is None:
                    time.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_SLEEP)
                    continue
                pause = 2e-5
                bytes_of = np.empty(status.Get_count(self._mpi.BYTE), np.uint8)
                self._wait(message.Irecv([bytes_of, bytes_of.size, self._mpi.BYTE]))
                if not bytes_of.size:
                    left -= 1
                    continue
                count = int(bytes_of[:8].view(np.int64)[0])
                head = tuple(bytes_of[8 : 8 + 8 * count].view(np.int64).tolist())
                self._taken(head, bytes_of[8 + 8 * count :])
        except Exception as error:  # noqa: BLE001 - raised by `end`
            self._fault = error


def _parts(shape: Sequence[int], size: int) -> Iterator[tuple[slice, ...]]:
    """Cut a shape of entries of `size` bytes into boxes that one message may carry; none where there is nothing."""
    waiting = [tuple(slice(0, length) for length in shape)] if all(shape) else []
    while waiting:
        box = waiting.pop()
        lengths = [each.stop - each.start for each in box]
        if int(np.prod(lengths, dtype=np.int64)) * size <= max(_CHUNK, size):
            yield box
            continue
        axis = int(np.argmax(lengths))
        middle = (box[axis].start + box[axis].stop) // 2
        for half in (slice(box[axis].start, middle), slice(middle, box[axis].stop)):
            waiting.append((*box[:axis], half, *box[axis + 1 :]))
