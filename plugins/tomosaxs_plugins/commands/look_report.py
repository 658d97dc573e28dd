"""What ``tomosaxs look`` says: facts, warnings, pictures and the next command, as text and as a page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, html_page, picture_uri
from tomosaxs_plugins.commands.look_values import Warn

GENERATOR = "tomosaxs look"


@dataclass(eq=False)
class Report:
    """Everything that is said of a scan.

    Parameters
    ----------
    path : Path
        As it was given.
    head : str
        What it is, in one line.
    facts : list of (name, text)
    warnings : list of Warn
    pictures : list of (caption, image)
    messages : list of str
        What the loader said.
    next_command : str
        Exactly what to type.
    """

    path: Path
    head: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    pictures: list[tuple[str, NDArray[Any]]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    next_command: str = ""
    remark: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether something spoils a reconstruction as it stands."""
        return any(warning.loud for warning in self.warnings)


def as_text(report: Report) -> list[str]:
    """Return the lines for a terminal."""
    lines = [f"{report.path.name or report.path}: {report.head}"]
    width = max((len(name) for name, _ in report.facts), default=0)
    lines += [f"  {name:<{width}}  {text}" for name, text in report.facts]
    for warning in sorted(report.warnings, key=lambda warning: not warning.loud):
        mark = "warning:" if warning.loud else "note:"
        lines.append(f"  {mark} {warning.what}" + (f" ({warning.cure})" if warning.cure else ""))
    return lines


def as_page(report: Report) -> str:
    """Return the page, self-contained."""
    e = html.escape
    parts = [f'<div class="verdict{"" if not report.warnings else " doubt" if report.doubtful else " look"}">']
    parts.append(e(report.head))
    if report.warnings:
        items = sorted(report.warnings, key=lambda warning: not warning.loud)
        listed = "".join(
            f"<li>{'<b>' if w.loud else ''}{e(w.what)}{'</b>' if w.loud else ''}"
            + (f' <span class="soft">({e(w.cure)})</span>' if w.cure else "")
            + "</li>"
            for w in items
        )
        parts.append(f"<ul>{listed}</ul>")
    parts.append("</div>")
    if report.next_command:
        parts.append(f"<h2>Next</h2>\n<pre>{e(report.next_command)}</pre>")
        parts.append(f'<p class="soft">{e(report.remark)}</p>' if report.remark else "")
    parts.append('<h2>Pictures</h2>\n<div class="figures">')
    for caption, image in report.pictures:
        uri = picture_uri(image)
        parts.append(f'<figure><img src="{uri}" alt="{e(caption)}"><figcaption>{e(caption)}</figcaption></figure>')
    parts.append("</div>\n<h2>What it is</h2>\n<table>")
    parts += [f"<tr><th>{e(name)}</th><td>{e(text)}</td></tr>" for name, text in report.facts]
    parts.append("</table>")
    if report.messages:
        parts.append("<h2>What the loader says</h2>\n<ul>")
        parts += [f"<li>{e(text)}</li>" for text in report.messages]
        parts.append("</ul>")
    return html_page(str(report.path), "\n".join(parts), GENERATOR)


def page_path(scan: Path, folder: Path) -> Path:
    """Return where the page of a scan goes.

    Raises
    ------
    InputError
        When a file is there that is no such page, or the folder cannot be made.
    """
    stem = scan.resolve().name if scan.is_dir() else scan.stem
    target = folder / f"{stem}_look.html"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; -o names a folder")
    if target.exists():
        with target.open("rb") as handle:
            start = handle.read(1000)
        if f'content="{GENERATOR}"'.encode() not in start:
            raise InputError(f"{target} exists and is no page of tomosaxs look; name another folder with -o DIR")
    return target


def write_page(report: Report, target: Path) -> None:
    """Write the page under a temporary name, then rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    try:
        part.write_text(as_page(report), encoding="utf-8", errors="replace")
        part.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror or error}") from None


def number_text(value: float, units: str) -> str:
    """Return a quantity with a prefix that reads well: 6.5e-07 m as 0.65 um."""
    if units == "m" and np.isfinite(value) and value > 0:
        for factor, name in ((1.0, "m"), (1e-3, "mm"), (1e-6, "um"), (1e-9, "nm")):
            if value >= 0.1 * factor or name == "nm":
                return f"{value / factor:.6g} {name}"
    if units == "eV" and value >= 100:
        return f"{value / 1000:.6g} keV"
    return f"{value:.6g} {units}".rstrip()


def range_text(values: Sequence[float] | NDArray[Any]) -> str:
    """Return first, last and number of a coordinate."""
    return f"{values[0]:.6g} to {values[-1]:.6g}"
