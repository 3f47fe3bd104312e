"""The core of rsnn. Arrays are C-contiguous and in native byte order; anything else is refused."""

from collections.abc import Sequence
from typing import Any, TypedDict, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "Engine",
    "Lease",
    "Session",
    "XyloCore",
    "__version__",
    "build",
    "conv2d",
    "decode_times",
    "describe",
    "encode_bernoulli",
    "encode_delta",
    "encode_up_down",
    "event_conv2d_weight_gradient",
    "event_estimate",
    "event_scan",
    "event_unpack",
    "event_values",
    "event_weight_gradient",
    "held_bytes",
    "input_gradient",
    "integer_events",
    "integer_layer",
    "integer_pool",
    "integer_product",
    "integer_recurrent",
    "integer_scan",
    "levels",
    "limit_held_bytes",
    "linear",
    "plasticity_run",
    "plasticity_sensor",
    "plasticity_short_term",
    "plasticity_trace",
    "pool2d",
    "scan",
    "scan_backward",
    "take_block",
    "tinyodin_run",
    "victor_purpura",
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

_Words = npt.NDArray[np.uint64]

# Rows are samples, steps times batch. x (rows, inputs), or with inputs the bits (rows, ceil(inputs / 64)); weight (outputs, inputs), bias
# (outputs,), out (rows, outputs); path "auto", "event" or "dense". Gives the path taken, the events counted (0 where an estimate was enough
# for the dense path), and whether all of x is known to be 0 or 1; words, like those of x, are filled if the path is "event".
def linear(
    x: _Array,
    weight: _Array,
    bias: _Array | None,
    out: _Array,
    *,
    inputs: int | None = None,
    path: str = "auto",
    words: _Words | None = None,
    threads: int = 1,
    level: str | None = None,
) -> tuple[str, int, bool]: ...

# grad (rows, outputs), weight (outputs, inputs), out (rows, inputs)
def input_gradient(grad: _Array, weight: _Array, out: _Array, *, threads: int = 1, level: str | None = None) -> None: ...

# Events: what is not 0 in rows x (rows, n). words (rows, ceil(n / 64)); values (events,), by row and ascending, None where all are 1.
def event_estimate(x: _Array) -> float: ...
def event_scan(x: _Array, words: _Words, *, threads: int = 1, level: str | None = None) -> tuple[int, bool]: ...
def event_values(x: _Array, words: _Words, values: _Array) -> None: ...
def event_unpack(words: _Words, values: _Array | None, x: _Array) -> None: ...
def event_conv2d_weight_gradient(
    words: _Words,
    values: _Array | None,
    grad: _Array,
    grad_weight: _Array,
    *,
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    threads: int = 1,
    level: str | None = None,
) -> None: ...
def event_weight_gradient(
    words: _Words,
    values: _Array | None,
    grad: _Array,
    grad_weight: _Array,
    grad_bias: _Array,
    *,
    threads: int = 1,
    level: str | None = None,
) -> None: ...

# x (rows, channels, height, width), weight (outputs, channels, kernel rows, kernel columns), out (rows, outputs, height, width); the rest
# as for linear, a row of words for each image
def conv2d(
    x: _Array,
    weight: _Array,
    bias: _Array | None,
    out: _Array,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    path: str = "auto",
    words: _Words | None = None,
    threads: int = 1,
    level: str | None = None,
) -> tuple[str, int, bool]: ...

# x (rows, channels, height, width), out (rows, channels, height // kernel[0], width // kernel[1]); kind "sum", "average" or "max"
def pool2d(x: _Array, out: _Array, *, kernel: tuple[int, int], kind: str, threads: int = 1) -> None: ...

# Chips. Integers are int8, uint8, int16, int32 or int64; coefficients (3, P) are bias, v_threshold, v_min, each for `repeat` neighbouring
# lanes; state (n,) is updated in place; spikes and records are int32, or int64 of membranes beyond 32 bits. Given back: (step, neuron)
# beyond the watched bits, the lowest and the highest membrane.
# beyond, lowest, highest, spikes, fired
_Extent = tuple[int, int, int, int, int]

# x (T, n); coefficients (8, n), a row for each number of rust/chips/src/scan.rs; state (fields, n): v, i, rest
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

