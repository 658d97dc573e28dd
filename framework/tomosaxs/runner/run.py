"""Run a plan from the first read to the finished result."""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tomosaxs.communicator import Communicator
from tomosaxs.errors import InputError, StepError, Stop, TomosaxsError
from tomosaxs.memory import node_limit
from tomosaxs.plan import Node, Plan, refine
from tomosaxs.plan.sweeps import choice_text
from tomosaxs.plugin import Estimate
from tomosaxs.registry import manager
from tomosaxs.result import Result
from tomosaxs.runner.begin import told_before
from tomosaxs.runner.between import give_back, keep_in_memory
from tomosaxs.runner.checksums import Checksums, Extent, InputChanged
from tomosaxs.runner.compiling import Compiling
from tomosaxs.runner.context import Context, Log
from tomosaxs.runner.estimates import estimate_to_plain, run_estimate, save_estimate
from tomosaxs.runner.folder import (
    SIDE_KEY,
    SPOILED,
    TOLD,
    Lock,
    clear_work,
    first_to_tell,
    prepare,
    remove_work,
)
from tomosaxs.runner.journal import identity
from tomosaxs.runner.progress import Heartbeat
from tomosaxs.runner.record import RunRecord, farewell, saving_steps
from tomosaxs.runner.resume import known_estimate, passes_to_run, place_stores
from tomosaxs.runner.sections import run_section
from tomosaxs.store import Store
from tomosaxs.watcher.start import Guards, start_watcher


