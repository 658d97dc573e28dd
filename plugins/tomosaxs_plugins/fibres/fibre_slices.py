"""From blocks of a list to the arrays that solvers take, and from what they return to rows of a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, InputError, Output, Quantity, convert
from tomosaxs_plugins.fibres.beam_paths import BeamPathTable
from tomosaxs_plugins.fibres.columns import COLUMNS
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, Floats, Library


def bins_of(dataset: Dataset, smearing: float = 0.0) -> Bins:
    """Return the bins of a dataset with axes azimuth and q, as `azimuthal_library` makes them.

    Raises
    ------
    InputError
        When coordinates, units or the wavelength are not known, or bins are not even.
    """
    chi, chi_width = _even(dataset, "azimuth", "deg", "azimuth_bin_width")
    q, q_width = _even(dataset, "q", "nm^-1", "q_bin_width")
    wavelength = dataset.quantity("wavelength")
    if wavelength is not None:
        length = convert(wavelength.value, wavelength.units, "nm")
    else:
        energy = dataset.quantity("energy")
        if energy is None:
            raise InputError("the wavelength of the data is not known: the curvature of the Ewald sphere needs it")
        length = 1.239841984 / convert(energy.value, energy.units, "keV")
    return Bins(chi, chi_width, q, q_width, length, smearing=smearing)


def _even(dataset: Dataset, name: str, units: str, width: str) -> tuple[Floats, float]:
    axis = dataset.axis(name)
    if axis.values is None or axis.units != units:
        raise InputError(f"axis {name} needs coordinates in {units}; it has {axis.units or 'none'}")
    values = np.asarray(axis.values, dtype=np.float64)
    stored = dataset.metadata.get(width)
    if isinstance(stored, Quantity):
        step = convert(stored.value, stored.units, units)
    elif len(values) > 1:
        step = float(values[-1] - values[0]) / (len(values) - 1)
    else:
        raise InputError(f"one bin of {name}, whose width is not known: make the profiles by azimuthal_library")
    if len(values) > 1 and not np.allclose(np.diff(values), step, rtol=1e-6, atol=1e-9):
        raise InputError(f"the bins of {name} are not even: fibre reconstruction needs adjoining bins of one width")
    return values, step


def is_folded(dataset: Dataset) -> bool:
    """Return whether azimuths half a turn apart were taken together."""
    return dataset.metadata.get("azimuths_folded") == "true"


def library_of(values: NDArray[np.floating], sigma: NDArray[np.floating], paths: BeamPaths) -> Library:
    """Return the measured profiles of the beam paths of one slice.

    Parameters
    ----------
    values, sigma : (n_rotations, n_positions, n_chi, n_q) float arrays
        Of the slice; NaN where there is no usable value.
    paths : BeamPaths
        Of the same slice.
    """
    chosen = paths.path_rotation, paths.path_position
    mine = np.asarray(values[chosen], dtype=np.float64)
    error = np.asarray(sigma[chosen], dtype=np.float64)
    return Library(mine, error, np.isfinite(mine) & np.isfinite(error) & (error > 0))


def table_output(dataset: Dataset, table: BeamPathTable | None) -> Output:
    """Return what a step returns that makes a table of the fibres of every slice."""
    count = most_fibres(dataset, table)
    fibre = Axis("fibre", count, np.arange(count))
    quantity = Axis("quantity", len(COLUMNS), np.arange(len(COLUMNS)), labels=COLUMNS)
    return Output((fibre, quantity), dtype="float64", label="fibres")


def most_fibres(dataset: Dataset, table: BeamPathTable | None) -> int:
    """Return the largest number of fibres of one slice, at least 1."""
    if table is not None:
        _, slices, beams = table.shape
        row = np.repeat(np.arange(len(table.offsets) - 1), np.diff(table.offsets))
        of_slice = (row // beams) % slices
        counts = [len(np.unique(table.fibre[of_slice == number])) for number in range(slices)]
        return max([1, *counts])
    companion = dataset.auxiliaries["beam_path_fibre"]
    whole = companion.reader.read(tuple(slice(None) for _ in companion.axes))
    by_slice = np.moveaxis(whole, companion.axes.index("y"), 0) if "y" in companion.axes else whole[None]
    return max([1, *(len(np.unique(each[each >= 0])) for each in by_slice)])


def rows_of_outcome(outcome: Outcome, paths: BeamPaths) -> Floats:
    """Return (n_fibres, quantities) the table of one slice, columns in the order of `columns.COLUMNS`."""
    values, sd = outcome.values, outcome.sd
    columns: dict[str, NDArray[np.generic]] = {
        "identifier": paths.identifiers, "flag": outcome.flags, "group": outcome.groups, "n_paths": outcome.n_paths,
        "q0": values.q0, "wa": values.wa, "wmu": values.wmu, "delta": values.delta, "amplitude": values.amplitude,
        "height": outcome.height, "alpha": values.alpha_deg, "beta": values.beta_deg, "q0_sd": sd.q0, "wa_sd": sd.wa,
        "wmu_sd": sd.wmu, "delta_sd": sd.delta, "amplitude_sd": sd.amplitude, "height_sd": outcome.height_sd,
        "alpha_sd": sd.alpha_deg, "beta_sd": sd.beta_deg, "reduced_chi_squared": outcome.reduced_chi_squared,
    }  # fmt: skip
    return np.stack([np.asarray(columns[name], dtype=np.float64) for name, _, _ in COLUMNS], axis=1)


def padded_rows(rows: Floats, count: int) -> Floats:
    """Return (count, quantities) with NaN beyond the fibres of a slice."""
    out = np.full((count, rows.shape[1]), np.nan)
    out[: len(rows)] = rows
    return out
