"""Curves of single images as files: .chi beside the result or beside the image, and plots."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis
from tomosaxs_plugins.curves.chi import chi_text
from tomosaxs_plugins.curves.curve import Curve

_DRAWING = threading.Lock()
"""Settings of matplotlib belong to all threads."""


@dataclass
class CurveFiles:
    """Writes one file a curve, whole at any time.

    Parameters
    ----------
    folder : Path or None
        Where they go; None: beside the image.
    root : callable
        Returns the folder that was named for an image: names in `folder` are made of the path behind it.
    chi : bool
        Write .chi files.
    plot : str
        Write plots of this kind, ``svg`` or ``png``; empty: none.
    """

    folder: Path | None
    root: Callable[[Path], Path]
    chi: bool = True
    plot: str = ""
    _taken: dict[Path, Path] = field(default_factory=dict, repr=False)

    def stem(self, image: Path) -> Path:
        """Return where the files of an image go, without suffix.

        Images that differ in their suffix alone (a.tif, a.edf) get it into the name, but for the first.
        """
        if self.folder is None:
            made = image.with_suffix("")
        else:
            inside = image.relative_to(self.root(image)) if self.root(image) in image.parents else Path(image.name)
            made = self.folder / "_".join(inside.with_suffix("").parts)
        owner = self._taken.setdefault(made, image)
        if owner == image:
            return made
        made = made.with_name(made.name + image.suffix.replace(".", "_"))
        self._taken.setdefault(made, image)
        return made

    def names(self, image: Path, count: int) -> list[Path]:
        """Return the names of all files of an image with `count` frames."""
        stem = self.stem(image)
        digits = max(5, len(str(count)))
        stems = [stem] if count == 1 else [stem.with_name(f"{stem.name}_{n:0{digits}d}") for n in range(count)]
        suffixes = [*([".chi"] if self.chi else []), *([f".{self.plot}"] if self.plot else [])]
        return [each.with_name(each.name + suffix) for each in stems for suffix in suffixes]

    def there(self, image: Path, count: int) -> bool:
        """Return whether all files of an image are there."""
        return all(name.is_file() for name in self.names(image, count))

    def write(
        self, image: Path, axis: Axis, values: NDArray[Any], sigma: NDArray[Any] | None, first: int, count: int
    ) -> None:
        """Write the files of some frames of an image: curves (n, bins) of frame `first` and the following."""
        kinds = int(self.chi) + int(bool(self.plot))
        names = self.names(image, count)[first * kinds : (first + len(values)) * kinds]
        x = np.asarray(axis.values, dtype=np.float64)
        for number, row in enumerate(values):
            title = image.name if count == 1 else f"{image.name} frame {first + number}"
            spread = None if sigma is None else np.asarray(sigma[number], dtype=np.float64)
            curve = Curve(x, np.asarray(row, dtype=np.float64), spread, title, axis.name, axis.units)
            for name in names[number * kinds : (number + 1) * kinds]:
                if name.suffix == ".chi":
                    text = chi_text(curve, str(image) if count == 1 else f"{image} frame {first + number}")
                    _put(name, text.encode(errors="replace"))
                else:
                    self._draw(name, curve)

    def _draw(self, name: Path, curve: Curve) -> None:
        from tomosaxs_plugins.curves.plot import PlotOptions, plot_curves

        part = name.with_name(f".{name.stem}.part{name.suffix}")
        with _DRAWING:
            plot_curves([curve], part, PlotOptions(title=curve.name, legend=False))
        os.replace(part, name)


def _put(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
