"""Site profiles from YAML files: what keys they have, and what is wrong with them, with file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from tomosaxs.errors import did_you_mean
from tomosaxs.process_list.tree import Faults, Keyed, Listed, Place, plain, shown
from tomosaxs.process_list.yaml_text import load

KEYS = (
    "name", "title", "based_on", "loader", "parameters", "raw_root", "scan", "fields", "output_root", "energy",
    "rotation", "acknowledgement", "papers",
)  # fmt: skip
TEXTS = ("name", "title", "based_on", "loader", "raw_root", "scan", "output_root", "acknowledgement")
ROTATIONS = ("as_stored", "reversed")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_SPEC = re.compile(r"0?\d{0,2}d?")
MAX_BYTES = 1 << 18


def read_profile(file: Path) -> dict[str, Any]:
    """Return the keys of a profile as plain values, checked one by one.

    Raises
    ------
    ListError
        With every fault and its line.
    """
    faults = Faults(file)
    try:
        text = file.read_bytes()[: MAX_BYTES + 1].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise faults.stop(f"the site profile cannot be read: {error}") from None
    tree = load(text, faults) if len(text) <= MAX_BYTES else None
    if not isinstance(tree, Keyed):
        raise faults.stop(f"a site profile is a mapping with the keys {', '.join(KEYS)}", Place(1))
    for key in tree:
        if key not in KEYS:
            faults.add(f"unknown key {key!r}{did_you_mean(str(key), KEYS)}", tree.place_of(key))
    for key in TEXTS:
        if key in tree and not (isinstance(tree[key], str) and tree[key].strip()):
            faults.add(f"expected a text, got {shown(tree[key])}", tree.place_of(key), key)
    _check_values(tree, faults)
    faults.raise_any()
    return {str(key): plain(value) for key, value in tree.items()}


def _check_values(tree: Keyed, faults: Faults) -> None:
    energy = tree.get("energy", 1.0)
    if isinstance(energy, bool) or not isinstance(energy, (int, float)) or not 0 < energy < 1e4:
        faults.add(f"expected the photon energy in keV, got {shown(energy)}", tree.place_of("energy"), "energy")
    if tree.get("rotation", ROTATIONS[0]) not in ROTATIONS:
        message = f"expected one of {', '.join(ROTATIONS)}, got {shown(tree['rotation'])}"
        faults.add(message, tree.place_of("rotation"), "rotation")
    for key in ("parameters", "fields"):
        if not isinstance(tree.get(key, {}), Mapping):
            faults.add(f"expected a mapping of names to values, got {shown(tree[key])}", tree.place_of(key), key)
    papers = tree.get("papers", [])
    listed = papers if isinstance(papers, Listed) else [papers] if papers else []
    for paper in listed:
        if not isinstance(paper, str) or not _DOI.fullmatch(paper):
            faults.add(f"expected a DOI such as 10.1107/S1600577521002113, got {shown(paper)}", tree.place_of("papers"))
    for key in ("raw_root", "scan", "output_root"):
        problem = wrong_pattern(tree[key]) if isinstance(tree.get(key), str) else ""
        if problem:
            faults.add(problem, tree.place_of(key), key)


def wrong_pattern(text: str) -> str:
    """Return what is wrong with the fields in braces of a path, or an empty text."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        return f"{text!r} cannot be read: {error}; write fields as {{number}}"
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if not _FIELD.fullmatch(field) or conversion or not _SPEC.fullmatch(spec or ""):
            return f"{text!r}: {{{field}}} is no field; write {{name}}, or {{number:05d}} with leading zeros"
    return ""
