"""Run a plan from the first read to the finished result."""

from __future__ import annotations

import datetime
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tomosaxs import __version__
from tomosaxs.communicator import Communicator
from tomosaxs.errors import InputError, StepError, Stop, TomosaxsError
from tomosaxs.plan import Node, Plan, PlannedStep, describe
from tomosaxs.plan.keys import versions
from tomosaxs.plan.memory import peak_memory
from tomosaxs.plugin import Estimate
from tomosaxs.registry import manager
from tomosaxs.result import InputRecord, Result, SavedDataset, StepRecord
from tomosaxs.runner.checksums import Checksums
from tomosaxs.runner.context import Context, Log, where_in
from tomosaxs.runner.estimates import run_estimate, save_estimate
from tomosaxs.runner.folder import (
    RESULT,
    SIDE_KEY,
    TOLD,
    Lock,
    clear_work,
    first_to_tell,
    move_side_files,
    prepare,
    remove_work,
    shown,
)
from tomosaxs.runner.resume import known_estimate, passes_to_run, place_stores
from tomosaxs.runner.sections import run_section
from tomosaxs.store import Store
from tomosaxs.watcher import start_watcher


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
    """

    def __init__(
        self, plan: Plan, comm: Communicator, folder: Path, *, resume: bool, log: Log, threads: int,
        keep_work: bool = False,
    ) -> None:  # fmt: skip
        self.plan, self.comm, self.folder, self.resume, self.threads = plan, comm, folder, resume, threads
        self.keep_work = keep_work
        self.log = log
        self.lock = Lock(folder / ".work")
        self.started = datetime.datetime.now(datetime.timezone.utc)
        self.clock = time.perf_counter()
        self.context = Context(plan, comm, folder, log, hooks=manager().hook)
        self.sums = Checksums(self._files())

    def _files(self) -> list[Path]:
        return [path for each in self.plan.inputs for path in (each.source.files or (each.checked.path,))]

    def __call__(self) -> Result:
        """Run everything; return the result (whole on rank 0's disk when this returns)."""
        try:
            self._agree(self._open_folder)
            result = self._run()
            if not self.keep_work and self.comm.rank == 0:
                remove_work(self.folder)  # while the lock is held: the next run may begin at once
            self.comm.barrier()
        finally:
            self.lock.free()
        return result

    def _run(self) -> Result:
        status = start_watcher(self.comm, self.folder / ".work" / "ranks")
        self.context.status = status.update
        try:
            self._passes()
            self.context.set_stage("writing the result")
            result = self._result()
            if self.comm.rank == 0:
                self._write(result)
            self.comm.barrier()
            result.datasets = [
                SavedDataset(s.name, s.dataset, Store(result.path, f"/entry/{s.name}/data"), s.key, s.step)
                for s in result.datasets
            ]
            self._farewell(result)
            status.finished()
        except BaseException as error:
            status.failed()
            if isinstance(error, TomosaxsError) and not error.everywhere:
                error.told = not first_to_tell(self.folder)
            self._note(error)
            if isinstance(error, Stop):
                self._leave_pictures(error)
            raise
        return result

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

    def _farewell(self, result: Result) -> None:
        """Say what was made and how to look at it."""
        report = shown(result.folder / "report.html")
        self.log(f"done in {result.seconds:.1f} s: {shown(result.path)}, {report}")
        for folder in result.side_outputs:
            self.log(f"files: {shown(folder)}")
        self.log(f"look: open {report} in a browser, or {shown(result.path)} with `silx view` or h5web")

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
        prepare(self.folder, self._files())
        warning = self.lock.take()
        if warning:
            self.context.messages.append(warning)
        if not self.resume:
            clear_work(self.folder)
        (self.folder / ".work" / "ranks").mkdir(exist_ok=True)
        (self.folder / ".work" / TOLD).unlink(missing_ok=True)
        for step in self._saving_steps():
            place = self.folder / step.label
            if place.exists() and not (place / SIDE_KEY).is_file():
                raise InputError(
                    f"{step} writes into {place}, which exists and was not made by it; "
                    "give the step another name or choose another folder with -o"
                )
        ready = place_stores(self.context, self.resume)
        need, free = _disk(self.plan, ready), shutil.disk_usage(self.folder).free
        if need > free:
            raise InputError(f"{self.folder}: the run writes {need / 1e9:.3g} GB and {free / 1e9:.3g} GB are free")

    def _passes(self) -> None:
        context, plan = self.context, self.plan
        found = self.comm.bcast(self._found() if self.comm.rank == 0 else None)
        for number, (file, internal) in found["stores"].items():  # as the first rank sees the folder
            plan.nodes[int(number)].store = Store(Path(file), internal)
        context.ready = {plan.nodes[number] for number in found["ready"]}
        for label, plain in found["estimates"].items():
            context.estimates[label] = Estimate(**{**plain, "messages": tuple(plain["messages"])})
            context.reused.add(label)
        chosen = [one for one in plan.passes if one.number in found["passes"]]
        todo = {step.label for one in chosen for step in one.all_steps}
        context.reused.update(step.label for step in plan.steps if step.label not in todo)
        if context.reused:
            self.log("taken from the earlier run: " + ", ".join(sorted(context.reused)))
        for message in plan.messages:
            self.log(message)
        context.hooks.before_run(plan=plan, output=self.folder)
        self.sums.start(self.comm.rank == 0)
        for one in chosen:
            if one.estimator is not None:
                estimate = run_estimate(context, one)
                for repeated in one.steps:  # the main pass runs them again and counts for itself
                    context.notes.pop(repeated.label, None)
                context.estimates[one.estimator.label] = estimate
                if self.comm.rank == 0:
                    save_estimate(context, one.estimator, estimate)
                    self._say(one.estimator.label, estimate)
            else:
                run_section(context, one)

    def _found(self) -> dict[str, Any]:
        """Return what is finished already and which passes are left (decided on rank 0)."""
        from tomosaxs.runner.estimates import estimate_to_plain

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
                if node.store is not None
            },
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

    def _result(self) -> Result:
        plan, context = self.plan, self.context
        seconds = self.comm.gather(dict(context.seconds)) or [dict(context.seconds)]
        peaks = self.comm.gather(peak_memory()) or [0]
        self._gather_notes()
        listing = plan.checked.process_list
        result = Result(
            folder=self.folder,
            path=self.folder / RESULT,
            title=listing.title or "",
            list_text=listing.text,
            list_file=listing.file,
            settings=tuple(listing.settings),
            command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            estimates=dict(context.estimates),
            estimate_keys={step.label: step.key for step in plan.steps if step.label in context.estimates},
            software={"tomosaxs": __version__, "python": sys.version.split()[0], **versions()},
            messages=list(context.messages),
            started=self.started.isoformat(timespec="seconds"),
            ranks=self.comm.size,
            threads=self.threads,
            peak_memory=int(sum(peaks)),
        )
        for node in plan.saved:
            if node.store is not None:
                made_by = node.made_by.label if node.made_by is not None else ""
                result.datasets.append(SavedDataset(node.saved_as, node.dataset, node.store, node.key, made_by))
        for step in plan.steps:
            spent = max(rank.get(step.label, 0.0) for rank in seconds)
            result.steps.append(self._record(step, spent))
        return result

    def _gather_notes(self) -> None:
        """Add up what plugins noted on all ranks; a selection ran its steps a second time, so only sections count."""
        notes = self.comm.gather({label: dict(found) for label, found in self.context.notes.items()}) or []
        for step in self.plan.steps:
            total: dict[str, int] = {}
            for rank in notes:
                for text, count in rank.get(step.label, {}).items():
                    total[text] = total.get(text, 0) + count
            for text, count in total.items():
                if count:
                    message = f"{step.label}: {text.replace('{count}', str(count))}"
                    self.context.messages.append(message)
                    self.log(message)

    def _record(self, step: Any, seconds: float) -> StepRecord:
        given = dict(step.checked.entry.parameters)
        resolved = dict(step.values)
        for name, reference in step.checked.postponed.items():
            resolved[name] = getattr(self.context.estimates.get(reference.estimate), reference.field, None)
        for name, values in step.checked.entry.sweeps.items():
            given[name] = resolved[name] = {"sweep": list(values)}
        package = step.spec.target.__module__.split(".")[0]
        version = __version__ if package == "tomosaxs_plugins" else versions().get(package, "")
        return StepRecord(
            step.number, step.label, step.spec.name, version, step.spec.summary, given, resolved,
            tuple(step.spec.cite), seconds, step.spec.determinism, step.label in self.context.reused,
        )  # fmt: skip

    def _write(self, result: Result) -> None:
        """Write everything under temporary names, then rename: result.nxs last."""
        from tomosaxs.report import write_report

        sums = self.sums.wait()
        for each in self.plan.inputs:
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
        parts = self.folder / ".work" / "out"
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        files: list[Path] = []
        for out in self.plan.checked.outputs:
            self.context.set_stage(f"output {out.spec.name}")
            try:
                files.extend(out.spec.target(result, parts, **out.values))
            except Exception as error:  # a saver may fail in any way: named, with its place
                kind = "" if isinstance(error, TomosaxsError) else f"{type(error).__name__}: "
                place = where_in(out.spec.file, error)
                raise StepError(f"output (plugin {out.spec.name}), rank 0: {kind}{error}{place}") from error
        _check_files(files)
        extra = [pair for pairs in self.context.hooks.report(plan=self.plan, result=result) for pair in pairs]
        write_report(result, parts / "report.html", plan_text=describe(self.plan), extra=extra)
        self._move_side_outputs(result)
        for path in sorted({*files, parts / "report.html"}, key=lambda path: path.name == RESULT):
            os.replace(path, self.folder / path.name)
        self.context.hooks.after_run(plan=self.plan, output=self.folder)

    def _saving_steps(self) -> list[PlannedStep]:
        return [step for step in self.plan.steps if not step.outputs and step.spec.kind != "estimator"]

    def _move_side_outputs(self, result: Result) -> None:
        """Files of saving steps: from the work folder to a folder named after the step."""
        for step in self._saving_steps():
            made = self.context.home(step.key) / "files"
            target = self.folder / step.label
            if made.is_dir():
                move_side_files(made, target, step.key)
            result.side_outputs.append(target)

    def _leave_pictures(self, stop: Stop) -> None:
        from tomosaxs.report.pictures import write_png

        if self.comm.rank == 0:
            for name, picture in stop.pictures.items():
                write_png(self.folder / f"{name}.png", picture)
                self.log(f"picture: {self.folder / name}.png")


def _check_files(files: list[Path]) -> None:
    """Refuse what cannot be moved beside result.nxs without one replacing another."""
    names = [path.name for path in dict.fromkeys(files)]
    for path in files:
        if not path.is_file():
            raise StepError(f"output: a saver returns files, {path.name} is none")
        if names.count(path.name) > 1 or path.name in ("report.html", "run.log"):
            raise StepError(f"output: two files would be called {path.name}")


def _disk(plan: Plan, ready: set[Node]) -> int:
    """Return the bytes still to be written: the largest saved dataset becomes the result, others are copied."""
    stored = sum(node.dataset.nbytes for one in plan.passes for node in one.stores if node not in ready)
    saved = [node.dataset.nbytes for node in plan.saved]
    return stored + sum(saved) - max(saved, default=0)
