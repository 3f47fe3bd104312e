"""Training for the integers of a chip: `QAT` runs the chip's emulator forwards and the float neurons' gradients backwards."""

from rsnn.torch.chip.qat import QAT

__all__ = ["QAT"]
