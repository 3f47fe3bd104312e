//! Every product against the loops of its definition, on every instruction set, with `==`.

use proptest::prelude::*;

use super::*;
use crate::event::Path;
use rsnn_base::elem::levels;
use rsnn_base::pool::Context;

fn context(threads: usize) -> Context<'static> {
    Context { threads, poll: &|| false }
}

/// Numbers of very different sizes, zeros among them, so that another order of summation shows.
fn numbers<E: Elem>(count: usize, seed: u64) -> Vec<E> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = state >> 33;
            let size = [1e-3, 1.0, 1e4, 0.0][(bits % 4) as usize];
            E::from_f64(((bits >> 2) as f64 / f64::from(1 << 28) - 1.0) * size)
        })
        .collect()
}

fn linear_by_definition<E: Elem>(x: &[E], w: &[E], bias: Option<&[E]>, (rows, inputs, outputs): (usize, usize, usize)) -> Vec<E> {
    let mut y = vec![E::ZERO; rows * outputs];
    for r in 0..rows {
        for o in 0..outputs {
            let mut sum = E::ZERO;
            for i in 0..inputs {
                sum += w[o * inputs + i] * x[r * inputs + i];
            }
            y[r * outputs + o] = bias.map_or(sum, |b| sum + b[o]);
        }
    }
    y
}

fn conv_by_definition<E: Elem>(x: &[E], w: &[E], bias: Option<&[E]>, conv: &Conv2d) -> Vec<E> {
    let out = conv.output_size().unwrap();
    let mut y = Vec::new();
    for r in 0..conv.images {
        for o in 0..conv.outputs {
            for p in 0..out.0 {
                for q in 0..out.1 {
                    let mut sum = E::ZERO;
                    for j in 0..conv.kernel.0 {
                        for i in 0..conv.kernel.1 {
                            for c in 0..conv.channels {
                                let at = (p * conv.stride.0 + j, q * conv.stride.1 + i);
                                let inside = at.0 >= conv.padding.0
                                    && at.1 >= conv.padding.1
                                    && at.0 - conv.padding.0 < conv.size.0
                                    && at.1 - conv.padding.1 < conv.size.1;
                                if inside {
                                    let pixel = ((r * conv.channels + c) * conv.size.0 + at.0 - conv.padding.0) * conv.size.1 + at.1
                                        - conv.padding.1;
                                    sum += w[((o * conv.channels + c) * conv.kernel.0 + j) * conv.kernel.1 + i] * x[pixel];
                                }
                            }
                        }
                    }
                    y.push(bias.map_or(sum, |b| sum + b[o]));
                }
            }
        }
    }
    y
}

/// Bits of every value, so that +0 and -0 differ.
fn bits<E: Elem>(values: &[E]) -> Vec<u64> {
    values.iter().map(|v| v.to_f64().to_bits()).collect()
}

fn check_linear<E: Elem>(shape: (usize, usize, usize), with_bias: bool, threads: usize, seed: u64) {
    let (rows, inputs, outputs) = shape;
    let (x, w, b) = (numbers::<E>(rows * inputs, seed), numbers::<E>(outputs * inputs, seed + 1), numbers::<E>(outputs, seed + 2));
    let bias = with_bias.then_some(b.as_slice());
    let wanted = bits(&linear_by_definition(&x, &w, bias, shape));
    for (name, level) in levels() {
        let mut out = vec![E::from_f64(f64::NAN); rows * outputs];
        for path in [Path::Auto, Path::Event, Path::Dense] {
            out.fill(E::from_f64(f64::NAN));
            linear(&context(threads), level, &Rows::Dense(&x), &w, bias, &mut out, shape, (path, None)).unwrap();
            assert!(bits(&out) == wanted, "{name}, {path:?}, {shape:?}");
        }
    }
}

