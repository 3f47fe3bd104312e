//! The kernels against the equations written out one neuron at a time in 128 bits.

use fearless_simd::Level;
use proptest::prelude::*;

use super::dynapcnn::{Outputs, layer, sum_pool};
use super::neuron::{Clip, Decay, Fire, LOIHI, Neuron, Overflow, Register, Reset, When};
use super::product::{Geometry, Product};
use super::rows::Extent;
use super::scan::{Coefficients, ROWS, Row, State, Trace, generic as scan};
use super::word::Number;
use rsnn_base::elem::levels;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::Context;

#[derive(Debug, Default, PartialEq)]
struct Run {
    spikes: Vec<i64>,
    traces: [Vec<i64>; 3],
    /// Rows v, i, rest, the last two where the neuron has them.
    state: Vec<i64>,
    extent: Extent,
}

fn fits(value: i128, bits: u32) -> bool {
    value >= -(1 << (bits - 1)) && value < 1 << (bits - 1)
}

/// A value brought back into its bits; `None` where that is an error.
fn contained(x: i128, bits: u32, overflow: Overflow) -> Option<i128> {
    let half = 1_i128 << (bits - 1);
    let x = match overflow {
        Overflow::Saturate => x.clamp(-half, half - 1),
        Overflow::Wrap => (x + half).rem_euclid(2 * half) - half,
        Overflow::WrapOnce if x > half => x - 2 * half,
        Overflow::WrapOnce if x <= -half => x + 2 * half,
        Overflow::WrapOnce | Overflow::Error => x,
    };
    let limit = if overflow != Overflow::WrapOnce {
        bits
    } else if bits < 32 {
        32
    } else {
        64
    };
    fits(x, limit).then_some(x)
}

fn fallen(x: i128, decay: Decay, by: i128) -> i128 {
    match decay {
        Decay::None => x,
        Decay::Shift => {
            let a = x >> by;
            x - if a == 0 { x.signum() } else { a }
        }
        Decay::Scale(bits) => x.signum() * ((x.abs() * by) >> bits),
        Decay::Floor(bits) => (x * by) >> bits,
        Decay::Constant => x.signum() * (x.abs() - by).max(0),
    }
}

/// The fields of a state: v, i, rest.
fn fields(neuron: &Neuron) -> usize {
    1 + usize::from(neuron.current.is_some()) + usize::from(neuron.refractory)
}

