"""Index of the commands of the bench: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import CommandEntry

COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "look",
        "tomosaxs_plugins.commands.look:look",
        "Look at a scan: what it is, the rotation axis, a slice, warnings, and the next command.",
        needs=("numba", "scipy"),
        install="pip install numba scipy",
    ),
    CommandEntry(
        "new",
        "tomosaxs_plugins.commands.new:new",
        "Write the process list for a scan, filled with what a look at it finds.",
        needs=("numba", "scipy"),
        install="pip install numba scipy",
    ),
    CommandEntry(
        "integrate",
        "tomosaxs_plugins.commands.integrate:integrate",
        "Integrate a folder of images over the azimuth, and follow it while a measurement goes on.",
    ),
    CommandEntry(
        "calibrate",
        "tomosaxs_plugins.commands.calibrate:calibrate",
        "Find beam centre, distance and tilt of a detector from the rings of a calibration standard.",
        needs=("scipy",),
        install="pip install scipy",
    ),
    CommandEntry(
        "plot",
        "tomosaxs_plugins.commands.plot:plot",
        "Plot curves of .chi, NeXus and text files.",
        needs=("matplotlib",),
        install="pip install 'tomosaxs[plot]'",
    ),
    CommandEntry(
        "sites",
        "tomosaxs_plugins.commands.sites:sites",
        "List the site profiles of beamlines that are known.",
    ),
)
