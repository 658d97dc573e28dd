"""Before and after a plugin: pictures, numbers, time for a whole scan, and what its author should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs.cli.sweep_report import lines_of
from tomosaxs.cli.sweep_slice import SlicePlan, picture_of
from tomosaxs.cli.try_list import Trial
from tomosaxs.hookspecs import hookimpl
from tomosaxs.report.page import duration
from tomosaxs.report.pictures import contact_sheet, png_uri, robust_limits, shrink, to_grey, write_png

PICTURE = "try.png"
_SAME = 1e-6
"""Of the span of the values: differences of a slice alone that rounding explains."""


@dataclass
class Beholder:
    """Takes the pictures while the report of the run is written."""

    trial: Trial
    sliced: SlicePlan
    pictures: list[tuple[str, Any, tuple[float, float]]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @hookimpl
    def report(self, plan: Any, result: Any) -> Iterable[tuple[str, str]]:
        """Return the section of the report with the pictures before and after."""
        before, after = self._collect(plan, result)
        self._compare(before, after)
        self._hints(before, after)
        self.seconds = next(step.seconds for step in result.steps if step.label == self.trial.label)
        return [(f"{self.trial.spec.name}: before and after", self._html())]

    def _collect(self, plan: Any, result: Any) -> tuple[Any, Any]:
        place, along = self.sliced.row, self.trial.along
        saved = {node.made_by.number: node for node in plan.saved if node.made_by is not None}
        made = saved[self.trial.checked.steps[-1].entry.number]
        after = picture_of(result[made.saved_as], made.dataset.axes, place, along)
        node = saved.get(self.trial.before)
        if node is not None:
            return picture_of(result[node.saved_as], node.dataset.axes, place, along), after
        source = next(each.source for each in plan.inputs if each.checked.entry.name == self.trial.name)
        whole = source.reader.read(tuple(slice(None) for _ in source.dataset.shape))
        return picture_of(whole, source.dataset.axes, place, along), after

    def _compare(self, before: Any, after: Any) -> None:
        """Choose grey scales: one for both where they are the same quantity on the same pixels."""
        before, after = before.astype(np.float64), after.astype(np.float64)
        alike = before.shape == after.shape
        first, second = robust_limits(before), robust_limits(after)
        if alike and first[0] <= second[1] and second[0] <= first[1]:
            second = first
        self.pictures = [("before", before, first), ("after", after, second)]
        self.rows = [
            ["", "mean", "s.d.", "smallest", "largest", "not a number"],
            _row("before", before),
            _row("after", after),
        ]
        if alike:
            difference = after - before
            largest = float(np.nanmax(np.abs(difference), initial=0.0))
            far = max(abs(end) for end in robust_limits(difference)) if largest > 0 else 1.0
            self.pictures.append(("after - before", difference, (-far, far)))
            self.rows.append(_row("difference", difference))

    def _hints(self, before: Any, after: Any) -> None:
        watch = self.trial.watch
        other = ", ".join(sorted(watch.kinds - {str(after.dtype)}))
        if other:
            self.hints.append(
                f"it returns {other}, which a run converts: return {after.dtype}, and save time and memory"
            )
        if watch.changes_input:
            self.hints.append("it changes its input in place, which other steps may still need: work on a copy")
        if watch.alone is not None and watch.alone > _SAME:
            self.hints.append(
                "a slice comes out differently when it is processed alone: blocks and ranks would show in the result; "
                "treat every slice by itself, or declare halo="
            )
        if before.shape == after.shape:
            fresh = int((~np.isfinite(after) & np.isfinite(before)).sum())
            if fresh:
                self.hints.append(f"{fresh} values became not a number or infinite")
            if np.array_equal(before, after, equal_nan=True):
                self.hints.append("nothing changed in this slice")
        if not watch.kinds:
            self.hints.append("types and times of single calls are not watched in a class or on a GPU")

    def lines(self) -> list[str]:
        """Return what is said on the screen."""
        what = "projection" if self.trial.along == "rotation_angle" else "detector row"
        place = "" if self.sliced.row is None else f", {what} {self.sliced.row}"
        head = f"{self.trial.spec.name} {self.trial.told}{place}"
        return [head, *self.sliced.notes, *lines_of(self.rows), self._time(), *(f"hint: {each}" for each in self.hints)]

    def _time(self) -> str:
        """Return the time of a slice and of the whole scan, from the fastest call: the first one may compile."""
        count, share = self._extent()
        once = min(self.trial.watch.seconds) if self.trial.watch.seconds else self.seconds / max(1, self._processed())
        whole = once * share * count
        return (
            f"time: {_duration(once)} a slice; {_duration(whole)} for the {count} of the whole scan in one process, "
            "which ranks share"
        )

    def _planned(self) -> Any:
        return next(step for step in self.sliced.plan.steps if step.label == self.trial.label)

    def _processed(self) -> int:
        one = next(each for each in self.sliced.plan.passes if self._planned() in each.steps)
        return one.count

    def _extent(self) -> tuple[int, float]:
        """Return how many slices the whole scan has, and how much larger they are than those tried."""
        part = self._planned().inputs[0].dataset
        one = next(each for each in self.sliced.plan.passes if self._planned() in each.steps)
        sliced = next(iter(one.sliced.values()))
        tried = {axis.name: axis.size for axis in part.axes}
        axis = "z" if self.trial.along != "rotation_angle" and "z" in tried else self.trial.along
        whole = {**tried, axis: self.sliced.entries} if self.sliced.entries and axis in tried else tried
        names = [name if name in whole else axis for name in sliced]
        count = int(np.prod([whole[name] for name in names]))
        others = [name for name in whole if name not in names]
        return count, float(np.prod([whole[name] / tried[name] for name in others]))

    def _html(self) -> str:
        figures = "".join(
            f'<figure><img src="{png_uri(to_grey(shrink(image, 640), limits))}" alt="{escape(name)}">'
            f"<figcaption>{escape(name)}, {limits[0]:.4g} (black) to {limits[1]:.4g}</figcaption></figure>"
            for name, image, limits in self.pictures
        )
        cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        told = "".join(f"<li>{escape(text)}</li>" for text in [*self.sliced.notes, *self.hints])
        return f'<div class="figures">{figures}</div><table>{cells}</table><ul>{told}</ul>'

    def write(self, folder: Path) -> None:
        """Write the pictures side by side, each with its own grey scale."""
        grey = [
            (f"{name} ({low:.3g} to {high:.3g})", to_grey(np.nan_to_num(image, nan=low), (low, high)))
            for name, image, (low, high) in self.pictures
        ]
        write_png(folder / PICTURE, contact_sheet(grey, len(grey), tile=420, limits=(0.0, 255.0)))


def _row(name: str, image: Any) -> list[str]:
    finite = image[np.isfinite(image)]
    if finite.size == 0:
        return [name, "", "", "", "", str(image.size)]
    numbers = (finite.mean(), finite.std(), finite.min(), finite.max())
    return [name, *(f"{number:.5g}" for number in numbers), str(image.size - finite.size)]


def _duration(seconds: float) -> str:
    if seconds >= 1:
        return duration(seconds)
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
