"""The distance of Victor and Purpura in plain Python: the definition that the native one equals bit for bit."""

from __future__ import annotations

from collections.abc import Sequence


def victor_purpura(a: Sequence[float], b: Sequence[float], q: float) -> float:
    """Give the least price of turning the spike times a into b.

    Putting a spike in or taking one out costs 1, moving one by d costs q d. Of the first i and j spikes::

        g[i][j] = min(g[i-1][j-1] + q |a[i-1] - b[j-1]|,  g[i][j-1] + 1,  g[i-1][j] + 1),    g[i][0] = i,  g[0][j] = j

    Parameters
    ----------
    a, b : ascending spike times
    q : price of moving a spike by one unit of time

    Examples
    --------
    >>> victor_purpura([10.0], [12.0], 0.25), victor_purpura([10.0], [12.0], 3.0)
    (0.5, 2.0)
    """
    g = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if i == 0 or j == 0:
                g[i][j] = float(i + j)
            else:
                g[i][j] = min(g[i - 1][j - 1] + q * abs(a[i - 1] - b[j - 1]), g[i][j - 1] + 1.0, g[i - 1][j] + 1.0)
    return g[-1][-1]
