"""Entry point: ``musicdenoise`` and ``python -m musicdenoise``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from musicdenoise.cli.app import app
    from musicdenoise.core.allocator import keep_freed_memory

    keep_freed_memory()
    app()


if __name__ == "__main__":
    main()
