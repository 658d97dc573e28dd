"""``python -m tomosaxs``: the same as the command ``tomosaxs``."""

from __future__ import annotations

from tomosaxs.cli import main

if __name__ == "__main__":
    main()
