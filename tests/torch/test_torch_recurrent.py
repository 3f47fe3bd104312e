"""Neurons that act on each other, through weights or by competing: values and gradients of the operator against the plain loop."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_neurons import NEURONS, data, soft

import rsnn
from rsnn import _rsnn, presets
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.surrogate import ATan, FastSigmoid
from rsnn.torch import _ops, functional
from rsnn.torch.functional import simulate

STEPS, BATCH, N = 21, 3, 5
KINDS = ("full", "full+bias", "own", "own+bias")


def _merged(neuron: Any) -> Any:
    return dataclasses.replace(neuron.stages, recurrence="merged")


def _rivals(neuron: Any, **more: Any) -> Any:
    return dataclasses.replace(neuron.stages, inhibition=True, **more)


COMING_BACK = {name: NEURONS[name] for name in ("lif-all", "lif-alpha-multi-residual", "lif-refractory", "lif-per-neuron", "li")} | {
    "everyday": rsnn.LIF(beta=0.875),
    "everyday-synapse": rsnn.LIF(beta=0.875, alpha=0.5),
    "iaf-merged": _merged(NEURONS["iaf"]),
    "adaptive": rsnn.ALIF(beta=0.875, tau_adapt=20.0),
    "graded": dataclasses.replace(rsnn.LIF(beta=0.875).stages, graded=0.75),
    "rivals": _rivals(rsnn.LIF(beta=0.875)),
    "rivals-all": _rivals(rsnn.LIF(beta=0.875, alpha=0.5, refractory=2.0, reset_timing="next"), graded=1.5),
    "exp_leak": presets.sinabs.ExpLeak(alpha_mem=0.75),
    "izhikevich": rsnn.Izhikevich(dt=0.25, c=-0.5, d=0.25, v_threshold=1.0, sq=0.25, mn=-0.5, const=0.25, v_init=0.0),
    "alpha": presets.snntorch.Alpha(alpha=0.9, beta=0.8),
    "alpha-rivals": presets.snntorch.Alpha(alpha=0.9, beta=0.8, inhibition=True, graded_spikes_factor=1.5, reset_mechanism="subtract"),
    "coba": presets.norse.CobaLIF(dt=0.125, v_thresh=0.5, v_reset=0.0, v_rest=0.0, e_rev_I=-2.0, e_rev_E=4.0),
    "glif3": rsnn.GLIF3(tau_mem=5.0, v_threshold=0.5, v_leak=0.0, v_reset=-0.125, r=2.0, jump_1=-0.25, jump_2=0.125),
}
RIVALS = {
    "rivals-alone": _rivals(rsnn.LIF(beta=0.875)),
    "alpha-rivals-alone": COMING_BACK["alpha-rivals"],
    "graded-alone": COMING_BACK["graded"],
}


def weights(kind: str | None, n: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """W, and the bias: of a size that keeps most neurons from running away."""
    generator = torch.Generator().manual_seed(n)
    if kind is None:
        return {}
    made = {"weight": torch.randn((n, n) if kind.startswith("full") else (n,), generator=generator, dtype=torch.float64) / (2 * n**0.5)}
    if kind.endswith("bias"):
        made["bias"] = torch.randn(n, generator=generator, dtype=torch.float64) / 8
    return {name: value.to(dtype).requires_grad_() for name, value in made.items()}


def given(parts: dict[str, Tensor]) -> Any:
    return None if not parts else (parts["weight"], parts["bias"]) if "bias" in parts else parts["weight"]


def outcome(
    neuron: Any, kind: str | None, dtype: torch.dtype, shape: tuple[int, ...] = (STEPS, BATCH, N), **options: Any
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Everything a run returns, and the gradients of a random linear function of it by everything it depends on."""
    x = torch.from_numpy(data(shape)).to(dtype).requires_grad_()
    parts = weights(kind, shape[-1], dtype)
    fields = neuron.kernel(recurrent=kind is not None).states
    lead = (shape[0] if options.get("batch_first") else shape[1], *shape[2:])
    start = neuron.init_state(lead, "float64", recurrent=kind is not None)
    state = type(start)(
        *(torch.from_numpy(v + (0.125 if k != "rest" else 0.0)).to(dtype).requires_grad_(k != "rest") for k, v in start._asdict().items())
    )
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in neuron.parameters.items()}
    result = simulate(neuron, x, state, parameters=parameters, recurrent=given(parts), record=("u", *fields), **options)
    returned = {"output": result.output, **{f"end.{k}": v for k, v in result.state._asdict().items()}, **result.traces}
    generator, loss = torch.Generator().manual_seed(1), torch.zeros((), dtype=dtype)
    for name, value in returned.items():
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(dtype)
        if not name.endswith("rest"):
            loss = loss + (value * noise).sum()
    leaves = {"x": x, **parts, **{f"state.{k}": v for k, v in state._asdict().items() if k != "rest"}}
    leaves |= {f"parameter.{name}": value for name, value in parameters.items()}
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    grads = {name: torch.zeros_like(leaf) if grad is None else grad for (name, leaf), grad in zip(leaves.items(), found, strict=True)}
    return {name: value.detach() for name, value in returned.items()}, grads


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, equal_nan=True, msg=lambda text, name=name: f"{name}: {text}")


