"""What a terminal shows while something takes its time; files and pipes get none of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def show(text: str) -> None:
    """Put a line on the terminal in place of the last one; an empty one takes it away."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show what goes on until it is done."""
    show(f"{text} ...")
    try:
        yield
    finally:
        show("")
