"""What integer grey levels stand for: kept in the metadata of a dataset by `rescale`, read by savers."""

from __future__ import annotations

from dataclasses import dataclass

from tomosaxs import Dataset, Quantity


@dataclass(frozen=True)
class Scaling:
    """Value = level * scale + offset.

    Parameters
    ----------
    scale, offset : float
        In `units`.
    units : str
        Of the values.
    quantity : str
        What the values are, for instance ``attenuation``.
    """

    scale: float
    offset: float
    units: str = ""
    quantity: str = "value"

    def metadata(self) -> dict[str, Quantity | str]:
        """Return the entries of a dataset's metadata that state it."""
        return {
            "grey_scale": Quantity(self.scale, self.units),
            "grey_offset": Quantity(self.offset, self.units),
            "grey_quantity": self.quantity,
        }

    def high(self, top: int) -> float:
        """Return the value of the largest level."""
        return self.offset + self.scale * top

    def text(self, top: int) -> str:
        """Return it in words."""
        units = f" {self.units}" if self.units else ""
        return (
            f"{self.quantity} = level * {self.scale!r} + {self.offset!r}{units}: 0 is {self.offset!r}, "
            f"{top} is {self.high(top)!r}; values outside were clipped, NaN is 0"
        )


def scaling_of(dataset: Dataset) -> Scaling | None:
    """Return what the levels of a dataset stand for, or None where it holds no levels."""
    metadata = dataset.metadata
    if dataset.dtype.kind != "u":
        return None
    scale, offset = metadata.get("grey_scale"), metadata.get("grey_offset")
    if not (isinstance(scale, Quantity) and isinstance(offset, Quantity)):
        return None
    return Scaling(scale.value, offset.value, scale.units, str(metadata.get("grey_quantity", "value")))
