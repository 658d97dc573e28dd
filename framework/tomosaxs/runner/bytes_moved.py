"""What a run read and wrote: brought together from all ranks, and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tomosaxs.communicator import Communicator
from tomosaxs.result import Result
from tomosaxs.traffic import KINDS, READ, WRITTEN, Kind, bytes_since, count_bytes
from tomosaxs.units import size_text


def gather_bytes(comm: Communicator, before: Mapping[Kind, int]) -> dict[str, list[int]]:
    """Return, on the first rank, the bytes by kind and rank since `before`; collective."""
    own = bytes_since(before)
    ranks = comm.gather({str(kind): count for kind, count in own.items()}) or [own]
    return {kind: [int(rank[kind]) for rank in ranks] for kind in KINDS}


def count_result(result: Result, files: Sequence[Path]) -> None:
    """Count what savers wrote, and what they read for it, beside the dataset whose file became the result itself."""
    written = sum(path.stat().st_size for path in dict.fromkeys(files))
    copied = 0
    for saved in result.datasets:
        for store in (saved.store, saved.uncertainty):
            if store is None or not store.file.is_file():
                continue
            size = saved.dataset.nbytes
            if any(path.samefile(store.file) for path in files):
                written -= size
            else:
                copied += size
    count_bytes("result_written", max(written, 0))
    count_bytes("result_read", copied)


def bytes_line(moved: Mapping[str, Sequence[int]]) -> str:
    """Return what was read and written in words; empty where it is not known."""
    total = {kind: sum(moved.get(kind, ())) for kind in KINDS}
    read = [f"{size_text(total[kind])} {_SHORT[kind]}" for kind in READ if total[kind]]
    written = [f"{size_text(total[kind])} {_SHORT[kind]}" for kind in WRITTEN if total[kind]]
    told = [f"{word} {', '.join(parts)}" for word, parts in (("read", read), ("wrote", written)) if parts]
    return "; ".join(told)


_SHORT: Mapping[Kind, str] = {
    "input_read": "of inputs",
    "checksum_read": "for checksums",
    "work_read": "between passes",
    "work_written": "between passes",
    "result_read": "of the result",
    "result_written": "of results",
}
