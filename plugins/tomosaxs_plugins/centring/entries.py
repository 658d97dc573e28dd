"""Index of the rotation axis: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "find_rotation_axis",
        "tomosaxs_plugins.centring.find_rotation_axis:FindRotationAxis",
        "Find the rotation axis from several rows by several methods, with uncertainty and confidence.",
        needs=("numba", "scipy"),
        install="pip install numba scipy",
        kind="estimator",
        words="centre of rotation center COR axis tilt Vo correlation",
    ),
    PluginEntry(
        "find_axis_by_reconstruction",
        "tomosaxs_plugins.centring.find_axis_by_reconstruction:find_axis_by_reconstruction",
        "Find the rotation axis by reconstructing one row for forty candidates and choosing the best slice.",
        needs=("numba", "scipy"),
        install="pip install numba scipy",
        kind="estimator",
        words="centre of rotation center COR axis std edges entropy metric forty slices",
    ),
)
