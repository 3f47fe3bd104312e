//! What holds for every instruction set: the same bits.

use super::*;
use rsnn_base::elem::levels;
use rsnn_base::pool::Context;
use rsnn_products::product::Conv2d;

fn rule(dependence: Dependence) -> Rule<f32> {
    let before = Side { decay: 0.9, gain: 1.0, amplitude: 0.02, slow_decay: 0.99, slow_amplitude: 0.001 };
    let after = Side { decay: 0.8, gain: 1.0, amplitude: 0.03, slow_decay: 0.97, slow_amplitude: 0.002 };
    Rule {
        before,
        after,
        x_target: 0.1,
        dependence,
        pairing: Pairing::All,
        coincidence: Coincidence::Potentiate,
        w_min: 0.0,
        w_max: 1.0,
        bounded: true,
    }
}

/// Numbers without a pattern, from 0 to 1.
fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 65536.0
    };
    (0..n).map(|_| next()).collect()
}

fn spikes(n: usize, seed: u32) -> Vec<f32> {
    noise(n, seed).into_iter().map(|u| if u < 0.2 { 1.0 } else { 0.0 }).collect()
}

#[test]
fn every_instruction_set_changes_weights_by_the_same_bits() {
    let conv = Conv2d { images: 1, channels: 3, outputs: 21, size: (5, 4), kernel: (3, 2), stride: (2, 1), padding: (1, 0) };
    let geometry = Geometry::new(conv).unwrap();
    let (samples, steps) = (2, 25);
    for dependence in [Dependence::Additive, Dependence::Step, Dependence::Multiplicative, Dependence::Power(0.4)] {
        let mut seen: Option<Vec<u32>> = None;
        for (name, level) in levels() {
            let pre = spikes(steps * samples * geometry.inputs(), 1);
            let post = spikes(steps * samples * geometry.outputs(), 2);
            let mut weight = noise(geometry.rows() * geometry.columns(), 3);
            let mut traces = [vec![0.0; samples * geometry.inputs()], vec![0.0; samples * geometry.outputs()]];
            let mut slow = traces.clone();
            let ([a, b], [c, d]) = (&mut traces, &mut slow);
            let job = Job {
                rule: rule(dependence),
                geometry,
                samples,
                pre: &pre,
                post: Post::Given(&post),
                weight: &mut weight,
                traces: [a, b],
                slow: Some([c, d]),
                modulated: None,
                record: None,
            };
            run(&Context::serial(), level, job).unwrap();
            let bits: Vec<u32> = weight.iter().map(|w| w.to_bits()).collect();
            assert!(seen.as_ref().is_none_or(|seen| *seen == bits), "{name} {dependence:?}");
            seen = Some(bits);
        }
    }
}

#[test]
fn arrays_of_another_length_are_refused() {
    let conv = Conv2d { images: 1, channels: 3, outputs: 2, size: (1, 1), kernel: (1, 1), stride: (1, 1), padding: (0, 0) };
    let mut weight = [0.5; 6];
    let job = Job {
        rule: rule(Dependence::Additive),
        geometry: Geometry::new(conv).unwrap(),
        samples: 1,
        pre: &[0.0; 6],
        post: Post::Given(&[0.0; 3]),
        weight: &mut weight,
        traces: [&mut [0.0; 3], &mut [0.0; 2]],
        slow: None,
        modulated: None,
        record: None,
    };
    let error = run(&Context::serial(), levels()[0].1, job).unwrap_err();
    assert!(error.to_string().starts_with("post has 3 entries"), "{error}");
}
