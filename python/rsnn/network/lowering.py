"""From a network to the native engine: its layers as nodes, their entries in the order in which kernels want them.

The engine has images in raster order: rows, columns, then channels. Neurons and pooling take them as they come; where a layer wants the
order of the numpy array (`Linear`, `Flatten`, neurons that act on each other, the output), the entries are moved.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rsnn import _rsnn
from rsnn.layers import Conv2d, Delay, Linear, Pool2d, pair
from rsnn.recurrent import Recurrent, acting
from rsnn.weights import Weights

if TYPE_CHECKING:
    from .network import Network

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Place(NamedTuple):
    """Where the native engine has what a layer gives: the number of the node, and whether its entries are in raster order."""

    node: int
    raster: bool


class Lowered(NamedTuple):
    """A network as the native engine has it.

    Attributes
    ----------
    engine : the native engine
    places : of every layer, by index
    products : the nodes of the layers with weights, by index
    """

    engine: _rsnn.Engine
    places: dict[int, Place]
    products: dict[int, int]


def raster(shape: Shape) -> npt.NDArray[np.int64]:
    """Give the place in raster order of every entry of an image (channels, ...), the entries in the order of the array."""
    channels, pixels = shape[0], math.prod(shape[1:])
    return np.ascontiguousarray(np.arange(channels * pixels).reshape(pixels, channels).T).ravel()


def to_raster(array: Array, shape: Shape) -> Array:
    """Give an array (..., *shape) with its images in raster order, as (..., entries)."""
    lead = array.shape[: array.ndim - len(shape)]
    seen = array.reshape(*lead, shape[0], math.prod(shape[1:])).swapaxes(-1, -2)
    return np.ascontiguousarray(seen).reshape(*lead, math.prod(shape))


def from_raster(array: Array, shape: Shape) -> Array:
    """Give an array (..., entries) in raster order as (..., *shape)."""
    lead = array.shape[:-1]
    seen = array.reshape(*lead, math.prod(shape[1:]), shape[0]).swapaxes(-1, -2)
    return np.ascontiguousarray(seen).reshape(*lead, *shape)


def lower(network: Network, dtype: np.dtype[Any]) -> Lowered:
    """Build the native engine of a network; its weights are rounded to dtype."""
    return _Lowering(network, dtype).lowered()


class _Lowering:
    def __init__(self, network: Network, dtype: np.dtype[Any]) -> None:
        self.network, self.dtype = network, dtype
        self.engine = _rsnn.Engine(dtype.name, math.prod(network.shape_before(0)))
        self.places = {-1: Place(0, raster=False)}
        self.products: dict[int, int] = {}
        self.moved: dict[tuple[int, bool], int] = {}
        self.newest = 0

    def lowered(self) -> Lowered:
        """Add all layers, and the output in the order of the array."""
        last = len(self.network.layers) - 1
        for k, layer in enumerate(self.network.layers):
            with self.network.at(k):
                self.places[k] = self._layer(k, layer)
        shape = self.network.shapes[last]
        node = self._move(self.places[last], shape, False)
        if node != self.newest:  # the output is what the newest node gives
            self._add(self.engine.map([node], None, 1, math.prod(shape), "sum", 1))
        return Lowered(self.engine, self.places, self.products)

    def _add(self, node: int) -> int:
        self.newest = node
        return node

    def _layer(self, k: int, layer: Any) -> Place:
        shape = self.network.shape_before(k)
        came = [self.places[j] for j in self.network.graph.inputs[k]]
        if isinstance(layer, Weights) and not isinstance(layer, Recurrent):
            return self._product(k, layer, shape, came)
        if isinstance(layer, Pool2d):
            return self._pool(layer, shape, came)
        if k in self.network.neurons:
            return self._neurons(k, layer, shape, came)
        if isinstance(layer, Delay):
            node, is_raster = self._together(came, shape, came[0].raster)
            return Place(self._add(self.engine.delay(node, layer.steps, math.prod(shape))), is_raster)
        # Flatten, Add: what comes in, as it is. Only one whose shape changes has to be in the order of the array.
        keeps = self.network.shapes[k] == shape
        return self._together(came, shape, keeps and came[0].raster)

    def _together(self, came: list[Place], shape: Shape, is_raster: bool) -> Place:
        """Bring inputs into one order, and add them up where there are several."""
        nodes = [self._move(place, shape, is_raster) for place in came]
        node = nodes[0] if len(nodes) == 1 else self._add(self.engine.map(nodes, None, 1, math.prod(shape), "sum", 1))
        return Place(node, is_raster)

    def _move(self, place: Place, shape: Shape, is_raster: bool) -> int:
        """Give the node that has the entries of another one in this order."""
        if place.raster == is_raster:
            return place.node
        key = (place.node, is_raster)
        if key not in self.moved:
            table = raster(shape) if is_raster else np.argsort(raster(shape))
            self.moved[key] = self._add(self.engine.map([place.node], table, 1, math.prod(shape), "sum", 1))
        return self.moved[key]

    def _product(self, k: int, layer: Any, shape: Shape, came: list[Place]) -> Place:
        weight, bias = layer.weights(self.dtype)
        if isinstance(layer, Linear):
            node, _ = self._together(came, shape, False)
            node = self.engine.linear(node, math.prod(shape[:-1]), weight, bias)
        else:
            node, _ = self._together(came, shape, True)
            if isinstance(layer, Conv2d):
                size, stride, padding = pair("size", shape[1:], 0), pair("stride", layer.stride, 1), pair("padding", layer.padding, 0)
            else:  # an image of one row
                weight, size, stride, padding = weight[:, :, None], (1, shape[1]), (1, layer.stride), (0, layer.padding)
            node = self.engine.conv2d(node, np.ascontiguousarray(weight), bias, size, stride, padding)
        self.products[k] = self._add(node)
        return Place(node, not isinstance(layer, Linear))

    def _pool(self, layer: Any, shape: Shape, came: list[Place]) -> Place:
        node, _ = self._together(came, shape, True)
        channels, *size = shape
        _, *after = layer.output_shape(shape)
        row, column = np.ix_(*(np.arange(n) // k for n, k in zip(size, layer.kernel, strict=True)))
        table = np.where((row < after[0]) & (column < after[1]), row * after[1] + column, -1).ravel()
        join, window = {"sum": "sum", "average": "mean", "max": "largest"}[layer.kind], layer.kernel[0] * layer.kernel[1]
        return Place(self._add(self.engine.map([node], table, channels, channels * math.prod(after), join, window)), True)

    def _neurons(self, k: int, layer: Any, shape: Shape, came: list[Place]) -> Place:
        kernel, table = layer.kernel(), layer.stages.table(self.dtype, shape)
        options = acting(layer, kernel.spec, self.dtype, shape)
        node, is_raster = self._together(came, shape, came[0].raster and not options)
        if is_raster and table.shape[1] > 1:
            repeat = math.prod(shape) // table.shape[1]
            table = to_raster(np.tile(table, repeat), shape)
        table = np.ascontiguousarray(table)
        node = self.engine.neurons(node, kernel.spec, kernel.spiking, math.prod(shape), table, **options)
        return Place(self._add(node), is_raster)
