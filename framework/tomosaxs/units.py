"""The handful of units that scans come in, converted exactly or refused."""

from __future__ import annotations

from tomosaxs.errors import InputError

# factor to the base unit of each kind
_KINDS: dict[str, dict[str, float]] = {
    "length": {
        "m": 1.0, "metre": 1.0, "meter": 1.0, "cm": 1e-2, "mm": 1e-3, "millimetre": 1e-3, "millimeter": 1e-3,
        "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "micron": 1e-6, "microns": 1e-6, "micrometre": 1e-6,
        "micrometer": 1e-6, "nm": 1e-9, "nanometre": 1e-9, "nanometer": 1e-9, "angstrom": 1e-10, "å": 1e-10,
        "a": 1e-10, "pm": 1e-12,
    },
    "angle": {
        "deg": 1.0, "degree": 1.0, "degrees": 1.0, "°": 1.0, "mdeg": 1e-3,
        "rad": 57.29577951308232, "radian": 57.29577951308232, "radians": 57.29577951308232,
        "mrad": 0.05729577951308232,
    },
    "energy": {"ev": 1.0, "kev": 1e3, "mev": 1e6, "j": 6.241509074460763e18},
    "time": {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0},
}  # fmt: skip


def kind_of(units: str) -> str | None:
    """Return ``length``, ``angle``, ``energy`` or ``time``, or None for an unknown unit."""
    name = units.strip().lower()
    return next((kind for kind, known in _KINDS.items() if name in known), None)


def convert(value: float, given: str, wanted: str) -> float:
    """Convert `value` from the units `given` to the units `wanted`.

    Raises
    ------
    InputError
        When a unit is unknown or the two are of different kinds.
    """
    if given.strip() == wanted.strip():
        return value
    kind, target = kind_of(given), kind_of(wanted)
    if kind is None or kind != target:
        raise InputError(f"cannot convert {value:g} {given or '(no units)'} to {wanted}")
    known = _KINDS[kind]
    return value * (known[given.strip().lower()] / known[wanted.strip().lower()])


def size_text(count: float) -> str:
    """Return an amount of bytes with three digits and a unit of thousands: ``128 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
