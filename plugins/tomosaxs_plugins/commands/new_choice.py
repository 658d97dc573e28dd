"""Which list suits a scan, and the command that writes and runs it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tomosaxs import InputError, find_site, shipped_lists

if TYPE_CHECKING:
    from tomosaxs_plugins.commands.look_recognise import Found
    from tomosaxs_plugins.commands.look_tomography import Findings

ABSORPTION, PHASE, EXTENDED, SERIES = "tomography_fbp", "phase_contrast", "extended_field", "time_series"


def parsed(settings: Sequence[str]) -> dict[str, Any]:
    """Return ``NAME=VALUE`` texts as parameters; VALUE is YAML.

    Raises
    ------
    InputError
        When one is not of that form.
    """
    import yaml

    made: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InputError(f"--set {text}: expected NAME=VALUE, a parameter of the loader")
        try:
            made[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--set {text}: {value!r} is no YAML value") from None
    return made


def suited(found: Found, judged: Findings | None) -> str:
    """Return the shipped list that suits the data.

    Raises
    ------
    InputError
        When none does; the message names the command that fits.
    """
    known = shipped_lists()
    if found.series:
        return SERIES
    if judged is not None:
        return EXTENDED if judged.guess.is_extended and EXTENDED in known else ABSORPTION
    names = found.source.dataset.names
    if found.kind == "map" and "rotation_angle" in names:
        return "stxm_tomography"
    if found.kind == "patterns":
        return "saxs_tomography" if "rotation_angle" in names and found.source.dataset.shape[0] > 8 else "saxs_map"
    if found.kind == "images":
        return "azimuthal_integration"
    raise InputError(f"{found.path} is a {found.kind}: no shipped list suits it; name one with --list "
                     f"({', '.join(known)})")  # fmt: skip


def next_command(
    scan: str, site: str, settings: Sequence[str], found: Found, judged: Findings | None
) -> tuple[str, str]:
    """Return the command that writes the list for a scan and runs it, and a remark."""
    stem = found.path.resolve().name if found.path.is_dir() else found.path.stem
    parts = ["tomosaxs", "new", scan]
    parts += ["--site", site] if site else []
    for each in settings:
        parts += ["--set", each]
    name = f"{stem}.yml"
    results = find_site(site).results if site else ""
    run_parts = ["tomosaxs", "run", name, *(["-o", f"{results}/{stem}"] if results else [])]
    command, run = shlex.join([*parts, "-o", name]), shlex.join(run_parts)
    if found.kind == "patterns":
        return command, f"put the calibration into it, then:  {run}"
    return f"{command} && {run}", f"several processes: mpirun -n 4 tomosaxs_run {shlex.quote(name)}"
