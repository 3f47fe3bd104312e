"""Neurons whose own output comes back to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .arguments import shape_of, shown
from .composed import AnyNeuron, Kernel
from .errors import InvalidTypeError, InvalidValueError
from .hints import axis_to_the_end
from .state import State
from .weights import Weights, kept

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Recurrent(Weights):
    """Neurons whose output of the last step comes back to them, weighted: their spikes, or the membrane of one that does not spike.

    The operand, summed over the neurons that fired in ascending order, multiply then add, from +0, the bias last::

        r[post] = (sum over ascending pre of weight[post, pre] * s[pre]) + bias[post]        s: the last output, 0 at first
        r[n]    = weight[n] * s[n] + bias[n]                                                 one weight for each neuron

    joins the input x as a term of its own, after it: ``i <- (alpha i + x) + r``, without a synapse ``u = (beta v + z) + r``. In the
    neurons of sinabs, and in those that are no row of stages, as Izhikevich's, x + r is formed first.

    Parameters
    ----------
    neuron : any neuron
    weight : array_like (n, n), ``weight[post, pre]``, or (n,)
        n is the last axis of the data. float32 and float64 are kept, float16 becomes float32, integers become float64; a read-only
        copy. Finite. Rounded to the dtype of a run once. A weight of a neuron to itself counts as any other.
    bias : array_like (n,), optional

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No neuron, or no finite weights of these shapes.

    Notes
    -----
    The state has one more field, ``s``. Every other axis (batch, channels) holds sequences of their own: the output acts along the last
    axis.

    Examples
    --------
    >>> import rsnn
    >>> chain = rsnn.Recurrent(rsnn.LIF(beta=0.0), [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> rsnn.simulate(chain, [[1, 0, 0], [0, 0, 0], [0, 0, 0]]).spikes.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    neuron: AnyNeuron
    weight: Array
    bias: Array | None = None

    def __post_init__(self) -> None:
        """Check the neuron, and the arrays; keep copies of them."""
        if not isinstance(self.neuron, AnyNeuron):
            raise InvalidTypeError(f"neuron={shown(self.neuron)}: must be a neuron, such as rsnn.LIF(...)")
        weight = kept("weight", self.weight)
        if weight.ndim not in (1, 2) or weight.shape[0] != weight.shape[-1] or not weight.size:
            raise InvalidValueError(
                f"weight has shape {weight.shape}: must be (n, n) with weight[post, pre], or (n,) for one weight from each neuron to itself"
            )
        object.__setattr__(self, "weight", weight)
        self._set_bias(len(weight))

    @property
    def stages(self) -> Any:
        """The general form of the neuron."""
        return self.neuron.stages

    def kernel(self) -> Kernel:
        """Describe the neurons to an engine, as `AnyNeuron.kernel`."""
        return self.neuron.kernel(recurrent=True)

    def init_state(self, shape: Any, dtype: Any = np.float32, **values: Any) -> State:
        """Make the state that a run starts from, as `AnyNeuron.init_state`; the last output ``s`` is 0.

        Examples
        --------
        >>> import rsnn
        >>> rsnn.Recurrent(rsnn.LIF(beta=0.5), [1.0, 1.0]).init_state(2)._fields
        ('v', 's')
        """
        return self.neuron.init_state(shape, dtype, recurrent=True, **values)

    def fan_out(self, input_shape: Any) -> Array:
        """Count the synapses that leave each neuron: n, or 1 where each neuron has one weight.

        Parameters
        ----------
        input_shape : the shape of one sample: an int or a tuple

        Examples
        --------
        >>> import numpy as np, rsnn
        >>> rsnn.Recurrent(rsnn.LIF(), np.ones((3, 3))).fan_out(3).tolist()
        [3, 3, 3]
        """
        shape = shape_of("input_shape", input_shape)
        self.check_size(shape)
        return np.broadcast_to(np.int64(math.prod(self.weight.shape[1:])), shape)

    def check_size(self, shape: tuple[int, ...]) -> None:
        """Refuse one step of data whose last axis is not as long as the weights have neurons."""
        n = shape[-1] if shape else 1
        if n != len(self.weight):
            raise InvalidValueError(
                f"recurrent: the weight has shape {self.weight.shape}, one step of x has {shape}: "
                f"it must be {(n, n)} with weight[post, pre], or {(n,)}" + axis_to_the_end(len(self.weight), shape)
            )

    def operands(self, dtype: Any) -> tuple[Array, Array | None]:
        """Give the weights as the engine reads them: a row for each neuron that fired."""
        kind = np.dtype(dtype)
        if kind not in self._by_spike:
            weight, bias = self.weights(kind)
            self._by_spike[kind] = (np.ascontiguousarray(weight.T), bias)
        return self._by_spike[kind]

    @cached_property
    def _by_spike(self) -> dict[np.dtype[Any], tuple[Array, Array | None]]:
        return {}


def acting(neuron: Any, spec: str, dtype: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Give what an engine is told of neurons that act on each other: their weights, and how many compete in one step of this shape."""
    told: dict[str, Any] = {}
    if isinstance(neuron, Recurrent):
        neuron.check_size(shape)
        told["recurrent"] = neuron.operands(dtype)
    if " inhibition" in spec:
        told["group"] = shape[-1] if shape else 1
    return told


def recurrence(neuron: AnyNeuron, value: Any) -> Recurrent:
    """Make the recurrent form of a neuron from the argument ``recurrent``: W, or a pair (W, bias)."""
    if isinstance(value, tuple) and len(value) != 2:
        raise InvalidValueError(f"recurrent: a tuple of {len(value)} came; give W, or the pair (W, bias)")
    weight, bias = value if isinstance(value, tuple) else (value, None)
    try:
        return Recurrent(neuron, weight, bias)
    except (InvalidValueError, InvalidTypeError) as error:
        raise type(error)(f"recurrent: {error}") from None