class Run:
    """One run of a plan into a folder.

    Parameters
    ----------
    plan : Plan
        What to do.
    comm : Communicator
        The ranks; all of them construct and call this alike.
    folder : Path
        Output folder.
    resume : bool
        Use what an earlier run finished.
    keep_work : bool
        Keep intermediate data after success.
    checksums : {"auto", "full", "sampled"}
        How much of the inputs their checksums are of.
    stall : float, optional
        Seconds without any progress after which the run is ended; 0: never. None: one process alone is not watched.
    """

    def __init__(
        self, plan: Plan, comm: Communicator, folder: Path, *, resume: bool, log: Log, threads: int,
        keep_work: bool = False, checksums: Extent = "auto", stall: float | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.comm, self.folder, self.resume, self.threads = plan, comm, folder, resume, threads
        self.keep_work, self.stall = keep_work, stall
        self.log = log
        self.lock = Lock(folder / ".work")
        self.started = datetime.datetime.now(datetime.timezone.utc)
        self.clock = time.perf_counter()
        self.context = Context(plan, comm, folder, log, resume, hooks=manager().hook)
        self.sums = Checksums(self._files(), checksums)

    def _files(self) -> list[Path]:
        return [path for each in self.plan.inputs for path in (each.source.files or each.checked.paths)]

    def __call__(self) -> Result:
        """Run everything; return the result (whole on rank 0's disk when this returns)."""
        try:
            self._agree(self._open_folder)
            result = self._run()
            if not self.keep_work and self.comm.rank == 0:
                remove_work(self.folder)  # while the lock is held: the next run may begin at once
            self.comm.barrier()
        finally:
            give_back(self.context, ())
            self.sums.ended.set()
            self.lock.free()
        return result

    def _run(self) -> Result:
        status = start_watcher(self.comm, self.folder / ".work" / "ranks", self._guards(), self.folder / "run.log")
        self.context.status = lambda text: self._at(status.update, text)
        try:
            with Heartbeat(self.log, lambda: self.context.stage) if self.comm.rank == 0 else nullcontext():
                result = self._passes_and_result()
            result.datasets = [saved.within(result.path) for saved in result.datasets]
            farewell(result, self.log)
            status.finished()
        except BaseException as error:
            status.failed()
            if isinstance(error, (InputChanged, StepError)):
                self._blame_change(error)
            if isinstance(error, TomosaxsError) and not error.everywhere:
                error.told = not first_to_tell(self.folder)
            self._note(error)
            if isinstance(error, Stop):
                self._leave_pictures(error)
            raise
        return result

    def _passes_and_result(self) -> Result:
        try:
            with Compiling(self._compiling):
                self._passes()
            self.context.set_stage("writing the result")
            record = RunRecord(self.context, self.started, self.clock, self.threads)
            result = record.collect()
            if self.comm.rank == 0:
                record.write(result, self.sums.wait())
        except OSError as error:  # of our own files in the output folder; what plugins and readers meet is named there
            free = shutil.disk_usage(self.folder).free
            raise StepError(
                f"{self.context.stage}, rank {self.comm.rank} of {self.comm.size}: {error}; {free / 1e9:.3g} GB are "
                f"free in {self.folder}"
            ) from error
        self.comm.barrier()
        return result

    def _compiling(self, text: str) -> None:
        self.context.meter.compiled = True
        if self.comm.rank == 0:
            self.log(text)

    def _at(self, update: Callable[[str], None], stage: str) -> None:
        update(stage)
        self.sums.refuse_change()

    def _blame_change(self, error: InputChanged | StepError) -> None:
        """Say of a failure while an input changes that it did; what was made of it must not be used again."""
        change = str(error) if isinstance(error, InputChanged) else self.sums.find_change()
        if not change:
            return
        if isinstance(error, StepError):
            error.args = (f"{error}; {change}",)
        with suppress(OSError):  # a full disk, for instance; the keys of a changed input differ anyhow
            (self.folder / ".work" / SPOILED).touch()

    def _guards(self) -> Guards | None:
        """Return the limits for the watcher; a notebook or a test, one process on its own, has none."""
        if self.stall is None and self.comm.size == 1:
            return None
        options = self.plan.options
        planned = max([options.memory, *(one.memory * options.node_ranks for one in self.plan.passes)])
        return Guards(self.stall or 0.0, node_limit(planned, self.comm.node_size))

    def _note(self, error: BaseException) -> None:
        """Leave the cause in run.log too; only the rank that failed knows it."""
        if getattr(error, "told", False):
            return
        text = str(error) if isinstance(error, TomosaxsError) else f"{type(error).__name__}: {error}".rstrip(": ")
        try:
            with (self.folder / "run.log").open("a") as handle:
                handle.write(f"failed: {text}\n")
        except OSError:  # a full disk, for instance; the message goes to the screen anyhow
            return

    def _agree(self, action: Any) -> None:
        """Do something on rank 0; a failure there is a failure of all ranks, with the same message."""
        text = None
        if self.comm.rank == 0:
            try:
                action()
            except TomosaxsError as error:
                text = str(error)
            except OSError as error:
                text = f"output folder {self.folder}: {type(error).__name__}: {error}"
        text = self.comm.bcast(text)
        if text is not None:
            problem = InputError(text)
            problem.everywhere = True
            raise problem

    def _open_folder(self) -> None:
        prepare(self.folder, self._files(), self.plan)
        warning = self.lock.take()
        if warning:
            self.context.messages.append(warning)
        if not self.resume or (self.folder / ".work" / SPOILED).exists():
            clear_work(self.folder)
        (self.folder / ".work" / "ranks").mkdir(exist_ok=True)
        (self.folder / ".work" / TOLD).unlink(missing_ok=True)
        for step in saving_steps(self.plan):
            place = self.folder / step.label
            if place.exists() and not (place / SIDE_KEY).is_file():
                raise InputError(
                    f"{step} writes into {place}, which exists and was not made by it; "
                    "give the step another name or choose another folder with -o"
                )
        ready = place_stores(self.context, self.resume)
        need, free = _disk(self.plan, ready), shutil.disk_usage(self.folder).free + _taken(self.plan, ready)
        if need > free:
            raise InputError(f"{self.folder}: the run writes {need / 1e9:.3g} GB and {free / 1e9:.3g} GB are free")

    def _passes(self) -> None:
        context, plan = self.context, self.plan
        found = self.comm.bcast(self._found() if self.comm.rank == 0 else None)
        for number, (file, internal) in found["stores"].items():  # as the first rank sees the folder
            plan.nodes[int(number)].store = Store(Path(file), internal, plan.nodes[int(number)].slot)
        context.ready = {plan.nodes[number] for number in found["ready"]}
        for label, plain in found["estimates"].items():
            context.estimates[label] = Estimate(**{**plain, "messages": tuple(plain["messages"])})
            context.reused.add(label)
        self._refine()
        chosen = [one for one in plan.passes if one.number in found["passes"]]
        todo = {step.label for one in chosen for step in one.all_steps}
        context.reused.update(step.label for step in plan.steps if step.label not in todo)
        if context.reused:
            self.log("taken from the earlier run: " + ", ".join(sorted(context.reused)))
        for message in [*plan.messages, *plan.remarks, *plan.warnings]:
            self.log(message)
        context.messages.extend(plan.warnings)
        context.remarked.extend(plan.remarks)
        keep_in_memory(context, chosen, set(found["begun"]))
        context.hooks.before_run(plan=plan, output=self.folder)
        self.sums.start(self.comm.rank == 0)
        for place, one in enumerate(chosen, start=1):
            context.meter.begin(one.number)
            if one.estimator is not None:
                estimate = run_estimate(context, one)
                if one.estimator.choice:
                    told = f"for {choice_text(one.estimator.choice)}"
                    estimate = replace(estimate, messages=(told, *estimate.messages))
                for repeated in one.steps:  # the main pass runs them again and counts for itself
                    context.notes.pop(repeated.label, None)
                    context.remarks.pop(repeated.label, None)
                context.estimates[one.estimator.label] = estimate
                if self.comm.rank == 0:
                    save_estimate(context, one.estimator, estimate)
                    self._say(one.estimator.label, estimate)
                self._refine()
            else:
                run_section(context, one)
            give_back(context, chosen[place:])
        if self.comm.rank == 0 and self.resume:
            for one in plan.passes:
                if one not in chosen and one.estimator is None:
                    told_before(context, one)

    def _refine(self) -> None:
        """Give shapes that follow from estimates their real size, alike on all ranks."""
        for text in refine(self.plan, self.context.estimates):
            self.log(f"now known: {text}")

    def _found(self) -> dict[str, Any]:
        """Return what is finished already and which passes are left (decided on rank 0)."""
        ready = place_stores(self.context, self.resume)
        estimates = {}
        if self.resume:
            for one in self.plan.passes:
                kept = known_estimate(self.context, one)
                if kept is not None and one.estimator is not None:
                    estimates[one.estimator.label] = estimate_to_plain(kept)
        left = passes_to_run(self.context, ready, set(estimates), self.resume)
        return {
            "ready": [node.number for node in ready],
            "stores": {
                str(node.number): [str(node.store.file), node.store.internal]
                for node in self.plan.nodes
                if isinstance(node.store, Store)
            },
            "begun": _begun(self.plan) if self.resume else [],
            "estimates": estimates,
            "passes": [one.number for one in left],
        }

    def _say(self, label: str, estimate: Estimate) -> None:
        value = estimate.value
        if isinstance(value, (int, float)):
            line = f"{label} = {value:.6g} {estimate.units}"
            if estimate.uncertainty == estimate.uncertainty:
                line += f" +- {estimate.uncertainty:.2g}"
            if estimate.confidence == estimate.confidence:
                line += f", confidence {estimate.confidence:.2f}"
            self.log(line)
        for message in estimate.messages:
            self.log(f"{label}: {message}")

    def _leave_pictures(self, stop: Stop) -> None:
        from tomosaxs.report.pictures import write_png

        if self.comm.rank == 0:
            for name, picture in stop.pictures.items():
                write_png(self.folder / f"{name}.png", picture)
                self.log(f"picture: {self.folder / name}.png")


def _begun(plan: Plan) -> list[int]:
    """Return the nodes whose file an earlier run has begun to write."""
    files = {node.number: node.store for node in plan.nodes if isinstance(node.store, Store)}
    return [number for number, store in files.items() if identity(store.file.parent)]


def _disk(plan: Plan, ready: set[Node]) -> int:
    """Return the bytes still to be written: the largest saved dataset becomes the result, others are copied."""
    new = [node for one in plan.passes for node in one.stores if node not in ready and node.on_disk]
    stored = sum(node.dataset.nbytes for node in new)
    saved = [part.nbytes for node in plan.saved for part in [node.dataset] * (2 if node.dataset.uncertainty else 1)]
    return stored + sum(saved) - max(saved, default=0)


def _taken(plan: Plan, ready: set[Node]) -> int:
    """Return the bytes on the disk that an earlier run took for what is now written again, or written to its end."""
    stores = [node.store for one in plan.passes for node in one.stores if node not in ready]
    files = {store.file for store in stores if isinstance(store, Store)}
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())
