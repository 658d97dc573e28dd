"""Write the scan that the benchmarks use: an NXtomo of 721 projections x 128 rows x 640 columns, uint16.

python benchmarks/make_scan.py scan.nxs
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tomosaxs.testing.samples import packing
from tomosaxs.testing.scans import ScanSettings, micro_ct_scan


def main() -> None:
    """Write the scan and its truth beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path, help="NXtomo file to write")
    parser.add_argument("--projections", type=int, default=721)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--columns", type=int, default=640)
    parser.add_argument("--centre", type=float, default=326.4, help="rotation axis in 0-based pixel centres")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    settings = ScanSettings(
        projections=given.projections,
        rows=given.rows,
        columns=given.columns,
        centre=given.centre,
        flats=20,
        darks=20,
    )
    phantom = packing(given.columns, given.rows, seed=given.seed)
    truth = given.scan.with_name(given.scan.stem + "_truth.nxs")
    micro_ct_scan(given.scan, phantom, settings, seed=given.seed, truth=truth)


if __name__ == "__main__":
    main()
