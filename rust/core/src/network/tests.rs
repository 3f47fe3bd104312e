//! Both ways of a product against the dense one, on every instruction set, with `==`; the engine over pieces, samples and threads.
#![allow(clippy::float_cmp, reason = "the bits are promised")]

use std::sync::Arc;

use proptest::prelude::*;

use super::input::Input;
use super::map::Join;
use super::run::{Job, Run};
use super::*;
use rsnn_base::elem::levels;
use rsnn_base::pool::Context;
use rsnn_neurons::neuron::Neuron;
use rsnn_products::event::conv::Scatter;
use rsnn_products::event::{Event, Path, Touched};
use rsnn_products::product::{Conv2d, Raster, conv2d};

/// Numbers of very different sizes, most of them 0.
fn numbers(count: usize, seed: u64, part: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..count).map(|_| if next() % 100 < part { (next() % 2001) as f32 / 7.0 - 140.0 } else { 0.0 }).collect()
}

/// `(channels, pixels)` as `(pixels, channels)`, and back.
fn turned(x: &[f32], channels: usize) -> Vec<f32> {
    let pixels = x.len() / channels;
    (0..x.len()).map(|k| x[k % channels * pixels + k / channels]).collect()
}

proptest! {
    #[test]
    fn scattered_events_and_images_in_raster_order_give_the_bits_of_the_dense_product(
        (channels, outputs) in (1_usize..5, 1_usize..20),
        size in (1_usize..9, 1_usize..70),
        kernel in (1_usize..5, 1_usize..5),
        stride in (1_usize..6, 1_usize..6),
        padding in (0_usize..5, 0_usize..5),
        part in prop::sample::select(vec![0, 3, 30, 100]),
        seed in any::<u64>(),
    ) {
        let conv = Conv2d { images: 1, channels, outputs, size, kernel, stride, padding };
        let Ok(output) = conv.output_size() else { return Ok(()) };
        let x = numbers(channels * size.0 * size.1, seed, part);
        let weight = numbers(outputs * channels * kernel.0 * kernel.1, seed ^ 1, 90);
        let raster = turned(&x, channels);
        #[allow(clippy::cast_possible_truncation, reason = "small")]
        let events: Vec<_> =
            raster.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(at, v)| Event { at: at as u32, value: *v }).collect();
        for (_, level) in levels() {
            let mut dense = vec![0.0; outputs * output.0 * output.1];
            conv2d(&Context::serial(), level, &x, &weight, None, &mut dense, &conv, (Path::Dense, None)).unwrap();
            let expected = turned(&dense, outputs);
            let scatter = Scatter::new(&conv, &weight).unwrap();
            let mut sums = vec![0.0; expected.len()];
            let made = scatter.add(level, &events, &mut sums);
            prop_assert_eq!(&sums, &expected);
            prop_assert_eq!(made, events.iter().map(|event| scatter.fan_out(event.at as usize / channels)).sum::<u64>());
            let mut image = vec![f32::NAN; expected.len()];
            Raster::new(&conv, &weight).unwrap().run(level, &raster, &mut Vec::new(), &mut image);
            prop_assert_eq!(&image, &expected);
        }
    }
}

/// An integrator behind a convolution, its pooled spikes, and a layer of all to all.
fn network(level: Level) -> Arc<Plan<f32>> {
    let conv = Conv2d { images: 1, channels: 2, outputs: 3, size: (5, 7), kernel: (3, 3), stride: (1, 1), padding: (1, 1) };
    let neuron = Neuron::parse("synapse=none membrane=leaky fire=multi reset=subtract timing=same").unwrap();
    let mut plan = Plan::new(level, 70).unwrap();
    plan.add(Op::Product(Product::conv2d(&conv, &numbers(54, 3, 60), None).unwrap()), vec![0], 105).unwrap();
    plan.add(Op::Neurons(Neurons::new(neuron, true, 105, (vec![1.0, 200.0], 1), None, None).unwrap()), vec![1], 105).unwrap();
    let table = (0..35).map(|p| if p / 7 < 4 && p % 7 < 6 { p / 7 / 2 * 3 + p % 7 / 2 } else { NOWHERE }).collect();
    plan.add(Op::Map(Map { table: Some(table), unit: 3, join: Join::Mean(4) }), vec![2], 18).unwrap();
    plan.add(Op::Product(Product::linear(level, 1, &numbers(36, 4, 100), Some(&[1.0, 0.0]), (2, 18)).unwrap()), vec![3], 2).unwrap();
    Arc::new(plan)
}

