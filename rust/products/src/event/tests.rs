//! Events against all entries, and gradients against the loops of their definition, on every instruction set, with `==`.

use proptest::prelude::*;

use super::bits::list;
use super::*;
use crate::product::Conv2d;
use rsnn_base::elem::{Elem, levels};
use rsnn_base::pool::Context;

fn context(threads: usize) -> Context<'static> {
    Context { threads, poll: &|| false }
}

/// Numbers of which this share is not 0: ones, or of very different sizes.
fn sparse<E: Elem>(count: usize, density: f64, unit: bool, seed: u64) -> Vec<E> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let mut one = || {
        let (chance, kind, value) = (next(), next(), next());
        if chance >= density {
            if kind < 0.5 || unit { 0.0 } else { -0.0 }
        } else if unit {
            1.0
        } else {
            (value - 0.5) * if kind < 0.5 { 1e4 } else { 1e-2 }
        }
    };
    (0..count).map(|_| E::from_f64(one())).collect()
}

fn bits<E: Elem>(values: &[E]) -> Vec<u64> {
    values.iter().map(|v| v.to_f64().to_bits()).collect()
}

fn gradients_by_definition<E: Elem>(x: &[E], dy: &[E], (rows, inputs, outputs): (usize, usize, usize)) -> (Vec<E>, Vec<E>) {
    let (mut weight, mut bias) = (vec![E::ZERO; outputs * inputs], vec![E::ZERO; outputs]);
    for r in 0..rows {
        for o in 0..outputs {
            bias[o] += dy[r * outputs + o];
            for i in 0..inputs {
                weight[o * inputs + i] += dy[r * outputs + o] * x[r * inputs + i];
            }
        }
    }
    (weight, bias)
}

