"""``tomosaxs integrate``: a folder of images to curves."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tomosaxs_plugins.commands.integrate_follow import Follower


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("calibration", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--mask", type=click.Path(path_type=Path), help="Mask (.msk, .npy, EDF, TIFF, NeXus); non-zero is masked."
)
@click.option(
    "--polarization", type=click.FloatRange(0.0, 1.0), metavar="P", help="Fraction polarised horizontally; corrects."
)
@click.option("--solid-angle", is_flag=True, help="Correct for the solid angle of the pixels.")
@click.option("--npt", type=click.IntRange(min=1), help="Number of bins; default 1000.")
@click.option(
    "--range", "range_", nargs=2, type=float, metavar="QMIN QMAX", help="Outer edges of first and last bin, nm^-1."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the results.")
@click.option("--inplace", is_flag=True, help="Write the .chi files beside the images.")
@click.option("--chi", is_flag=True, help="Write one .chi file an image.")
@click.option("--plot", type=click.Choice(["svg", "png"]), help="Write one plot an image.")
@click.option("--watch", is_flag=True, help="Follow the folders until Ctrl-C.")
@click.option("--resume", is_flag=True, help="Keep what DIR/result.nxs has of unchanged images.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Threads; default all cores.")
@click.option("--recursive", is_flag=True, help="Look into folders of folders, too.")
@click.option(
    "--interval", type=click.FloatRange(min=0.05), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option(
    "--patience", type=click.FloatRange(min=0.0), default=60.0, show_default=True,
    help="Seconds that an unfinished file may stay unchanged before it is noted as unusable.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def integrate(calibration: Path, images: tuple[str, ...], **options: Any) -> int:
    """Integrate IMAGES over the azimuth with the geometry of CALIBRATION: files, folders, 'patterns*.tif'.

    DIR/result.nxs holds every curve, I(q) with Poisson errors, and how it was made. Nothing is corrected unless asked.
    Files are taken when they are whole; bad ones are named and the others go on. An HDF5 file may hold many frames.

    Exit status: 0 done, with --watch after Ctrl-C; 1 writing failed; 2 arguments or input are at fault; 130
    interrupted.
    """
    jobs = options["jobs"] or _cores()
    os.environ["NUMBA_NUM_THREADS"] = str(jobs)  # before numba is imported
    from tomosaxs import GrowingResult
    from tomosaxs_plugins.commands import integrate_settings as settings
    from tomosaxs_plugins.commands.integrate_follow import Follower, interrupted_by
    from tomosaxs_plugins.commands.integrate_places import ImagePlaces
    from tomosaxs_plugins.commands.integrate_work import Job

    logging.getLogger("fabio").setLevel(logging.CRITICAL)  # what it cannot read is told in one line, by us
    settings.one_process()
    given = settings.parameters(calibration, **options)
    shape, told_by = settings.frame_shape(given)
    places = ImagePlaces.named(images, options["recursive"])
    folder = settings.output_folder(options["output"], places)
    places.leave_out = settings.no_images(given, folder, places)
    stop = threading.Event()
    growing = GrowingResult(
        folder, "azimuthal_integrate", given, loader="image_files", title="Azimuthal integration",
        inputs=[place.path for place in places.places if not place.pattern],
    )  # fmt: skip
    files = settings.curve_files(folder, places, options)
    with growing, interrupted_by(stop):
        growing.log(f"azimuthal integration: {settings.told(given)}")
        if options["resume"]:
            shape = settings.resumed_shape(growing, shape)
        growing.record.threads = jobs
        job = Job(growing, shape, files, jobs, stop)
        if options["resume"]:
            settings.resume(job)
        often = 2.0 * options["interval"] if options["watch"] else 30.0
        follower = Follower(job, places, stop, lambda: settings.list_text(given, places), often)
        if options["watch"]:
            growing.log(f"following {', '.join(images)} into {settings.shown(folder)}; end with Ctrl-C")
            follower.follow(options["interval"], options["patience"])
        else:
            follower.once()
        return _end(follower, folder, bool(options["watch"]), told_by)


def _cores() -> int:
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    if limit.isdigit() and int(limit) > 0:
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end(follower: Follower, folder: Path, watched: bool, told_by: str) -> int:
    """Write the result, say what came out, and return the exit status."""
    from tomosaxs import InputError
    from tomosaxs_plugins.commands.integrate_settings import shown

    job, growing = follower.job, follower.growing
    cut_short = follower.stop.is_set() and not watched
    spent = time.perf_counter() - follower.started
    left = [f"not whole when it ended: {path}: {text}" for path, (_, text) in job.unfinished.items()]
    for line in left:
        growing.log(line)
    result = follower.write(*left, *(["interrupted: not all images are in it"] if cut_short else []))
    if result is None and not (watched or cut_short or growing.files):
        raise InputError(left[0] if left else f"no images were found in {follower.places}")
    speed = f" ({job.frames / spent:.3g} frames/s)" if job.frames and not watched else ""
    bad = f"; {len(job.bad)} images cannot be used" if job.bad else ""
    total = sum(file.count for file in growing.files.values())
    kept = f", {total - job.frames} taken over" if total > job.frames else ""
    growing.log(f"{job.frames} frames in {spent:.1f} s{speed}{kept}{bad}")
    if result is not None:
        growing.log(f"{'interrupted' if cut_short else 'done'}: {shown(result.path)}, {shown(folder / 'report.html')}")
    if cut_short:
        growing.log("--resume goes on from there")
        return 130
    if not watched and len(job.bad) == len(growing.files):
        why = f" (the {told_by} is for {job.shape[0]} x {job.shape[1]} pixels)" if told_by and job.shape else ""
        kept = "" if result is not None else f"; the earlier {shown(growing.folder / 'result.nxs')} is kept"
        raise InputError(f"no image could be integrated{why}{kept}")
    return 0
