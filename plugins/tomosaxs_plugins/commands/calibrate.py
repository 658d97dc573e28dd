"""``tomosaxs calibrate``: a detector's geometry from the rings of a standard."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tomosaxs import InputError

if TYPE_CHECKING:
    from tomosaxs_plugins.commands.calibrate_settings import Settings
    from tomosaxs_plugins.integration.calibrate.refine import Calibration


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("image")
@click.option(
    "-c", "--standard", "--calibrant", default="agbeh", show_default=True, metavar="NAME|FILE.D",
    help="agbeh, lab6, ceo2, si, al2o3, a name that pyFAI knows, or a file of spacings.",
)  # fmt: skip
@click.option("-w", "--wavelength", type=float, metavar="A", help="In Angstrom; default: what the image's file says.")
@click.option("-e", "--energy", type=float, metavar="KEV", help="In keV, instead of the wavelength.")
@click.option(
    "-p", "--pixel-size", metavar="UM[,UM]",
    help="Height and width in um, or one number; default: what the image's file says.",
)  # fmt: skip
@click.option("-D", "--detector", metavar="NAME", help="Detector whose pixel size is known, for instance pilatus1m.")
@click.option(
    "-m", "--mask", type=click.Path(path_type=Path), help="Mask (.msk, .npy, EDF, TIFF, NeXus); non-zero is masked."
)
@click.option(
    "--start", type=click.Path(path_type=Path), metavar="CALIBRATION", help="Rough geometry to begin with (.poni ...)."
)
@click.option("--distance", type=float, metavar="MM", help="Rough distance along the beam, mm.")
@click.option(
    "--beam-centre", "--beam-center", metavar="ROW,COLUMN",
    help="Rough beam centre in px from the upper left corner of the image.",
)  # fmt: skip
@click.option("--rings", type=click.IntRange(min=1), metavar="N", help="Use only the first N rings of the standard.")
@click.option("--fix", metavar="LIST", default="", help="Hold fixed, with commas: centre, distance, tilt.")
@click.option("--free-wavelength", is_flag=True, help="Refine the wavelength too (needs rings at wide angles).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE.poni", help="Default: the image's name with .poni."
)
@click.option(
    "--picture", type=click.Choice(["png", "svg", "both", "none"]), default="png", show_default=True,
    help="Picture of the rings on the image, beside FILE.poni.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def calibrate(image: str, output: Path | None, picture: str, debug: bool, **options: Any) -> None:
    """Refine beam centre, distance and tilt from IMAGE, one of a calibration standard.

    IMAGE is a TIFF, EDF, CBF ... file, or HDF5: FILE.nxs (its default data) or FILE.nxs::/path; frames are summed. No
    start is needed; a rough --beam-centre, --distance or --start helps where few rings are seen or the detector is
    tilted by more than 20 degrees. Writes FILE.poni, FILE.json (all numbers with standard uncertainties) and a picture
    to look at.
    """
    from tomosaxs_plugins.commands.calibrate_settings import gather, one_process
    from tomosaxs_plugins.integration.calibrate.describe import text
    from tomosaxs_plugins.integration.calibrate.guess import CalibrationError
    from tomosaxs_plugins.integration.calibrate.refine import refine

    one_process()
    target = _target(image, output)
    given = gather(image, **options)
    for line in given.told:
        click.echo(line)
    try:
        result = refine(
            given.image.counts, given.standard, given.pixel, given.wavelength, mask=given.mask, start=given.start,
            distance=given.distance, beam_centre=given.beam_centre, rings=given.rings, fixed=given.fixed,
        )  # fmt: skip
    except CalibrationError as error:
        raise InputError(f"{given.image.name}: {error}") from None
    click.echo(text(result))
    for path in _write(result, given, target, picture):
        click.echo(f"wrote {path}")


def _target(image: str, output: Path | None) -> Path:
    """Return where the .poni file goes, having looked whether it can be written."""
    source = Path(image.partition("::")[0])
    target = output if output is not None else Path(source.name).with_suffix(".poni")
    if target.suffix.lower() != ".poni":
        raise InputError(f"--output {target}: the name of a calibration ends with .poni")
    folder = target.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"--output {target}: {folder} is not a folder that can be written")
    return target


def _write(result: Calibration, given: Settings, target: Path, picture: str) -> list[Path]:
    """Write all files under temporary names and rename them when all are whole."""
    from tomosaxs_plugins.integration.calibrate.describe import fit2d_numbers, poni_numbers, tree
    from tomosaxs_plugins.integration.calibrate.overlay import png, svg
    from tomosaxs_plugins.integration.calibration_poni import write_poni

    comments = [f"Calibrated with {result.standard.name} from {given.image.name}"]
    comments += [str(number) for number in (*fit2d_numbers(result), *poni_numbers(result))]
    numbers = {"image": given.image.name, "frames": given.image.frames, "mask": given.mask_name, **tree(result)}
    temporary: dict[Path, Path] = {}

    def beside(suffix: str) -> Path:
        final = target.with_suffix(suffix)
        temporary[final] = final.with_name(f".{final.name}.{os.getpid()}.part")
        return temporary[final]

    try:
        write_poni(result.geometry, beside(".poni"), tuple(comments))
        beside(".json").write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        if picture in ("png", "both"):
            beside(".png").write_bytes(png(result, given.image.counts, given.mask))
        if picture in ("svg", "both"):
            beside(".svg").write_text(svg(result, given.image.counts, given.mask), encoding="utf-8")
        for final, part in temporary.items():
            part.replace(final)
    except OSError as error:
        raise InputError(f"--output {target}: {error}") from None
    finally:
        for part in temporary.values():
            part.unlink(missing_ok=True)
    return list(temporary)