fn check<E: Elem>(shape: (usize, usize, usize), density: f64, unit: bool, threads: usize, seed: u64) {
    let (rows, inputs, outputs) = shape;
    let x = sparse::<E>(rows * inputs, density, unit, seed);
    let dy = sparse::<E>(rows * outputs, 0.9, false, seed + 1);
    let (weight, bias) = gradients_by_definition(&x, &dy, shape);
    for (name, level) in levels() {
        let mut words = vec![!0; rows * words_of(inputs)];
        let found = scan(&context(threads), level, &x, &mut words, (rows, inputs)).unwrap();
        let count = x.iter().filter(|x| **x != E::ZERO).count();
        assert_eq!(found.count, count as u64, "{name}");
        assert!(!unit || found.unit, "{name}");
        let mut listed = vec![E::ZERO; count];
        list(&x, &words, &mut listed, (rows, inputs)).unwrap();
        let mut all = vec![Values::Dense(x.as_slice()), Values::Listed(&listed)];
        if found.unit {
            all.push(Values::Ones);
        }
        for values in all {
            let events = Events::new(&words, values, (rows, inputs)).unwrap();
            let mut back = vec![E::ONE; x.len()];
            events.unpack(0, &mut back);
            assert!(back == x, "{name}: unpacked");
            let (mut w, mut b) = (vec![E::ONE; weight.len()], vec![E::ONE; outputs]);
            weight::weight_gradient(&context(threads), level, &events, &dy, &mut w, &mut b).unwrap();
            assert!(bits(&w) == bits(&weight), "{name}, {shape:?}: weight");
            assert!(bits(&b) == bits(&bias), "{name}, {shape:?}: bias");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradients_by_events_equal_their_definition(
        rows in 0_usize..20, inputs in 0_usize..150, outputs in 0_usize..80, density in prop::sample::select(vec![0.0, 0.02, 0.3, 1.0]),
        unit: bool, threads in 1_usize..4, seed in 0_u64..1000,
    ) {
        check::<f32>((rows, inputs, outputs), density, unit, threads, seed);
        check::<f64>((rows, inputs, outputs), density, unit, threads, seed);
    }

    #[test]
    fn every_value_of_a_graded_input_is_an_event(values in prop::collection::vec(prop::sample::select(vec![0.0_f32, -0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, 1e-45, 0.5]), 0..200)) {
        for (name, level) in levels() {
            let mut words = vec![0; words_of(values.len())];
            let found = scan(&context(1), level, &values, &mut words, (1, values.len())).unwrap();
            for (i, value) in values.iter().enumerate() {
                prop_assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, *value != 0.0, "{} {}", name, value);
            }
            prop_assert_eq!(found.unit, values.iter().all(|v| *v == 0.0 || v.to_bits() == 1.0_f32.to_bits()));
        }
    }
}

/// The gradient of a convolution's weight; whole numbers, so that every order of summation gives the same.
fn conv_gradient_by_definition(x: &[f32], dy: &[f32], conv: &Conv2d) -> Vec<f32> {
    let out = conv.output_size().unwrap();
    let mut weight = vec![0.0; conv.outputs * conv.channels * conv.kernel.0 * conv.kernel.1];
    for (at, w) in weight.iter_mut().enumerate() {
        let (i, j) = (at % conv.kernel.1, at / conv.kernel.1 % conv.kernel.0);
        let (c, o) = (at / conv.kernel.1 / conv.kernel.0 % conv.channels, at / conv.kernel.1 / conv.kernel.0 / conv.channels);
        for r in 0..conv.images {
            for p in 0..out.0 {
                for q in 0..out.1 {
                    let (y, z) =
                        ((p * conv.stride.0 + j).wrapping_sub(conv.padding.0), (q * conv.stride.1 + i).wrapping_sub(conv.padding.1));
                    if y < conv.size.0 && z < conv.size.1 {
                        *w += x[((r * conv.channels + c) * conv.size.0 + y) * conv.size.1 + z]
                            * dy[((r * conv.outputs + o) * out.0 + p) * out.1 + q];
                    }
                }
            }
        }
    }
    weight
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn convolutions_by_events_equal_the_dense_ones_and_their_gradients_the_definition(
        (images, channels, outputs) in (0_usize..5, 0_usize..4, 0_usize..20),
        size in (0_usize..10, 0_usize..10), kernel in (1_usize..5, 1_usize..5), stride in (1_usize..4, 1_usize..4),
        padding in (0_usize..3, 0_usize..3), density in prop::sample::select(vec![0.0, 0.1, 0.5, 1.0]),
        unit: bool, bias: bool, threads in 1_usize..4, seed in 0_u64..1000,
    ) {
        let conv = Conv2d { images, channels, outputs, size, kernel, stride, padding };
        let Ok(out) = conv.output_size() else { return Ok(()) };
        let n = channels * size.0 * size.1;
        let x = sparse::<f32>(images * n, density, unit, seed);
        let weight = sparse::<f32>(outputs * channels * kernel.0 * kernel.1, 0.9, false, seed + 1);
        let b = sparse::<f32>(outputs, 0.9, false, seed + 2);
        let b = bias.then_some(b.as_slice());
        let whole = |values: Vec<f32>| values.into_iter().map(|v| (v * 1e-3).round()).collect::<Vec<_>>();
        let (rounded, dy) = (whole(x.clone()), whole(sparse::<f32>(images * outputs * out.0 * out.1, 0.9, false, seed + 3)));
        let gradient = conv_gradient_by_definition(&rounded, &dy, &conv);
        for (name, level) in levels() {
            let mut wanted = vec![0.0; images * outputs * out.0 * out.1];
            crate::product::conv2d(&context(1), level, &x, &weight, b, &mut wanted, &conv, (Path::Dense, None)).unwrap();
            let mut words = vec![0; images * words_of(n)];
            scan(&context(threads), level, &x, &mut words, (images, n)).unwrap();
            let events = Events::new(&words, Values::Dense(&x), (images, n)).unwrap();
            let mut found = vec![f32::NAN; wanted.len()];
            frames::conv2d(&context(threads), level, &events, &weight, b, &mut found, &conv).unwrap();
            prop_assert!(bits(&found) == bits(&wanted), "{name}, {conv:?}");
            scan(&context(threads), level, &rounded, &mut words, (images, n)).unwrap();
            let events = Events::new(&words, Values::Dense(&rounded), (images, n)).unwrap();
            let mut found = vec![f32::NAN; gradient.len()];
            frames::weight_gradient(&context(threads), level, &events, &dy, &mut found, &conv).unwrap();
            prop_assert!(found == gradient, "{name}, {conv:?}: gradient");
        }
    }
}

#[test]
fn large_gradients_are_cut_without_changing_a_bit() {
    for threads in [1, 3] {
        check::<f32>((60, 1030, 520), 0.05, true, threads, 1);
        check::<f64>((30, 300, 300), 0.2, false, threads, 2);
    }
}

#[test]
fn an_estimate_is_near_the_share_of_events_whatever_the_width_of_a_row() {
    let level = levels()[0].1;
    for width in [256, 64, 700, 4096] {
        // One column in eight fires in every row: an even step would see all of it or nothing.
        let x: Vec<f32> = (0..4_000_000).map(|k| if k % width < width / 8 { 1.0 } else { 0.0 }).collect();
        let found = estimate(level, &x);
        assert!((found - 0.125).abs() < 0.05, "{width}: {found}");
    }
    assert!(estimate::<f32>(level, &[]).abs() < 1e-9);
    assert!((estimate(level, &[0.0_f32, 1.0, f32::NAN, 0.0]) - 0.5).abs() < 1e-9);
}

#[test]
fn bits_and_values_that_do_not_fit_are_refused() {
    let refused = |words: &[u64], values: Values<'_, f32>, shape| Events::new(words, values, shape).err().map(|e| e.to_string());
    assert!(refused(&[1, 1], Values::Ones, (1, 3)).unwrap().contains("2 came"));
    assert!(refused(&[8], Values::Ones, (1, 3)).unwrap().contains("beyond the 3 entries"));
    assert!(refused(&[7], Values::Listed(&[1.0]), (1, 3)).unwrap().contains("3 events"));
    assert!(refused(&[7], Values::Dense(&[1.0]), (1, 3)).is_some());
    assert!(refused(&[7], Values::Ones, (1, 3)).is_none());
    assert!(scan(&context(1), levels()[0].1, &[1.0_f32; 4], &mut [0; 3], (2, 2)).is_err());
}
