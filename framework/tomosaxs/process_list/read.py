"""Read a process list from a file or a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tomosaxs.errors import ListError, did_you_mean
from tomosaxs.process_list.build import build
from tomosaxs.process_list.check import problems_of
from tomosaxs.process_list.entries import ProcessList
from tomosaxs.process_list.tree import Faults, Place
from tomosaxs.process_list.yaml_text import load

MAX_BYTES = 1 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_list(
    path: Path | str,
    *,
    settings: Sequence[str] = (),
    inputs: Sequence[str] = (),
    roots: Sequence[str] = (),
) -> ProcessList:
    """Read a process list from a file.

    Parameters
    ----------
    path : Path or str
        The file; relative paths inside it belong to its folder.
    settings : sequence of str
        ``STEP.PARAM=VALUE``: STEP is the step's name, else its plugin if that is unique, else its
        number; or an input's name, or ``output``. VALUE is YAML. Nested keys have dots.
    inputs : sequence of str
        ``PATH``, or ``NAME=PATH`` where the list has several inputs; from the current folder.
    roots : sequence of str
        ``OLD=NEW``: another value for a variable of ``paths:``, else another beginning for paths.

    Raises
    ------
    ListError
        With every fault of the list at once: also those that `check_list` would find.
    """
    file = Path(path)
    return parse_list(_text(file), file=file, settings=settings, inputs=inputs, roots=roots)


def parse_list(
    text: str,
    *,
    file: Path | None = None,
    folder: Path | None = None,
    settings: Sequence[str] = (),
    inputs: Sequence[str] = (),
    roots: Sequence[str] = (),
) -> ProcessList:
    """Read a process list from a text; the options are those of `read_list`.

    Parameters
    ----------
    text : str
        YAML.
    file : Path, optional
        Named in messages; its folder is the list's.
    folder : Path, optional
        Where relative paths belong; default the file's folder, else the current one.

    Raises
    ------
    ListError
        With every fault at once.
    """
    faults = Faults(file)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise faults.stop(f"the list is larger than {MAX_BYTES >> 20} MiB, which no process list is")
    home = folder if folder is not None else file.parent if file is not None else Path()
    tree = load(text, faults)
    made = build(
        tree,
        faults,
        folder=home.absolute(),
        text=text,
        settings=settings,
        inputs=inputs,
        roots=roots,
    )
    if faults.problems:
        faults.extend(problems_of(made))
    faults.raise_any()
    return made


def _text(file: Path) -> str:
    faults = Faults(file)
    try:
        if file.is_dir():
            raise faults.stop("this is a folder; give a process list (a YAML file)")
        if not file.exists():
            raise faults.stop(_absent(file))
        with file.open("rb") as handle:
            start = handle.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, ListError):
            raise
        raise faults.stop(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if start.startswith(_HDF5):
        message = "this is an HDF5 file, not a process list; give the list, and this file with --input"
        raise faults.stop(f"{message} {file}")
    if len(start) > MAX_BYTES:
        raise faults.stop(f"the file is larger than {MAX_BYTES >> 20} MiB; a process list is a short YAML text")
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = start.count(b"\n", 0, error.start) + 1
        message = f"the file is not UTF-8 text (byte 0x{start[error.start]:02x} on this line)"
        raise faults.stop(message, Place(line)) from None


def _absent(file: Path) -> str:
    folder = file.parent
    if not folder.is_dir():
        return f"no such file: the folder {folder} does not exist"
    lists = [each.name for each in folder.iterdir() if each.suffix.lower() in (".yml", ".yaml")]
    near = did_you_mean(file.name, lists).replace("(known:", "(lists there:").replace("(none exist)", "(no list there)")
    return f"no such file{near}"