/// One neuron after the other; `None` where a state does not fit and that is an error.
fn plain(neuron: &Neuron, x: &[i64], lanes: usize, c: &Coefficients<'_>, state: &[i64]) -> Option<Run> {
    let mut run = Run { state: state.to_vec(), ..Run::default() };
    let narrow = |value: i128| i64::try_from(value).unwrap();
    for (t, row) in x.chunks(lanes).enumerate() {
        for (lane, &x) in row.iter().enumerate() {
            let own = |row: Row| {
                let values = c.row(row);
                i128::from(values[lane / c.repeat % values.len()])
            };
            let (i_at, rest_at) = (lanes + lane, (fields(neuron) - 1) * lanes + lane);
            let mut v = i128::from(run.state[lane]);
            let mut i = neuron.current.map_or(0, |_| i128::from(run.state[i_at]));
            let mut rest = if neuron.refractory { run.state[rest_at] } else { 0 };
            if neuron.restarts(t) {
                (v, i) = (0, 0);
            }
            let mut drive = i128::from(x) << neuron.shift;
            if let Some(bits) = neuron.input_bits {
                drive = contained(drive, bits, Overflow::Wrap)?;
            }
            if let Some(Register { bits, overflow, decay, when }) = neuron.current {
                i = if when == When::Before { fallen(i, decay, own(Row::DecayI)) } else { i };
                i = contained(i + drive, bits, overflow)?;
                i = if when == When::After { fallen(i, decay, own(Row::DecayI)) } else { i };
                drive = if neuron.bias_to_current { contained(i + own(Row::Bias), bits, overflow)? } else { i };
                i = if when == When::End { fallen(i, decay, own(Row::DecayI)) } else { i };
            }
            let bias = if neuron.bias_to_current { 0 } else { own(Row::Bias) };
            let Register { bits, overflow, decay, when } = neuron.membrane;
            let down = if when == When::Before { fallen(v, decay, own(Row::DecayV)) } else { v };
            let mut u = if neuron.change {
                let c = contained(contained(down - v, bits, Overflow::Wrap)? + drive, bits, overflow)?;
                v + if neuron.bias_to_current { c } else { contained(c + bias, bits, overflow)? }
            } else {
                down + drive + bias
            };
            run.extent.join(&Extent { beyond: u64::from(!fits(u, neuron.watch)), lowest: u, highest: u, ..Extent::default() });
            u = contained(u, bits, overflow)?;
            u = if when == When::After { fallen(u, decay, own(Row::DecayV)) } else { u };
            let clip = |now: Clip, mut v: i128| {
                v = if neuron.low == Some(now) { v.max(own(Row::Min)) } else { v };
                if neuron.high == Some(now) { v.min(own(Row::Max)) } else { v }
            };
            u = clip(Clip::Before, u);
            u = if rest > 0 { 0 } else { u };
            let (threshold, low, above) = (own(Row::Threshold), own(Row::Low), i128::from(neuron.above));
            let limit = match neuron.fire {
                Fire::Multi(most) => most.map_or(i128::MAX, i128::from),
                Fire::Single | Fire::Ternary => 1,
            };
            let (mut s, mut left) = (0, u);
            if threshold < 1 {
                while left - above >= threshold && s < limit {
                    s += 1;
                    left = contained(left - threshold, bits, Overflow::Wrap)?;
                }
            } else if u - above >= threshold {
                s = ((u - above) / threshold).min(limit);
                left = u - s * threshold;
            }
            if neuron.fire == Fire::Ternary && u < low + 1 - above {
                s -= 1;
                left = if s < 0 { u - low } else { u };
            }
            if neuron.fire == Fire::Ternary && s != 0 {
                left = contained(left, bits, Overflow::Wrap)?;
            }
            v = match neuron.reset {
                Reset::Subtract => left,
                Reset::Zero if s != 0 => 0,
                Reset::Zero | Reset::None => u,
            };
            v = clip(Clip::After, v);
            if neuron.refractory {
                rest = (if s == 0 { rest } else { narrow(own(Row::Refractory)) } - 1).max(0);
                run.state[rest_at] = rest;
            }
            v = if when == When::End { fallen(v, decay, own(Row::DecayV)) } else { v };
            run.state[lane] = narrow(v);
            if neuron.current.is_some() {
                run.state[i_at] = narrow(i);
            }
            run.extent.join(&Extent { spikes: s, fired: u64::from(s != 0), ..Extent::default() });
            run.spikes.push(narrow(s));
            for (trace, value) in run.traces.iter_mut().zip([v, u, i]) {
                trace.push(narrow(value));
            }
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
    let [mut spikes, mut v, mut u, mut i] = [(); 4].map(|()| vec![O::default(); x.len()]);
    let mut traces = vec![(Trace::V, v.as_mut_slice()), (Trace::U, u.as_mut_slice())];
    if neuron.current.is_some() {
        traces.push((Trace::I, i.as_mut_slice()));
    }
    let extent = scan(context, level, neuron, x, lanes, c, split(neuron, &mut state), &mut spikes, &mut traces, 0)?;
    let wide = |values: &[O]| values.iter().map(|value| value.wide()).collect();
    Ok(Run { spikes: wide(&spikes), traces: [wide(&v), wide(&u), wide(&i)], state, extent })
}

fn split<'a>(neuron: &Neuron, state: &'a mut [i64]) -> State<'a> {
    let lanes = state.len() / fields(neuron);
    let (v, others) = state.split_at_mut(lanes);
    let (i, rest) = others.split_at_mut(if neuron.current.is_some() { lanes } else { 0 });
    State { v, i, rest }
}

