"""Compare two results: lists, parameters, versions, inputs, estimates and every value."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.errors import InputError
from tomosaxs.report.again import read_result
from tomosaxs.report.pictures import contact_sheet, robust_limits, write_png
from tomosaxs.result import Result, SavedDataset

_PIECE = 1 << 24
"""Values that are compared at a time."""


@dataclass(frozen=True)
class DataDifference:
    """How the values of one dataset differ.

    Parameters
    ----------
    name : str
    largest, rms : float
        Of the differences B - A, in the units of the data; NaN where shapes differ.
    span : float
        Largest less smallest finite value of A.
    count, total : int
        Values that differ, of all.
    where : tuple of int
        Place of the largest difference.
    reason : str
        Why the values cannot be compared; empty where they can.
    """

    name: str
    largest: float = 0.0
    rms: float = 0.0
    span: float = 0.0
    count: int = 0
    total: int = 0
    where: tuple[int, ...] = ()
    reason: str = ""

    @property
    def relative(self) -> float:
        """The largest difference over the span of A."""
        if self.largest == 0:
            return 0.0
        return self.largest / self.span if self.span > 0 else float("inf")

    def within(self, tolerance: float) -> bool:
        """Whether no value differs by more than `tolerance` of the span."""
        return not self.reason and self.relative <= tolerance


@dataclass
class Comparison:
    """What two results have in common and what not; ``str()`` of it is the report."""

    first: Result
    second: Result
    tolerance: float
    lines: list[str] = field(default_factory=list)
    data: list[DataDifference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether all values agree within the tolerance."""
        return all(each.within(self.tolerance) for each in self.data)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def compare_results(first: Path, second: Path, tolerance: float | None = None) -> Comparison:
    """Compare two results.

    Parameters
    ----------
    first, second : Path
        Folders of runs, or their result.nxs.
    tolerance : float, optional
        Largest difference that counts as equal, as a part of the span of the first one's values; default what the
        steps themselves promise, which is 0 (the same bits) unless one of them says otherwise.

    Raises
    ------
    InputError
        When one of them is no result.
    """
    one, other = (read_result(_folder(path)) for path in (first, second))
    promised = sum(step.determinism for result in (one, other) for step in result.steps)
    made = Comparison(one, other, promised if tolerance is None else tolerance)
    made.lines += [f"A: {one.path}", f"B: {other.path}", ""]
    made.lines += _section("list", _list_differences(one, other))
    made.lines += _section("steps", _step_differences(one, other))
    made.lines += _section("software", _mapping_differences(one.software, other.software))
    made.lines += _section("inputs", _input_differences(one, other))
    made.lines += _section("estimates", _estimate_differences(one, other))
    made.data = _data_differences(one, other)
    made.lines += ["data"] + [f"  {line}" for each in made.data for line in _words(each, made.tolerance)]
    if not made.data:
        made.lines.append("  neither holds a dataset")
    return made


def difference_pictures(found: Comparison, folder: Path) -> list[Path]:
    """Write a picture of A, B and B - A for every dataset that differs, through the largest difference."""
    written = []
    for each in found.data:
        if each.reason or not each.count:
            continue
        pair = [_slice(_named(result, each.name), each.where) for result in (found.first, found.second)]
        low, high = robust_limits(pair[0])
        gap = pair[1].astype(np.float64) - pair[0]
        bound = float(np.nanmax(np.abs(gap), initial=0.0)) or 1.0
        # the difference in the grey scale of the pair: zero in the middle, the largest at black or white
        scaled = (low + high) / 2 + gap / bound * (high - low) / 2
        sheet = contact_sheet(
            [("A", pair[0]), ("B", pair[1]), (f"B - A, white {bound:.3g}", scaled)], 3, limits=(low, high)
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"difference_{each.name}.png", sheet)
        written.append(folder / f"difference_{each.name}.png")
    return written


def _folder(path: Path) -> Path:
    found = Path(path).expanduser().absolute()
    if found.is_file() and found.name == "result.nxs":
        return found.parent
    if found.is_file():
        raise InputError(f"{path} is no result: give the folder of a run, or its result.nxs")
    if not found.exists():
        raise InputError(f"{path} does not exist")
    return found


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines or ["equal"]), ""]


def _list_differences(one: Result, other: Result) -> list[str]:
    before, after = (
        [*result.list_text.splitlines(), *(f"# {text}" for text in result.settings)] for result in (one, other)
    )
    lines = difflib.unified_diff(before, after, "A", "B", lineterm="", n=0)
    return [line for line in lines if not line.startswith("@@")]


def _step_differences(one: Result, other: Result) -> list[str]:
    lines = []
    steps = [{step.label: step for step in result.steps} for result in (one, other)]
    for label in dict.fromkeys([*steps[0], *steps[1]]):
        pair = [each.get(label) for each in steps]
        if pair[0] is None or pair[1] is None:
            lines.append(f"{label}: only in {'B' if pair[0] is None else 'A'}")
            continue
        lines += [f"{label}.{text}" for text in _mapping_differences(pair[0].resolved, pair[1].resolved)]
        if pair[0].version != pair[1].version:
            lines.append(f"{label}: version {pair[0].version} -> {pair[1].version}")
    return lines


