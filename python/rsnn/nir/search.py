"""What is likely behind a divergence: sets of changes, of which those are followed with which two runs agree best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rsnn.network import Network

from .causes import CHANGES, TOGETHER, Change, changed
from .report import Cause

Array = npt.NDArray[Any]

DEEPEST = 5
"""So many conventions together are tried."""
WIDTH = 4
"""So many sets of changes, those that come nearest, are gone on from."""
PATIENCE = 2
"""So many more changes are tried together before it is said that they explain nothing."""
FEWER = 0.8
"""A change after which the first difference is no later must leave at most so many of the others."""
AFTER = 100
"""Causes are sought in the sample that differs first, up to so many steps after it does."""


def sent(network: Network, frames: Array, late: int = 0) -> list[Array]:
    """Give what each layer of neurons that spike sends, in order, so many steps later."""
    spiking = [k for k, neuron in network.neurons.items() if neuron.kernel().spiking]
    out = network.run(frames)
    return [_later(np.asarray(out.spikes[k]), late) for k in spiking]


def first_difference(wanted: Mapping[int, Array], found: list[Array]) -> tuple[int | None, int | None, int]:
    """Give the first step in which something differs, the first layer there by its place, and how many entries differ in all."""
    step: int | None = None
    place: int | None = None
    differ = 0
    for k in sorted(wanted):
        unequal = wanted[k] != found[k]
        differ += int(np.count_nonzero(unequal))
        steps = np.flatnonzero(unequal.reshape(len(unequal), -1).any(axis=1))
        if steps.size and (step is None or steps[0] < step):
            step, place = int(steps[0]), k
    return step, place, differ


def likely_causes(network: Network, frames: Array, wanted: Mapping[int, Array], step: int, late: int) -> tuple[Cause, ...]:
    """Seek the fewest changes of convention with which a network sends what is wanted so much later, or comes nearest to it."""
    search = _Search(network, frames[: step + 1 + AFTER], wanted, late)
    return tuple(search.told(search.best()))


class _Trial(NamedTuple):
    """A network after some changes, and what still differs."""

    network: Network
    changes: tuple[Change, ...]
    first: int | None
    differ: int
    until: int
    sent: int

    def score(self) -> tuple[int, int]:
        """Tell better trials by larger scores: they agree for longer, or less differs."""
        return self.until, -self.differ

    def explains_more_than(self, other: _Trial) -> bool:
        """Whether its changes are worth being told: they agree for longer, or as long and much less differs."""
        return self.until > other.until or (self.until == other.until and self.differ < other.differ * FEWER)


class _Search:
    """The search over the sets of changes of one network."""

    def __init__(self, network: Network, frames: Array, wanted: Mapping[int, Array], late: int) -> None:
        self.frames, self.late = frames, late
        self.wanted = {place: one[: len(frames)] for place, one in wanted.items()}
        self.start = self._tried((), network)

    def best(self) -> _Trial:
        """Follow single changes as far as they lead, also after those that a library makes together."""
        known = max((self._made(self.start, together) for together in TOGETHER), key=_Trial.score)
        best, front, seen, found = self.start, [self.start], {self.start.sent}, 0
        for depth in range(1, DEEPEST + 1):
            # A change of which no spike knows leads nowhere, and neither does a way to where another one was.
            ways: dict[int, _Trial] = {}
            for one in front:
                for change in CHANGES:
                    trial = self._made(one, [change])
                    if trial.sent not in seen:
                        ways.setdefault(trial.sent, trial)
            seen |= ways.keys()
            front = sorted(ways.values(), key=_Trial.score, reverse=True)[:WIDTH]
            if front and front[0].explains_more_than(best):
                best, found = front[0], depth
            if best.first is None or known.first is None or not front or depth - found >= PATIENCE:
                break
            if depth == 1:
                front.append(known)
        known, best = self._needed(known), self._needed(best)
        simpler = known.score() == best.score() and len(known.changes) < len(best.changes)
        return known if simpler or known.explains_more_than(best) else best

    def _needed(self, best: _Trial) -> _Trial:
        """Leave out the changes without which it comes as near."""
        for change in best.changes:
            without = self._made(self.start, [one for one in best.changes if one is not change])
            if without.score() >= best.score():
                best = without
        return best

    def told(self, best: _Trial) -> list[Cause]:
        """Say of each change what it does: that which does most first, where the order does not matter."""
        way = self._way(best, lambda trial, left: max(left, key=lambda change: self._made(trial, [change]).score()))
        if way[-1].sent != best.sent or len(way[-1].changes) != len(best.changes):
            way = self._way(best, lambda trial, left: left[0])
        return [Cause(one.changes[-1].cause, one.changes[-1].what, one.first, one.differ) for one in way[1:]]

    def _way(self, best: _Trial, choose: Callable[[_Trial, list[Change]], Change]) -> list[_Trial]:
        """Make the changes of a trial one by one, in an order that is chosen."""
        way, left = [self.start], list(best.changes)
        while left:
            change = choose(way[-1], left)
            left.remove(change)
            way.append(self._made(way[-1], [change]))
        return way

    def _made(self, trial: _Trial, changes: Any) -> _Trial:
        """Make changes, those that change something."""
        network, made = trial.network, list(trial.changes)
        for change in changes:
            other = changed(network, change)
            if other is not None:
                network, made = other, [*made, change]
        return trial if network is trial.network else self._tried(tuple(made), network)

    def _tried(self, changes: tuple[Change, ...], network: Network) -> _Trial:
        spikes = sent(network, self.frames, self.late + sum(change.late for change in changes))
        first, _, differ = first_difference(self.wanted, spikes)
        until = len(self.frames) if first is None else first
        return _Trial(network, changes, first, differ, until, hash(b"".join(one.tobytes() for one in spikes)))


def _later(spikes: Array, late: int) -> Array:
    return spikes if not late else np.concatenate([np.zeros_like(spikes[:late]), spikes[:-late]])