def close(mine: dict[str, Tensor], true: dict[str, Tensor], dtype: torch.dtype, terms: int) -> None:
    """Within 1e-12 (float64) or 2e-5 of the largest entry: both sides are float32, each up to 1e-5 from the truth.

    A parameter's gradient is a sum of many terms, which may cancel.
    """
    for name, wanted in true.items():
        if wanted.numel():
            smallest = terms**0.5 if name.startswith("parameter.") or name == "bias" else 0.0
            largest = max(float(wanted.abs().max()), smallest, 1e-300)
            distance = float((mine[name] - wanted).abs().max()) / largest
            assert distance <= (1e-12 if dtype == torch.float64 else 2e-5), (name, distance)


CASES = [(name, kind) for name in COMING_BACK for kind in KINDS] + [(name, None) for name in RIVALS]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_values_are_those_of_the_loop_and_gradients_too(name: str, kind: str | None, dtype: torch.dtype) -> None:
    neuron = (COMING_BACK | RIVALS)[name]
    for detach_reset in (True, False):
        options = {"surrogate": ATan(2.0) if detach_reset else FastSigmoid(5.0), "detach_reset": detach_reset}
        mine, true = (outcome(neuron, kind, dtype, backend=backend, **options) for backend in ("rust", "torch"))
        equal(mine[0], true[0])
        close(mine[1], true[1], dtype, STEPS * BATCH * N)
        assert true[1]["x"].abs().max() > 0
        if kind is not None:
            assert true[1]["weight"].abs().max() > 0


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 0, 3), (1, 1, 1), (9, 2, 1), (7, 1, 65), (5, 14, 130), (3, 2, 4, 3)])
def test_shapes_at_their_ends(shape: tuple[int, ...], kind: str | None) -> None:
    neuron = _rivals(rsnn.LIF(beta=0.875, alpha=0.5)) if kind is None else rsnn.LIF(beta=0.875, alpha=0.5)
    mine, true = (outcome(neuron, kind, torch.float64, shape, backend=backend) for backend in ("rust", "torch"))
    equal(mine[0], true[0])
    close(mine[1], true[1], torch.float64, int(np.prod(shape)))


def test_the_forward_is_that_of_numpy() -> None:
    neuron, parts = rsnn.LIF(beta=0.875, alpha=0.5), weights("full+bias", N, torch.float32)
    x = torch.from_numpy(data((STEPS, BATCH, N)))
    mine = simulate(neuron, x, recurrent=given(parts), record=("v", "s"))
    theirs = rsnn.simulate(neuron, x.numpy(), recurrent=tuple(v.detach().numpy() for v in given(parts)), record=("v", "s"))
    assert mine.state._fields == theirs.state._fields == ("v", "i", "s")
    for one, other in ((mine.output, theirs.output), (mine.v, theirs.v), (mine.s, theirs.s), (mine.state.s, theirs.state.s)):
        assert np.array_equal(one.detach().numpy(), other)
    assert mine.output.sum() > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("name", "kind"), [("everyday", "full+bias"), ("lif-all", "full"), ("rivals-all", "own+bias"), ("li", "full")])
