"""Layers between neurons as data: weights, pooling, and what only passes on; nothing running. A `rsnn.Network` joins them."""

from .pooling import AvgPool2d, MaxPool2d, Pool2d, SumPool2d
from .routing import Add, Delay, Flatten
from .weighted import Conv1d, Conv2d, Layer, Linear, Shape, Weighted, image_shape, pair

__all__ = [
    "Add",
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "Delay",
    "Flatten",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Pool2d",
    "Shape",
    "SumPool2d",
    "Weighted",
    "image_shape",
    "pair",
]
