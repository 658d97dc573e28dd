"""Sees to it that a run ends, by name, when a rank cannot do so itself.

A rank that raises can tell what happened. One that is killed cannot: by the kernel when memory runs out, by a
segmentation fault, by kill -9. Nor can one that hangs in a library, or one whose memory grows until the kernel ends it.
Therefore each rank keeps a small record of what it is doing (`status`), and on each node one process of its own
session, started before the work begins (`start`), waits for the ranks of that node (`watch`) and looks after their
progress and memory (`guards`).

The modules that this process imports need nothing but the standard library.
"""
