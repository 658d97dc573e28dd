"""The ``.info`` file beside a legacy ESRF scan: ``KEY= value`` lines.

``ScanRange`` in degrees, ``TOMO_N`` projections, ``DARK_N`` frames summed in a dark, ``PixelSize`` in micrometres,
``Energy`` in keV, ``Distance`` in mm; as the ESRF's acquisition writes them (https://ftp.esrf.fr/scisoft/PYHST2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tomosaxs import Quantity

_PLANCK_TIMES_C = 1.239841984e-6
"""eV m (CODATA 2018, exact: doi 10.1103/RevModPhys.93.025010)."""


@dataclass(frozen=True)
class ScanInfo:
    """What an ``.info`` file says.

    Parameters
    ----------
    path : Path
    entries : dict of str to str
        By key, in lower case.
    """

    path: Path
    entries: dict[str, str]

    def number(self, key: str) -> float | None:
        """Return the number of an entry, or None where it has none."""
        try:
            return float(self.entries.get(key.lower(), ""))
        except ValueError:
            return None

    def metadata(self) -> dict[str, Quantity | str]:
        """Return pixel size, energy, distance and name, as far as they are there and positive."""
        made: dict[str, Quantity | str] = {}
        for key, factor, units, names in (
            ("PixelSize", 1e-6, "m", ("pixel_size_x", "pixel_size_y")),
            ("Energy", 1e3, "eV", ("energy",)),
            ("Distance", 1e-3, "m", ("distance",)),
        ):
            value = self.number(key)
            if value is not None and value > 0:
                made.update(dict.fromkeys(names, Quantity(value * factor, units)))
        energy = made.get("energy")
        if isinstance(energy, Quantity):
            made["wavelength"] = Quantity(_PLANCK_TIMES_C / energy.value, "m")
        name = self.entries.get("prefix", "")
        return {**made, "sample_name": name} if name else made


def scan_info(folder: Path) -> ScanInfo | None:
    """Return the ``.info`` file of a scan's folder: the one named like the folder, or the only one; else None."""
    found = sorted(folder.glob("*.info"))
    named = [path for path in found if path.stem == folder.name]
    chosen = named or found
    if len(chosen) != 1:
        return None
    entries: dict[str, str] = {}
    for line in chosen[0].read_text(encoding="utf-8", errors="replace").splitlines():
        key, separator, value = line.partition("=")
        if separator and key.strip():
            entries.setdefault(key.strip().lower(), value.strip())
    return ScanInfo(chosen[0], entries)