def test_neither_threads_nor_kept_states_change_a_bit(name: str, kind: str, dtype: torch.dtype) -> None:
    shape, before = (40, 300, 20), torch.get_num_threads()
    neuron = NEURONS["li"] if name == "li" else COMING_BACK[name]
    if name == "lif-per-neuron":
        shape = (40, 300, N)
    try:
        torch.set_num_threads(1)
        values, grads = outcome(neuron, kind, dtype, shape)
        for threads, every in ((2, None), (5, None), (1, 1), (3, 7), (1, 39), (2, 40), (1, 1000)):
            torch.set_num_threads(threads)
            again = outcome(neuron, kind, dtype, shape, checkpoint=every)
            equal(again[0], values)
            equal(again[1], grads)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [" recurrent", " recurrent graded", " inhibition", " recurrent_merged inhibition"])
def test_every_instruction_set_has_the_same_bits(options: str, dtype: Any) -> None:
    n, batch, steps, every = 37, 9, 20, 6
    spec = "synapse=decay_jump_use membrane=leaky fire=single reset=subtract timing=same" + options
    states, names = _rsnn.describe(spec)
    rng = np.random.default_rng(0)
    x, grad = (rng.normal(0.3, 1.0, (1, steps, batch * n)).astype(dtype) for _ in range(2))
    w, bias = rng.normal(0.0, 0.1, (n, n)).astype(dtype), rng.normal(0.0, 0.1, n).astype(dtype)
    table = np.array([{"alpha": 0.5, "beta": 0.875, "v_threshold": 1.0, "graded": 1.5}[name] for name in names], dtype)[:, None]
    more: dict[str, Any] = {"recurrent": (w, bias)} if "recurrent" in options else {}
    more |= {"group": n} if "inhibition" in options else {}
    found = []
    for level in _rsnn.levels():
        state, out = np.zeros((len(states), 1, batch * n), dtype), np.empty_like(x)
        kept = np.empty((-(-steps // every), *state.shape), dtype)
        _rsnn.scan(spec, x, table, state, out, checkpoints=kept, every=every, level=level, **more)
        back = [np.zeros_like(state), np.empty_like(x), np.zeros(table.shape), np.zeros_like(w), np.zeros_like(bias)]
        extra = more | ({"grad_recurrent": (back[3], back[4])} if "recurrent" in options else {})
        _rsnn.scan_backward(
            spec, "atan", [1.0, 3.0], x, table, kept, every, grad, [], *back[:3], needs=list(names), detach=[], level=level, **extra
        )
        found.append([out, state, *back])
    assert found[0][0].sum() > 0
    assert ("recurrent" in options) == bool(np.abs(found[0][5]).sum() > 0)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("kind", ["full+bias", "own+bias"])
@pytest.mark.parametrize(
    "name", ["lif-all", "lif-none", "lif-refractory", "li", "lif-alpha-next", "merged", "graded", "izhikevich", "coba", "glif3"]
)
def test_gradcheck_through_weights_and_bias_of_the_smooth_neuron(name: str, kind: str) -> None:
    if name in NEURONS:
        neuron: Any = soft(NEURONS[name])
    else:
        form = {"merged": COMING_BACK["iaf-merged"], "graded": COMING_BACK["graded"]}.get(name, COMING_BACK.get(name)).stages
        neuron = dataclasses.replace(form, fire=rsnn.stages.Soft(form.fire.v_threshold))
    parts = weights(kind, N, torch.float64)
    x = torch.from_numpy(data((6, 2, N), seed=3, dtype=float)).requires_grad_()
    fields = [field for field in neuron.kernel(recurrent=True).states if field != "rest"]
    start = [torch.full((2, N), 0.125, dtype=torch.float64, requires_grad=True) for _ in fields]

    def run(x: Tensor, weight: Tensor, bias: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        begin = neuron.init_state((2, N), "float64", recurrent=True)
        named = dict(zip(fields, values, strict=True))
        state = type(begin)(*(named.get(k, torch.from_numpy(v)) for k, v in begin._asdict().items()))
        result = simulate(
            neuron, x, state, recurrent=(weight, bias), record="u", surrogate=FastSigmoid(2.0), detach_reset=False, checkpoint=4
        )
        return result.output, result.u, *(v for k, v in result.state._asdict().items() if k != "rest")

    assert torch.autograd.gradcheck(run, (x, parts["weight"], parts["bias"], *start))


@pytest.mark.parametrize("name", ["everyday", "rivals-all"])
def test_batch_first_is_the_same_turned(name: str) -> None:
    x, parts = torch.from_numpy(data((STEPS, BATCH, N))).double(), weights("full+bias", N, torch.float64)
    wanted = simulate(COMING_BACK[name], x, recurrent=given(parts), record=("u", "s"))
    got = simulate(COMING_BACK[name], x.transpose(0, 1), recurrent=given(parts), record=("u", "s"), batch_first=True)
    assert got.output.is_contiguous()
    for one, other in ((got.output, wanted.output), (got.u, wanted.u), (got.s, wanted.s)):
        assert torch.equal(one.transpose(0, 1), other)
    for one, other in zip(got.state, wanted.state, strict=True):
        assert torch.equal(one, other)
    grads = [torch.autograd.grad((r.output.sum() + r.u.sum()), list(parts.values())) for r in (got, wanted)]
    for one, other in zip(*grads, strict=True):
        assert torch.equal(one, other)


def test_the_gradient_passes_through_the_last_spikes_from_piece_to_piece() -> None:
    x, parts = torch.from_numpy(data((STEPS, BATCH, N))).double().requires_grad_(), weights("full+bias", N, torch.float64)
    leaves = [x, *parts.values()]
    whole = simulate(COMING_BACK["everyday"], x, recurrent=given(parts))
    wanted = torch.autograd.grad((whole.output * x.detach()).sum(), leaves)
    outputs, state = [], None
    for piece in x.split(4):
        result = simulate(COMING_BACK["everyday"], piece, state, recurrent=given(parts))
        outputs.append(result.output)
        state = result.state
    assert torch.equal(torch.cat(outputs), whole.output)
    for one, other in zip(torch.autograd.grad((torch.cat(outputs) * x.detach()).sum(), leaves), wanted, strict=True):
        assert (one - other).abs().max() <= 1e-12 * other.abs().max()


def test_only_the_weights_that_learn_are_differentiated() -> None:
    x, parts = torch.from_numpy(data((STEPS, BATCH, N))).requires_grad_(), weights("full+bias", N, torch.float32)
    fixed = {name: value.detach() for name, value in parts.items()}
    (wanted,) = torch.autograd.grad(simulate(COMING_BACK["everyday"], x, recurrent=given(parts)).output.sum(), x)
    result = simulate(COMING_BACK["everyday"], x, recurrent=given(fixed))
    assert torch.equal(torch.autograd.grad(result.output.sum(), x)[0], wanted)
    half = simulate(COMING_BACK["everyday"], x.detach(), recurrent=(parts["weight"], fixed["bias"]))
    assert torch.autograd.grad(half.output.sum(), parts["weight"])[0].abs().max() > 0


def test_operators_with_weights_and_groups_pass_opcheck() -> None:
    for name, kind in (("everyday", "full+bias"), ("rivals-all", "own"), ("rivals-alone", None)):
        neuron = (COMING_BACK | RIVALS)[name]
        kernel, values = neuron.kernel(recurrent=kind is not None), neuron.coefficients()
        parts = {k: v.detach() for k, v in weights(kind, N, torch.float32).items()}
        x = torch.from_numpy(data((1, STEPS, BATCH * N)))
        table = torch.tensor([[float(values[k])] for k in kernel.coefficients], dtype=torch.float64)
        state = torch.zeros(len(kernel.states), 1, BATCH * N)
        more = (parts.get("weight"), parts.get("bias"), N)
        torch.library.opcheck(_ops.scan, (kernel.spec, x, table, state, ["u"], 7, *more))
        checkpoints = _ops.scan(kernel.spec, x, table, state, [], 7, *more)[3]
        for needs in ([], ["beta"], ["beta", _ops.RECURRENT]):
            arguments = (kernel.spec, "atan", [1.0, 3.0], ["reset"], x, table, checkpoints, 7, x, state, ["u"], x[None], needs, *more)
            torch.library.opcheck(_ops.scan_backward, arguments)


def test_compile_and_functional_transforms_see_the_weights() -> None:
    plan = functional.Plan.of(COMING_BACK["everyday"], (), recurrent=True)
    options = functional.Options.checked(ATan(2.0), True, (), None, False, None)
    values = {name: torch.tensor(value) for name, value in plan.neuron.parameters.items()}
    x, parts = torch.from_numpy(data((STEPS, BATCH, N))), weights("full+bias", N, torch.float32)
    parts = {name: value.detach() for name, value in parts.items()}

    def loss(parts: dict[str, Tensor], x: Tensor) -> Tensor:
        return (functional.run(plan, values, x, None, (), options, (parts["weight"], parts["bias"])).output * x).sum()

    wanted = torch.func.grad(loss)(parts, x)
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))(parts, x.unsqueeze(2))
    learned = {name: value.clone().requires_grad_() for name, value in parts.items()}
    torch.compile(loss, fullgraph=True, backend="aot_eager")(learned, x).backward()
    for name, value in wanted.items():
        assert value.abs().max() > 0
        assert torch.allclose(each[name].sum(0), value, rtol=1e-5, atol=1e-5)
        assert torch.allclose(learned[name].grad, value, rtol=1e-6, atol=1e-6)


def test_gradients_of_gradients_are_there_in_plain_torch_and_refused_in_words_natively() -> None:
    x, parts = torch.from_numpy(data((4, 1, N))).double().requires_grad_(), weights("full", N, torch.float64)
    for backend in ("torch", "rust"):
        result = simulate(rsnn.LI(beta=0.5), x, recurrent=given(parts), backend=backend)
        (grad,) = torch.autograd.grad(result.output.square().sum(), parts["weight"], create_graph=True)
        if backend == "rust":
            with pytest.raises(RuntimeError, match="double backward"):
                grad.sum().backward()
        else:
            assert torch.autograd.grad(grad.sum(), x)[0].abs().max() > 0


X = torch.ones(6, 2, 4)


@pytest.mark.parametrize(
    ("recurrent", "error", "message"),
    [
        (torch.ones(3, 3), InvalidValueError, r"recurrent: weight has the shape \(3, 3\): for x of shape \(6, 2, 4\) it must be \(4, 4\)"),
        (torch.ones(4, 3), InvalidValueError, r"with weight\[post, pre\], or \(4,\)"),
        ((torch.ones(4, 4), torch.ones(3)), InvalidValueError, r"recurrent: bias has the shape \(3,\)"),
        ((torch.ones(4, 4),), InvalidValueError, r"a tuple of 1 came; give W, or the pair \(W, bias\)"),
        (np.ones((4, 4)), InvalidTypeError, "recurrent: weight is ndarray: must be a tensor"),
        (torch.ones(4, 4, dtype=torch.int64), InvalidTypeError, r"recurrent: weight is torch\.int64"),
        (torch.ones(4, 4, device="meta"), InvalidValueError, "recurrent: weight is on meta and x on cpu"),
        (torch.full((4, 4), torch.nan), InvalidValueError, "a weight is not finite"),
        ((torch.ones(4), torch.full((4,), torch.inf)), InvalidValueError, "a weight is not finite"),
    ],
)
def test_what_cannot_be_a_weight_is_refused(recurrent: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        simulate(rsnn.LIF(beta=0.5), X, recurrent=recurrent)


def test_a_state_without_the_last_spikes_is_refused() -> None:
    state = simulate(rsnn.LIF(beta=0.5), X).state
    with pytest.raises(InvalidTypeError, match="state has fields v: this neuron needs one with v, s"):
        simulate(rsnn.LIF(beta=0.5), X, state, recurrent=torch.ones(4))
