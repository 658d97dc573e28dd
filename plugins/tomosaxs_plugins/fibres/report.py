"""Section of the report for reconstructed fibres: how many are solved, maps, agreement with the truth, fits."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

import numpy as np

from tomosaxs import InputError, SavedDataset
from tomosaxs_plugins.fibres import pictures
from tomosaxs_plugins.fibres.columns import flag_text
from tomosaxs_plugins.fibres.report_truth import truth_html
from tomosaxs_plugins.fibres.svg_plot import pretty
from tomosaxs_plugins.fibres.table import Rows, rows_of

_SHOWN = (
    ("strain", "strain of the D-period", 100.0, "%"),
    ("wa", "radial half width wa", 1.0, "nm^-1"),
    ("wmu", "angular width wmu", 1.0, "rad"),
    ("delta", "shape of the streak, delta", 1.0, ""),
    ("amplitude", "amplitude", 1.0, ""),
)
_SLICES = 3


def sections(plan: Any, result: Any) -> list[tuple[str, str]]:
    """Return (heading, HTML) for every step `map_fibres` of a plan whose datasets were saved.

    Parameters
    ----------
    plan : Plan
        As it was run.
    result : Result
        What came out.
    """
    found = []
    for step in plan.steps:
        if step.spec.target.__module__ != "tomosaxs_plugins.fibres.map_fibres":
            continue
        saved = {each.name: each for each in result.datasets}
        table, maps = (saved.get(node.saved_as) for node in step.outputs)
        if table is None or maps is None:
            found.append(("Fibres", f"<p>Pictures need  save: true  at the step {escape(step.label)}.</p>"))
            continue
        found.append(("Fibres", _section(step, table, maps, result)))
    return found


def _section(step: Any, table: SavedDataset, maps: SavedDataset, result: Any) -> str:
    rows = rows_of(np.asarray(table.values()), table.dataset.axis("quantity").labels)
    if not len(rows):
        return "<p>The table holds no fibre.</p>"
    parts = [_summary(rows), _maps(maps)]
    parts.append(truth_html(rows, table.dataset))
    try:
        from tomosaxs_plugins.fibres.report_fits import fits_html  # the model needs numba; the rest does not

        parts.append(fits_html(step, rows, result))
    except (InputError, ImportError, ValueError, OSError) as error:
        # a report without its picture is better than a run that fails at its end; the reason stands in its place
        parts.append(f"<p>Fits could not be drawn: {escape(str(error))}</p>")
    return "\n".join(part for part in parts if part)


def _summary(rows: Rows) -> str:
    """Say how many fibres are solved, and why the others are not."""
    count, solved = len(rows), int(rows.solved.sum())
    told = f'<p><span class="value">{solved} of {count} fibres solved</span> ({100 * solved / count:.4g} %)</p>'
    flags = Counter(rows.flags.tolist())
    lines = "".join(
        f'<tr><td class="number">{flag}</td><td>{escape(flag_text(flag))}</td><td class="number">{number}</td></tr>'
        for flag, number in sorted(flags.items())
    )
    table = f"<table><tr><th>flag</th><th>meaning</th><th>fibres</th></tr>{lines}</table>"
    return told + f'<div class="beside">{table}{_typical(rows)}</div>'


def _typical(rows: Rows) -> str:
    """Return medians over solved fibres with their spread and the uncertainty of one fibre."""
    head = "<tr><th>solved fibres</th><th>median</th><th>standard deviation</th><th>uncertainty of one fibre</th></tr>"
    lines = []
    for name in ("d_period", "q0", "wa", "wmu", "delta", "amplitude", "alpha", "beta"):
        values = rows[name][rows.solved & np.isfinite(rows[name])]
        if not len(values):
            continue
        sd = rows[f"{name}_sd"][rows.solved]
        sd = sd[np.isfinite(sd)]
        spread = f"{values.std():.3g}" if name not in ("alpha", "beta") else ""
        middle = f"{np.median(values):.{6 if name in ('d_period', 'q0') else 4}g}"
        uncertain = f"{np.median(sd):.2g}" if len(sd) else ""
        called = f"{name.replace('_', '-').replace('d-period', 'D-period')} {pretty(rows.units(name))}"
        cells = "".join(f'<td class="number">{each}</td>' for each in (middle, spread, uncertain))
        lines.append(f"<tr><td>{escape(called)}</td>{cells}</tr>")
    return f"<table>{head}{''.join(lines)}</table>"


def _maps(maps: SavedDataset) -> str:
    """Draw maps of the middle slice, and the strain of some slices with its uncertainty."""
    values, sigma = np.asarray(maps.values()), maps.sigma()
    quantity, y, z, x = maps.dataset.axes
    names = [label[0] for label in quantity.labels]
    slices = np.unique(np.linspace(0, y.size - 1, min(_SLICES, y.size)).round().astype(int)).tolist()
    middle = y.size // 2
    flags = values[names.index("flag")]
    x_mm, z_mm = (1e3 * np.asarray(axis.values) for axis in (x, z))
    figures = []

    def draw(image: Any, at: int, name: str, title: str, units: str, limits: Any, diverging: bool) -> None:
        place = f", slice {int(y.index[at])}" if y.full_size > 1 else ""
        picture = pictures.MapPicture(image[at], flags[at], x_mm, z_mm, name, units, limits, diverging)
        figures.append(f"<figure>{pictures.map_chart(picture, title + place)}</figure>")

    for name, title, factor, units in _SHOWN:
        image = factor * values[names.index(name)]
        limits, diverging = pictures.map_limits(image, name)
        for at in slices if name == "strain" else [middle]:
            draw(image, at, name, title, units, limits, diverging)
        if name == "strain" and sigma is not None:
            spread = factor * np.asarray(sigma)[names.index(name)]
            spread = np.where(np.isfinite(image), spread, np.nan)
            draw(spread, middle, name, "uncertainty of the strain", units, *pictures.map_limits(spread, "sd"))
    note = (
        "x runs across the beam and z along it, at rotation 0. White: no fibre. Grey with a red cross: not solved. "
        "The outermost 2 % of values share the colours of the ends."
    )
    return f'<div class="figures">{"".join(figures)}</div><p class="soft small">{escape(note)}</p>'