def _mapping_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*one, *other])
    return [
        f"{name}: {one.get(name, '(none)')} -> {other.get(name, '(none)')}"
        for name in names
        if one.get(name, "(none)") != other.get(name, "(none)")
    ]


def _input_differences(one: Result, other: Result) -> list[str]:
    lines = []
    inputs = [{each.name: each for each in result.inputs} for result in (one, other)]
    for name in dict.fromkeys([*inputs[0], *inputs[1]]):
        pair = [each.get(name) for each in inputs]
        if pair[0] is None or pair[1] is None:
            lines.append(f"{name}: only in {'B' if pair[0] is None else 'A'}")
            continue
        sums = [[checksum for _, _, checksum in each.files] for each in pair if each is not None]
        if sums[0] != sums[1]:
            lines.append(f"{name}: other content: {pair[0].path} -> {pair[1].path}")
        elif pair[0].path != pair[1].path:
            lines.append(f"{name}: the same content from another place: {pair[0].path} -> {pair[1].path}")
        if pair[0].shape != pair[1].shape:
            lines.append(f"{name}: shape {pair[0].shape} -> {pair[1].shape}")
    return lines


def _estimate_differences(one: Result, other: Result) -> list[str]:
    lines = []
    for name in dict.fromkeys([*one.estimates, *other.estimates]):
        pair = [result.estimates.get(name) for result in (one, other)]
        if pair[0] is None or pair[1] is None:
            lines.append(f"{name}: only in {'B' if pair[0] is None else 'A'}")
            continue
        values = [np.asarray(each.value) for each in pair if each is not None]
        if values[0].shape != values[1].shape or not _same(*values):
            shown = [_shown(value) for value in values]
            sigma = pair[0].uncertainty
            aside = f" (uncertainty of A {sigma:.2g} {pair[0].units})" if sigma == sigma else ""
            lines.append(f"{name}: {shown[0]} -> {shown[1]} {pair[0].units}{aside}")
    return lines


def _shown(value: NDArray[Any]) -> str:
    if value.shape:
        return f"an array of shape {value.shape}"
    return f"{value.item():.6g}" if value.dtype.kind in "fiu" else str(value.item())


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f" and other.dtype.kind == "f"))


def _named(result: Result, name: str) -> SavedDataset:
    return next(saved for saved in result.datasets if saved.name == name)


def _data_differences(one: Result, other: Result) -> list[DataDifference]:
    names = [[saved.name for saved in result.datasets] for result in (one, other)]
    found = []
    for name in dict.fromkeys([*names[0], *names[1]]):
        if name not in names[0] or name not in names[1]:
            found.append(DataDifference(name, reason=f"only in {'A' if name in names[0] else 'B'}"))
        else:
            found.append(_difference(_named(one, name), _named(other, name)))
    return found


def _difference(one: SavedDataset, other: SavedDataset) -> DataDifference:
    first, second = one.values(), other.values()
    if first.shape != second.shape:
        return DataDifference(one.name, reason=f"shape {first.shape} -> {second.shape}")
    if one.dataset.units != other.dataset.units:
        return DataDifference(one.name, reason=f"units {one.dataset.units!r} -> {other.dataset.units!r}")
    largest, squares, count, place = 0.0, 0.0, 0, 0
    low, high = np.inf, -np.inf
    start = 0
    for a, b in _pieces(first, second):
        good = np.isfinite(a)
        if good.any():
            low, high = min(low, float(a[good].min())), max(high, float(a[good].max()))
        gap = np.abs(b.astype(np.float64) - a)
        gap[(np.isnan(a) & np.isnan(b)) | (a == b)] = 0.0
        gap[np.isnan(gap)] = np.inf  # a number against none
        count += int(np.count_nonzero(gap))
        squares += float(np.square(gap[np.isfinite(gap)]).sum())
        if gap.size and gap.max() > largest:
            largest, place = float(gap.max()), start + int(gap.argmax())
        start += a.size
    where = tuple(int(i) for i in np.unravel_index(place, first.shape)) if first.size else ()
    rms = float(np.sqrt(squares / max(first.size, 1)))
    return DataDifference(one.name, largest, rms, max(0.0, high - low), count, int(first.size), where)


def _pieces(first: NDArray[Any], second: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    one, other = first.reshape(-1), second.reshape(-1)
    for start in range(0, one.size, _PIECE):
        yield np.asarray(one[start : start + _PIECE]), np.asarray(other[start : start + _PIECE])


def _words(each: DataDifference, tolerance: float) -> list[str]:
    if each.reason:
        return [f"{each.name}: {each.reason}"]
    if each.count == 0:
        return [f"{each.name}: equal, {each.total} values"]
    verdict = "within" if each.within(tolerance) else "outside"
    return [
        f"{each.name}: {each.count} of {each.total} values differ, {verdict} the tolerance {tolerance:.2g}: "
        f"largest {each.largest:.3g} at {each.where}, {each.relative:.2g} of the span; rms {each.rms:.3g}"
    ]


def _slice(saved: SavedDataset, where: tuple[int, ...]) -> NDArray[Any]:
    """Return the two-dimensional slice through a place, or the curve as a picture of one row."""
    values = saved.values()
    return np.atleast_2d(np.asarray(values[where[: max(0, values.ndim - 2)]], dtype=np.float32))
