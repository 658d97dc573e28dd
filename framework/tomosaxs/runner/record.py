"""What a run leaves: its record, the files of savers, the report; written under temporary names, then renamed."""

from __future__ import annotations

import datetime
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tomosaxs import __version__
from tomosaxs.errors import StepError, TomosaxsError
from tomosaxs.plan import Plan, PlannedStep, describe
from tomosaxs.plan.keys import versions
from tomosaxs.plan.memory import peak_memory
from tomosaxs.process_list import Reference
from tomosaxs.result import InputRecord, Result, SavedDataset, StepRecord
from tomosaxs.runner.bytes_moved import bytes_line, count_result, gather_bytes
from tomosaxs.runner.context import Context, Log, where_in
from tomosaxs.runner.folder import RESULT, move_side_files, shown
from tomosaxs.runner.foretold import before_passes, compared, foretell, keep
from tomosaxs.runner.typed import typed_command
from tomosaxs.store import Store

LOW_CONFIDENCE = 0.5
"""Below it a value is not to be used unseen."""


class RunRecord:
    """Collects what a run did, and writes it.

    Parameters
    ----------
    context : Context
        The run on this rank.
    started : datetime
        When it began.
    clock : float
        The same by `time.perf_counter`.
    threads : int
        Threads a rank.
    """

    def __init__(self, context: Context, started: datetime.datetime, clock: float, threads: int) -> None:
        self.context, self.started, self.clock, self.threads = context, started, clock, threads
        self.meters: list[dict[str, Any]] = []
        self.peak = 0

    def collect(self) -> Result:
        """Bring together what all ranks know; collective."""
        plan, context = self.context.plan, self.context
        seconds = self.context.comm.gather(dict(context.seconds)) or [dict(context.seconds)]
        peaks = self.context.comm.gather(peak_memory()) or [0]
        self.context.meter.end()
        self.meters = self.context.comm.gather(self.context.meter.plain()) or []
        self.peak = int(sum(peaks))
        moved = gather_bytes(self.context.comm, context.bytes_before)
        self._gather_notes()
        listing = plan.checked.process_list
        result = Result(
            folder=self.context.folder,
            path=self.context.folder / RESULT,
            title=listing.title or "",
            list_text=listing.text,
            list_file=None if listing.file is None else listing.folder / listing.file.name,
            settings=tuple(listing.settings),
            command=typed_command(),
            estimates=dict(context.estimates),
            estimate_keys={step.label: step.key for step in plan.steps if step.label in context.estimates},
            software={"tomosaxs": __version__, "python": sys.version.split()[0], **versions()},
            messages=list(context.messages),
            remarks=list(context.remarked),
            started=self.started.isoformat(timespec="seconds"),
            ranks=self.context.comm.size,
            threads=self.threads,
            peak_memory=int(sum(peaks)),
            site=plan.checked.site.record() if plan.checked.site is not None else {},
            bytes_moved=moved,
        )
        for node in plan.saved:
            if isinstance(node.store, Store):
                made_by = node.made_by.checked.entry.label if node.made_by is not None else ""
                sigma = node.uncertainty.store if node.uncertainty is not None else None
                sigma = sigma if isinstance(sigma, Store) else None
                result.datasets.append(SavedDataset(node.saved_as, node.dataset, node.store, node.key, made_by, sigma))
        for steps in _by_number(plan.steps):
            labels = {step.label for step in steps}
            spent = max(sum(rank.get(label, 0.0) for label in labels) for rank in seconds)
            result.steps.append(self._record(steps, spent))
        return result

    def _gather_notes(self) -> None:
        """Add up what plugins noted on all ranks; a selection ran its steps a second time, so only sections count."""
        self._gather(self.context.remarks, self.context.remarked)
        self._gather(self.context.notes, self.context.messages)
        self._gather_kept()

    def _gather_kept(self) -> None:
        """Take over what the first rank does not have, for instance the curve of a slice that was not its own."""
        kept = self.context.kept
        known = self.context.comm.bcast({label: list(arrays) for label, arrays in kept.items()})
        more = {
            label: {name: array for name, array in arrays.items() if name not in known.get(label, [])}
            for label, arrays in kept.items()
        }
        for rank in self.context.comm.gather(more) or []:
            for label, arrays in rank.items():
                for name, array in arrays.items():
                    kept[label].setdefault(name, array)

    def _gather(self, found: Mapping[str, Mapping[str, int]], into: list[str]) -> None:
        notes = self.context.comm.gather({label: dict(texts) for label, texts in found.items()}) or []
        for label in dict.fromkeys(step.label for step in self.context.plan.steps):
            total: dict[str, int] = {}
            for rank in notes:
                for text, count in rank.get(label, {}).items():
                    total[text] = total.get(text, 0) + count
            for text, count in total.items():
                if count:
                    message = f"{label}: {text.replace('{count}', str(count))}"
                    into.append(message)
                    self.context.log(message)

    def _record(self, steps: list[PlannedStep], seconds: float) -> StepRecord:
        """Return the record of a step of the list: one planned step, or one for every combination of a sweep."""
        step = steps[0]
        entry = step.checked.entry
        given = dict(entry.parameters)
        resolved = dict(step.values)
        for name in step.checked.postponed:
            found = [self._found(each.checked.postponed[name]) for each in steps]
            resolved[name] = found[0] if len({repr(value) for value in found}) == 1 else found
        for name, values in step.checked.entry.sweeps.items():
            given[name] = resolved[name] = {"sweep": list(values)}
        package = step.spec.target.__module__.split(".")[0]
        version = __version__ if package == "tomosaxs_plugins" else versions().get(package, "")
        return StepRecord(
            step.number, entry.label, step.spec.name, version, step.spec.summary, given, resolved,
            tuple(step.spec.cite), seconds, step.spec.determinism,
            all(each.label in self.context.reused for each in steps),
            dict(self.context.kept.get(step.label, {})),
        )  # fmt: skip

    def _found(self, reference: Reference) -> Any:
        estimate = self.context.estimates.get(reference.estimate)
        return None if estimate is None else estimate.entry(reference.field)

    def write(self, result: Result, sums: Mapping[Path, str]) -> None:
        """Write everything under temporary names, then rename: result.nxs last."""
        from tomosaxs.report import sections_of, write_report

        for each in self.context.plan.inputs:
            read = tuple((path, path.stat().st_size, sums[path]) for path in each.source.files if path in sums)
            dataset = each.source.dataset
            result.inputs.append(
                InputRecord(
                    each.checked.entry.name,
                    each.checked.spec.name,
                    each.checked.path,
                    read,
                    dataset.shape,
                    dataset.names,
                    each.source.messages,
                )
            )
        result.ended = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        result.seconds = time.perf_counter() - self.clock
        parts = self.context.folder / ".work" / "out"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        files: list[Path] = []
        for out in self.context.plan.checked.outputs:
            self.context.set_stage(f"output {out.spec.name}")
            try:
                files.extend(out.spec.target(result, parts, **out.values))
            except Exception as error:  # a saver may fail in any way: named, with its place
                kind = "" if isinstance(error, TomosaxsError) else f"{type(error).__name__}: "
                place = where_in(out.spec.file, error)
                raise StepError(
                    f"output (plugin {out.spec.name}), rank 0: {kind}{error}{place}; what was computed is kept: "
                    "mend the output and run again with --resume"
                ) from error
        _check_files(files)
        count_result(result, files)
        extra = sections_of(self.context.hooks.report, self.context.plan, result)
        text = f"{describe(self.context.plan)}\n\n{self._compared()}"
        write_report(result, parts / "report.html", plan_text=text, extra=extra)
        self._move_side_outputs(result)
        for path in sorted({*files, parts / "report.html"}, key=lambda path: path.name == RESULT):
            os.replace(path, self.context.folder / path.name)
        self.context.hooks.after_run(plan=self.context.plan, output=self.context.folder)
        fault = keep(self.context.plan, self.meters, self.context.meter, self._start())
        if fault:
            self.context.log(fault)

    def _start(self) -> float:
        return before_passes(self.context.meter, self.clock)

    def _compared(self) -> str:
        """Return what was foretold beside what was measured."""
        plan = self.context.plan
        return compared(plan, foretell(plan), self.meters, self._start(), self.peak)

    def _move_side_outputs(self, result: Result) -> None:
        """Files of saving steps: from the work folder to a folder named after the step."""
        for step in saving_steps(self.context.plan):
            made = self.context.home(step.key) / "files"
            target = self.context.folder / step.label
            if made.is_dir():
                move_side_files(made, target, step.key)
            result.side_outputs.append(target)


