//! A leaky integrate-and-fire neuron under a constant current, printed as it fires: `cargo run --release -p rsnn-core --example lif`.

use rsnn_core::Kernels;
use rsnn_core::elem::levels;
use rsnn_core::neuron::Neuron;
use rsnn_core::pool::Context;
use rsnn_core::scan::Table;
use rsnn_core::scan::forward::{Forward, Output, Trace};
use rsnn_core::scan::layout::Shape;

fn main() -> rsnn_core::Result<()> {
    // u = beta v + x; it fires where u >= v_threshold, and v = u - v_threshold s.
    let neuron = Neuron::parse("synapse=none membrane=leaky fire=single reset=subtract timing=same")?;
    let value = |name| if name == "beta" { 0.9_f32 } else { 1.0 };
    let coefficients: Vec<f32> = neuron.coefficients().iter().map(|(_, name)| value(*name)).collect();
    let shape = Shape { outer: 1, time: 12, inner: 1 };
    let (x, mut state) = (vec![0.3; 12], vec![0.0]);
    let (mut spikes, mut v) = (vec![0.0; 12], vec![0.0; 12]);
    f32::forward(
        &Context::serial(),
        Forward {
            neuron,
            level: levels()[0].1,
            shape,
            x: &x,
            coefficients: Table { values: &coefficients, period: 1 },
            state: &mut state,
            output: Output::Dense(&mut spikes),
            record: vec![(Trace::named(&neuron, "v")?, &mut v)],
            picked: None,
            recurrent: None,
            group: None,
            checkpoints: None,
        },
    )?;
    for (t, (s, v)) in spikes.iter().zip(&v).enumerate() {
        println!("step {t:2}  v = {v:.3}{}", if *s > 0.5 { "  spike" } else { "" });
    }
    // 0.3 + 0.27 + 0.243 + 0.2187 passes 1 at the fourth step.
    assert_eq!(spikes.iter().position(|s| *s > 0.5), Some(3));
    Ok(())
}
