"""What the report shows of iterative reconstructions: how the residual of the middle slice fell."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from tomosaxs.report.svg import line_chart
from tomosaxs_plugins.reconstruction.iteration_options import CURVE


def sections(plan: Any, result: Any) -> list[tuple[str, str]]:
    """Return a section with a curve for every step that iterated; the arguments are those of the hook ``report``."""
    drawn = []
    for step in result.steps:
        curve = np.asarray(step.kept.get(CURVE, ()), dtype=np.float64)
        if curve.ndim != 1 or len(curve) < 2:
            continue
        chart = line_chart(
            [("residual", np.arange(len(curve), dtype=np.float64), 100.0 * curve)],
            ("iteration", "residual / % of the projections"),
            log=bool((curve > 0).all()),
        )
        told = (
            f"{step.label}, middle slice: what its projections leave of those measured, {100 * curve[-1]:.3g} % after "
            f"{len(curve) - 1} iterations. At the noise of the projections there is nothing more to gain; a residual "
            "that stays far above it speaks of a wrong axis, wrong angles or a sample that reaches beyond the detector."
        )
        drawn.append(f"<figure>{chart}<figcaption>{escape(told)}</figcaption></figure>")
    return [("Iterations", "\n".join(drawn))] if drawn else []
