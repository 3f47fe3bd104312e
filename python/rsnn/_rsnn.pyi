"""The native half of rsnn. Arrays are C-contiguous and in native byte order; anything else is refused."""

from collections.abc import Sequence
from typing import Any, TypedDict, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Lease",
    "__version__",
    "build",
    "conv2d",
    "describe",
    "held_bytes",
    "integer_events",
    "integer_layer",
    "integer_pool",
    "integer_product",
    "integer_recurrent",
    "integer_scan",
    "levels",
    "limit_held_bytes",
    "linear",
    "pool2d",
    "scan",
    "scan_backward",
    "take_block",
    "tally",
    "tinyodin_run",
    "xylo_run",
]

__version__: str

_Float = npt.NDArray[np.float32] | npt.NDArray[np.float64]
_Array = npt.NDArray[Any]

class _Build(TypedDict):
    version: str
    simd: str
    profile: str

def build() -> _Build: ...
def levels() -> list[str]: ...
def describe(spec: str) -> tuple[list[str], list[str]]: ...

# x (outer, T, inner); coefficients (n, P), P = 1 or a divisor of inner; state (n_states, outer, inner), updated in place;
# out (outer, T, inner), or with packed uint64 (outer, T, ceil(inner / 64)); checkpoints (ceil(T / every), n_states, outer, inner);
# record: arrays like x, or (outer, T, picked) with record_index, the ascending numbers (uint64) of the neurons in inner;
# recurrent: weights (n, n), a row for each neuron that fired, or (n,), and bias (n,); group: neurons that compete
def scan(
    spec: str,
    x: _Array,
    coefficients: _Array,
    state: _Array,
    out: _Array | None,
    *,
    packed: bool = False,
    record: Sequence[tuple[str, _Array]] = ...,
    record_index: npt.NDArray[np.uint64] | None = None,
    recurrent: tuple[_Array, _Array | None] | None = None,
    group: int | None = None,
    checkpoints: _Array | None = None,
    every: int = 0,
    threads: int = 1,
    level: str | None = None,
) -> None: ...

# grad_state: in, of the final state; out, of the initial one. grad_coefficients (n, P) of float64: only the rows in needs are written.
def scan_backward(
    spec: str,
    surrogate: str,
    surrogate_params: Sequence[float],
    x: _Array,
    coefficients: _Array,
    checkpoints: _Array,
    every: int,
    grad_out: _Array | None,
    grad_record: Sequence[tuple[str, _Array]],
    grad_state: _Array,
    grad_x: _Array,
    grad_coefficients: _Array,
    *,
    needs: Sequence[str],
    detach: Sequence[str],
    recurrent: tuple[_Array, _Array | None] | None = None,
    grad_recurrent: tuple[_Array, _Array | None] | None = None,
    group: int | None = None,
    threads: int = 1,
    level: str | None = None,
) -> None: ...

# Rows are samples, steps times batch. x (rows, inputs), weight (outputs, inputs), bias (outputs,), out (rows, outputs)
def linear(x: _Array, weight: _Array, bias: _Array | None, out: _Array, *, threads: int = 1, level: str | None = None) -> None: ...

# x (rows, channels, height, width), weight (outputs, channels, kernel rows, kernel columns), out (rows, outputs, height, width)
def conv2d(
    x: _Array,
    weight: _Array,
    bias: _Array | None,
    out: _Array,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    threads: int = 1,
    level: str | None = None,
) -> None: ...

# x (rows, channels, height, width), out (rows, channels, height // kernel[0], width // kernel[1])
def pool2d(x: _Array, out: _Array, *, kernel: tuple[int, int], average: bool, threads: int = 1) -> None: ...

# x (rows, positions); adds to counts (positions,) of uint64 what is not 0; gives the sum of x, exact for whole numbers
def tally(x: _Array, counts: npt.NDArray[np.uint64], *, threads: int = 1) -> float: ...

# Chips. Integers are int8, uint8, int16, int32 or int64; coefficients (3, P) are bias, v_threshold, v_min, each for `repeat` neighbouring
# lanes; state (n,) is updated in place; spikes and records are int32, or int64 of membranes beyond 32 bits. Given back: (step, neuron)
# beyond the watched bits, the lowest and the highest membrane.
# beyond, lowest, highest, spikes, fired
_Extent = tuple[int, int, int, int, int]