#[test]
fn ways_pieces_threads_and_instruction_sets_do_not_show() {
    let x = numbers(40 * 3 * 70, 5, 6);
    let run = |level, path, cuts: &[usize], threads| {
        let mut run = Run::new(network(level), 3, &[false, false, true, false, false]);
        let (mut output, mut first) = (vec![0.0; 40 * 3 * 2], 0);
        for steps in cuts {
            let (input, output) = (&x[first * 210..(first + steps) * 210], &mut output[first * 6..(first + steps) * 6]);
            let context = Context { threads, poll: &|| false };
            run.advance(&context, Job { steps: *steps, input: Input::Dense(input), path, output, record: Vec::new() }).unwrap();
            first += steps;
        }
        let mut state = vec![0.0; 3 * 105];
        run.end(2, &mut state).unwrap();
        let (starts, at, values) = run.take_spikes(2).unwrap();
        assert_eq!((starts.len(), *starts.last().unwrap()), (121, at.len() as u64));
        (output, state, at, values.map(|v| v.len()), run.counts(2).fired, run.counts(1).operations)
    };
    let whole = run(levels()[0].1, Path::Event, &[40], 1);
    assert!(whole.4 > 0 && whole.5 > 0);
    for (_, level) in levels() {
        for path in [Path::Auto, Path::Event, Path::Dense] {
            assert_eq!(run(level, path, &[1, 30, 0, 9], 2), whole);
        }
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let level = levels()[0].1;
    let mut plan = Plan::<f32>::new(level, 4).unwrap();
    let message = |error: Error| error.to_string();
    assert!(message(plan.add(Op::Delay(1), vec![1], 4).unwrap_err()).contains("must be nodes before it"));
    assert!(message(plan.add(Op::Delay(1), vec![0], 5).unwrap_err()).contains("entries come in"));
    let map = |table, unit: u32| Op::Map(Map { table: Some(table), unit, join: Join::Sum });
    assert!(message(plan.add(map(vec![0, 4, 1, 1], 1), vec![0], 4).unwrap_err()).contains("points beyond"));
    assert!(message(plan.add(map(vec![0, 2], 2), vec![0], 4).unwrap_err()).contains("points beyond"));
    assert!(Plan::<f32>::new(level, usize::MAX).is_err());
    plan.add(map(vec![1, 0], 2), vec![0], 4).unwrap();
    let mut run = Run::new(Arc::new(plan), 1, &[false, false]);
    let mut go = |input: Input<'_, f32>| {
        let mut output = [0.0; 4];
        run.advance(&Context::serial(), Job { steps: 1, input, path: Path::Auto, output: &mut output, record: Vec::new() }).map(|()| output)
    };
    assert_eq!(go(Input::Dense(&[1.0, 0.0, 3.0, 4.0])).unwrap(), [3.0, 4.0, 1.0, 0.0]);
    assert_eq!(go(Input::Bits(&[0b0110])).unwrap(), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(go(Input::Events(&[0, 2], &[1, 2], Some(&[2.0, 0.0]))).unwrap(), [0.0, 0.0, 0.0, 2.0]);
    assert!(go(Input::Dense(&[1.0])).is_err());
    assert!(go(Input::Bits(&[0b1_0000])).is_err());
    assert!(go(Input::Events(&[0, 2], &[2, 1], None)).is_err());
    assert!(go(Input::Events(&[0, 1], &[4], None)).is_err());
    assert!(go(Input::Events(&[0, 3], &[0, 1], None)).is_err());
}

#[test]
fn all_pixels_are_visited_at_first() {
    let mut touched = Touched::all(1, 3, 5);
    let mut seen = Vec::new();
    touched.drain(0..1, touched.laid(8), |_, from| seen.push(from));
    assert_eq!(seen, [0, 8]);
}
