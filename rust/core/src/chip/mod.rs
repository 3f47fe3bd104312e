//! Chips in integers, bit for bit as their makers' simulators.