fn registers() -> impl Strategy<Value = Register> {
    let bits = prop_oneof![2_u32..20, Just(24_u32), Just(31_u32), Just(32_u32), Just(33_u32), Just(63_u32), Just(64_u32)];
    let overflow = prop_oneof![Just(Overflow::Saturate), Just(Overflow::Wrap), Just(Overflow::WrapOnce), Just(Overflow::Error)];
    let decay = prop_oneof![
        Just(Decay::None),
        Just(Decay::Shift),
        Just(Decay::Constant),
        (1_u32..16).prop_map(Decay::Scale),
        (1_u32..16).prop_map(Decay::Floor),
    ];
    let when = prop_oneof![Just(When::Before), Just(When::After), Just(When::End)];
    (bits, overflow, decay, when).prop_map(|(bits, overflow, decay, when)| Register { bits, overflow, decay, when })
}

fn neurons() -> impl Strategy<Value = Neuron> {
    let fire =
        prop_oneof![Just(Fire::Single), Just(Fire::Multi(None)), (0_u16..40).prop_map(|n| Fire::Multi(Some(n))), Just(Fire::Ternary)];
    let reset = prop_oneof![Just(Reset::Subtract), Just(Reset::Zero), Just(Reset::None)];
    let clip = || prop_oneof![Just(None), Just(Some(Clip::Before)), Just(Some(Clip::After))];
    let input = (prop_oneof![Just(0_u32), 0_u32..33], prop::option::of(2_u32..65));
    let stages = (prop::option::of(registers()), registers(), any::<bool>(), any::<bool>(), clip(), clip());
    let restart = prop::option::of((1_usize..7, 0_usize..7));
    (input, stages, fire, reset, any::<bool>(), any::<bool>(), 2_u32..65, restart).prop_map(
        |((shift, input_bits), (current, membrane, to_current, change, low, high), fire, reset, above, refractory, watch, restart)| {
            Neuron {
                shift,
                input_bits,
                current,
                membrane,
                bias_to_current: to_current && current.is_some(),
                change,
                low,
                high,
                fire,
                reset,
                above,
                refractory,
                watch,
                restart: restart.map(|(every, at)| (every, at % every)),
            }
        },
    )
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

/// A table whose entries a neuron accepts, from any numbers.
fn table(neuron: &Neuron, numbers: &[i64]) -> Vec<i64> {
    let n = numbers.len() / ROWS.len();
    let inside = |value: i64, bits: u32| i64::try_from(i128::from(value).clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)).unwrap();
    let positive = |value: i64, most: i64| if most == i64::MAX { value.saturating_abs() } else { value.rem_euclid(most + 1) };
    let column = |(row, _): (Row, &str)| {
        let values = &numbers[row as usize * n..][..n];
        values.iter().map(move |&value| match row {
            Row::Threshold if neuron.fire == Fire::Ternary => value,
            Row::Threshold if neuron.fire == Fire::Multi(None) => value.saturating_abs().max(1),
            Row::Threshold => value.max(-9),
            Row::Bias | Row::Low => value,
            Row::Min | Row::Max => inside(value, neuron.membrane.bits),
            Row::DecayV => positive(value, neuron.membrane.most_decay()),
            Row::DecayI => positive(value, neuron.current.map_or(0, |current| current.most_decay())),
            Row::Refractory => positive(value, 5),
        })
    };
    ROWS.into_iter().flat_map(column).collect()
}

