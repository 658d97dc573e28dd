"""What a run leaves: saved datasets, estimates and the record of how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.dataset import Dataset
from tomosaxs.plugin import Estimate
from tomosaxs.store import Store


@dataclass(frozen=True, eq=False)
class SavedDataset:
    """A dataset of the result.

    Parameters
    ----------
    name : str
        Name of its NXdata group.
    dataset : Dataset
        Axes, units, companions.
    store : Store
        Where its values lie.
    key : str
        Content key: same inputs, steps, parameters and versions give the same key.
    step : str
        Label of the step that made it, empty for an input.
    uncertainty : Store or None
        Where the standard uncertainties of its values lie.
    """

    name: str
    dataset: Dataset
    store: Store
    key: str
    step: str
    uncertainty: Store | None = None

    def within(self, path: Path) -> SavedDataset:
        """Return the same dataset as it lies in the result file `path`."""
        sigma = None if self.uncertainty is None else Store(path, f"/entry/{self.name}/errors")
        return replace(self, store=Store(path, f"/entry/{self.name}/data"), uncertainty=sigma)

    def sigma(self) -> NDArray[Any] | None:
        """Return the standard uncertainties, mapped as the values are, or None where there are none."""
        return None if self.uncertainty is None else self.uncertainty.open()

    def values(self) -> NDArray[Any]:
        """Return the values, mapped from the file and read only where they are touched."""
        return self.store.open()


@dataclass(frozen=True)
class StepRecord:
    """One step as it was run."""

    number: int
    label: str
    plugin: str
    version: str
    summary: str
    given: Mapping[str, Any]
    resolved: Mapping[str, Any]
    citations: tuple[str, ...] = ()
    seconds: float = 0.0
    determinism: float = 0.0
    reused: bool = False
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputRecord:
    """One input as it was read."""

    name: str
    plugin: str
    path: Path
    files: tuple[tuple[Path, int, str], ...]
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    messages: tuple[str, ...]


@dataclass(eq=False)
class Result:
    """Everything a run produced.

    Attributes
    ----------
    path : Path
        result.nxs.
    messages : list of str
        Warnings: what to look at before the result is used.
    remarks : list of str
        What else was told.
    datasets : list of SavedDataset
        The last one is the default that viewers open.
    estimates : dict of str to Estimate
        Named values such as the rotation axis.
    bytes_moved : dict of str to list of int
        Bytes read and written, by kind (`tomosaxs.traffic.KINDS`) and rank, until the result was written.
    site : dict
        ``name``, ``title``, ``acknowledgement`` and ``papers`` of the site that the list names; else empty.
    """

    folder: Path
    path: Path
    title: str
    list_text: str
    list_file: Path | None
    settings: tuple[str, ...]
    command: str
    datasets: list[SavedDataset] = field(default_factory=list)
    estimates: dict[str, Estimate] = field(default_factory=dict)
    estimate_keys: dict[str, str] = field(default_factory=dict)
    steps: list[StepRecord] = field(default_factory=list)
    inputs: list[InputRecord] = field(default_factory=list)
    software: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    ranks: int = 1
    threads: int = 1
    peak_memory: int = 0
    side_outputs: list[Path] = field(default_factory=list)
    site: dict[str, Any] = field(default_factory=dict)
    bytes_moved: dict[str, list[int]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the values of the saved dataset `name`, mapped from result.nxs."""
        for saved in self.datasets:
            if saved.name == name:
                return saved.values()
        raise KeyError(f"no saved dataset {name!r}; there are {[saved.name for saved in self.datasets]}")

    @property
    def data(self) -> NDArray[Any]:
        """The default dataset: what viewers open.

        Raises
        ------
        KeyError
            When the list only estimates values or writes files.
        """
        if not self.datasets:
            raise KeyError(f"no dataset was saved; there are the estimates {list(self.estimates)}")
        return self.datasets[-1].values()

    @property
    def citations(self) -> tuple[str, ...]:
        """DOIs of all steps and of the site, each once, in order."""
        dois = [doi for step in self.steps for doi in step.citations]
        return tuple(dict.fromkeys([*dois, *self.site.get("papers", ())]))


def middle_slice(values: NDArray[Any]) -> NDArray[Any]:
    """Return the middle two-dimensional slice of an array of any rank."""
    array = values
    while array.ndim > 2:
        array = array[array.shape[0] // 2]
    return np.atleast_2d(np.asarray(array))
