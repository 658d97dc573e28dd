"""A table of fibres: columns by name, rows that hold a fibre, directions; plain numpy, no framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.columns import SOLVED

Floats = NDArray[np.float64]
Labels = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Fibres of all slices, a row each.

    Parameters
    ----------
    values : (n, quantities) float array
        A row a fibre.
    labels : tuple of (name, units, description)
        The columns.
    slice : (n,) int array
        Slice that the fibre lies in, as a place along y.
    row : (n,) int array
        Its place among the fibres of the slice.
    """

    values: Floats
    labels: Labels
    slice: NDArray[np.intp]
    row: NDArray[np.intp]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(name for name, _, _ in self.labels)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Floats:
        """Return a column."""
        return self.values[:, self.names.index(name)]

    @property
    def flags(self) -> NDArray[np.int64]:
        """(n,) codes of `columns.FLAGS`."""
        return np.asarray(np.nan_to_num(self["flag"], nan=-1), dtype=np.int64)

    @property
    def solved(self) -> NDArray[np.bool_]:
        """(n,) True where the fibre is solved."""
        return np.asarray(self.flags == SOLVED)

    def units(self, name: str) -> str:
        """Return the units of a column."""
        return self.labels[self.names.index(name)][1]


def rows_of(table: Floats, labels: Sequence[tuple[str, str, str]]) -> Rows:
    """Return the rows of a table (y, fibre, quantity) that hold a fibre: those with an identifier."""
    values = np.asarray(table, dtype=np.float64)
    at = [name for name, _, _ in labels].index("identifier")
    y, row = np.nonzero(np.isfinite(values[..., at]))
    return Rows(values[y, row], tuple(labels), y.astype(np.intp), row.astype(np.intp))


def direction(alpha_deg: Floats, beta_deg: Floats) -> Floats:
    """Return (n, 3) unit vectors of fibres in the sample's frame: across the beam, up, along the beam."""
    a, b = np.radians(alpha_deg), np.radians(beta_deg)
    return np.stack([np.sin(a) * np.sin(b), np.cos(a), np.sin(a) * np.cos(b)], axis=-1)
