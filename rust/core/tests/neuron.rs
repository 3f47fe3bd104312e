//! The time loop against a scalar twin: every stage choice, every instruction set, pieces, threads, and gradients.

use proptest::prelude::*;
use rsnn_base::elem::{Elem, levels};
use rsnn_base::pool::Context;
use rsnn_core::Kernels;
use rsnn_core::neuron::{Convention, Detach, Neuron, State};
use rsnn_core::scan::Table;
use rsnn_core::scan::backward::Backward;
use rsnn_core::scan::forward::{Forward, Output, Trace};
use rsnn_core::scan::group::Recurrent;
use rsnn_core::scan::layout::Shape;
use rsnn_core::surrogate::Surrogate;

/// A run's inputs, and what came of it.
#[derive(Clone, Debug)]
struct Run<E> {
    spec: String,
    shape: (usize, usize, usize),
    x: Vec<E>,
    coefficients: Vec<E>,
    period: usize,
    state: Vec<E>,
}

#[derive(Clone, Debug, PartialEq)]
struct Came<E> {
    out: Vec<E>,
    u: Vec<E>,
    state: Vec<E>,
    bits: Vec<u64>,
}

/// What the fire stage of `text` makes of a membrane.
fn spikes<E: Elem>(text: &str, u: E, theta: E, most: E) -> E {
    if text.contains("single") {
        if u - theta >= E::ZERO { E::ONE } else { E::ZERO }
    } else if text.contains("soft") {
        let y = u - theta;
        let size = if y < E::ZERO { E::ZERO - y } else { y };
        E::from_f64(0.5) + y / (E::ONE + (size + size))
    } else if u > E::ZERO {
        let n = E::from_f64((u / theta).to_f64().trunc());
        if text.contains("capped") && n > most { most } else { n }
    } else {
        E::ZERO
    }
}

/// One neuron, one step at a time, as the files of the stages say it.
fn twin<E: Elem>(run: &Run<E>) -> Came<E> {
    let spec = Neuron::parse(&run.spec).unwrap();
    let text = &run.spec;
    let (outer, time, inner) = run.shape;
    let names: Vec<_> = spec.coefficients().into_iter().map(|c| c.1).collect();
    let n_states = spec.states().len();
    let slot = |s: State| spec.states().iter().position(|k| k.0 == s);
    let mut came = Came { out: vec![E::ZERO; run.x.len()], u: vec![E::ZERO; run.x.len()], state: run.state.clone(), bits: Vec::new() };
    let count = |u: E, theta: E, most: E| spikes(text, u, theta, most);
    for b in 0..outer {
        for lane in 0..inner {
            let c = |name: &str| {
                names.iter().position(|n| *n == name).map_or(E::ZERO, |k| run.coefficients[k * run.period + lane % run.period])
            };
            let place = |s: State| slot(s).map(|k| (k * outer + b) * inner + lane);
            let read = |s: State| place(s).map_or(E::ZERO, |p| run.state[p]);
            let (mut v, mut i, mut rest) = (read(State::V), read(State::I), read(State::Rest));
            for t in 0..time {
                let at = (b * time + t) * inner + lane;
                let x = run.x[at];
                let (current, next) = match text.split(' ').next().unwrap() {
                    "synapse=decay_jump_use" => (c("alpha") * i + x, c("alpha") * i + x),
                    "synapse=jump_decay_use" => (c("alpha") * (i + x), c("alpha") * (i + x)),
                    "synapse=jump_use_decay" => (i + x, c("alpha") * (i + x)),
                    "synapse=use_decay_jump" => (i, c("alpha") * i + x),
                    _ => (x, i),
                };
                i = next;
                let late = !text.contains("timing=same") && !text.contains("reset=none");
                let (subtract, theta) = (text.contains("reset=subtract"), c("v_threshold"));
                let r = if late { count(v, theta, c("max_spikes")) } else { E::ZERO };
                let to_value = |v: E, s: E| {
                    if text.contains("blend") {
                        (E::ONE - s) * v + s * c("v_reset")
                    } else if s == E::ZERO {
                        v
                    } else {
                        c("v_reset")
                    }
                };
                let from = if late && !subtract { to_value(v, r) } else { v };
                let decayed = if text.contains("+leak") { c("v_leak") + c("beta") * (from - c("v_leak")) } else { c("beta") * from };
                let mut z = current;
                if text.contains("+bias") {
                    z += c("bias");
                }
                if text.contains("+gain") {
                    z = c("gain") * z;
                }
                let mut u = decayed + z;
                if late && subtract {
                    u -= r * theta;
                }
                let held = text.contains("refractory") && rest > E::ZERO;
                if held {
                    u = v;
                }
                let s = if held { E::ZERO } else { count(u, theta, c("max_spikes")) };
                v = match (text.contains("timing=same"), text.contains("timing=residual")) {
                    _ if text.contains("reset=none") => u,
                    (true, _) if subtract => u - s * theta,
                    (true, _) => to_value(u, s),
                    (_, true) if subtract => u - (s - r) * theta,
                    (_, true) => u - (s - r) * (u - c("v_reset")),
                    _ => u,
                };
                if text.contains("refractory") {
                    rest = if s != E::ZERO {
                        c("refractory")
                    } else if held {
                        rest - E::ONE
                    } else {
                        E::ZERO
                    };
                }
                if text.contains("clip") && v < c("v_min") {
                    v = c("v_min");
                }
                came.out[at] = if text.contains("fire=none") { v } else { s };
                came.u[at] = u;
            }
            for (state, value) in [(State::V, v), (State::I, i), (State::Rest, rest)] {
                if let Some(p) = place(state) {
                    came.state[p] = value;
                }
            }
        }
    }
    assert_eq!(came.state.len(), n_states * outer * inner);
    for row in came.out.chunks(inner.max(1)).take(outer * time) {
        for word in row.chunks(64) {
            came.bits.push(word.iter().enumerate().fold(0, |bits, (k, s)| bits | (u64::from(*s != E::ZERO) << k)));
        }
    }
    came
}

