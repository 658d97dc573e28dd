"""Pixel sizes and shapes of named detectors, so that a .poni file can be read without pyFAI.

Facts of the makers as pyFAI's detector definitions state them (doi:10.1107/S1600576715004306). Only detectors
whose pixels form one flat, regular grid are here; of the others pyFAI is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNBINNED = """
adscq4 quantum4: 51 2304 2304
adscq210 quantum210: 51 4096 4096
adscq270 quantum270: 51 4168 4168
adscq315 quantum315: 51 6144 6144
apex2 apexii bruker: 120 1024 1024
condor fairchild fairchildcondor48690: 15 4096 4096
dexela2923: 75 3888 3072
eiger500k: 75 514 1030
eiger1m: 75 1065 1030
eiger4m: 75 2167 2070
eiger9m: 75 3269 3110
eiger16m: 75 4371 4150
eiger2250k: 75 512 512
eiger2500k eiger2cdte500k: 75 512 1028
eiger21m eiger2cdte1m: 75 1062 1028
eiger21mw eiger2cdte1mw: 75 512 2068
eiger22mw eiger2cdte2mw: 75 512 4148
eiger24m eiger2cdte4m: 75 2162 2068
eiger29m eiger2cdte9m: 75 3262 3108
eiger216m eiger2cdte16m: 75 4362 4148
hf130k: 150 256 512
hf262k: 150 512 512
hf1m: 150 1024 1024
hf2m hf24m: 150 1536 1536
hf4m: 150 2048 2048
hf9m hf94m: 150 3072 3072
jungfrau1m: 75 1064 1030
jungfrau4m: 75 2164 2068
jungfrau8m: 75 3333 3212
lambda60k maxipix maxipix1x1: 55 256 256
lambda250k maxipix2x2: 55 516 516
lambda750k: 55 516 1556
lambda2m: 55 1556 1556
lambda7m5 lambda75m: 55 2596 2596
lambda9m: 55 3868 3227
lambda10m: 55 2596 4676
mar555: 139 3072 2560
maxipix5x1: 55 256 1296
pilatus100k: 172 195 487
pilatus200k: 172 407 487
pilatus300k pilatus300kcdte pilatuscdte300k: 172 619 487
pilatus300kw pilatus300kwcdte pilatuscdte300kw: 172 195 1475
pilatus900k: 172 619 1475
pilatus900kwcdte pilatuscdte900kw: 172 195 4439
pilatus1m pilatus1mcdte pilatuscdte1m: 172 1043 981
pilatus2m pilatus2mcdte pilatuscdte2m: 172 1679 1475
pilatus6m: 172 2527 2463
pilatus4260k pilatus4260kcdte pilatus4cdte260k: 150 530 513
pilatus4260kw pilatus4260kwcdte pilatus4cdte260kw: 150 255 1033
pilatus41m pilatus41mcdte pilatus4cdte1m: 150 1080 1033
pilatus42m pilatus42mcdte pilatus4cdte2m: 150 1630 1553
pilatus44m pilatus44mcdte pilatus4cdte4m: 150 2180 2073
titan titan2kx2k oxdtitan agilenttitan: 60 2048 2048
"""
_BINNED = """
rayonix133 mar133: 32 4096 4096 2
rayonixsx165 mar165: 39.5 4096 4096 1
rayonixsx200: 48 4096 4096 1
rayonixlx170 rayonixlx170hs: 44.2708 1920 3840 1
rayonixmx170 rayonixmx170hs: 44.2708 3840 3840 1
rayonixlx255 rayonixlx255hs rayonixlx225hs: 44.2708 1920 5760 1
rayonixmx225 mar225: 36.621 6144 6144 2
rayonixmx225hs: 39.0625 5760 5760 2
rayonixmx300 mar300: 36.621 8192 8192 2
rayonixmx300hs: 39.0625 7680 7680 2
rayonixmx325: 39.673 8192 8192 2
rayonixmx340hs: 44.2708 7680 7680 2
rayonixmx425hs: 44.2708 9600 9600 1
rayonixsx30hs: 15.625 1920 1920 1
rayonixsx85hs: 44.2708 1920 1920 1
"""
"""Unbinned pixel size, unbinned rows and columns, usual binning."""


@dataclass(frozen=True)
class KnownDetector:
    """Pixel size in m (square) and shape without binning; `usual` binning; whether it can be binned."""

    pixel: float
    shape: tuple[int, int]
    usual: int = 1
    bins: bool = False


def _table() -> dict[str, KnownDetector]:
    found = {}
    for text, bins in ((_UNBINNED, False), (_BINNED, True)):
        for line in text.split("\n"):
            names, _, numbers = line.partition(":")
            if numbers:
                pixel, rows, columns, *usual = numbers.split()
                entry = KnownDetector(float(pixel + "e-6"), (int(rows), int(columns)), int((usual or ["1"])[0]), bins)
                found.update(dict.fromkeys(names.split(), entry))
    return found


KNOWN = _table()


def find(name: str) -> KnownDetector | None:
    """Return what is known of a detector; spelling is free: ``Pilatus 1M``, ``pilatus_1m``."""
    return KNOWN.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def grid_of(
    known: KnownDetector, pixel: tuple[float | None, float | None]
) -> tuple[tuple[float, float], tuple[int, int] | None]:
    """Return pixel (height, width) in m and shape of a detector read out with the given pixel sizes.

    Binned pixels make the array smaller. Of a detector of fixed pixels a size that was refined keeps the
    shape; None as the shape where the sizes are no whole multiple of the smallest ones.
    """
    own = float(f"{known.pixel * known.usual:.9g}")
    size = pixel[0] if pixel[0] is not None else own, pixel[1] if pixel[1] is not None else own
    if not known.bins:
        return size, known.shape
    rows, columns = (max(1, round(each / known.pixel)) for each in size)
    # the makers round: 3 x 39.5 um is printed as 118.616
    if abs(size[0] / (rows * known.pixel) - 1) > 5e-3 or abs(size[1] / (columns * known.pixel) - 1) > 5e-3:
        return size, None
    return size, (known.shape[0] // rows, known.shape[1] // columns)