# A Xylo core, laid out once: weights w_in (inputs, synapses, hidden), w_rec, w_out; hidden and output: dash_syn, dash_mem, threshold, bias.
# run: raster (T, B, inputs); state isyn, v, isyn_out, v_out, last spikes; spikes hidden and out; record the first four states. Gives what
# hidden and output membranes reached, and the synaptic operations
@final
class XyloCore:
    def __new__(
        cls,
        version: int,
        weights: Sequence[npt.NDArray[np.int64]],
        shifts: Sequence[int],
        hidden: Sequence[npt.NDArray[np.int64]],
        output: Sequence[npt.NDArray[np.int64]],
        alias: npt.NDArray[np.int64],
    ) -> XyloCore: ...
    def run(
        self,
        raster: _Array,
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

# --- distances ----------------------------------------------------------------------------------------------------------------------------

# a, b: ascending spike times of many trains, and where each begins (and the end); pairs (n, 2) of their indices; out (n,).
def victor_purpura(
    a: tuple[npt.NDArray[np.float64], npt.NDArray[np.uint64]],
    b: tuple[npt.NDArray[np.float64], npt.NDArray[np.uint64]],
    pairs: npt.NDArray[np.uint64],
    q: float,
    out: npt.NDArray[np.float64],
    *,
    threads: int = 1,
) -> None: ...

# --- memory -------------------------------------------------------------------------------------------------------------------------------

@final
class Lease:
    def __new__(cls, interface: dict[str, Any], block: Any, waiting: list[Any], size: int) -> Lease: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

def take_block(waiting: list[Any], size: int) -> Any: ...
def held_bytes() -> int: ...
def limit_held_bytes(limit: int) -> None: ...

# Spikes by chance, by change, and back to times. Arrays (steps, n), C-contiguous, of one float type; probability (1 or steps, n); packed:
# out or spikes are words of bits (uint64); reached (n,) is read and written; out of up_down (steps, n, 2), of times (n, count).
def encode_bernoulli(
    probability: _Array, out: _Array, *, key: int, packed: bool = False, threads: int = 1, level: str | None = None
) -> None: ...
def encode_delta(
    x: _Array, out: _Array, *, threshold: float, padding: bool, off_spike: bool, threads: int = 1, level: str | None = None
) -> None: ...
def encode_up_down(x: _Array, thr_up: _Array, thr_down: _Array, reached: _Array, out: _Array) -> None: ...
def decode_times(spikes: _Array, out: _Array, *, packed: bool = False, threads: int = 1) -> None: ...

# Synapses that change. rule: words and numbers of `rsnn.plasticity.STDP.described`; sizes: channels in and out, then rows and columns of an
# image, of the kernel, the stride, the padding; pre (T, B, entries), images in raster order, weight (kernel row, kernel column and channel;
# output), traces (B, entries): pre, post, and the slow ones of both. Either post (T, B, entries), or neurons: spec, coefficients, state
# (fields, B, entries), out (T, B, entries). modulated: decay, eligibilities (B, *weight), reward (T, B); kept: the weights of every so many
# steps.
def plasticity_run(
    rule: tuple[dict[str, str], dict[str, float]],
    sizes: tuple[int, int, tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]],
    pre: _Array,
    weight: _Array,
    traces: Sequence[_Array],
    *,
    post: _Array | None = None,
    neurons: tuple[str, _Array, _Array, _Array] | None = None,
    bias: _Array | None = None,
    drive: _Array | None = None,
    recurrent: tuple[_Array, _Array | None] | None = None,
    group: int | None = None,
    record: Sequence[tuple[str, _Array]] = ...,
    modulated: tuple[float, _Array, _Array] | None = None,
    kept: tuple[int, _Array] | None = None,
    level: str | None = None,
) -> None: ...

# x (T, n), decay and gain (n,) or (1,), state (n,), out (T, n)
def plasticity_trace(
    x: _Array, decay: _Array, gain: _Array, state: _Array, out: _Array, *, pairing: str, level: str | None = None
) -> None: ...

# z (T, n), numbers k_f, k_d and U, (n,) or (1,) each, u and x (n,), out (T, n), record u and x (T, n)
def plasticity_short_term(
    z: _Array,
    numbers: Sequence[_Array],
    u: _Array,
    x: _Array,
    out: _Array,
    *,
    record: Sequence[_Array | None],
    level: str | None = None,
) -> None: ...

# pre (T, B, before), post (T, B, after), numbers k_c, k_a, eta_c, eta_a; state and record b, c, a, (B, before, after) or with (T, ...)
def plasticity_sensor(
    pre: _Array,
    post: _Array,
    numbers: Sequence[float],
    state: Sequence[_Array],
    *,
    record: Sequence[_Array | None],
    level: str | None = None,
) -> None: ...

# A network as a list of nodes, the input of len entries the first; every method adds one and gives its number. weight (outputs, inputs)
# or (outputs, channels, kernel rows, kernel columns), of the dtype of the engine; linear acts on each of `rows` rows of a sample; images
# are in raster order; table: where each piece of unit entries goes, -1 for nowhere; join "sum", "mean" or "largest" of what meets there,
# of windows of so many.
@final
class Engine:
    def __new__(cls, dtype: str, len: int, *, level: str | None = None) -> Engine: ...
    def linear(self, input: int, rows: int, weight: _Array, bias: _Array | None) -> int: ...
    def conv2d(
        self,
        input: int,
        weight: _Array,
        bias: _Array | None,
        size: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> int: ...
    def neurons(
        self,
        input: int,
        spec: str,
        spiking: bool,
        len: int,
        coefficients: _Array,
        *,
        recurrent: tuple[_Array, _Array | None] | None = None,
        group: int | None = None,
    ) -> int: ...
    def map(self, inputs: Sequence[int], table: npt.NDArray[np.int64] | None, unit: int, len: int, join: str, window: int) -> int: ...
    def delay(self, input: int, steps: int, len: int) -> int: ...
    def start(self, samples: int, kept: Sequence[int]) -> Session: ...

# A run that goes on from call to call. x: rows (steps, samples) of entries, of words of bits (uint64), or a tuple of events: where each
# row begins (uint64, and the end), entry (uint32), value or None; output (steps, samples, entries) of the last node.
@final
class Session:
    def advance(
        self,
        x: _Array | tuple[_Array, _Array, _Array | None],
        output: _Array,
        steps: int,
        *,
        path: str = "auto",
        record: Sequence[tuple[int, str, _Array]] = ...,
        threads: int = 1,
    ) -> None: ...
    def begin(self, node: int, state: _Array) -> None: ...
    def end(self, node: int, state: _Array) -> None: ...
    def counts(self, node: int) -> tuple[int, int, int, int, int, float]: ...
    def spikes(self, node: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], _Array | None]: ...