/// States that a neuron accepts.
fn start(neuron: &Neuron, lanes: usize, value: i64) -> Vec<i64> {
    let inside = |bits: u32| i64::try_from(i128::from(value).clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)).unwrap();
    let mut state = vec![inside(neuron.membrane.bits); lanes];
    if let Some(current) = neuron.current {
        state.extend(vec![inside(current.bits); lanes]);
    }
    if neuron.refractory {
        state.extend(vec![value.rem_euclid(4); lanes]);
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn every_neuron_is_its_equation_at_every_extreme(
        neuron in neurons(), lanes in 1_usize..9, x in prop::collection::vec(numbers(), 0..80),
        values in (1_usize..4).prop_flat_map(|n| prop::collection::vec(numbers(), n * ROWS.len())),
        value in numbers(), repeat in 1_usize..4,
    ) {
        let x = &x[..x.len() / lanes * lanes];
        let table = table(&neuron, &values);
        let c = Coefficients { table: &table, repeat };
        let state = start(&neuron, lanes, value);
        let expected = plain(&neuron, x, lanes, &c, &state);
        for (_, level) in levels() {
            let found = native::<i64>(&Context::serial(), level, &neuron, x, lanes, c, &state);
            match &expected {
                Some(run) => prop_assert_eq!(&found.unwrap(), run),
                None => prop_assert!(matches!(found, Err(Error::Value(_)))),
            }
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

const IAF: &str = "fire=multi reset=subtract v=16,saturate watch=10 low=after";

/// Bias, threshold and lower clip, one entry each or as many as the longest.
fn three(bias: &[i64], threshold: &[i64], v_min: &[i64]) -> Vec<i64> {
    let n = bias.len().max(threshold.len()).max(v_min.len());
    let row = |values: &[i64]| (0..n).map(|k| values[k % values.len()]).collect::<Vec<_>>();
    let zero = || vec![0; n];
    [row(bias), row(threshold), zero(), row(v_min), zero(), zero(), zero(), zero()].concat()
}

#[test]
fn tiles_blocks_chunks_threads_and_pieces_do_not_show() {
    let neuron = Neuron::parse(IAF).unwrap();
    let table = three(&[3, -2, 1, 0], &[40, 71], &[-60]);
    let c = Coefficients { table: &table, repeat: 5 };
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
            whole.traces.iter_mut().zip(part.traces).for_each(|(whole, part)| whole.extend(part));
            whole.extent.join(&part.extent);
            whole.state = part.state;
        }
        assert_eq!(whole, expected);
    }
}

#[test]
fn loihi_is_its_equation_whether_or_not_a_state_comes_near_its_bits() {
    let (steps, lanes) = (70, 150);
    let mut seen = [false; 2];
    for (span, ends) in [(300, 1 << 23), (300, 9000), (20_000, 1 << 23), (1 << 17, 1 << 23), (1 << 19, 1 << 20)] {
        let x = noise(steps * lanes, span);
        // One neuron of two hardly forgets: neighbours differ in how far they come.
        let [fast, slow] = [[3000, 3900], [3800, 4096]];
        let row = |a: i64, b: i64| [a, b];
        let table =
            [row(48, -90), row(20_000, 1 << 22), row(0, 0), row(-ends, -ends), row(ends - 1, ends - 1), fast, slow, row(0, 0)].concat();
        let c = Coefficients { table: &table, repeat: 70 };
        let state = noise(2 * lanes, 1000);
        let expected = plain(&LOIHI, &x, lanes, &c, &state).unwrap();
        seen[usize::from(expected.extent.beyond > 0)] = true;
        for (name, level) in levels() {
            let found = native::<i32>(&Context::serial(), level, &LOIHI, &x, lanes, c, &state).unwrap();
            assert_eq!(found, expected, "{name}, inputs of {span}, clipped at {ends}");
        }
    }
    assert_eq!(seen, [true, true], "some stay within their bits, some do not");
}

#[test]
fn a_lower_clip_alone_widens_the_word() {
    let neuron = Neuron::parse("v=64,saturate low=after").unwrap();
    for v_min in [1 << 31, (1 << 31) - 1, 1 << 40, i64::MAX] {
        let table = three(&[0], &[7], &[v_min]);
        let c = Coefficients { table: &table, repeat: 1 };
        let x = [0, 1, -1, 3];
        let expected = plain(&neuron, &x, 1, &c, &[0]);
        let found = native::<i64>(&Context::serial(), Level::new(), &neuron, &x, 1, c, &[0]);
        assert_eq!(found.ok(), expected, "{v_min}");
    }
}

#[test]
fn an_overrun_names_its_first_step_for_any_number_of_threads() {
    let neuron = Neuron::parse("fire=single reset=none v=8,error").unwrap();
    let (steps, lanes) = (1300, 1200);
    let mut x = vec![0; steps * lanes];
    for (step, lane) in [(1250, 3), (1200, 1199), (1200, 700)] {
        x[step * lanes + lane] = 128;
    }
    let table = three(&[0], &[100], &[0]);
    let c = Coefficients { table: &table, repeat: 1 };
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
    for spec in [
        "fire=never",
        "v=1,wrap",
        "v=65,wrap",
        "v=x,wrap",
        "v=8",
        "v=8,never",
        "v=8,wrap,shift",
        "v=8,wrap,scale:16,end",
        "low=3",
        "nonsense",
        "watch=",
        "most=-1",
        "restart=0,1",
        "shift=33",
        "bias=current",
    ] {
        assert!(matches!(Neuron::parse(spec), Err(Error::Value(text)) if text.contains("spec")), "{spec}");
    }
    let neuron = Neuron::parse(IAF).unwrap();
    let (table, low, far) = (three(&[0], &[1], &[0]), three(&[0], &[0], &[0]), three(&[0], &[1], &[-(1 << 15) - 1]));
    let good = Coefficients { table: &table, repeat: 1 };
    let run = |neuron: &Neuron, c, state: &[i64]| native::<i32>(&Context::serial(), Level::new(), neuron, &[1, 2], 2, c, state);
    assert!(run(&neuron, good, &[0, 0]).is_ok());
    assert!(run(&neuron, good, &[0]).is_err());
    assert!(run(&neuron, good, &[0, 1 << 15]).is_err());
    assert!(run(&Neuron::parse("v=33,saturate").unwrap(), good, &[0, 0]).is_err());
    assert!(run(&Neuron { refractory: true, ..neuron }, good, &[0, 0, -1, 0]).is_err());
    for bad in [
        Coefficients { table: &low, ..good },
        Coefficients { table: &far, ..good },
        Coefficients { table: &[], ..good },
        Coefficients { table: &[1; 9], ..good },
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
    let neuron = Neuron::parse("fire=multi reset=subtract v=32,error watch=8 low=after").unwrap();
    let [height, width] = geometry.output();
    let table = three(&[1, -3, 2], &[60], &[-90]);
    let c = Coefficients { table: &table, repeat: height * width };
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
    let stats = layer(
        &context,
        Level::new(),
        &neuron,
        geometry,
        x.as_slice().into(),
        batch,
        &weight,
        c,
        pool,
        State::membranes(&mut state),
        outputs,
        0,
    )
    .unwrap();

    assert!(expected.spikes.iter().any(|&s| s > 1));
    assert!(spikes.iter().zip(&expected.spikes).all(|(&a, &b)| i64::from(a) == b));
    assert!(v.iter().zip(&expected.traces[0]).all(|(&a, &b)| i64::from(a) == b));
    assert_eq!((state, stats.extent, stats.operations), (expected.state, expected.extent, operations));
    for (map, pooled) in spikes.chunks(height * width).zip(pooled.chunks((height / pool) * (width / pool))) {
        for (at, &sum) in pooled.iter().enumerate() {
            let (y, x) = (at / (width / pool) * pool, at % (width / pool) * pool);
            assert_eq!(sum, map[y * width + x] + map[y * width + x + 1] + map[(y + 1) * width + x] + map[(y + 1) * width + x + 1]);
        }
    }
    let ones = [1_i32; 4];
    assert!(sum_pool(&context, [i32::MAX; 4].as_slice().into(), [2, 2], 2, &mut [0]).is_err());
    assert!(sum_pool(&context, ones.as_slice().into(), [2, 2], 0, &mut [0]).is_err());
    assert!(sum_pool(&context, ones.as_slice().into(), [2, 2], 2, &mut [0, 0]).is_err());
}
