"""The text of a list for one scan: a shipped list, filled with what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tomosaxs import InputError, Quantity, did_you_mean, registered, shipped_lists
from tomosaxs_plugins.commands.new_choice import EXTENDED, PHASE, suited
from tomosaxs_plugins.commands.new_text import ListText

if TYPE_CHECKING:
    from tomosaxs_plugins.commands.look_recognise import Found
    from tomosaxs_plugins.commands.look_tomography import Findings

_LENGTH = 25  # px, the filter's length where energy or distance are not known
_CERTAIN = 0.5


def text_of(name: str) -> str:
    """Return a shipped list.

    Raises
    ------
    InputError
        When none has that name.
    """
    known = shipped_lists()
    if name not in known:
        raise InputError(f"no shipped list is called {name!r}{did_you_mean(name, known)}")
    return known[name].read_text(encoding="utf-8")


def list_for(
    found: Found, judged: Findings | None, *, name: str, site: str, parameters: dict[str, Any], target: Path, loud: bool
) -> str:
    """Return the text of the list for a scan.

    Parameters
    ----------
    name : str
        Shipped list; empty for the one that suits.
    site : str
        Site profile to name in the list.
    parameters : dict
        Of the loader, as they were given.
    target : Path
        Where the list will lie; paths in it are relative to that folder where the scan lies below it.
    loud : bool
        Whether loud warnings are repeated in the comments.
    """
    chosen = name or suited(found, judged)
    text = ListText(text_of(chosen))
    stem = found.path.resolve().name if found.path.is_dir() else found.path.stem
    title = next((line[7:] for line in text.lines if line.startswith("title: ")), chosen)
    text.set_top("title", _title(stem, title))
    if site:
        text.set_top("site", site)
    text.set_input(found.loader, _path(found.path, target), parameters)
    head = [f"{title}: {found.path.name}. Written by tomosaxs new from the shipped list {chosen}.", "",
            f"  mpirun -n 4 tomosaxs_run {target.name}", "",
            "Every parameter:  tomosaxs show PLUGIN      Try values:  PARAMETER: {sweep: [a, b, c]}"]  # fmt: skip
    if judged is not None:
        _fill(text, judged, chosen)
        warnings = [warning for warning in judged.warnings if warning.loud or not loud]
        if warnings:
            head += ["", "Seen in the scan:"]
            head += [line for w in warnings for line in _wrapped(w.what + (f" ({w.cure})" if w.cure else ""))]
    text.replace_head(head)
    return str(text)


def _title(stem: str, title: str) -> str:
    from tomosaxs_plugins.commands.new_text import as_yaml

    lowered = title if title[:2].isupper() else f"{title[:1].lower()}{title[1:]}"  # SAXS, STXM stay as they are
    return as_yaml(f"{stem} - {title}" if stem[:1].isdigit() else f"{stem}, {lowered}")


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 112, initial_indent="- ", subsequent_indent="  ")


def _path(path: Path, target: Path) -> str:
    """Return the path as the list names it: relative where the scan lies below the list, else absolute."""
    absolute, folder = path.absolute(), target.parent.absolute()
    if absolute.is_relative_to(folder):
        return absolute.relative_to(folder).as_posix()
    return absolute.as_posix()


def _fill(text: ListText, judged: Findings, chosen: str) -> None:
    """Fit the steps of a tomography list to the values, the axis and what the scan states."""
    if judged.kind in ("transmission", "attenuation"):
        text.drop("dark_flat_correction")
    if judged.kind == "attenuation":
        text.drop("retrieve_phase")
        text.drop("minus_log")
    if judged.kind == "counts" and not judged.sample.flats:
        text.replace_step("dark_flat_correction",
                          ["# No flats: the open beam is taken from the outermost columns.",
                           "- plugin: find_open_beam", "  name: open_beam"])  # fmt: skip
        text.set("minus_log", "open_beam", "${open_beam}")
    elif judged.offset and not judged.guess.is_extended and text.has("minus_log"):
        text.put_before("minus_log",
                        ["# The open beam of the projections differs from that of the flats: it is taken from the",
                         "# outermost columns.", "- plugin: find_open_beam", "  name: open_beam"])  # fmt: skip
        text.set("minus_log", "open_beam", "${open_beam}")
    _axis(text, judged)
    if chosen == PHASE:
        _phase(text, judged)
    comments = ["# Less noise, softer edges:", "# filter: hann", "# Zero outside a circle of this part of the width:",
                "# mask: 0.98"]  # fmt: skip
    text.add("reconstruct", comments)
    known = registered("step")
    if "remove_all_stripes" in known and not any("stripes" in line for line in text.lines):
        text.put_before("find_rotation_axis" if text.has("find_rotation_axis") else "reconstruct",
                        ["# Rings in the slices:", "# - plugin: remove_all_stripes"])  # fmt: skip
    zingers = any("zingers" in warning.what for warning in judged.warnings)
    if zingers and "remove_zingers" in known and not text.has("remove_zingers"):
        first = "dark_flat_correction" if text.has("dark_flat_correction") else "minus_log"
        text.put_before(first, ["# Single bright pixels were seen.", "- plugin: remove_zingers"])


def _axis(text: ListText, judged: Findings) -> None:
    guess = judged.guess
    if not text.has("find_rotation_axis") or guess.is_extended:
        return
    if np.isfinite(guess.axis):
        text.add("find_rotation_axis",
                 [f"# A first look at {len(judged.sample.rows)} rows gave {guess.axis:.2f} px, confidence "
                  f"{guess.confidence:.2f}. To take a value as it is:",
                  f"# value: {guess.axis:.2f}"])  # fmt: skip
    if not guess.confidence >= _CERTAIN:
        text.add("find_rotation_axis",
                 ["# The first look was not certain: look at the report before you trust the volume.",
                  "on_low_confidence: warn"])  # fmt: skip


def _phase(text: ListText, judged: Findings) -> None:
    known = judged.sample.dataset.metadata
    missing = [
        name
        for name, key in (("energy", "energy"), ("distance", "distance"), ("pixel size", "pixel_size_x"))
        if not isinstance(known.get(key), Quantity)
    ]
    if not missing:
        return
    text.unset("retrieve_phase", "delta_beta")
    text.add("retrieve_phase",
             [f"# The scan does not state {' and '.join(missing)}: the length in pixels instead of delta_beta.",
              f"length: {min(_LENGTH, min(judged.sample.dataset.shape[1:]) // 4)}"])  # fmt: skip


__all__ = ["EXTENDED", "list_for", "text_of"]
