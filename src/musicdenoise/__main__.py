"""Entry point: ``musicdenoise`` and ``python -m musicdenoise``."""

from __future__ import annotations

import os
import sys

from musicdenoise.cli.signals import leave_when_interrupted


def main() -> None:
    """Run the command line."""
    leave_when_interrupted()
    # Before torch is loaded: its threads sleep while they wait for work. If they spin, programs that run
    # at once take the processors from each other.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    from musicdenoise.cli.app import app
    from musicdenoise.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    try:
        app()
    except OSError as error:  # of help texts; the commands report their own
        sys.exit(f"error: standard output: cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
