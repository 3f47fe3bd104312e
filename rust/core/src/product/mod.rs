//! Products between layers, summed in a promised order.
