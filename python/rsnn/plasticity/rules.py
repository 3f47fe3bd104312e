"""Rules of spike-timing-dependent plasticity as data."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from rsnn.arguments import LARGEST, SMALLEST, choice, flag, scalar, shown, within
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.stages import Description

DEPENDENCES = ("additive", "step", "multiplicative", "power")
PAIRINGS = ("all", "nearest")
COINCIDENCES = ("potentiate", "both", "none")
DISCRETIZATIONS = ("exact", "euler")
NUMBERS = ("gain_plus", "gain_minus", "a_plus", "a_minus", "a3_plus", "a3_minus", "x_target", "w_min", "w_max")
"""What engines read as it is."""
LONGEST = 1e15
"""Time constants are at most so many steps: beyond it the decay is 1 in float64."""


def decay(name: str, tau: float, dt: float, discretization: str) -> float:
    """Give what is left after a step: exp(-dt / tau), or 1 - dt / tau; checked."""
    low = dt if discretization == "euler" else 1e-9 * dt
    hint = "below dt an Euler step would overshoot" if discretization == "euler" else ""
    within(name, tau, low, LONGEST * dt, hint)
    return 1.0 - dt / tau if discretization == "euler" else float(np.exp(-dt / tau))


@dataclass(frozen=True, eq=False, repr=False)
class STDP(Description):
    """Spike-timing-dependent plasticity: a synapse grows where what it brought came before a spike of its neuron, and shrinks where after.

    Every neuron before the synapses (pre) and after them (post) has a spike trace of its spikes z. In a step, in this order::

        x <- exp(-dt / tau_plus) x + gain_plus z_pre             what arrived
        y <- exp(-dt / tau_minus) y + gain_minus z_post          what was sent
        dp = sum of A+ z_post (x - x_target)                     A+ = a_plus + a3_plus r_post
        dm = sum of A- z_pre y                                   A- = a_minus + a3_minus r_pre
        w <- w + (f+(w) dp - f-(w) dm), then kept from w_min to w_max

    The sums run over the samples of a batch and the places of a convolution. ``r`` are the second, slower traces of the triplet rule,
    with ``tau_x`` of pre and ``tau_y`` of post, as they were before the spikes of this step. For one pair of spikes, post a time s after
    pre, this is the classical window ``a_plus exp(-s / tau_plus)``, and ``-a_minus exp(-s / tau_minus)`` the other way round.

    Parameters
    ----------
    tau_plus, tau_minus : float, default 20.0
        Time constants of the traces, in the unit of dt.
    a_plus, a_minus : float, default 0.005 and 0.00525
        Size of the change. Negative numbers turn the rule round.
    w_min, w_max : float, default 0.0 and 1.0
        What weights are kept between, and what `dependence` measures from.
    dependence : {"additive", "step", "multiplicative", "power"}
        How a change depends on the weight::

            "additive"         f+ = 1                       f- = 1
            "step"             f+ = [w_max - w > 0]         f- = [w - w_min > 0]
            "multiplicative"   f+ = max(0, w_max - w)       f- = max(0, w - w_min)
            "power"            the same to the power mu

    mu : float, optional
        Of ``dependence="power"``, at least 0: 0 is additive, 1 multiplicative.
    bounded : bool, default True
        Whether weights are kept between the bounds. A run refuses weights that begin outside.
    pairing : {"all", "nearest"}
        Which pairs count: all, or of each neuron the last spike only: a spike then sets its trace to the gain.
    coincidence : {"potentiate", "both", "none"}
        What a pair in one step does: pre counts as before (it may well have caused post, which answers in the step of its input); as
        before and as after (Norse); nothing.
    x_target : float, default 0.0
        A spike of post weakens the synapses whose trace is below it (Diehl and Cook's rule).
    gain_plus, gain_minus : float, default 1.0
        What a spike adds to its trace.
    a3_plus, a3_minus : float, default 0.0
        Size of the triplet terms, with
    tau_y, tau_x : float, optional
        the time constants of the second traces; each is needed where its term is not 0.
    dt : float, default 1.0
        Length of a step.
    discretization : {"exact", "euler"}
        How traces decay: by exp(-dt / tau), or 1 - dt / tau.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        A field of another type or outside its range, or fields that contradict each other.

    Notes
    -----
    Inputs and spikes that are no 0 or 1 count by their size. Work on weights follows the spikes: one that arrives touches the synapses of
    its input, one that is sent those of its neuron. Sums are taken in the order of `rsnn.plasticity.reference`, to the bit.

    Pfister and Gerstner's minimal triplet model of visual cortex, for all pairs and in milliseconds, is
    ``STDP(16.8, 33.7, a_plus=0.0, a_minus=7.1e-3, a3_plus=6.5e-3, tau_y=125.0)``.

    Sources: Song, Miller, Abbott, Nature Neuroscience 3 (2000), whose numbers are the defaults; for the power Gütig, Aharonov, Rotter,
    Sompolinsky, Journal of Neuroscience 23 (2003); for triplets Pfister, Gerstner, Journal of Neuroscience 26 (2006); for pairings
    Morrison, Diesmann, Gerstner, Biological Cybernetics 98 (2008); for x_target Diehl, Cook, Frontiers in Computational Neuroscience 9
    (2015).

    Examples
    --------
    Pre fires two steps before post:

    >>> import numpy as np, rsnn
    >>> rule = rsnn.plasticity.STDP(tau_plus=10.0, a_plus=0.1, a_minus=0.1)
    >>> out = rsnn.plasticity.learn(rule, [[1], [0], [0]], [[0], [0], [1]], [[0.5]])
    >>> round(float(out.weight[0, 0]), 6), round(float(0.5 + 0.1 * np.exp(-2 / 10)), 6)
    (0.581873, 0.581873)
    """

    tau_plus: float = 20.0
    tau_minus: float = 20.0
    _: KW_ONLY
    a_plus: float = 0.005
    a_minus: float = 0.00525
    w_min: float = 0.0
    w_max: float = 1.0
    dependence: str = "additive"
    mu: float | None = None
    bounded: bool = True
    pairing: str = "all"
    coincidence: str = "potentiate"
    x_target: float = 0.0
    gain_plus: float = 1.0
    gain_minus: float = 1.0
    a3_plus: float = 0.0
    a3_minus: float = 0.0
    tau_x: float | None = None
    tau_y: float | None = None
    dt: float = 1.0
    discretization: str = "exact"

    def __post_init__(self) -> None:
        """Check every field, and that they go together."""
        optional = (name for name in ("mu", "tau_x", "tau_y") if getattr(self, name) is not None)
        for name in ("tau_plus", "tau_minus", *NUMBERS, "dt", *optional):
            value = scalar(name, getattr(self, name))
            within(name, value, -LARGEST, LARGEST)
            object.__setattr__(self, name, value)
        words = {"dependence": DEPENDENCES, "pairing": PAIRINGS, "coincidence": COINCIDENCES, "discretization": DISCRETIZATIONS}
        for name, accepted in words.items():
            choice(name, getattr(self, name), accepted)
        object.__setattr__(self, "bounded", flag("bounded", self.bounded))
        within("dt", self.dt, SMALLEST, LARGEST)
        if not self.w_min < self.w_max:
            raise InvalidValueError(f"w_min={self.w_min:g}, w_max={self.w_max:g}: w_min must be below w_max")
        if (self.mu is None) == (self.dependence == "power"):
            cure = "give mu=, the exponent" if self.mu is None else 'leave mu= out, or say dependence="power"'
            raise InvalidValueError(f"dependence={self.dependence!r}, mu={self.mu}: {cure}")
        if self.mu is not None:
            within("mu", self.mu, 0.0, LARGEST)
        for amplitude, tau in (("a3_plus", "tau_y"), ("a3_minus", "tau_x")):
            if getattr(self, amplitude) != 0.0 and getattr(self, tau) is None:
                raise InvalidValueError(f"{amplitude}={getattr(self, amplitude):g}: give {tau}= as well, the time constant of its trace")
        self.described()

    @property
    def triplet(self) -> bool:
        """Whether there are second traces."""
        return self.a3_plus != 0.0 or self.a3_minus != 0.0

    @property
    def states(self) -> tuple[str, ...]:
        """The state fields: ``pre`` and ``post``, the traces; ``pre_slow`` and ``post_slow`` of the triplet rule."""
        return ("pre", "post", "pre_slow", "post_slow") if self.triplet else ("pre", "post")

    def described(self) -> tuple[dict[str, str], dict[str, float]]:
        """Describe the rule to an engine: its words, and its numbers, to be rounded to the dtype of the data.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.plasticity.STDP(tau_plus=20.0, discretization="euler").described()[1]["decay_plus"]
        0.95
        """

        def of(name: str) -> float:
            tau = getattr(self, name)
            return 0.0 if tau is None else decay(name, tau, self.dt, self.discretization)

        dependence = {0.0: "additive", 1.0: "multiplicative"}.get(self.mu, self.dependence) if self.mu is not None else self.dependence
        numbers = {name: getattr(self, name) for name in NUMBERS}
        decays = {f"decay_{name}": of(f"tau_{name}") for name in ("plus", "minus", "x", "y")}
        words = {"dependence": dependence, "pairing": self.pairing, "coincidence": self.coincidence}
        return words, numbers | decays | {"mu": self.mu or 0.0, "bounded": float(self.bounded)}


@dataclass(frozen=True, eq=False, repr=False)
class RewardModulated(Description):
    """A rule whose changes wait for a reward.

    The change of `rule` does not go into the weight but into an eligibility e of every synapse, of every sample on its own::

        e <- exp(-dt / tau_eligibility) e + (f+(w) dp - f-(w) dm)
        w <- w + sum over the samples of reward[t] e, then kept within the bounds

    Parameters
    ----------
    rule : STDP
    tau_eligibility : float or None, default 1000.0
        How long a synapse remembers, in the unit of the rule's dt; None: only the spikes of the rewarded step itself count.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No rule, or a time constant out of range.

    Notes
    -----
    The state has one more field, ``eligibility``. Eligibilities decay by themselves, so all synapses are visited in every step.

    Sources: Izhikevich, Cerebral Cortex 17 (2007); Florian, Neural Computation 19 (2007), whose rules with and without eligibility trace
    are MSTDPET and MSTDP.

    Examples
    --------
    The reward comes three steps after the pair of spikes:

    >>> import numpy as np, rsnn
    >>> rule = rsnn.plasticity.RewardModulated(rsnn.plasticity.STDP(a_plus=0.1), tau_eligibility=10.0)
    >>> pre, post = np.zeros((4, 1)), np.zeros((4, 1))
    >>> pre[0], post[0] = 1.0, 1.0
    >>> out = rsnn.plasticity.learn(rule, pre, post, [[0.5]], reward=[0.0, 0.0, 0.0, 1.0])
    >>> bool(np.isclose(out.weight[0, 0], 0.5 + 0.1 * np.exp(-3 / 10)))
    True
    """

    rule: STDP
    tau_eligibility: float | None = 1000.0

    def __post_init__(self) -> None:
        """Check the rule and the time constant."""
        if not isinstance(self.rule, STDP):
            raise InvalidTypeError(f"rule={shown(self.rule)}: must be a rule, rsnn.plasticity.STDP(...)")
        if self.tau_eligibility is not None:
            object.__setattr__(self, "tau_eligibility", scalar("tau_eligibility", self.tau_eligibility))
        self.decay()

    @property
    def states(self) -> tuple[str, ...]:
        """The state fields: those of the rule, and ``eligibility``."""
        return (*self.rule.states, "eligibility")

    def decay(self) -> float:
        """Give what is left of an eligibility after a step."""
        if self.tau_eligibility is None:
            return 0.0
        return decay("tau_eligibility", self.tau_eligibility, self.rule.dt, self.rule.discretization)


AnyRule = STDP | RewardModulated


def norse_stdp(
    a_pre: Any = 1.0,
    a_post: Any = 1.0,
    tau_pre_inv: Any = 1.0 / 50e-3,
    tau_post_inv: Any = 1.0 / 50e-3,
    w_min: Any = 0.0,
    w_max: Any = 1.0,
    eta_plus: Any = 1e-3,
    eta_minus: Any = 1e-3,
    stdp_algorithm: str = "additive",
    mu: Any = 0.0,
    hardbound: bool = True,
    dt: Any = 0.001,
) -> STDP:
    """Give the rule of Norse's ``STDPParameters``, with its arguments and defaults.

    Norse's traces are ``t <- t + dt tau_inv (a z - t)``; both have this step's spikes when weights change.

    Parameters
    ----------
    a_pre, a_post : float, default 1.0
        What spikes add to the traces, before dt tau_inv.
    tau_pre_inv, tau_post_inv : float, default 20.0
        Inverse time constants, per second.
    w_min, w_max : float, default 0.0 and 1.0
    eta_plus, eta_minus : float, default 0.001
        Learning rates.
    stdp_algorithm : {"additive", "additive_step", "multiplicative_pow", "multiplicative_relu"}
    mu : float, default 0.0
        Exponent of ``"multiplicative_pow"``; of no effect on the others, as in Norse.
    hardbound : bool, default True
    dt : float, default 0.001
        Length of a step in seconds: an argument of Norse's step.

    Returns
    -------
    STDP

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As of `STDP`; ``dt tau_inv`` above 1.

    Notes
    -----
    Norse lets a weight beyond its bound, possible with ``hardbound=False``, become NaN with ``"multiplicative_pow"``; here the factor is 0.

    Examples
    --------
    >>> import rsnn
    >>> rsnn.plasticity.norse_stdp(eta_plus=0.01, stdp_algorithm="multiplicative_pow", mu=0.4).dependence
    'power'
    """
    algorithms = {
        "additive": "additive",
        "additive_step": "step",
        "multiplicative_pow": "power",
        "multiplicative_relu": "multiplicative",
    }
    dependence = algorithms[choice("stdp_algorithm", stdp_algorithm, tuple(algorithms))]
    step = scalar("dt", dt)
    rates = {name: scalar(name, value) for name, value in (("tau_pre_inv", tau_pre_inv), ("tau_post_inv", tau_post_inv))}
    for name, rate in rates.items():
        within(name, rate, SMALLEST, LARGEST)
    return STDP(
        1.0 / rates["tau_pre_inv"],
        1.0 / rates["tau_post_inv"],
        a_plus=eta_plus,
        a_minus=eta_minus,
        w_min=w_min,
        w_max=w_max,
        dependence=dependence,
        mu=mu if dependence == "power" else None,
        bounded=hardbound,
        coincidence="both",
        gain_plus=step * rates["tau_pre_inv"] * scalar("a_pre", a_pre),
        gain_minus=step * rates["tau_post_inv"] * scalar("a_post", a_post),
        dt=step,
        discretization="euler",
    )
