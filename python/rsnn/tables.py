"""What is printed as a table: rows of texts, or of values, in columns."""

from __future__ import annotations

from collections.abc import Container, Sequence


def aligned(rows: Sequence[Sequence[str]], left: Container[int]) -> str:
    """Lay rows of texts out in columns: those whose index is in `left` to the left, the others to the right.

    Examples
    --------
    >>> print(aligned([("layer", "spikes"), ("0 LIF", "7")], left=range(1)))
    layer  spikes
    0 LIF       7
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(text.ljust(width) if k in left else text.rjust(width) for k, (text, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def ruled(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay rows of values out under their heads and a line; numbers to the right, everything else to the left.

    Examples
    --------
    >>> print(ruled(("layer", "spikes", "fits"), [("0 LIF", 7, True), ("1 LIF", None, False)]))
    layer  spikes  fits
    -----  ------  ----
    0 LIF       7   yes
    1 LIF       -    no
    """
    cells = [tuple(said(value) for value in row) for row in rows]
    right = {k for k in range(len(head)) if rows and all(row[k] is None or isinstance(row[k], (int, float)) for row in rows)}
    rule = tuple("-" * max(map(len, column)) for column in zip(head, *cells, strict=True))
    return aligned([tuple(head), rule, *cells], {*range(len(head))} - right)


def said(value: object) -> str:
    """Say a value in a cell: floats with four places, None as a dash.

    Examples
    --------
    >>> said(0.5), said(None), said(True), said(3)
    ('0.5000', '-', 'yes', '3')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
