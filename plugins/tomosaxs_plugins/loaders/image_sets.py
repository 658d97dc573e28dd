"""Flats and darks that are image files: one batch, or one for every time they were taken at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tomosaxs import InputError
from tomosaxs_plugins.loaders.companions import Batch
from tomosaxs_plugins.loaders.frame_files import FrameFiles, looked_at
from tomosaxs_plugins.loaders.image_names import ImageSet, images_in, kind_of, sets_of
from tomosaxs_plugins.loaders.images import FloatReader

_HST = re.compile(r"refHST(\d+)$", re.IGNORECASE)
_RAW = re.compile(r"ref\d+_(\d+)$", re.IGNORECASE)


def image_batch(path: Path, kind: str, shape: tuple[int, int]) -> tuple[list[Batch], list[str], list[Path]]:
    """Return the flats (or darks) in an image file or a folder of images, with a message and the files.

    Of a folder that holds other images too, those are taken whose names say so.

    Raises
    ------
    InputError
        When there are none, they are of another size, or cannot be read.
    """
    files = images_in(path)[0] if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no TIFF or EDF images: it has no {kind}", parameter=kind)
    sets = sets_of(files)
    named = [each for each in sets if each.kind == kind or kind_of([path.name.lower()]) == kind]
    taken = named if named and len(sets) > 1 else sets
    chosen = [file for each in taken for file in each.files]
    reader = looked_at(chosen, what=kind)
    fits(reader, chosen[0], kind, shape)
    text = f"{kind} from {path}: {reader.shape[0]} frames in {len(chosen)} files"
    return [Batch(reader, path.name, origin=str(path))], [text], chosen


def fits(reader: FrameFiles, file: Path, kind: str, shape: tuple[int, int]) -> None:
    """Refuse flats or darks of another size than the projections."""
    if reader.core != shape:
        raise InputError(
            f"{file} has {reader.core[0]} x {reader.core[1]} pixels; {kind} for projections of {shape[0]} x {shape[1]} "
            "pixels are needed"
        )


def flat_batches(sets: Sequence[ImageSet], shape: tuple[int, int], frames: int) -> tuple[list[Batch], list[str]]:
    """Return the flats of a scan and messages.

    The ESRF names averaged flats ``refHSTnnnn`` and raw ones ``refmmmm_nnnn`` after the projection nnnn that follows
    them; other flats are before or after the projections where their names say so.
    """
    sets, said = list(sets), []
    averaged = [each for each in sets if _HST.match(_bare(each.files[0]))]
    if averaged and len(averaged) < len(sets):
        others = ", ".join(each.text for each in sets if each not in averaged)
        said.append(f"flats: the averaged refHST are taken, not {others}")
        sets = averaged
    made: list[Batch] = []
    for each in sets:
        for time, files in _by_time(each, frames):
            reader = looked_at(files, what="flats")
            fits(reader, files[0], "flats", shape)
            part = ImageSet(each.folder, each.name, files)
            made.append(Batch(reader, part.text, time))
    return made, said


def _by_time(each: ImageSet, frames: int) -> list[tuple[float | None, list[Path]]]:
    parts: dict[float | None, list[Path]] = {}
    for file in each.files:
        found = _HST.match(_bare(file)) or _RAW.match(_bare(file))
        if found:
            time: float | None = min(int(found[1]), frames) - 0.5
        else:
            time = {"before": -0.5, "after": frames - 0.5}.get(each.when)
        parts.setdefault(time, []).append(file)
    return list(parts.items())


def dark_batches(sets: Sequence[ImageSet], shape: tuple[int, int], dark_n: int) -> tuple[list[Batch], list[str]]:
    """Return the darks of a scan and messages.

    The ESRF's ``darkend0000.edf`` is the sum of DARK_N frames (its ``.info`` tells how many), ``dark.edf`` their mean.
    """
    sets, said = list(sets), []
    ends = [each for each in sets if _bare(each.files[0]).lower().startswith("darkend")]
    means = [each for each in sets if _bare(each.files[0]).lower() == "dark"]
    if ends and means:
        said.append(f"darks: {means[0].text} is taken, not {', '.join(each.text for each in ends)}")
        sets = [each for each in sets if each not in ends]
        ends = []
    made: list[Batch] = []
    for each in sets:
        reader = looked_at(each.files, what="darks")
        fits(reader, each.files[0], "darks", shape)
        if each in ends and dark_n > 1 and reader.shape[0] == len(each.files):
            said.append(f"darks: {each.text} is a sum, divided by DARK_N = {dark_n} of the .info file")
            made.append(Batch(FloatReader(reader, float(dark_n)), each.text))
        else:
            made.append(Batch(reader, each.text))
    return made, said


def _bare(path: Path) -> str:
    return path.name.split(".")[0]
