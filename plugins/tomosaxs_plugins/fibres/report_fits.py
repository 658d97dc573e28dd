"""Measured and fitted profiles of the worst and of the median fibre, for the report."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from tomosaxs import Dataset, SavedDataset, Scan
from tomosaxs_plugins.fibres import pictures
from tomosaxs_plugins.fibres.beam_path_source import slices_of_block, table_of_dataset
from tomosaxs_plugins.fibres.columns import flag_text
from tomosaxs_plugins.fibres.fibre_slices import bins_of, is_folded
from tomosaxs_plugins.fibres.fitted import PARAMETERS, PathFit, clearest_path, means, path_fit
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, Floats
from tomosaxs_plugins.fibres.table import Rows

_WORDS = {"worst": "largest", "median": "median"}
_CORE = ("rotation_angle", "x", "azimuth", "q")


def fits_html(step: Any, rows: Rows, result: Any) -> str:
    """Return profiles along the beam path in which the worst and the median fibre are brightest.

    Parameters
    ----------
    step : PlannedStep
        ``map_fibres``; what it reads comes from a step that read the azimuthal library.
    rows : Rows
        Reconstructed fibres.
    result : Result
        Which has the library where the list saves it.
    """
    maker = step.inputs[0].made_by
    while maker is not None and not set(_CORE) <= set(maker.inputs[0].dataset.names):
        maker = maker.inputs[0].made_by
    if maker is None:
        return ""
    node = maker.inputs[0]
    saved = next((each for each in result.datasets if node.saved_as and each.name == node.saved_as), None)
    if saved is None or saved.sigma() is None:
        made_by = node.made_by.label if node.made_by is not None else node.name
        return f'<p class="soft small">With  save: true  at {escape(made_by)} fits of fibres are shown here.</p>'
    figures = []
    for word, number in chosen(rows):
        figures += _fits(word, rows, number, saved, maker.values)
    if not figures:
        return ""
    note = (
        "Along the beam path in which the fibre is brightest: mean over the bins of q that it lights, against azimuth, "
        "and mean over the azimuths that it lights, against q. Bins that a mask hides are left out. Background: a "
        "smooth function of q fitted to what all fibres leave."
    )
    return f'<h3>Fits</h3><div class="figures">{"".join(figures)}</div><p class="soft small">{escape(note)}</p>'


def chosen(rows: Rows) -> list[tuple[str, int]]:
    """Return (word, row) of the worst fibre of all and of the median of the solved ones, by reduced chi squared."""
    quality = rows["reduced_chi_squared"]
    known = np.flatnonzero(np.isfinite(quality) & np.isfinite(rows["height"]))
    if not len(known):
        return []
    found = [("worst", int(known[np.argmax(quality[known])]))]
    solved = known[rows.solved[known]]
    if len(solved):
        order = solved[np.argsort(quality[solved], kind="stable")]
        found.append(("median", int(order[len(order) // 2])))
    return found


def _fits(word: str, rows: Rows, number: int, saved: SavedDataset, values: Any) -> list[str]:
    """Return two figures of a fibre; none where no path sees it."""
    dataset = saved.dataset
    at = int(rows.slice[number])
    scan = Scan(dataset, ("y",), _CORE, np.array([at], dtype=np.intp))
    paths = slices_of_block(scan, table_of_dataset(dataset, values.get("beam_paths")))[0].paths
    bins = bins_of(dataset, float(values.get("smearing") or 0.0))
    parameters, fibre = (
        _parameters(rows, at, paths),
        int(np.searchsorted(paths.identifiers, rows["identifier"][number])),
    )
    path = clearest_path(paths, bins, parameters, fibre)
    if path is None:
        return []
    place = {"y": at, "rotation_angle": int(paths.path_rotation[path]), "x": int(paths.path_position[path])}
    sigma = saved.sigma()
    assert sigma is not None
    data = _cake(saved.values(), dataset, place), _cake(sigma, dataset, place)
    fit = path_fit(paths, bins, parameters, path, fibre, data, folded=is_folded(dataset))
    said = f"{word}: fibre {int(rows['identifier'][number])}"
    rotation = f"{paths.rotation_deg[place['rotation_angle']]:.4g}".replace("-", "−")
    quality = rows["reduced_chi_squared"][number]
    caption = (
        f"{_WORDS[word]} reduced chi squared, {quality:.3g}; {flag_text(rows.flags[number])}; "
        f"rotation {rotation}°, beam {place['x']}" + (f", slice {at}" if dataset.axis("y").size > 1 else "")
    )
    return [
        f"<figure>{pictures.fit_chart(each, said)}<figcaption>{escape(caption)}</figcaption></figure>"
        for each in _profiles(bins, fit)
    ]


def _parameters(rows: Rows, at: int, paths: BeamPaths) -> Floats:
    """Return (n_fibres, 7) parameters of the fibres of a slice in the order of its beam paths, NaN where not known."""
    here = np.flatnonzero(rows.slice == at)
    place = np.searchsorted(paths.identifiers, rows["identifier"][here])
    made = np.full((len(paths.identifiers), len(PARAMETERS)), np.nan)
    inside = place < len(made)
    made[place[inside]] = np.stack([rows[name][here[inside]] for name in PARAMETERS], axis=-1)
    return made


def _cake(values: Any, dataset: Dataset, place: dict[str, int]) -> Floats:
    """Return the (azimuth, q) part of a place of the scan."""
    part = values[tuple(place.get(name, slice(None)) for name in dataset.names)]
    names = [name for name in dataset.names if name not in place]
    return np.asarray(part if names == ["azimuth", "q"] else part.T, dtype=np.float64)


def _profiles(bins: Bins, fit: PathFit) -> list[pictures.Profile]:
    lit = fit.own / (fit.own.max() or 1.0)
    along_q, along_chi = lit.max(axis=0) > 0.2, lit.max(axis=1) > 0.2
    return [
        pictures.Profile(bins.chi_deg, "azimuth / deg", *means(fit, 1, along_q)),
        pictures.Profile(bins.q, "q / nm⁻¹", *means(fit, 0, along_chi)),
    ]
