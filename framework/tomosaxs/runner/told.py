"""What steps say of the slices they make, counted: warnings and remarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Told: TypeAlias = "dict[str, dict[str, int]]"
"""Counts by text by label of a step."""


def told_by(counts: Mapping[str, Mapping[str, int]], labels: Iterable[str]) -> Told:
    """Return a copy of what some steps have said so far."""
    return {label: dict(counts[label]) for label in labels if label in counts}


def add_told(total: dict[str, dict[str, int]], more: Mapping[str, Mapping[str, int]]) -> None:
    """Add counts to counts."""
    for label, texts in more.items():
        counts = total.setdefault(label, {})
        for text, count in texts.items():
            counts[text] = counts.get(text, 0) + count


def difference(now: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]) -> Told:
    """Return by how much counts have grown."""
    grown: Told = {}
    for label, texts in now.items():
        known = before.get(label, {})
        more = {text: count - known.get(text, 0) for text, count in texts.items() if count != known.get(text, 0)}
        if more:
            grown[label] = more
    return grown
