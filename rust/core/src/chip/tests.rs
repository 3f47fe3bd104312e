//! The kernels against the equations written out one neuron at a time in 128 bits.

use fearless_simd::Level;
use proptest::prelude::*;

use super::dynapcnn::{Outputs, layer, sum_pool};
use super::integer::{Coefficients, Extent, Fire, Neuron, Overflow, Reset, Trace, scan};
use super::product::{Geometry, Product};
use super::word::Number;
use crate::elem::levels;
use crate::error::{Error, Result};
use crate::pool::Context;

#[derive(Debug, Default, PartialEq)]
struct Run {
    spikes: Vec<i64>,
    v: Vec<i64>,
    u: Vec<i64>,
    state: Vec<i64>,
    extent: Extent,
}

fn fits(value: i128, bits: u32) -> bool {
    value >= -(1 << (bits - 1)) && value < 1 << (bits - 1)
}

/// One neuron after the other; `None` where a membrane does not fit and that is an error.
fn plain(neuron: &Neuron, x: &[i64], lanes: usize, c: &Coefficients<'_>, state: &[i64]) -> Option<Run> {
    let mut run = Run { state: state.to_vec(), ..Run::default() };
    let modulus = 1_i128 << neuron.bits;
    for row in x.chunks(lanes) {
        for (lane, &x) in row.iter().enumerate() {
            let own = |values: &[i64]| i128::from(values[lane / c.repeat % values.len()]);
            let threshold = own(c.v_threshold);
            let mut u = i128::from(run.state[lane]) + i128::from(x) + own(c.bias);
            run.extent.join(&Extent { beyond: u64::from(!fits(u, neuron.watch)), lowest: u, highest: u });
            if !fits(u, neuron.bits) {
                u = match neuron.overflow {
                    Overflow::Error => return None,
                    Overflow::Saturate => u.signum() * (modulus / 2) - i128::from(u > 0),
                    Overflow::Wrap => (u + modulus / 2).rem_euclid(modulus) - modulus / 2,
                };
            }
            let y = u - i128::from(neuron.above);
            let mut s = 0;
            if y >= threshold {
                s = if neuron.fire == Fire::Single { 1 } else { y / threshold };
            }
            let mut v = match neuron.reset {
                Reset::Subtract => u - s * threshold,
                Reset::Zero if s != 0 => 0,
                Reset::Zero | Reset::None => u,
            };
            if neuron.clip {
                v = v.max(own(c.v_min));
            }
            let narrow = |value: i128| i64::try_from(value).unwrap();
            run.state[lane] = narrow(v);
            run.v.push(narrow(v));
            run.u.push(narrow(u));
            run.spikes.push(narrow(s));
        }
    }
    Some(run)
}

fn native<O: Number>(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    x: &[i64],
    lanes: usize,
    c: Coefficients<'_>,
    state: &[i64],
) -> Result<Run> {
    let mut state = state.to_vec();
    let [mut spikes, mut v, mut u] = [(); 3].map(|()| vec![O::default(); x.len()]);
    let mut traces = [(Trace::V, v.as_mut_slice()), (Trace::U, u.as_mut_slice())];
    let extent = scan(context, level, neuron, x, lanes, c, &mut state, &mut spikes, &mut traces, 0)?;
    let wide = |values: &[O]| values.iter().map(|value| value.wide()).collect();
    Ok(Run { spikes: wide(&spikes), v: wide(&v), u: wide(&u), state, extent })
}

fn neurons() -> impl Strategy<Value = Neuron> {
    let fire = prop_oneof![Just(Fire::Single), Just(Fire::Multi)];
    let reset = prop_oneof![Just(Reset::Subtract), Just(Reset::Zero), Just(Reset::None)];
    let overflow = prop_oneof![Just(Overflow::Saturate), Just(Overflow::Wrap), Just(Overflow::Error)];
    let bits = || prop_oneof![2_u32..20, Just(31_u32), Just(32_u32), Just(33_u32), Just(63_u32), Just(64_u32)];
    (fire, reset, any::<bool>(), bits(), overflow, bits(), any::<bool>())
        .prop_map(|(fire, reset, above, bits, overflow, watch, clip)| Neuron { fire, reset, above, bits, overflow, watch, clip })
}

