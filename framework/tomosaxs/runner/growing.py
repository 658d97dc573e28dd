"""A result that grows while files arrive: one step, each file on its own; result.nxs is whole at any time."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import registry
from tomosaxs.dataset import ArrayReader, Axis, Dataset, Source
from tomosaxs.errors import InputError, StepError
from tomosaxs.plan.infer import core_of, outputs_of, resolve, warnings_of
from tomosaxs.plan.keys import backend_key, digest, shown_values, step_key
from tomosaxs.plugin import Uncertain
from tomosaxs.result import Result, SavedDataset
from tomosaxs.runner.checksums import checksum_of
from tomosaxs.runner.context import Log, console
from tomosaxs.runner.folder import RESULT, Lock, clear_work, prepare, remove_work
from tomosaxs.runner.growing_record import GrowingRecord
from tomosaxs.runner.growing_rows import FileRows, Spool, read_files, write_files
from tomosaxs.scan import Scan
from tomosaxs.store import Store, flush

_PARTS = 1 << 12


class GrowingResult:
    """A result folder that grows: rows of one step are added file by file, and written whole as often as wanted.

    For folders that are followed while a measurement goes on. The step gets frames as a process list would give them
    to it, so that the values are the same to the bit. Use it in a ``with`` block: the folder is locked meanwhile.

    Parameters
    ----------
    folder : Path
        Where result.nxs, report.html and run.log go.
    step : str
        Name of a plugin that makes one row of every frame, whatever the other frames.
    given : mapping
        Its parameters, as in a list.
    loader : str
        Name of the loader that a list would use; recorded with the inputs.
    axis : str
        Name of the axis along which the result grows.
    inputs : sequence of Path
        Files that must not be overwritten.
    log : callable, optional
        Receives every line of the log; default standard error.

    Raises
    ------
    InputError
        When a parameter is at fault, the folder cannot be written, or another run writes into it.

    Attributes
    ----------
    files : dict of Path to FileRows
        What is in the result, by input file.
    record : GrowingRecord
        What is told in the result: ``list_text``, the process list that does the same; ``messages``; ``threads``.
    """

    def __init__(
        self,
        folder: Path,
        step: str,
        given: Mapping[str, Any],
        *,
        loader: str = "",
        axis: str = "frame",
        title: str = "",
        inputs: Sequence[Path] = (),
        log: Log | None = None,
    ) -> None:
        self.folder, self.axis = folder, axis
        self.spec = registry.find(step)
        self.values, faults = self.spec.parameters.validate(given)
        if faults:
            raise InputError("; ".join(f"{fault.name}: {fault.message}" for fault in faults))
        self.files: dict[Path, FileRows] = {}
        self.record = GrowingRecord(folder, self.spec, dict(given), loader, title)
        self.key = ""
        self._screen = log or console
        self._begun = False
        self._guard = threading.Lock()
        self._lock = Lock(folder / ".work")
        self._frame = self._made = None  # type: Dataset | None
        self._seen: Source | None = None
        self._target: Any = None
        self._spool: Spool | None = None
        prepare(folder, inputs)

    def __enter__(self) -> GrowingResult:
        """Lock the folder."""
        warning = self._lock.take()
        if warning:
            self.record.messages.append(warning)
        clear_work(self.folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Remove what is unfinished and give the folder free."""
        if self._spool is not None:
            self._spool.close()
        remove_work(self.folder)
        self._lock.free()

    def log(self, text: str) -> None:
        """Write a line to the screen and to run.log."""
        self._screen(text)
        mode = "a" if self._begun else "w"
        with (self.folder / "run.log").open(mode, encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(text + "\n")
        self._begun = True

    @property
    def label(self) -> str:
        """Name of the dataset in the result."""
        return self.spec.name

    def begin(self, frame: Dataset) -> Dataset:
        """Plan the step for frames of one kind and return the description of what it makes of one of them.

        Parameters
        ----------
        frame : Dataset
            Its first axis is the one that grows.

        Raises
        ------
        InputError
            When step and frames do not fit.
        """
        self.values = resolve(self.spec, [frame], self.values)
        core = core_of(self.spec.inputs[0][1], frame)
        if core is None or set(core) != set(frame.names[1:]):
            raise InputError(f"{self.label} does not make one row of every frame ({', '.join(frame.names[1:])})")
        self._core, self._frame = core, frame
        self._made = outputs_of(self.spec, [frame], [core], self.values)[0]
        more = {
            "parameters": shown_values(self.spec, self.values),
            "backend": backend_key(self.spec, self.values),
            "frame": list(frame.shape[1:]),
        }
        self.key = step_key(self.spec, self.values, (), {}, more)
        self._target = self.spec.target
        if self.spec.stateful:
            self._target = self.spec.target(**self.values)
            if hasattr(self._target, "setup"):
                self._target.setup(frame)
        shape = tuple(axis.size for axis in self._made.axes[1:])
        self._spool = Spool(self.folder / ".work" / "rows", shape, self._made.dtype, self._made.uncertainty)
        return self._made

    def look(self, frames: NDArray[Any]) -> None:
        """Let the step look at frames (n, ...): it tells what it warns of, and the report shows them."""
        if self._frame is None:
            raise RuntimeError("begin has to be called before look")
        dataset = replace(
            self._frame, axes=(Axis(self.axis, len(frames)), *self._frame.axes[1:]), dtype=np.dtype(frames.dtype)
        )
        self._seen = Source(dataset, ArrayReader(frames))
        for text in warnings_of(self.spec, dataset, self._seen, self.values):
            self.record.messages.append(f"{self.label}: {text}")
            self.log(f"warning: {text}")

    def earlier_frames(self) -> tuple[int, ...] | None:
        """Return the shape of the frames of the result that lies in the folder; None where there is none."""
        from tomosaxs.report.again import read_result

        if not (self.folder / RESULT).is_file():
            return None
        inputs = read_result(self.folder).inputs
        return tuple(inputs[0].shape[1:]) if inputs else None

    def resume(self) -> None:
        """Take over what an earlier run left; call it after `begin`.

        Raises
        ------
        InputError
            When that was made with other settings; the message names them.
        """
        found = read_files(self.folder / RESULT, self.label, self.key, self._rows)
        if found is None:
            raise InputError(
                f"{self.folder / RESULT} was made with other settings ({self._differences()}): "
                "leave out --resume to compute everything again, or choose another -o"
            )
        self.files.update({file.path: file for file in found})

    def _differences(self) -> str:
        from tomosaxs.report.again import read_result

        old = next((step for step in read_result(self.folder).steps if step.label == self.label), None)
        if old is None:
            return "it is the result of something else"
        names = [*dict.fromkeys([*old.resolved, *self.values])]
        changed = [
            f"{name}: {_shown(old.resolved.get(name))} there, {_shown(self.values.get(name))} now"
            for name in names
            if _shown(old.resolved.get(name)) != _shown(self.values.get(name))
        ]
        return "; ".join(changed) or "a calibration, mask or other file has another content, or software was updated"

    def compute(self, frames: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the rows of frames (n, ...) and their standard uncertainties; may be called by several threads."""
        if self._frame is None:
            raise RuntimeError("begin has to be called before compute")
        start = time.perf_counter()
        block = replace(self._frame, axes=(Axis(self.axis, len(frames)), *self._frame.axes[1:]))
        scan = Scan(block, block.names[:1], self._core, np.arange(len(frames), dtype=np.intp))
        arguments: dict[str, Any] = {} if self.spec.stateful else dict(self.values)
        if self.spec.wants_scan:
            arguments[self.spec.wants_scan] = scan
        answer = self._target(frames, **arguments)
        values, sigma = answer if isinstance(answer, Uncertain) else (answer, None)
        with self._guard:
            self.record.seconds += time.perf_counter() - start
            self.record.kept.update(scan.kept)
        return values, sigma

    @staticmethod
    def checksum(path: Path) -> str:
        """Return the checksum of an input file as runs note it: sha256 of all of it, or of samples of a huge one."""
        return checksum_of(path, path.stat().st_size)

    @property
    def _rows(self) -> Spool:
        if self._spool is None:
            raise RuntimeError("begin has to be called first")
        return self._spool

    def keep(self, values: NDArray[Any], sigma: NDArray[Any] | None) -> tuple[int, int]:
        """Store rows and return their places, for `FileRows`."""
        return self._rows.append(values, sigma)

    def keep_missing(self, count: int = 1) -> tuple[int, int]:
        """Store rows that are not a number, for frames that cannot be used."""
        shape, dtype = self._rows.record[1:], self._rows.dtype
        empty = np.full((count, *shape), np.nan, dtype=dtype)
        return self.keep(empty, empty)

    def write(self, order: Callable[[FileRows], Any]) -> Result:
        """Write result.nxs and report.html under temporary names, then rename them.

        Parameters
        ----------
        order : callable
            Key by which the files are sorted in the result.

        Raises
        ------
        StepError
            When they cannot be written.
        """
        if self._made is None or self._frame is None:
            raise RuntimeError("begin has to be called before write")
        files = sorted(self.files.values(), key=order)
        parts = self.folder / ".work" / "out"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        try:
            result = self.record.result(files, self._stored(files), self.values, self._frame)
            registry.find("nexus").target(result, parts)
            write_files(parts / RESULT, self.label, files, self.key)
            self._report(result, parts / "report.html")
            for name in ("report.html", RESULT):
                os.replace(parts / name, self.folder / name)
        except OSError as error:
            raise StepError(f"{self.folder / RESULT} cannot be written: {error}") from error
        shutil.rmtree(self.folder / ".work" / "values", ignore_errors=True)
        result.datasets = [saved.within(result.path) for saved in result.datasets]
        return result

    def _report(self, result: Result, path: Path) -> None:
        from tomosaxs.report import sections_of, write_report

        extra: list[tuple[str, str]] = []
        if self._seen is not None:
            plan = self.record.plan(self.values, self._seen, self._core)
            extra = sections_of(registry.manager().hook.report, plan, result)
        write_report(result, path, plan_text="", extra=extra)

    def _stored(self, files: list[FileRows]) -> SavedDataset:
        """Put the rows in their order into files as a run leaves them."""
        assert self._made is not None
        rows = self._rows.read()
        places = [np.arange(first, last) for file in files for first, last in file.rows]
        taken = np.concatenate(places) if places else np.zeros(0, dtype=np.intp)
        axes = (Axis(self.axis, len(taken)), *self._made.axes[1:])
        dataset = replace(self._made, axes=axes)
        stores = []
        for number, name in enumerate(("data", "errors")[: self._rows.record[0]]):
            store = Store(self.folder / ".work" / "values" / f"{name}.h5", f"/entry/{self.label}/{name}")
            store.create(dataset.shape, dataset.dtype)
            mapped = store.open("r+")
            for low in range(0, len(taken), _PARTS):
                mapped[low : low + _PARTS] = rows[taken[low : low + _PARTS], number]
            flush(mapped)
            stores.append(store)
        key = digest([self.key, [file.checksum for file in files]])
        return SavedDataset(self.label, dataset, stores[0], key, self.label, stores[1] if stores[1:] else None)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "none"
    return f"{float(value):.8g}" if isinstance(value, (int, float)) else str(value)
