//! The engine of networks: all layers over a block of steps, one sample at a time, following the events where they are few.
//!
//! A network is a [`Plan`], a list of nodes in an order in which each comes after its inputs. What passes between nodes is a
//! [`signal::Signal`]: a block of steps, as events or densely, whichever its producer gives and its consumer wants; never a whole run. The
//! block is so short that the state of a layer stays in the cache while it is worked on. Images lie in raster order,
//! `[row][column][channel]`; a [`map::Map`] moves entries where another order is asked for.
//!
//! A product whose only consumer are neurons that can be visited is computed step by step in their place: what it gives is never kept.
//!
//! Samples are tasks, whatever the number of threads, and a block of a sample is the same work wherever it is cut: results depend on neither.

pub mod input;
pub mod map;
pub mod neurons;
pub mod product;
pub mod run;
pub mod sample;
pub mod signal;

use fearless_simd::Level;

use crate::Kernels;
use map::{Map, NOWHERE};
use neurons::Neurons;
use product::Product;
use rsnn_base::error::{Error, Result};

/// Steps of a block where little is dense.
const BLOCK: usize = 24;
/// Entries of a block of a dense signal: so many stay in the second-level cache.
const CACHED: usize = 1 << 18;

/// What a node does.
#[allow(clippy::large_enum_variant, reason = "a network has few nodes")]
pub enum Op<E> {
    /// The input of the network.
    Input,
    /// A layer with weights.
    Product(Product<E>),
    /// A layer of neurons.
    Neurons(Neurons<E>),
    /// A layer that moves entries.
    Map(Map),
    /// Its input so many steps ago, 0 at first.
    Delay(usize),
}

/// A node and where its input comes from.
pub struct Node<E> {
    /// What it does.
    pub op: Op<E>,
    /// Nodes before it: one, or several of a [`Op::Map`].
    pub inputs: Vec<usize>,
    /// Entries of a sample that it gives.
    pub len: usize,
    consumers: usize,
}

/// A network, ready to run.
pub struct Plan<E> {
    level: Level,
    nodes: Vec<Node<E>>,
}

impl<E: Kernels> Plan<E> {
    /// A network of its input alone.
    pub fn new(level: Level, len: usize) -> Result<Self> {
        check_length(len)?;
        Ok(Self { level, nodes: vec![Node { op: Op::Input, inputs: Vec::new(), len, consumers: 0 }] })
    }

    /// The instruction set it runs on.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// All nodes, the input first.
    #[must_use]
    pub fn nodes(&self) -> &[Node<E>] {
        &self.nodes
    }

    /// Add a node that gives `len` entries; the result is its number.
    pub fn add(&mut self, op: Op<E>, inputs: Vec<usize>, len: usize) -> Result<usize> {
        check_length(len)?;
        let wrong = |what: String| Err(Error::value(format!("node {}: {what}", self.nodes.len())));
        if inputs.is_empty() || inputs.iter().any(|input| *input >= self.nodes.len()) {
            return wrong(format!("its inputs {inputs:?} must be nodes before it"));
        }
        let came: Vec<usize> = inputs.iter().map(|input| self.nodes[*input].len).collect();
        let expected = match &op {
            Op::Input => return wrong("the input is the first node, and the only one".to_owned()),
            Op::Product(product) => (vec![product.inputs], product.outputs),
            Op::Neurons(neurons) => (vec![neurons.len], neurons.len),
            Op::Delay(_) => (vec![len], len),
            Op::Map(Map { table: None, .. }) => (vec![len; inputs.len()], len),
            Op::Map(Map { table: Some(table), unit, .. }) => {
                let beyond = |to: &u32| *to != NOWHERE && (*to as usize + 1).checked_mul(*unit as usize).is_none_or(|end| end > len);
                if *unit == 0 || table.iter().any(beyond) {
                    return wrong(format!("its table of cells of {unit} points beyond its {len} entries"));
                }
                (vec![table.len() * *unit as usize; inputs.len()], len)
            }
        };
        if (came.clone(), len) != expected {
            return wrong(format!("{came:?} entries come in and {len} go out; expected are {expected:?}"));
        }
        for input in &inputs {
            self.nodes[*input].consumers += 1;
        }
        self.nodes.push(Node { op, inputs, len, consumers: 0 });
        Ok(self.nodes.len() - 1)
    }

    /// Whether node `k` is absorbed: computed in the place of its only consumer, neurons that are visited.
    fn is_absorbed(&self, k: usize, consumer: usize) -> bool {
        let Node { op, consumers, .. } = &self.nodes[k];
        matches!((op, &self.nodes[consumer].op), (Op::Product(_), Op::Neurons(neurons)) if neurons.can_be_visited() && *consumers == 1)
    }

    /// Steps of a block.
    fn block(&self) -> usize {
        let is_dense = |node: &&Node<E>| match &node.op {
            Op::Product(_) => true,
            Op::Neurons(neurons) => !neurons.can_be_visited() || !neurons.spiking,
            _ => false,
        };
        let absorbed: Vec<usize> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(k, node)| node.inputs.iter().any(|i| self.is_absorbed(*i, *k)))
            .map(|(_, n)| n.inputs[0])
            .collect();
        let standing = self.nodes.iter().enumerate().filter(|(k, _)| !absorbed.contains(k)).map(|(_, node)| node);
        let longest = standing.filter(is_dense).map(|node| node.len).max().unwrap_or(0);
        (CACHED / longest.max(1)).clamp(1, BLOCK)
    }
}

fn check_length(len: usize) -> Result<()> {
    // An event names its entry in 32 bits, and registers are rounded up.
    if len <= 1 << 31 {
        Ok(())
    } else {
        Err(Error::value(format!("a sample of {len} entries is too large; at most {} are possible", 1_u32 << 31)))
    }
}

#[cfg(test)]
mod tests;
