"""Neurons of every stage there is, in every combination that is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from strategies import REAL, TAU, THRESHOLD, UNIT, WHOLE, per_neuron

import rsnn
from rsnn import stages

STEP = st.sampled_from([0.0, 1e-30, 0.05, 0.5, 1.0, 3.0])
LONG = TAU.filter(lambda tau: tau >= 1)
MILD = st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0])


class Drawing:
    """Draws stages whose parameters fit n neurons."""

    def __init__(self, draw: Callable[..., Any], n: int) -> None:
        self.draw, self.n = draw, n

    def number(self, values: st.SearchStrategy[float]) -> Any:
        return self.draw(per_neuron(values, self.n))

    def either(self, **given: st.SearchStrategy[float]) -> dict[str, Any]:
        name = self.draw(st.sampled_from(sorted(given)))
        return {name: self.number(given[name])}

    def synapse(self) -> Any:
        match self.draw(st.sampled_from(["none", "exponential", "scaled", "euler", "dual"])):
            case "none":
                return None
            case "exponential":
                given = self.either(tau_syn=TAU, alpha=UNIT)
                return stages.Exponential(**given, order=self.draw(st.sampled_from(stages.synapse.ORDERS)))
            case "scaled":
                return stages.Scaled(self.number(UNIT), self.number(MILD))
            case "euler":
                given = self.either(tau_syn=LONG, eta=STEP.map(lambda k: -k))
                return stages.EulerCurrent(**given, order=self.draw(st.sampled_from(stages.synapse.EULER_ORDERS)))
            case _:
                rise = self.draw(st.sampled_from([0.5, 1.0, 2.0]))
                return stages.Dual(rise * self.number(st.sampled_from([1.5, 4.0, 100.0])), rise)

    def membrane(self) -> Any:
        number, either, draw = self.number, self.either, self.draw
        weights = {"r": number(MILD)} if draw(st.booleans()) else {}
        weights |= {"bias": number(MILD)} if draw(st.booleans()) else {}
        euler, v_leak = {"v_leak": number(MILD), **weights}, number(MILD)
        sharp = {"delta_t": number(st.sampled_from([0.25, 1.0, 2.0])), "v_rheobase": number(MILD)}
        square = {"a0": number(MILD), "v_crit": number(MILD)}
        tau, decay_input = number(st.sampled_from([0.5, 2.0, 100.0])), draw(st.booleans())
        made: dict[str, Callable[[], Any]] = {
            "leaky": lambda: stages.Leaky(**either(tau_mem=TAU, beta=UNIT), **euler),
            "integrator": lambda: stages.Integrator(v_leak),
            "lapicque": lambda: stages.Lapicque(number(UNIT), number(MILD), number(MILD), number(STEP)),
            "euler": lambda: stages.Euler(**either(tau_mem=LONG, k=STEP), **euler),
            "box": lambda: stages.Box(**either(tau_mem=LONG, k=STEP), **euler),
            "euler_exp": lambda: stages.EulerExp(**either(tau_mem=LONG, k=STEP), **euler, **sharp),
            "quad": lambda: stages.Quad(**either(tau_mem=LONG, k=STEP), **euler, **square),
            "tau": lambda: stages.Tau(tau, v_leak, decay_input, **weights),
            "tau_exp": lambda: stages.TauExp(tau, v_leak, **sharp, **weights),
            "tau_quad": lambda: stages.TauQuad(tau, v_leak, **square, **weights),
            "mul": lambda: stages.Mul(**either(w=MILD, k=UNIT), v_leak=v_leak, decay_input=decay_input, **weights),
        }
        return made[draw(st.sampled_from(sorted(made)))]()

    def adaptation(self, body: Any) -> Any:
        number, either, draw = self.number, self.either, self.draw
        kinds = [None, None, stages.AdaptiveThreshold, stages.RelaxingThreshold]
        kinds += [stages.AdaptationCurrent, stages.RecoveryCurrent] if body.takes_current else []
        kind, inc = draw(st.sampled_from(kinds)), number(MILD)
        if kind is None:
            return None
        if kind is stages.AdaptiveThreshold:
            more = {"inc": inc} if draw(st.booleans()) else {}
            return kind(**either(tau_adapt=TAU, rho=UNIT), adapt_scale=number(MILD), **more)
        if kind is stages.RelaxingThreshold:
            return kind(**either(tau_adapt=LONG, couple=STEP), inc=inc)
        if kind is stages.RecoveryCurrent:
            return kind(number(st.sampled_from([0.5, 1.0, 3.0, 100.0])), couple=number(MILD), inc=inc, begins=number(MILD))
        return kind(**either(tau_adapt=LONG, rho=STEP), couple=number(MILD), inc=inc)

    def reset(self, timing: str, *, several: bool) -> Any:
        value = self.number(REAL)
        resets: list[Callable[[], Any]] = [lambda: None, lambda: stages.Subtract(timing)]
        if not (several and timing == "residual"):
            resets.append(lambda: stages.ToValue(value, timing))
        if not several:
            resets.append(lambda: stages.Blend(value, timing))
            resets.append(stages.BlendSubtract if timing == "same" else lambda: stages.Drop(timing))
        if timing == "same":
            resets += [lambda: stages.Amount(value), lambda: stages.Gate(value)]
        return self.draw(st.sampled_from(resets))()


@st.composite
def general(draw: Callable[..., Any], n: int, *, recurrent: bool = False) -> rsnn.Neuron:
    """Any neuron of stages whose parameters fit n neurons; with recurrent one that can be."""
    any_ = Drawing(draw, n)
    number, body = any_.number, any_.membrane()
    fire = draw(st.sampled_from([stages.Single, stages.Strict, stages.Multi, stages.Soft] + ([] if recurrent else [None])))
    if fire is None:
        return rsnn.Neuron(synapse=any_.synapse(), membrane=body, v_min=draw(st.sampled_from([None, -0.5, stages.Relu(-0.5)])))
    several = fire is stages.Multi
    caps = {"max_spikes": number(st.sampled_from([1.0, 2.0, 31.0]))} if several and draw(st.booleans()) else {}
    slow = any_.adaptation(body)
    timing = "same" if slow else draw(st.sampled_from(["same", "next", "residual"]))
    reset = any_.reset(timing, several=several)
    rests = [lambda: None, lambda: number(WHOLE)]
    if isinstance(reset, stages.Blend) and timing == "same":
        rests += [lambda: stages.RefractoryMask(number(WHOLE))] * 2
    return rsnn.Neuron(
        synapse=any_.synapse(),
        membrane=body,
        adaptation=slow,
        fire=fire(number(THRESHOLD), **caps),
        reset=reset,
        refractory=draw(st.sampled_from(rests))(),
        v_min=draw(st.sampled_from([None, number(REAL), stages.Relu(number(REAL))])),
        recurrence=draw(st.sampled_from(["apart", "merged"])),
        inhibition=slow is None and draw(st.sampled_from([False, False, True])),
        graded=draw(st.sampled_from([None, None, number(MILD)])),
    )


@st.composite
def wholes(draw: Callable[..., Any], n: int) -> rsnn.Neuron:
    """Any neuron that is no row of stages."""

    def number(values: st.SearchStrategy[float]) -> Any:
        return draw(per_neuron(values, n))

    theta = number(st.sampled_from([-10.0, 0.25, 1.0, 30.0]))
    match draw(st.sampled_from(["izhikevich", "izhikevich", "alpha", "coba", "glif3"])):
        case "izhikevich":
            fire = draw(st.sampled_from([stages.Single, stages.Strict, stages.Soft]))
            rate = draw(st.sampled_from([{"a": 0.02}, {"a": -0.02, "k": 0.25}, {"a_k": 0.005, "k": 0.5}]))
            recovery = draw(st.sampled_from(["carried", "updated", "drift"]))
            more = {"v_leak": number(MILD)} if recovery == "drift" else {}
            model = stages.Izhikevich(**rate, b=number(MILD), d=number(MILD), recovery=recovery, **more)
            return rsnn.Neuron(membrane=model, fire=fire(theta), dt=0.25)
        case "glif3":
            fire = draw(st.sampled_from([stages.Single, stages.Soft]))
            times, jumps = (number(TAU), number(TAU)), (number(MILD), number(MILD))
            model = stages.Glif3(number(TAU), number(MILD), number(MILD), number(REAL), *times, *jumps, number(UNIT), number(UNIT))
            return rsnn.Neuron(membrane=model, fire=fire(theta), refractory=number(WHOLE) if draw(st.booleans()) else None)
        case "alpha":
            reset = draw(st.sampled_from(["none", "subtract", "drop"]))
            fire = draw(st.sampled_from([stages.Strict, stages.Soft]))
            sent = {"inhibition": draw(st.booleans()), "graded": draw(st.sampled_from([None, number(MILD)]))}
            return rsnn.Neuron(membrane=stages.SnnTorchAlpha(number(UNIT), number(UNIT), number(MILD), reset), fire=fire(theta), **sent)
        case _:
            fire = draw(st.sampled_from([stages.Strict, stages.Soft]))
            values = (-0.2, -number(STEP) + 0.0, number(STEP), 0.25, number(MILD), 60.0, -100.0, number(REAL))
            return rsnn.Neuron(membrane=stages.Coba(*values), fire=fire(theta))


def every(n: int) -> st.SearchStrategy[Any]:
    """Any neuron of the general form."""
    return st.one_of(general(n), general(n), general(n), wholes(n))


def integers(seed: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Weights whose sums are rounded: no multiples of a power of two."""
    return np.random.default_rng(seed).normal(0.0, 0.3, shape).astype(dtype)
