"""How strongly a sample absorbs, against the noise of a pixel."""

from __future__ import annotations

import numpy as np

from tomosaxs_plugins.commands.look_sample import Sample
from tomosaxs_plugins.commands.look_values import Warn

WEAK = 0.2
"""Largest attenuation of a sample that may have been measured for its phase."""
NOISY = 0.1
"""Noise of a pixel, as a part of that attenuation, from which slices show mostly noise."""


def contrast_warnings(sample: Sample, kind: str, *, fringes: bool) -> list[Warn]:
    """Say where the sample hardly absorbs and noise is strong beside that: fringes that are there may be hidden in it.

    Parameters
    ----------
    sample : Sample
    kind : str
        ``counts``, ``transmission`` or ``attenuation``.
    fringes : bool
        Whether fringes were seen, which says more.
    """
    if fringes or kind == "attenuation" or (kind == "counts" and not sample.flats):
        return []
    strongest, noises = [], []
    for number in range(0, len(sample.frames), 4):
        image = np.nan_to_num(sample.corrected(number), nan=1.0)
        rows, columns = (size // 8 * 8 for size in image.shape)
        if not (rows and columns):
            return []
        means = image[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8).mean(axis=(1, 3))
        beam = float(np.percentile(means, 98))
        strongest.append(-float(np.log(max(float(np.percentile(means, 2)) / max(beam, 1e-6), 1e-6))))
        noises.append(1.4826 * float(np.median(np.abs(image[:, 1:] - image[:, :-1]))) / 2**0.5)
    if not strongest:
        return []
    most, noise = float(np.median(strongest)), float(np.median(noises))
    if not (most < WEAK and noise > NOISY * most):
        return []
    return [
        Warn(
            f"the sample absorbs {100 * (1 - np.exp(-most)):.2g} % at most, a pixel has {100 * noise:.2g} % of noise: "
            "slices of the absorption show little",
            "measured for phase contrast: tomosaxs new --list phase_contrast",
            loud=False,
        )
    ]
