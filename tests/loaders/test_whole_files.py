"""Files of every kind are known to be whole, and wherever they are cut off that is known too."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tomosaxs_plugins.loaders.whole_files import is_whole, why_not_whole

fabio = pytest.importorskip("fabio")
tifffile = pytest.importorskip("tifffile")

VALUES = np.arange(600, dtype="i4").reshape(20, 30)


def _tiff(path, **options):
    tifffile.imwrite(path, VALUES, **options)


def _edf(path):
    image = fabio.edfimage.EdfImage(data=VALUES, header={"Title": "one; {two}"[:3]})
    image.append_frame(data=VALUES + 1, header={})
    image.write(str(path))


def _adsc(path):
    header = b"{\nHEADER_BYTES=  512;\nDIM=2;\nTYPE=unsigned_short;\nSIZE1=30;\nSIZE2=20;\n}\n"
    path.write_bytes(header.ljust(512) + VALUES.astype("u2").tobytes())


def _hdf5(path):
    with h5py.File(path, "w") as file:
        file["data"] = VALUES


WRITERS = {
    "tif": _tiff,
    "packed.tif": lambda path: _tiff(path, compression="zlib"),
    "big.tif": lambda path: _tiff(path, bigtiff=True),
    "edf": _edf,
    "img": _adsc,
    "cbf": lambda path: fabio.cbfimage.CbfImage(data=VALUES).write(str(path)),
    "npy": lambda path: np.save(path, VALUES),
    "h5": _hdf5,
    "npy.gz": lambda path: path.write_bytes(gzip.compress(VALUES.tobytes())),
}
TAIL = {"cbf": 60}  # bytes behind the image that are not needed: the closing line of the section


@pytest.mark.parametrize("kind", WRITERS)
def test_whole_and_cut_off(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    WRITERS[kind](path)
    whole = path.read_bytes()
    assert why_not_whole(path) == ""
    lengths = {0, 3, 20, 100, len(whole) // 3, len(whole) // 2 - 7, len(whole) - 1 - TAIL.get(kind, 0)}
    for length in sorted(each for each in lengths if each < len(whole)):
        path.write_bytes(whole[:length])
        assert why_not_whole(path) != "", length
        assert not is_whole(path)
    path.write_bytes(whole)
    assert is_whole(path)


def test_what_is_missing_is_said(tmp_path):
    path = tmp_path / "a.tif"
    _tiff(path)
    size = path.stat().st_size
    os.truncate(path, size - 100)
    assert why_not_whole(path) == f"the file ends at {size - 100} of {size} bytes"
    os.truncate(path, 0)
    assert why_not_whole(path) == "the file is empty"
    assert why_not_whole(tmp_path / "absent.tif") == "No such file or directory"


def test_of_other_formats_only_emptiness_is_known(tmp_path):
    path = tmp_path / "a.mar3450"
    path.write_bytes(b"\1\2" * 20)
    assert is_whole(path)
    path.write_bytes(b"")
    assert not is_whole(path)


def test_hdf5_that_is_being_written(tmp_path):
    """A program that writes holds the file; one that was broken off leaves a mark in files of the later format."""
    path = tmp_path / "a.h5"
    program = (
        "import h5py, os, sys\n"
        "file = h5py.File(sys.argv[1], 'w', libver='latest')\n"
        "file['data'] = range(100)\n"
        "file.flush()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "os._exit(0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert "open for writing" in why_not_whole(path)
        writer.communicate("\n")
    assert "broken off while it wrote" in why_not_whole(path)
    path.unlink()
    _hdf5(path)
    assert is_whole(path)