fn check_conv<E: Elem>(conv: &Conv2d, with_bias: bool, threads: usize, seed: u64) {
    let x = numbers::<E>(conv.images * conv.channels * conv.size.0 * conv.size.1, seed);
    let w = numbers::<E>(conv.outputs * conv.channels * conv.kernel.0 * conv.kernel.1, seed + 1);
    let b = numbers::<E>(conv.outputs, seed + 2);
    let bias = with_bias.then_some(b.as_slice());
    let wanted = conv_by_definition(&x, &w, bias, conv);
    for (name, level) in levels() {
        let mut out = vec![E::from_f64(f64::NAN); wanted.len()];
        for path in [Path::Auto, Path::Event, Path::Dense] {
            out.fill(E::from_f64(f64::NAN));
            conv2d(&context(threads), level, &x, &w, bias, &mut out, conv, (path, None)).unwrap();
            assert!(bits(&out) == bits(&wanted), "{name}, {path:?}, {conv:?}");
        }
    }
}

fn pair(range: std::ops::Range<usize>) -> impl Strategy<Value = (usize, usize)> {
    (range.clone(), range)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn linear_equals_its_definition(rows in 0_usize..20, inputs in 0_usize..40, outputs in 0_usize..80, bias: bool, threads in 1_usize..4, seed in 0_u64..1000) {
        check_linear::<f32>((rows, inputs, outputs), bias, threads, seed);
        check_linear::<f64>((rows, inputs, outputs), bias, threads, seed);
    }

    #[test]
    fn convolution_equals_its_definition(
        (images, channels, outputs) in (0_usize..4, 0_usize..4, 0_usize..10),
        size in pair(0..14), kernel in pair(1..5), stride in pair(1..5), padding in pair(0..4),
        bias: bool, threads in 1_usize..4, seed in 0_u64..1000,
    ) {
        let conv = Conv2d { images, channels, outputs, size, kernel, stride, padding };
        if conv.output_size().is_ok() {
            check_conv::<f32>(&conv, bias, threads, seed);
            check_conv::<f64>(&conv, bias, threads, seed);
        }
    }

    #[test]
    fn pooling_equals_its_definition(planes in 0_usize..5, size in pair(0..12), kernel in pair(1..5), cell in prop::sample::select(vec![Cell::Sum, Cell::Average, Cell::Max]), threads in 1_usize..4, seed in 0_u64..1000) {
        let pool = Pool2d { planes, size, kernel, cell };
        let (height, width) = (size.0 / kernel.0, size.1 / kernel.1);
        let x = numbers::<f32>(planes * size.0 * size.1, seed);
        let mut wanted = Vec::new();
        for at in 0..planes * height * width {
            let (plane, p, q) = (at / (height * width), at / width % height, at % width);
            let (mut sum, mut most) = (0.0_f32, None);
            for j in 0..kernel.0 {
                for i in 0..kernel.1 {
                    let pixel = x[(plane * size.0 + p * kernel.0 + j) * size.1 + q * kernel.1 + i];
                    sum += pixel;
                    most = Some(most.map_or(pixel, |most: f32| if pixel > most { pixel } else { most }));
                }
            }
            wanted.push(match cell {
                Cell::Sum => sum,
                Cell::Average => sum / (kernel.0 * kernel.1) as f32,
                Cell::Max => most.unwrap(),
            });
        }
        let mut out = vec![f32::NAN; wanted.len()];
        pool2d(&context(threads), &x, &mut out, &pool).unwrap();
        prop_assert_eq!(bits(&out), bits(&wanted));
    }
}

#[test]
fn sums_longer_than_a_block_and_work_cut_into_many_tasks_keep_their_order() {
    for threads in [1, 3] {
        check_linear::<f32>((3, 1500, 70), true, threads, 1);
        check_linear::<f64>((400, 520, 33), false, threads, 2);
        check_linear::<f32>((5000, 65, 17), true, threads, 3);
        let conv = Conv2d { images: 3, channels: 130, outputs: 21, size: (9, 37), kernel: (3, 2), stride: (1, 2), padding: (1, 1) };
        check_conv::<f32>(&conv, true, threads, 4);
        let wide = Conv2d { images: 40, channels: 2, outputs: 300, size: (12, 40), kernel: (3, 3), stride: (1, 1), padding: (1, 1) };
        check_conv::<f32>(&wide, false, threads, 5);
    }
}

