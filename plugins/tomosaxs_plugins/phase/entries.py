"""Index of phase: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "retrieve_phase",
        "tomosaxs_plugins.phase.retrieve_phase:retrieve_phase",
        "Retrieve the phase of a sample of one material from its propagation images (Paganin).",
        needs=("scipy", "numba", "numexpr"),
        install="pip install scipy numba numexpr",
        words="Paganin phase contrast propagation delta beta unsharp mask PyHST2 filter TIE",
    ),
)
