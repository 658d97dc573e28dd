"""Index of stripes: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry


def _entry(name: str, place: str, summary: str, words: str) -> PluginEntry:
    target = f"tomosaxs_plugins.stripes.{place}:{name}"
    words = f"ring artefact stripe {words}"
    return PluginEntry(name, target, summary, needs=("numba", "scipy"), install="pip install numba scipy", words=words)


PLUGINS: tuple[PluginEntry, ...] = (
    _entry(
        "remove_all_stripes",
        "combined",
        "Remove stripes of all kinds: dead and fluctuating columns, narrow and wide stripes, strong and weak ones.",
        "rings artifact Vo combined sinogram",
    ),
    _entry(
        "remove_dead_stripes",
        "combined",
        "Replace columns that do not respond, or that fluctuate, by the straight line between their neighbours.",
        "rings artifact Vo unresponsive fluctuating pixel",
    ),
    _entry(
        "remove_large_stripes",
        "combined",
        "Remove wide stripes: columns of up to `widest` px that stand out together.",
        "rings artifact Vo wide band",
    ),
    _entry(
        "remove_stripes_by_filtering",
        "sorting",
        "Remove stripes from what is slow along the angles; fine detail and noise stay as they are.",
        "rings artifact Vo partial",
    ),
    _entry(
        "remove_stripes_by_fitting",
        "smooth",
        "Remove stripes that change slowly with the angle: polynomials fitted to the columns, made smooth across them.",
        "rings artifact Vo normalisation normalization polynomial",
    ),
    _entry(
        "remove_stripes_by_sorting",
        "sorting",
        "Remove full stripes, narrow to medium, by medians over columns that are sorted by value.",
        "rings artifact Vo median",
    ),
    _entry(
        "remove_stripes_by_wavelets",
        "smooth",
        "Remove stripes by damping what is slow along the angles in the wavelet details across the columns.",
        "rings artifact Muench Munch Fourier wavelet fw",
    ),
)