fn native<E: Kernels>(run: &Run<E>, level: fearless_simd::Level, threads: usize) -> Came<E> {
    let spec = Neuron::parse(&run.spec).unwrap();
    let (outer, time, inner) = run.shape;
    let shape = Shape { outer, time, inner };
    let context = Context { threads, poll: &|| false };
    let coefficients = Table { values: &run.coefficients, period: run.period };
    let mut came = Came {
        out: vec![E::ZERO; run.x.len()],
        u: vec![E::ZERO; run.x.len()],
        state: run.state.clone(),
        bits: vec![0; outer * time * inner.div_ceil(64)],
    };
    let go = |state: &mut [E], output: Output<'_, E>, record: Vec<(Trace, &mut [E])>| {
        let job = Forward {
            neuron: spec,
            level,
            shape,
            x: &run.x,
            coefficients,
            state,
            output,
            record,
            picked: None,
            recurrent: None,
            group: None,
            checkpoints: None,
        };
        E::forward(&context, job).unwrap();
    };
    go(&mut came.state, Output::Dense(&mut came.out), vec![(Trace::U, &mut came.u)]);
    // Without a record the kernels of their own run: they must agree.
    let (mut alone, mut state) = (vec![E::ZERO; run.x.len()], run.state.clone());
    go(&mut state, Output::Dense(&mut alone), vec![]);
    assert!(same(&alone, &came.out) && same(&state, &came.state));
    state.clone_from(&run.state);
    go(&mut state, Output::Packed(&mut came.bits), vec![]);
    came
}

/// Equal, with NaN equal to NaN.
fn same<E: Elem>(a: &[E], b: &[E]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || (a.to_f64().is_nan() && b.to_f64().is_nan()))
}

fn specs() -> impl Strategy<Value = String> {
    let synapse = prop::sample::select(vec!["none", "decay_jump_use", "jump_decay_use", "jump_use_decay", "use_decay_jump"]);
    let fire = prop::sample::select(vec!["none", "single", "multi", "capped"]);
    let reset = prop::sample::select(vec!["none", "subtract", "value", "blend"]);
    let timing = prop::sample::select(vec!["same", "next", "residual"]);
    (synapse, fire, reset, timing, any::<[bool; 5]>()).prop_map(|(synapse, fire, reset, timing, [leak, bias, gain, rest, clip])| {
        let plus = |on: bool, what: &str| if on { what.to_owned() } else { String::new() };
        let (reset, timing, rest) = if fire == "none" { ("none", "same", false) } else { (reset, timing, rest) };
        format!(
            "synapse={synapse} membrane=leaky{}{}{} fire={fire} reset={reset} timing={timing}{}{}",
            plus(leak, "+leak"),
            plus(bias, "+bias"),
            plus(gain, "+gain"),
            plus(rest, " refractory"),
            plus(clip, " clip")
        )
    })
}