/// Around 0, around every power of two, and the ends of the type.
fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -40_i64..41,
        2 => (0_u32..63, -2_i64..3, any::<bool>()).prop_map(|(k, near, minus)| {
            let value = (1_i64 << k).saturating_add(near);
            if minus { -value } else { value }
        }),
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
        1 => any::<i64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_neuron_is_its_equation_at_every_extreme(
        neuron in neurons(), lanes in 1_usize..9, x in prop::collection::vec(numbers(), 0..80),
        bias in prop::collection::vec(numbers(), 1..4), threshold in prop::collection::vec(numbers(), 1..4),
        v_min in numbers(), start in numbers(), repeat in 1_usize..4,
    ) {
        let x = &x[..x.len() / lanes * lanes];
        let inside = |value: i64| i64::try_from(i128::from(value).clamp(-(1 << (neuron.bits - 1)), (1 << (neuron.bits - 1)) - 1)).unwrap();
        let threshold: Vec<i64> = threshold.iter().map(|t| t.saturating_abs().max(1)).collect();
        let v_min = [inside(v_min)];
        let c = Coefficients { bias: &bias, v_threshold: &threshold, v_min: &v_min, repeat };
        let state = vec![inside(start); lanes];
        let expected = plain(&neuron, x, lanes, &c, &state);
        for (_, level) in levels() {
            let found = native::<i64>(&Context::serial(), level, &neuron, x, lanes, c, &state);
            match &expected {
                Some(run) => prop_assert_eq!(&found.unwrap(), run),
                None => prop_assert!(matches!(found, Err(Error::Value(_)))),
            }
        }
        if neuron.bits <= 32 && let Some(run) = &expected {
            prop_assert_eq!(&native::<i32>(&Context::serial(), Level::new(), &neuron, x, lanes, c, &state).unwrap(), run);
        }
    }
}

/// Numbers that look random and are the same everywhere.
fn noise(count: usize, span: i64) -> Vec<i64> {
    let mut seed = 12345_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33).cast_signed() % span - span / 3
    };
    (0..count).map(|_| next()).collect()
}

const IAF: &str = "fire=multi reset=subtract bits=16 overflow=saturate watch=10 clip";

#[test]
fn tiles_blocks_chunks_threads_and_pieces_do_not_show() {
    let neuron = Neuron::parse(IAF).unwrap();
    let c = Coefficients { bias: &[3, -2, 1], v_threshold: &[40, 71], v_min: &[-60], repeat: 5 };
    for (steps, lanes) in [(1, 1), (2500, 3), (70, 513), (33, 2000)] {
        let x = noise(steps * lanes, 300);
        let state = noise(lanes, 90);
        let expected = plain(&neuron, &x, lanes, &c, &state).unwrap();
        for threads in [1, 2, 5] {
            let context = Context { threads, poll: &|| false };
            assert_eq!(native::<i32>(&context, Level::new(), &neuron, &x, lanes, c, &state).unwrap(), expected);
        }
        let mut whole = Run { state, ..Run::default() };
        for piece in x.chunks(37 * lanes) {
            let part = native::<i32>(&Context::serial(), Level::new(), &neuron, piece, lanes, c, &whole.state).unwrap();
            whole.spikes.extend(part.spikes);
            whole.v.extend(part.v);
            whole.u.extend(part.u);
            whole.extent.join(&part.extent);
            whole.state = part.state;
        }
        assert_eq!(whole, expected);
    }
}

#[test]
fn a_lower_clip_alone_widens_the_word() {
    let neuron = Neuron { bits: 64, ..Neuron::parse(IAF).unwrap() };
    for v_min in [1 << 31, (1 << 31) - 1, 1 << 40, i64::MAX] {
        let c = Coefficients { bias: &[0], v_threshold: &[7], v_min: &[v_min], repeat: 1 };
        let x = [0, 1, -1, 3];
        let expected = plain(&neuron, &x, 1, &c, &[0]);
        let found = native::<i64>(&Context::serial(), Level::new(), &neuron, &x, 1, c, &[0]);
        assert_eq!(found.ok(), expected, "{v_min}");
    }
}

