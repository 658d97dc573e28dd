"""The steps on the page about saving volumes run, together, on a small scan."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import docs_pages as pages

BEGIN = """input:
  tomo:
    plugin: tomography
    path: scan.nxs
steps:
  - plugin: dark_flat_correction
  - plugin: minus_log
  - plugin: reconstruct
    centre: 25.0
"""


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    import tomosaxs
    from tomosaxs.testing import ScanSettings, micro_ct_scan, packing

    settings = ScanSettings(projections=60, rows=6, columns=48, centre=25.0, subsample=1)
    micro_ct_scan(tmp_path / "scan.nxs", packing(settings.columns, settings.rows, seed=1), settings, seed=1)
    steps = [b.text for b in pages.blocks(pages.DOCS / "how-to" / "save-volumes.md") if b.language == "yaml"]
    eight, sixteen, savers, zarr, parts, look = steps
    if find_spec("zarr") is None:
        savers, zarr = savers.replace("  - plugin: ome_zarr          # ome_zarr/volume.ome.zarr\n", ""), ""
    zarr = zarr.replace("- plugin: ome_zarr", "- plugin: ome_zarr\n    name: again")
    listing = tmp_path / "list.yml"
    listing.write_text(BEGIN + parts + look + eight + savers + zarr)
    made = tomosaxs.run(listing, output=tmp_path / "out", log=lambda text: None)
    assert made.data.dtype == "uint8"
    assert {"limits", "histogram", "orthogonal_projections"} <= set(made.estimates)
    for folder in made.side_outputs:
        assert any(path.is_file() and path.name != ".key" for path in folder.rglob("*")), folder
    listing.write_text(BEGIN + sixteen)
    assert tomosaxs.run(listing, output=tmp_path / "second", log=lambda text: None).data.dtype == "uint16"
