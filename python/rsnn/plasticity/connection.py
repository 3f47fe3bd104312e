"""Layers with weights as the native engine changes them: a row of weights for each input, images in raster order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rsnn.arguments import shown
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.layers import Conv1d, Conv2d, Linear, pair
from rsnn.network.lowering import from_raster, to_raster
from rsnn.state import State, make_state

from .rules import STDP, AnyRule, RewardModulated

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def stdp_of(rule: AnyRule) -> STDP:
    """Give the rule of spike times inside a rule."""
    return rule.rule if isinstance(rule, RewardModulated) else rule


class Connection:
    """A layer with weights between samples of two shapes, and how its arrays are laid out for the native engine."""

    def __init__(self, layer: Linear | Conv1d | Conv2d, shape: Shape) -> None:
        self.layer, self.before, self.after = layer, shape, layer.output_shape(shape)
        self.is_image = not isinstance(layer, Linear)
        outputs, inputs, *kernel = layer.weight.shape
        one = (1, 1)
        if isinstance(layer, Linear):
            self.sizes = (inputs, outputs, (1, math.prod(shape[:-1])), one, one, (0, 0))
        elif isinstance(layer, Conv1d):
            self.sizes = (inputs, outputs, (1, shape[1]), (1, kernel[0]), (1, layer.stride), (0, layer.padding))
        else:
            stride, padding = pair("stride", layer.stride, 1), pair("padding", layer.padding, 0)
            self.sizes = (inputs, outputs, pair("size", shape[1:], 0), pair("kernel", tuple(kernel), 1), stride, padding)

    def rows(self, dtype: np.dtype[Any]) -> Array:
        """Give a copy of the weight as (kernel row, kernel column and channel; output), rounded to dtype."""
        weight, _ = self.layer.weights(dtype)
        moved = np.moveaxis(weight, (0, 1), (-1, -2))
        return np.array(moved.reshape(-1, len(weight)), dtype, order="C")

    def weight(self, rows: Array) -> Array:
        """Give rows (..., rows, outputs) as weights (..., *shape of the weight)."""
        outputs, inputs, *kernel = self.layer.weight.shape
        lead = rows.shape[:-2]
        seen = rows.reshape(*lead, *kernel, inputs, outputs)
        return np.ascontiguousarray(np.moveaxis(seen, (-1, -2), (len(lead), len(lead) + 1)))

    def lay(self, array: Array, shape: Shape) -> Array:
        """Give an array (..., *shape of a sample) as (..., entries) in the engine's order."""
        if self.is_image:
            return to_raster(array, shape)
        return np.ascontiguousarray(array).reshape(*array.shape[: array.ndim - len(shape)], math.prod(shape))

    def unlay(self, array: Array, shape: Shape) -> Array:
        """Bring an array (..., entries) back."""
        return from_raster(array, shape) if self.is_image else array.reshape(*array.shape[:-1], *shape)

    def fields(self, rule: AnyRule, lead: Shape) -> dict[str, Shape]:
        """Tell the shape of every state field of a rule: of a batch (B,), or ()."""
        shapes = {"pre": self.before, "post": self.after, "pre_slow": self.before, "post_slow": self.after}
        shapes["eligibility"] = self.layer.weight.shape
        return {name: (*lead, *shapes[name]) for name in rule.states}

    def check(self, rule: AnyRule, dtype: np.dtype[Any]) -> None:
        """Refuse weights that begin beyond the bounds that they are to be kept between."""
        stdp = stdp_of(rule)
        weight, _ = self.layer.weights(dtype)
        low, high = (float(np.asarray(bound, dtype)) for bound in (stdp.w_min, stdp.w_max))
        if stdp.bounded and weight.size and not (weight.min() >= low and weight.max() <= high):
            raise InvalidValueError(
                f"weight: from {weight.min():.6g} to {weight.max():.6g}, the rule keeps weights from w_min={low:g} to w_max={high:g}: "
                f"clip them first, np.clip(weight, {low:g}, {high:g}), or choose other bounds, or bounded=False"
            )


class Learning:
    """A run of a rule over a connection: its weights, traces and eligibilities as the native engine has them."""

    def __init__(self, connection: Connection, rule: AnyRule, state: State, samples: int, dtype: np.dtype[Any]) -> None:
        self.connection, self.rule, self.samples, self.dtype = connection, rule, samples, dtype
        self.rows = connection.rows(dtype)
        self.held = {}
        for name, one in zip(state._fields, state, strict=True):
            shape = self._shape(name)
            if name == "eligibility":
                seen = np.moveaxis(one.reshape(samples, *shape), (1, 2), (-1, -2))
                self.held[name] = np.array(seen.reshape(samples, *self.rows.shape), dtype, order="C")
            else:
                self.held[name] = np.array(connection.lay(one.reshape(samples, *shape), shape), order="C")

    def _shape(self, name: str) -> Shape:
        return self.connection.fields(self.rule, ())[name]

    def arguments(self, reward: Array | None) -> dict[str, Any]:
        """Give what the native call needs of the rule."""
        arguments: dict[str, Any] = {
            "rule": stdp_of(self.rule).described(),
            "sizes": self.connection.sizes,
            "weight": self.rows,
            "traces": [self.held[name] for name in stdp_of(self.rule).states],
        }
        if isinstance(self.rule, RewardModulated):
            arguments["modulated"] = (self.rule.decay(), self.held["eligibility"], reward)
        return arguments

    def weight(self) -> Array:
        """Give the weight as it is now; refuse one that has diverged."""
        weight = self.connection.weight(self.rows)
        if not np.isfinite(weight).all():
            raise InvalidValueError(
                "weight: a weight has become infinite or undefined; keep weights within bounds (bounded=True), make a_plus and a_minus "
                "smaller, and look for values in the input that are not finite"
            )
        return weight

    def state(self, lead: Shape) -> State:
        """Give the state as it is now."""
        values = []
        for name, one in self.held.items():
            shape = self._shape(name)
            seen = self.connection.weight(one) if name == "eligibility" else self.connection.unlay(one, shape)
            values.append(np.ascontiguousarray(seen).reshape(*lead, *shape))
        return make_state(self.held, values)


def layer_of(weight: Any, stride: Any, padding: Any) -> Linear | Conv1d | Conv2d:
    """Make the layer of a weight by its axes; it checks what it is given."""
    axes = np.ndim(weight)
    if axes == 3:
        return Conv1d(weight, None, stride, padding)
    if axes == 4:
        return Conv2d(weight, None, stride, padding)
    for name, value, default in (("stride", stride, 1), ("padding", padding, 0)):
        if not isinstance(value, (int, np.integer)) or value != default:
            raise InvalidValueError(f"{name}={shown(value)}: only convolutions have one, whose weight has 3 or 4 axes; leave it out")
    return Linear(weight)


def checked_rule(name: str, rule: Any) -> AnyRule:
    """Refuse what is no rule of spike times."""
    if not isinstance(rule, (STDP, RewardModulated)):
        hint = f"; give an instance: {rule.__name__}(...)" if rule is STDP or rule is RewardModulated else ""
        raise InvalidTypeError(f"{name}={shown(rule)}: must be rsnn.plasticity.STDP(...) or RewardModulated(...){hint}")
    return rule