fn value(name: &str, raw: f64) -> f64 {
    match name {
        "alpha" | "beta" | "rho" => raw,
        "k" | "a0" | "sq" | "a" => raw * 0.4,
        "delta_t" | "v_rheobase" => 0.7 + raw,
        "v_threshold" => 0.3 + raw,
        "max_spikes" => 2.0,
        "refractory" => (raw * 4.0).trunc(),
        "v_min" => raw - 1.0,
        "v_reset" => raw - 0.7,
        _ => raw * 2.0 - 1.0,
    }
}

fn runs<E: Elem + std::fmt::Debug>() -> impl Strategy<Value = Run<E>> {
    let shape = (0..3usize, 0..40usize, prop::sample::select(vec![0usize, 1, 3, 16, 64, 65, 127, 129, 1100]));
    (specs(), shape, 0..3usize, any::<u64>(), any::<bool>()).prop_map(|(spec, shape, kind, seed, odd)| {
        let parsed = Neuron::parse(&spec).unwrap();
        let (outer, time, inner) = shape;
        let mut next = seed | 1;
        let mut random = move || {
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            (next >> 11) as f64 / (1u64 << 53) as f64
        };
        let period = match kind {
            0 => 1,
            1 => inner.max(1),
            _ => {
                if inner > 0 && inner.is_multiple_of(2) {
                    inner / 2
                } else {
                    1
                }
            }
        };
        let coefficients = parsed
            .coefficients()
            .iter()
            .flat_map(|(_, name)| (0..period).map(|_| E::from_f64(value(name, random()))).collect::<Vec<_>>())
            .collect();
        let extremes = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e30, -0.0, 1e-42];
        let x = (0..outer * time * inner)
            .map(|k| E::from_f64(if odd && k % 7 == 3 { extremes[k % extremes.len()] } else { random() * 3.0 - 1.0 }))
            .collect();
        let state = (0..parsed.states().len() * outer * inner).map(|_| E::from_f64((random() * 3.0).trunc())).collect();
        Run { spec, shape, x, coefficients, period, state }
    })
}

