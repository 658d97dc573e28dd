"""The same list gives the same bits for any number of ranks and any size of the blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_commands import here, same, values

LISTS = Path(__file__).resolve().parents[2] / "process_lists"
WAYS = [(0, 1), (0, 7), (1, None), (2, None), (3, 1)]
MORE = [(2, 7), (4, None)]


def arguments(kind, scan, raster):
    """Return the list, the input and the settings."""
    if kind == "tomography":
        return LISTS / "tomography_fbp.yml", scan, []
    calibration = f"azimuthal_integrate.calibration={raster / 'calibration.nxs'}"
    return LISTS / "saxs_map.yml", raster / "map.nxs", ["azimuthal_integrate.bins=200", calibration]


@pytest.fixture(scope="module", params=["tomography", "saxs"])
def kind(request):
    if request.param == "saxs":
        pytest.importorskip("pyFAI", reason="the integration of the SAXS list needs pyFAI")
    return request.param


@pytest.fixture(scope="module")
def reference(kind, scan, raster, tmp_path_factory):
    """One process, blocks as it likes."""
    out = tmp_path_factory.mktemp(kind) / "out"
    listing, path, settings = arguments(kind, scan, raster)
    return here(listing, out, inputs=[str(path)], settings=settings)


@pytest.mark.parametrize(("ranks", "block"), [*WAYS, *(pytest.param(*way, marks=pytest.mark.long) for way in MORE)])
def test_ranks_and_blocks(ranks, block, kind, reference, command, scan, raster, tmp_path) -> None:
    listing, path, settings = arguments(kind, scan, raster)
    if ranks == 0:
        same(here(listing, tmp_path / "out", inputs=[str(path)], settings=settings, block=block), reference)
        return
    size = [] if block is None else ["--block", block]
    given = [word for each in settings for word in ("--set", each)]
    done = command("run", listing, "--input", path, *given, "-o", tmp_path / "out", *size, ranks=ranks)
    assert done.status == 0, done.text
    same(values(tmp_path / "out"), reference)


def test_what_was_compared(kind, reference) -> None:
    if kind == "tomography":
        assert set(reference) == {"reconstruct", "axis.value", "axis.uncertainty", "axis.confidence"}
        assert reference["reconstruct"].shape == (32, 64, 64)
        assert abs(reference["axis.value"] - 33.7) < 0.25
    else:
        assert set(reference) == {"azimuthal_integrate"}
        assert reference["azimuthal_integrate"].shape == (3, 2, 5, 200)
        assert reference["azimuthal_integrate"].max() > 0