# x (T, n); coefficients (8, n), a row for each number of rust/core/src/chip/scan.rs; state (fields, n): v, i, rest
def integer_scan(
    spec: str,
    x: _Array,
    coefficients: npt.NDArray[np.int64],
    state: npt.NDArray[np.int64],
    spikes: _Array,
    record: Sequence[tuple[str, _Array]],
    *,
    repeat: int = 1,
    first_step: int = 0,
    threads: int = 1,
) -> _Extent: ...

# offsets (T + 1), entries of the map (C, H, W), v (O, H', W'), spikes (T, O, H', W'); offsets and entries of what is sent
def integer_events(
    spec: str,
    offsets: npt.NDArray[np.int64],
    entries: npt.NDArray[np.uint32],
    input: tuple[int, int],
    weight: npt.NDArray[np.int64],
    coefficients: npt.NDArray[np.int64],
    v: npt.NDArray[np.int64],
    spikes: npt.NDArray[np.int32],
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    pool: int,
) -> tuple[list[int], list[int], _Extent, int]: ...

# x (N, C, H, W), weight (O, C, kh, kw), out (N, O, H', W'); the synaptic operations
def integer_product(
    x: _Array,
    weight: npt.NDArray[np.int64],
    out: npt.NDArray[np.int64],
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    threads: int = 1,
) -> int: ...

# x (T, B, n), weights (pre, post), sent (B, n); also the synaptic operations
def integer_recurrent(
    spec: str,
    x: npt.NDArray[np.int64],
    coefficients: npt.NDArray[np.int64],
    state: npt.NDArray[np.int64],
    weights: npt.NDArray[np.int64],
    sent: npt.NDArray[np.int64],
    spikes: npt.NDArray[np.int32],
    record: Sequence[tuple[str, npt.NDArray[np.int32]]],
    *,
    exponent: int,
    graded: bool,
    threads: int = 1,
) -> tuple[_Extent, int]: ...

# raster (T, B, inputs); weights w_in, w_rec, w_out; hidden and output: dash_syn, dash_mem, threshold, bias; state isyn, v, isyn_out,
# v_out, last spikes; spikes hidden and out; record the first four states. What hidden and output membranes reached, synaptic operations
def xylo_run(
    version: int,
    raster: _Array,
    weights: Sequence[npt.NDArray[np.int64]],
    shifts: Sequence[int],
    hidden: Sequence[npt.NDArray[np.int64]],
    output: Sequence[npt.NDArray[np.int64]],
    alias: npt.NDArray[np.int64],
    state: Sequence[npt.NDArray[np.int32]],
    spikes: Sequence[npt.NDArray[np.int32]],
    record: Sequence[npt.NDArray[np.int32] | None],
    *,
    threads: int = 1,
) -> tuple[_Extent, _Extent, int]: ...

# addresses, counts for each event, synaptic operations, spikes lost
def tinyodin_run(
    weights: npt.NDArray[np.int64],
    threshold: npt.NDArray[np.int64],
    leak: npt.NDArray[np.int64],
    disable: Sequence[bool],
    open_loop: bool,
    events: Sequence[int],
    v: npt.NDArray[np.int64],
) -> tuple[list[int], list[int], int, int]: ...

# x (T, B, C, H, W), weight (O, C, kh, kw), spikes (T, B, O, H', W'), pooled (T, B, O, H' / pool, W' / pool); also the synaptic operations
def integer_layer(
    spec: str,
    x: _Array,
    weight: npt.NDArray[np.int64],
    coefficients: npt.NDArray[np.int64],
    state: npt.NDArray[np.int64],
    spikes: npt.NDArray[np.int32],
    pooled: npt.NDArray[np.int32] | None,
    record: Sequence[tuple[str, npt.NDArray[np.int32]]],
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    pool: int,
    first_step: int = 0,
    threads: int = 1,
) -> tuple[_Extent, int]: ...

# x (..., H, W), out (..., H / pool, W / pool)
def integer_pool(x: _Array, out: npt.NDArray[np.int32], *, pool: int, threads: int = 1) -> None: ...

# --- memory -------------------------------------------------------------------------------------------------------------------------------

@final
class Lease:
    def __new__(cls, interface: dict[str, Any], block: Any, waiting: list[Any], size: int) -> Lease: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

def take_block(waiting: list[Any], size: int) -> Any: ...
def held_bytes() -> int: ...
def limit_held_bytes(limit: int) -> None: ...
