"""Reconstructed fibres against the truth of a simulation, for the report."""

from __future__ import annotations

from html import escape

import numpy as np

from tomosaxs import Dataset
from tomosaxs_plugins.fibres import pictures
from tomosaxs_plugins.fibres.places import companion_rows
from tomosaxs_plugins.fibres.svg_plot import pretty
from tomosaxs_plugins.fibres.table import Floats, Rows

COMPARED = ("q0", "wa", "wmu", "delta", "amplitude", "alpha", "beta")
_PLOTTED = ("q0", "wa", "wmu", "delta", "amplitude")


def true_values(rows: Rows, dataset: Dataset) -> dict[str, Floats]:
    """Return true values of the fibres of a table, by column; empty where the truth is not known.

    Directions are compared as axes: n and -n are the same fibre, so that the true angles are given in the form that
    lies nearer to the fitted ones.
    """
    found = {}
    for name in COMPARED:
        values = companion_rows(dataset, f"true_{name}", rows.slice, rows["identifier"])
        if values is not None:
            found[name] = values
    if "alpha" in found and "beta" in found:
        turned = (found["beta"] + 180) % 360
        nearer = np.abs(_around(turned - rows["beta"])) < np.abs(_around(found["beta"] - rows["beta"]))
        found["alpha"] = np.where(nearer, 180 - found["alpha"], found["alpha"])
        beta = np.where(nearer, turned, found["beta"])
        found["beta"] = rows["beta"] + _around(beta - rows["beta"])
    return found


def _around(angle: Floats) -> Floats:
    return np.asarray((angle + 180) % 360 - 180)


def truth_html(rows: Rows, dataset: Dataset) -> str:
    """Return fitted against true, z-scores and a table of both; empty where the truth is not known."""
    true = true_values(rows, dataset)
    if not true:
        return ""
    solved = rows.solved
    lines, plots, scores = [], [], []
    for name, truth in true.items():
        fitted, sd = rows[name], rows[f"{name}_sd"]
        angle = name in ("alpha", "beta")
        found = pictures.agreement(fitted[solved], sd[solved], truth[solved], relative=not angle)
        unit = "°" if angle else " %"
        scale = 1.0 if angle else 100.0
        cells = [
            f"{found.correlation:.4f}", f"{scale * found.rmse:.3g}{unit}", f"{scale * found.bias:+.2g}{unit}",
            f"{found.z_sd:.2f}", f"{found.z_largest:.1f}",
        ]  # fmt: skip
        cells = ["" if "nan" in each else each.replace("-", "−") for each in cells]
        shown = "".join(f'<td class="number">{each}</td>' for each in cells)
        lines.append(f"<tr><td>{escape(name)} {pretty(rows.units(name))}</td>{shown}</tr>")
        z = pictures.z_scores(fitted[solved], sd[solved], truth[solved])
        scores.append((name, z))
        if name in _PLOTTED:
            chart = pictures.against_truth(name, rows.units(name), fitted, sd, truth, solved)
            plots.append(f"<figure>{chart}</figure>")
    pooled = np.concatenate([z for _, z in scores])
    scores.append(("all parameters", pooled))
    charts = [f"<figure>{pictures.z_chart(f'z of {name}', z)}</figure>" for name, z in scores if len(z)]
    head = "<tr><th>solved fibres</th><th>r</th><th>RMSE</th><th>bias</th><th>z: s.d.</th><th>largest |z|</th></tr>"
    note = (
        "The truth of the simulation. RMSE and bias are relative, of angles in degrees; z is (fitted − true) / "
        "standard uncertainty: where uncertainties are right its standard deviation is 1 (the curve). Crosses: fibres "
        "that are not solved; they are in no number of the table."
    )
    return (
        f"<h3>Against the truth</h3><table>{head}{''.join(lines)}</table>"
        f'<div class="figures">{"".join(plots)}</div><div class="figures">{"".join(charts)}</div>'
        f'<p class="soft small">{escape(note)}</p>'
    )