#[test]
fn an_overrun_names_its_first_step_for_any_number_of_threads() {
    let neuron = Neuron::parse("fire=single reset=none bits=8 overflow=error").unwrap();
    let (steps, lanes) = (1300, 1200);
    let mut x = vec![0; steps * lanes];
    for (step, lane) in [(1250, 3), (1200, 1199), (1200, 700)] {
        x[step * lanes + lane] = 128;
    }
    let c = Coefficients { bias: &[0], v_threshold: &[100], v_min: &[], repeat: 1 };
    for threads in [1, 4] {
        let context = Context { threads, poll: &|| false };
        let Err(Error::Value(text)) = native::<i32>(&context, Level::new(), &neuron, &x, lanes, c, &vec![0; lanes]) else {
            panic!("no error")
        };
        assert!(text.contains("neuron 700 becomes 128 at step 1200, outside the 8 bits it has (-128 to 127)"), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for spec in ["fire=never", "bits=1", "bits=65", "bits=x", "clip=3", "nonsense", "watch="] {
        assert!(matches!(Neuron::parse(spec), Err(Error::Value(text)) if text.contains("spec")), "{spec}");
    }
    let neuron = Neuron::parse(IAF).unwrap();
    let good = Coefficients { bias: &[0], v_threshold: &[1], v_min: &[0], repeat: 1 };
    let run = |neuron: &Neuron, c, state: &[i64]| native::<i32>(&Context::serial(), Level::new(), neuron, &[1, 2], 2, c, state);
    assert!(run(&neuron, good, &[0, 0]).is_ok());
    assert!(run(&neuron, good, &[0]).is_err());
    assert!(run(&neuron, good, &[0, 1 << 15]).is_err());
    assert!(run(&Neuron { bits: 33, ..neuron }, good, &[0, 0]).is_err());
    for bad in [
        Coefficients { v_threshold: &[0], ..good },
        Coefficients { v_threshold: &[], ..good },
        Coefficients { bias: &[], ..good },
        Coefficients { v_min: &[], ..good },
        Coefficients { v_min: &[-(1 << 15) - 1], ..good },
        Coefficients { repeat: 0, ..good },
    ] {
        assert!(run(&neuron, bad, &[0, 0]).is_err(), "{bad:?}");
    }
    let map = Geometry { channels: 1, input: [3, 3], features: 1, kernel: [2, 2], stride: [1, 1], padding: [0, 0] };
    assert!(Product::new(map, &[1; 4]).is_ok());
    assert!(Product::new(map, &[1; 5]).is_err());
    for bad in [
        Geometry { kernel: [0, 2], ..map },
        Geometry { stride: [1, 0], ..map },
        Geometry { kernel: [4, 2], ..map },
        Geometry { padding: [usize::MAX, 0], ..map },
        Geometry { padding: [usize::MAX / 4, usize::MAX / 4], ..map },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn a_layer_is_its_product_its_neurons_and_its_pool() {
    let geometry = Geometry { channels: 2, input: [5, 7], features: 3, kernel: [3, 2], stride: [1, 2], padding: [1, 0] };
    let (steps, batch, pool) = (9, 2, 2);
    let weight = noise(geometry.weights(), 50);
    let x: Vec<i64> = noise(steps * batch * geometry.inputs(), 4).iter().map(|&x| x.max(0)).collect();
    let neuron = Neuron::parse("fire=multi reset=subtract bits=32 overflow=error watch=8 clip").unwrap();
    let [height, width] = geometry.output();
    let c = Coefficients { bias: &[1, -3, 2], v_threshold: &[60], v_min: &[-90], repeat: height * width };
    let lanes = batch * geometry.outputs();

    let context = Context { threads: 2, poll: &|| false };
    let product = Product::new(geometry, &weight).unwrap();
    let mut sums = vec![0_i64; steps * lanes];
    let operations = product.run(&context, Level::new(), &x, &mut sums).unwrap();
    let expected = plain(&neuron, &sums, lanes, &c, &vec![0; lanes]).unwrap();

    let mut state = vec![0; lanes];
    let [mut spikes, mut v] = [(); 2].map(|()| vec![0_i32; steps * lanes]);
    let mut pooled = vec![0_i32; steps * batch * 3 * (height / pool) * (width / pool)];
    let outputs = Outputs { spikes: &mut spikes, pooled: Some(&mut pooled), traces: vec![(Trace::V, &mut v)] };
    let stats = layer(&context, Level::new(), &neuron, geometry, &x, batch, &weight, c, pool, &mut state, outputs, 0).unwrap();

    assert!(expected.spikes.iter().any(|&s| s > 1));
    assert!(spikes.iter().zip(&expected.spikes).all(|(&a, &b)| i64::from(a) == b));
    assert!(v.iter().zip(&expected.v).all(|(&a, &b)| i64::from(a) == b));
    assert_eq!((state, stats.extent, stats.operations), (expected.state, expected.extent, operations));
    for (map, pooled) in spikes.chunks(height * width).zip(pooled.chunks((height / pool) * (width / pool))) {
        for (at, &sum) in pooled.iter().enumerate() {
            let (y, x) = (at / (width / pool) * pool, at % (width / pool) * pool);
            assert_eq!(sum, map[y * width + x] + map[y * width + x + 1] + map[(y + 1) * width + x] + map[(y + 1) * width + x + 1]);
        }
    }
    assert!(sum_pool(&context, &[i32::MAX; 4], [2, 2], 2, &mut [0]).is_err());
    assert!(sum_pool(&context, &[1_i32; 4], [2, 2], 0, &mut [0]).is_err());
    assert!(sum_pool(&context, &[1_i32; 4], [2, 2], 2, &mut [0, 0]).is_err());
}