def _by_number(steps: Iterable[PlannedStep]) -> list[list[PlannedStep]]:
    """Return the planned steps of every step of the list."""
    found: dict[int, list[PlannedStep]] = {}
    for step in steps:
        found.setdefault(step.number, []).append(step)
    return list(found.values())


def saving_steps(plan: Plan) -> list[PlannedStep]:
    """Return the steps that write files instead of a dataset."""
    return [step for step in plan.steps if not step.outputs and step.spec.kind != "estimator"]


def farewell(result: Result, log: Log) -> None:
    """Say what was made and how to look at it."""
    for name, estimate in result.estimates.items():
        if estimate.confidence < LOW_CONFIDENCE:
            log(f"in doubt: {name} has a confidence of {estimate.confidence:.2f}; look before you use the result")
    moved = bytes_line(result.bytes_moved)
    if moved:
        log(moved)
    report = shown(result.folder / "report.html")
    log(f"done in {result.seconds:.1f} s: {shown(result.path)}, {report}")
    for folder in result.side_outputs:
        log(f"files: {shown(folder)}")
    log(f"look: open {report} in a browser, or {shown(result.path)} with `silx view` or h5web")


def _check_files(files: list[Path]) -> None:
    """Refuse what cannot be moved beside result.nxs without one replacing another."""
    names = Counter(path.name for path in dict.fromkeys(files))
    for path in files:
        if not path.is_file():
            raise StepError(f"output: a saver returns files, {path.name} is none")
        if names[path.name] > 1 or path.name in ("report.html", "run.log"):
            raise StepError(f"output: two files would be called {path.name}")
