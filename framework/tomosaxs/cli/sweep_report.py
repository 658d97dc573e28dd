"""What a sweep leaves to choose from: labelled pictures, a table of metrics, and a record for ``--accept``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from tomosaxs.cli.sweep_slice import pictures_of, shown_node
from tomosaxs.errors import InputError
from tomosaxs.hookspecs import hookimpl
from tomosaxs.plan import Plan
from tomosaxs.plan.sweeps import Choice, value_text
from tomosaxs.report.metrics import METRICS, metrics_of
from tomosaxs.report.pictures import contact_sheet, png_uri, robust_limits, shrink, to_grey, write_png
from tomosaxs.result import Result

RECORD = "sweep.json"
SHEET = "sweep.png"
_TILE = 420
_IN_PAGE = 560
_COLUMNS = 6


@dataclass
class Chooser:
    """Collects the pictures of a sweep while its report is written.

    Parameters
    ----------
    row : int or None
        The slice.
    notes : sequence of str
        What was chosen for the user.
    """

    row: int | None
    notes: Sequence[str]
    labels: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    images: list[Any] = field(default_factory=list)
    metrics: list[dict[str, float]] = field(default_factory=list)

    @hookimpl
    def report(self, plan: Any, result: Any) -> Iterable[tuple[str, str]]:
        """Return the section of the report with the numbered pictures and their table."""
        self.collect(plan, result)
        return [("Choose", self.html())]

    def collect(self, plan: Plan, result: Result) -> None:
        """Take the pictures out of the result; their order is that of the combinations."""
        node = shown_node(plan)
        self.choices = [tuple(zip(node.swept, slot, strict=True)) for slot in node.parts]
        self.labels = [f"{number}: {_label(each)}" for number, each in enumerate(self.choices, start=1)]
        self.images = pictures_of(result, plan, self.row)
        self.metrics = metrics_of(self.images)

    @property
    def limits(self) -> tuple[float, float]:
        """Values shown black and white, the same for all pictures."""
        import numpy as np

        return robust_limits(np.concatenate([image.ravel() for image in self.images]))

    def html(self) -> str:
        """Return the pictures and the table for the report."""
        limits = self.limits
        figures = "".join(
            f'<figure><img src="{png_uri(to_grey(shrink(image, _IN_PAGE), limits))}" alt="{escape(label)}">'
            f"<figcaption>{escape(label)}</figcaption></figure>"
            for label, image in zip(self.labels, self.images, strict=True)
        )
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in self.table()[1:]
        )
        heads = "".join(f"<th>{escape(cell)}</th>" for cell in self.table()[0])
        told = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        meaning = "".join(f"<li>{m.name}: {escape(m.description)}; usually better {m.better}</li>" for m in METRICS)
        return (
            f"<ul>{told}</ul><p>All pictures have one grey scale, {limits[0]:.4g} to {limits[1]:.4g}. "
            "Write the values of a picture into the list with <code>--accept NUMBER</code>.</p>"
            f'<div class="figures">{figures}</div><table><tr>{heads}</tr>{rows}</table><ul class="small">{meaning}'
            "<li>* the best of a column; a number does not know what you look for</li></ul>"
        )

    def table(self) -> list[list[str]]:
        """Return the heading and a row for every picture; the best value of a metric has a star."""
        names = [f"{swept.label}.{swept.parameter}" for swept, _ in self.choices[0]]
        rows = [["", *names, *(metric.name for metric in METRICS)]]
        best = {
            metric.name: (max if metric.better == "high" else min)(found[metric.name] for found in self.metrics)
            for metric in METRICS
        }
        for number, (choice, found) in enumerate(zip(self.choices, self.metrics, strict=True), start=1):
            values = [value_text(swept.values[place]) for swept, place in choice]
            numbers = [f"{found[m.name]:.4g}" + ("*" if found[m.name] == best[m.name] else "") for m in METRICS]
            rows.append([str(number), *values, *numbers])
        return rows

    def write(self, folder: Path) -> None:
        """Write the contact sheet."""
        images = list(zip(self.labels, self.images, strict=True))
        last = len(self.choices[0][-1][0].values)
        columns = last if len(self.choices[0]) > 1 and last <= _COLUMNS else 0  # a row of the sheet: the last parameter
        write_png(folder / SHEET, contact_sheet(images, columns, tile=_TILE, limits=self.limits))


def _label(choice: Choice) -> str:
    """Return the values of a combination; the step is named where the parameter alone could mean two."""
    names = [swept.parameter for swept, _ in choice]
    return ", ".join(
        (f"{swept.label}." if names.count(swept.parameter) > 1 else "")
        + f"{swept.parameter} {value_text(swept.values[place])}"
        for swept, place in choice
    )


def lines_of(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines of text, columns aligned."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]


def write_record(folder: Path, chooser: Chooser, plan: Plan) -> None:
    """Write what ``--accept`` needs: the list as it was, and the values of every picture as they were written."""
    listing = plan.checked.process_list
    written = {
        (step.number, name): values for step in listing.steps for name, values in step.sweeps.items()
    }  # the values as in the list: files relative, numbers as they were typed
    pictures = [
        {
            "number": number,
            "values": [
                {
                    "step": swept.step, "label": swept.label, "parameter": swept.parameter,
                    "value": written[swept.step, swept.parameter][place],
                }
                for swept, place in choice
            ],
            "metrics": metrics,
        }
        for number, (choice, metrics) in enumerate(zip(chooser.choices, chooser.metrics, strict=True), start=1)
    ]  # fmt: skip
    record = {
        "list": str(listing.file.absolute()) if listing.file is not None else "",
        "sha256": hashlib.sha256(listing.text.encode()).hexdigest(),
        "text": listing.text,
        "settings": list(listing.settings),
        "slice": chooser.row,
        "notes": list(chooser.notes),
        "pictures": pictures,
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> Mapping[str, Any]:
    """Return the record of the sweep in a folder.

    Raises
    ------
    InputError
        When there is none, or it cannot be read.
    """
    file = folder / RECORD
    if not file.is_file():
        raise InputError(f"{folder} holds no sweep ({RECORD} is not there): run it first, or name its folder with -o")
    try:
        record: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        record["pictures"][0]["values"], record["text"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{file} is no record of a sweep: {error}") from None
    return record