#[test]
fn undefined_values_in_the_data_reach_exactly_the_sums_they_are_part_of() {
    let x = [1.0, f32::NAN, f32::INFINITY, 2.0_f32];
    let mut out = [0.0_f32; 4];
    for path in [Path::Event, Path::Dense] {
        let weight = [0.0, 1.0, 2.0, 0.0];
        linear(&Context::serial(), levels()[0].1, &Rows::Dense(&x), &weight, None, &mut out, (2, 2, 2), (path, None)).unwrap();
        assert!(out[0].is_nan() && out[1].is_nan() && out[2].is_nan());
        assert!(out[3] > f32::MAX, "2 * inf + 0 * 2");
    }
}

#[test]
fn weights_that_are_not_finite_and_wrong_lengths_are_refused() {
    let of = |x: &[f32], weight: &[f32], bias: Option<&[f32]>, out: &mut [f32], shape| {
        linear(&Context::serial(), levels()[0].1, &Rows::Dense(x), weight, bias, out, shape, (Path::Auto, None))
    };
    let mut out = [7.0_f32; 1];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let message = of(&[1.0, 2.0], &[1.0, bad], None, &mut out, (1, 2, 1)).unwrap_err().to_string();
        assert!(message.starts_with("weight: entry 1"), "{message}");
        let message = of(&[1.0, 2.0], &[1.0, 2.0], Some(&[bad]), &mut out, (1, 2, 1)).unwrap_err().to_string();
        assert!(message.starts_with("bias: entry 0"), "{message}");
    }
    assert!(of(&[1.0], &[1.0, 2.0], None, &mut out, (1, 2, 1)).is_err());
    assert!(of(&[1.0, 2.0], &[1.0, 2.0], None, &mut out, (usize::MAX, 2, 1)).is_err());
    let conv = Conv2d { images: 1, channels: 1, outputs: 1, size: (2, 2), kernel: (3, 3), stride: (1, 1), padding: (0, 0) };
    assert!(conv.output_size().unwrap_err().to_string().contains("does not fit"));
    assert!(Conv2d { stride: (0, 1), ..conv }.output_size().is_err());
    assert!(Conv2d { padding: (usize::MAX, 0), ..conv }.output_size().is_err());
    assert_eq!(bits(&out), bits(&[7.0_f32]), "nothing was written");
}

#[test]
fn a_request_to_stop_ends_a_product() {
    let context = Context { threads: 1, poll: &|| true };
    let (x, w) = (vec![1.0_f32; 16_000_000], vec![1.0_f32; 4_000_000]);
    let mut out = vec![0.0_f32; 16_000_000];
    for threads in [1, 2] {
        let context = Context { threads, ..context };
        for path in [Path::Event, Path::Dense] {
            let done = linear(&context, levels()[0].1, &Rows::Dense(&x), &w, None, &mut out, (8000, 2000, 2000), (path, None));
            assert_eq!(done, Err(Error::Interrupted));
        }
    }
}

#[test]
fn gradients_of_the_input_are_near_their_definition() {
    for shape in [(0, 3, 2), (7, 0, 3), (7, 3, 0), (1, 1, 1), (100, 70, 33), (400, 33, 600)] {
        let (rows, inputs, outputs) = shape;
        let grad: Vec<f64> = (0..rows * outputs).map(|k| (k % 17) as f64 - 8.0).collect();
        let weight: Vec<f64> = (0..outputs * inputs).map(|k| (k % 13) as f64 - 6.0).collect();
        for (name, level) in levels() {
            for threads in [1, 3] {
                let mut out = vec![f64::NAN; rows * inputs];
                input_gradient(&context(threads), level, &grad, &weight, &mut out, shape).unwrap();
                for (at, value) in out.iter().enumerate() {
                    let (r, i) = (at / inputs, at % inputs);
                    let wanted: f64 = (0..outputs).map(|o| grad[r * outputs + o] * weight[o * inputs + i]).sum();
                    // Whole numbers: every order gives the same sum.
                    assert!(value.to_bits() == (wanted + 0.0).to_bits(), "{name}, {shape:?}: {value} for {wanted}");
                }
            }
        }
    }
}
