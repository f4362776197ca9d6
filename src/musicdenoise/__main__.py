"""Entry point: ``musicdenoise`` and ``python -m musicdenoise``."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from musicdenoise.cli.app import app

    app()


if __name__ == "__main__":
    main()
