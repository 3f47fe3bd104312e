"""Spiking neural networks on a CPU: simulate, train, deploy."""
