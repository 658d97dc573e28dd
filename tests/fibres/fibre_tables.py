"""A table of fibres made of formulas, for tests of what is made of tables."""

from __future__ import annotations

import numpy as np

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, Quantity, Source
from tomosaxs_plugins.fibres.columns import COLUMNS, NAMES


def table(slices: int = 2, fibres: int = 12, seed: int = 3) -> np.ndarray:
    """Return (slices, fibres + 2, quantities): two rows without a fibre, row 3 of every slice not solved."""
    rng = np.random.default_rng(seed)
    made = np.full((slices, fibres + 2, len(COLUMNS)), np.nan)
    column = {name: made[:, :fibres, place] for place, name in enumerate(NAMES)}
    shape = (slices, fibres)
    column["identifier"][...] = np.arange(slices * fibres).reshape(shape) + 1
    column["flag"][...] = 0
    column["group"][...] = np.arange(fibres)
    column["n_paths"][...] = 20
    ranges = {
        "q0": (0.278, 0.286), "wa": (0.001, 0.003), "wmu": (0.15, 0.25), "delta": (0.3, 0.7), "amplitude": (0.8, 1.2),
        "height": (800.0, 1200.0), "alpha": (55.0, 125.0), "beta": (0.0, 360.0),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        column[name][...] = rng.uniform(low, high, shape)
        column[f"{name}_sd"][...] = 1e-3 * (high - low) * rng.uniform(0.5, 1.5, shape)
    column["reduced_chi_squared"][...] = rng.uniform(0.8, 1.2, shape)
    column["flag"][:, 3:4] = 4
    return made


def source(slices: int = 2, fibres: int = 12, *, side: int = 4, **companions: np.ndarray) -> Source:
    """Return the table as a dataset, fibres on a lattice of side columns and a distance of 0.05 mm."""
    values = table(slices, fibres)
    rows = values.shape[1]
    places = np.full((2, slices, rows), np.nan)
    places[0, :, :fibres] = 0.05 * (np.arange(fibres) % side) - 0.075
    places[1, :, :fibres] = 0.05 * (np.arange(fibres) // side) - 0.05
    axes = (
        Axis("y", slices, np.arange(slices) * 5e-5, "m"),
        Axis("fibre", rows),
        Axis("quantity", len(COLUMNS), labels=COLUMNS),
    )
    given = {"fibre_x": places[0], "fibre_z": places[1], **companions}
    auxiliaries = {name: Auxiliary(("y", "fibre"), ArrayReader(each), "mm") for name, each in given.items()}
    numbers = np.nan_to_num(values[..., 0], nan=-1).astype(np.int64)
    auxiliaries["fibre_identifier"] = Auxiliary(("y", "fibre"), ArrayReader(numbers))
    metadata = {"voxel_size": Quantity(0.05, "mm")}
    return Source(Dataset(axes, values.dtype, "fibres", "", auxiliaries, metadata), ArrayReader(values))
