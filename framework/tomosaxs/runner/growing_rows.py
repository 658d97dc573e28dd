"""Rows of a result that grows: kept in a plain file until the result is written, in the order of their arrival."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs.errors import InputError

FILES = "/entry/files"
"""Where result.nxs lists the files that the rows were made of."""
_SLAB = 4096
_NO_TEXT = "\ufffd"


@dataclass(frozen=True)
class FileRows:
    """What became of one input file of a `GrowingResult`.

    Parameters
    ----------
    path : Path
        The file.
    size, modified : int
        Bytes, and time of the last change in ns, when it was read.
    checksum : str
        sha256 of what was read; empty where it could not be read.
    rows : tuple of (first, one past last)
        Places where `GrowingResult.keep` put its rows, in order.
    problem : str
        Why its rows are not a number; empty where all is well.
    """

    path: Path
    size: int
    modified: int
    checksum: str
    rows: tuple[tuple[int, int], ...]
    problem: str = ""

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(last - first for first, last in self.rows)


class Spool:
    """Rows in a plain file: values, then standard uncertainties where there are any.

    Parameters
    ----------
    file : Path
        Made new.
    shape : tuple of int
        Shape of one row.
    dtype : numpy dtype
        Type of the values.
    uncertain : bool
        Whether the rows have standard uncertainties.
    """

    def __init__(self, file: Path, shape: tuple[int, ...], dtype: np.dtype[Any], uncertain: bool) -> None:
        self.file, self.dtype = file, dtype
        self.record = (2 if uncertain else 1, *shape)
        self.count = 0
        self.handle = file.open("wb")

    def append(self, values: NDArray[Any], sigma: NDArray[Any] | None) -> tuple[int, int]:
        """Add rows and return where they are: the first, and one past the last."""
        parts = [values] if self.record[0] == 1 else [values, np.full_like(values, np.nan) if sigma is None else sigma]
        block = np.stack([np.asarray(part, dtype=self.dtype) for part in parts], axis=1)
        if block.shape[1:] != self.record:
            raise ValueError(f"rows of shape {block.shape[2:]} do not fit rows of shape {self.record[1:]}")
        self.handle.write(block.tobytes())
        first, self.count = self.count, self.count + len(block)
        return first, self.count

    def read(self) -> NDArray[Any]:
        """Return all rows, mapped from the file: (rows, 1 or 2, ...)."""
        self.handle.flush()
        if self.count == 0 or 0 in self.record:
            return np.zeros((self.count, *self.record), dtype=self.dtype)
        return np.memmap(self.file, dtype=self.dtype, mode="r", shape=(self.count, *self.record))

    def close(self) -> None:
        """Remove the file."""
        self.handle.close()
        self.file.unlink(missing_ok=True)


def write_files(path: Path, name: str, files: list[FileRows], key: str) -> None:
    """Add to result.nxs which file every row of the dataset `name` comes from, and what became of every file."""
    text = h5py.string_dtype()
    counts = np.array([file.count for file in files], dtype=np.int64)
    paths = np.array([os.fsencode(file.path).decode("utf-8", "replace") for file in files], dtype=object)
    with h5py.File(path, "r+") as handle:
        data = handle["entry"][name]
        data.create_dataset("file", data=np.repeat(paths, counts), dtype=text)
        data.attrs["file_indices"] = np.int64(0)
        table = handle.create_group(FILES)
        table.attrs["NX_class"], table.attrs["key"] = "NXcollection", key
        table.create_dataset("path", data=paths, dtype=text)
        table.create_dataset("first_row", data=np.cumsum(counts) - counts)
        table.create_dataset("rows", data=counts)
        table.create_dataset("size", data=np.array([file.size for file in files], dtype=np.int64))
        table["size"].attrs["units"] = "bytes"
        table.create_dataset("modified", data=np.array([file.modified for file in files], dtype=np.int64))
        table["modified"].attrs["units"] = "ns"
        table.create_dataset("checksum", data=np.array([file.checksum for file in files], dtype=object), dtype=text)
        table["checksum"].attrs["algorithm"] = "sha256"
        table.create_dataset("problem", data=np.array([file.problem for file in files], dtype=object), dtype=text)


def read_files(path: Path, name: str, key: str, spool: Spool) -> list[FileRows] | None:
    """Take the rows of an earlier result over; None where it was made with another key.

    Raises
    ------
    InputError
        When the file is no such result.
    """
    try:
        with h5py.File(path, "r") as handle:
            if FILES not in handle or name not in handle["entry"]:
                raise InputError(f"{path} is the result of something else: nothing can be resumed")
            table, data = handle[FILES], handle["entry"][name]
            if str(table.attrs["key"]) != key:
                return None
            texts = {each: [str(text) for text in table[each].asstr()[()]] for each in ("path", "checksum", "problem")}
            numbers = {each: table[each][()].tolist() for each in ("first_row", "rows", "size", "modified")}
            begin = spool.count
            for low in range(0, len(data["data"]), _SLAB):
                part = slice(low, low + _SLAB)
                spool.append(data["data"][part], data["errors"][part] if "errors" in data else None)
            firsts = [begin + first for first in numbers["first_row"]]
            return [
                FileRows(Path(text), size, modified, checksum, ((first, first + rows),), problem)
                for text, size, modified, checksum, first, rows, problem in zip(
                    texts["path"], numbers["size"], numbers["modified"], texts["checksum"], firsts, numbers["rows"],
                    texts["problem"], strict=True,
                )
                if _NO_TEXT not in text  # a name that is no text cannot be found again
            ]  # fmt: skip
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be resumed: {error}") from error