fn check<E: Kernels + std::fmt::Debug>(run: &Run<E>) -> Result<(), TestCaseError> {
    let want = twin(run);
    for (name, level) in levels() {
        let got = native(run, level, 1);
        prop_assert!(same(&got.out, &want.out), "{name}: {} {:?}", run.spec, run.shape);
        prop_assert!(same(&got.u, &want.u) && same(&got.state, &want.state), "{name}: {}", run.spec);
        if !run.spec.contains("fire=none") {
            prop_assert_eq!(&got.bits, &want.bits, "{}: {}", name, run.spec);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn every_level_equals_the_scalar_twin_in_f32(run in runs::<f32>()) {
        check(&run)?;
    }

    #[test]
    fn every_level_equals_the_scalar_twin_in_f64(run in runs::<f64>()) {
        check(&run)?;
    }

    #[test]
    fn gradients_of_smooth_neurons_are_finite_differences(spec in smooth_specs(), seed in 1..u32::MAX, every in 1..8usize) {
        gradients_are_differences(&spec, f64::from(seed), every)?;
    }
}

/// Every stage, and every whole model, with spikes that have a slope.
fn smooth_specs() -> impl Strategy<Value = String> {
    let synapse = prop::sample::select(vec![
        "none",
        "decay_jump_use",
        "jump_decay_use",
        "scaled_jump_decay",
        "jump_use_decay",
        "jump_use_euler",
        "use_decay_jump",
        "use_euler_jump",
        "dual",
    ]);
    let form = prop::sample::select(vec![
        "leaky",
        "leaky+leak",
        "lapicque",
        "euler",
        "euler_exp",
        "box",
        "quad",
        "tau",
        "tau_decay",
        "tau_exp",
        "tau_quad",
        "mul",
        "mul_decay",
    ]);
    let input = prop::sample::select(vec!["", "+bias", "+gain", "+bias+gain"]);
    let adaptation =
        prop::sample::select(vec!["", " adaptation=threshold", " adaptation=relax", " adaptation=current", " adaptation=recovery"]);
    let reset = prop::sample::select(vec![
        "none timing=same",
        "subtract timing=same",
        "subtract timing=next",
        "subtract timing=residual",
        "blend timing=same",
        "blend timing=next",
        "blend timing=residual",
        "blend_subtract timing=same",
        "drop timing=next",
        "drop timing=residual",
        "amount timing=same",
    ]);
    let end = prop::sample::select(vec!["", " clip", " relu", " graded", " relu graded"]);
    let whole = prop::sample::select(vec![
        "izhikevich fire=soft",
        "izhikevich recovery=updated fire=soft",
        "izhikevich recovery=drift fire=soft",
        "alpha fire=soft reset=none",
        "alpha fire=soft reset=subtract",
        "alpha fire=soft reset=drop",
        "alpha fire=soft reset=subtract graded",
        "coba fire=soft",
        "glif3 fire=soft",
    ]);
    let composed = (synapse, form, input, adaptation, reset, end).prop_map(|(synapse, form, input, adaptation, reset, end)| {
        format!("synapse={synapse} membrane={form}{input}{adaptation} fire=soft reset={reset}{end}")
    });
    prop_oneof![4 => composed, 1 => whole.prop_map(str::to_owned)]
        .prop_filter("a spec that contradicts itself", |spec| Neuron::parse(spec).is_ok())
}

fn gradients_are_differences(spec: &str, seed: f64, every: usize) -> Result<(), TestCaseError> {
    let neuron = Neuron::parse(spec).unwrap();
    let (outer, time, inner) = (1, 5, 2);
    let mut random = seed / f64::from(u32::MAX);
    let mut next = || {
        random = (random * 997.0 + 0.123).fract();
        random
    };
    let x: Vec<f64> = (0..time * inner).map(|_| next() * 2.0 - 0.5).collect();
    let state: Vec<f64> = (0..neuron.states().len() * inner).map(|_| next()).collect();
    let coefficients =
        neuron.coefficients().iter().map(|(_, n)| if *n == "eta" || *n == "tau" { 1.3 - next() } else { value(n, next()) }).collect();
    let run = Run { spec: spec.to_owned(), shape: (outer, time, inner), x, coefficients, period: 1, state };
    let weights: Vec<f64> = run.x.iter().map(|_| next() - 0.5).collect();
    let ends: Vec<f64> = run.state.iter().map(|_| next() - 0.5).collect();
    let level = levels()[0].1;
    let loss = |run: &Run<f64>| {
        let came = native(run, level, 1);
        let sum = |a: &[f64], w: &[f64]| a.iter().zip(w).map(|(a, w)| a * w).sum::<f64>();
        sum(&came.out, &weights) + sum(&came.u, &weights) + sum(&came.state, &ends)
    };
    let shape = Shape { outer, time, inner };
    let table = Table { values: &run.coefficients, period: 1 };
    let reverse = |every: usize| {
        let mut marks = vec![0.0; time.div_ceil(every) * run.state.len()];
        let mut state = run.state.clone();
        let job = Forward {
            neuron,
            level,
            shape,
            x: &run.x,
            coefficients: table,
            state: &mut state,
            output: Output::None,
            record: vec![],
            picked: None,
            recurrent: None,
            group: None,
            checkpoints: Some((every, &mut marks)),
        };
        Kernels::forward(&Context::serial(), job).unwrap();
        let (mut grad_state, mut grad_x) = (ends.clone(), vec![0.0; run.x.len()]);
        let job = Backward {
            neuron,
            convention: Convention { slopes: Surrogate::named("fast_sigmoid", &[1.0, 2.0]).unwrap(), detach: Detach::default() },
            level,
            shape,
            x: &run.x,
            coefficients: table,
            every,
            checkpoints: &marks,
            recurrent: None,
            group: None,
            grad_recurrent: None,
            grad_output: Some(&weights),
            grad_record: vec![(Trace::U, &weights[..])],
            grad_state: &mut grad_state,
            grad_x: &mut grad_x,
            wanted: neuron.coefficients().into_iter().map(|c| c.0).collect(),
        };
        let sums = Kernels::backward(&Context::serial(), job).unwrap();
        (grad_x, grad_state, sums)
    };
    let (grad_x, grad_state, sums) = reverse(every);
    let again = reverse(1);
    let equal = same(&again.0, &grad_x) && same(&again.1, &grad_state) && again.2.iter().zip(&sums).all(|(a, b)| same(a, b));
    prop_assert!(equal, "checkpoints changed the gradients of {spec}");
    // A neuron that ran away (an exponential drive does) says nothing about slopes.
    if !grad_x.iter().chain(&grad_state).chain(sums.iter().flatten()).all(|g| g.abs() < 1e6) {
        return Ok(());
    }
    let h = 1e-6;
    let difference = |change: &dyn Fn(&mut Run<f64>, f64)| {
        let (mut up, mut down) = (run.clone(), run.clone());
        change(&mut up, h);
        change(&mut down, -h);
        (loss(&up) - loss(&down)) / (2.0 * h)
    };
    // A kink (relu, clip) between the two points says nothing about the slope either.
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * (1.0 + a.abs().max(b.abs()));
    for k in 0..run.x.len() {
        let want = difference(&|run, h| run.x[k] += h);
        prop_assert!(close(grad_x[k], want), "x[{k}] {} {want} of {spec}", grad_x[k]);
    }
    for k in 0..run.state.len() {
        let want = difference(&|run, h| run.state[k] += h);
        prop_assert!(close(grad_state[k], want), "state[{k}] {} {want} of {spec}", grad_state[k]);
    }
    for k in 0..run.coefficients.len() {
        let want = difference(&|run, h| run.coefficients[k] += h);
        prop_assert!(close(sums[k][0], want), "{} {} {want} of {spec}", neuron.coefficients()[k].1, sums[k][0]);
    }
    Ok(())
}

#[test]
fn a_recurrent_group_sees_its_last_spikes_and_pieces_equal_the_whole() {
    let neuron = Neuron::parse("synapse=decay_jump_use membrane=leaky fire=single reset=subtract timing=same recurrent").unwrap();
    let (n, groups, time) = (3, 2, 40);
    let inner = n * groups;
    let x: Vec<f32> = (0..time * inner).map(|k| (k * 37 % 11) as f32 / 12.0).collect();
    let weight: Vec<f32> = (0..n * n).map(|k| (k as f32 - 4.0) / 8.0).collect();
    let bias = [0.125_f32, 0.0, -0.25];
    let run = |x: &[f32], state: &mut [f32], level| {
        let mut out = vec![0.0; x.len()];
        let job = Forward {
            neuron,
            level,
            shape: Shape { outer: 1, time: x.len() / inner, inner },
            x,
            coefficients: Table { values: &[0.5, 0.75, 1.0], period: 1 },
            state,
            output: Output::Dense(&mut out),
            record: vec![],
            picked: None,
            recurrent: Some(Recurrent { size: n, weight: &weight, bias: Some(&bias) }),
            group: None,
            checkpoints: None,
        };
        Kernels::forward(&Context::serial(), job).unwrap();
        out
    };
    let (mut want, mut i, mut v, mut s) = (Vec::new(), vec![0.0_f32; inner], vec![0.0_f32; inner], vec![0.0_f32; inner]);
    for row in x.chunks(inner) {
        let last = s.clone();
        for lane in 0..inner {
            let (group, post) = (lane / n, lane % n);
            let mut r = 0.0;
            for pre in 0..n {
                r += weight[pre * n + post] * last[group * n + pre];
            }
            i[lane] = 0.5 * i[lane] + row[lane] + (r + bias[post]);
            v[lane] = 0.75 * v[lane] + i[lane];
            s[lane] = if v[lane] >= 1.0 { 1.0 } else { 0.0 };
            v[lane] -= s[lane];
        }
        want.extend(&s);
    }
    assert!(want.iter().sum::<f32>() > 10.0);
    for (_, level) in levels() {
        let mut state = vec![0.0; 3 * inner];
        assert_eq!(run(&x, &mut state, level), want);
        let mut pieces = vec![0.0; 3 * inner];
        let (first, rest) = x.split_at(7 * inner);
        let mut out = run(first, &mut pieces, level);
        out.extend(run(rest, &mut pieces, level));
        assert_eq!((out, pieces), (want.clone(), state));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let spec = "synapse=decay_jump_use membrane=leaky fire=single reset=subtract timing=same";
    let (outer, time, inner) = (1, 300, 5000);
    let x: Vec<f32> = (0..outer * time * inner).map(|k| (k * 7919 % 1000) as f32 / 900.0 - 0.3).collect();
    let run = Run {
        spec: spec.into(),
        shape: (outer, time, inner),
        x,
        coefficients: vec![0.8, 0.9, 1.0],
        period: 1,
        state: vec![0.0; 2 * inner],
    };
    let level = levels()[0].1;
    let one = native(&run, level, 1);
    for threads in [2, 3, 16] {
        assert_eq!(native(&run, level, threads), one);
    }
}
