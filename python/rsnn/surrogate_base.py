"""What every surrogate is: named parameters, a height, and an evaluation with the bits of the native engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from .arguments import LARGEST, SMALLEST, is_tensor, numbers, scalar, within
from .errors import InvalidValueError

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Surrogate:
    """A surrogate with its parameters; the base of those here."""

    height: float = field(default=1.0, kw_only=True, repr=False)
    """What the whole curve is multiplied with; see `normalised` and `scaled`."""

    form: ClassVar[str | None] = None
    """The name by which the native engine knows its form; None: it does not, and layers with it run on the torch backend."""
    _signed: ClassVar[tuple[str, ...]] = ()
    """Parameters that may be zero or negative."""

    def __post_init__(self) -> None:
        """Check that every parameter is a number in its range."""
        for each in fields(self):
            number = scalar(each.name, getattr(self, each.name))
            within(each.name, number, -LARGEST if each.name in self._signed else SMALLEST, LARGEST)
            object.__setattr__(self, each.name, number)

    def __repr__(self) -> str:
        """Show the parameters, and how the curve was scaled."""
        said = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.name != "height"]
        said += [] if self.height == 1.0 else [f"height={self.height!r}"]
        return f"{type(self).__name__}({', '.join(said)})"

    def _numbers(self) -> tuple[float, ...]:
        """Give the numbers of the form, the height in them."""
        raise NotImplementedError

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers of `form`, in the order of ``rsnn.reference.surrogate``."""
        return self._numbers()

    def _area(self) -> float:
        """Give the area under the curve at height 1."""
        return inf

    @property
    def area(self) -> float:
        """The area under the curve over all y; infinite where the curve does not fall off."""
        return self.height * self._area()

    def normalised(self) -> Self:
        """Give the same curve scaled to area 1.

        Raises
        ------
        InvalidValueError
            The area is infinite, or not positive.

        Examples
        --------
        >>> from rsnn.surrogate import FastSigmoid
        >>> FastSigmoid(25.0).normalised().numpy([0.0]).tolist()
        [12.5]
        """
        if not isfinite(self.area) or self.area <= 0:
            what = "is infinite: the curve does not fall off to both sides" if self.area == inf else f"is {self.area:g}"
            raise InvalidValueError(f"{self!r}: its area {what}, so it cannot be scaled to 1; scaled(k) multiplies it with a number")
        return self.scaled(1.0 / self.area)

    def scaled(self, factor: float) -> Self:
        """Give the same curve times a positive factor.

        Examples
        --------
        >>> from rsnn.surrogate import ATan
        >>> ATan(2.0).scaled(0.5).numpy([0.0]).tolist()
        [0.5]
        """
        return replace(self, height=self.height * scalar("factor", factor))

    def of(self, v: Any, theta: Any, xp: Any = np, exp: Callable[[Any], Any] | None = None) -> Any:
        """Evaluate at arrays of one dtype over the namespace `xp`, numpy or torch, with the bits of the native engine.

        Over torch that of `Circ` may differ in the last bit: torch rounds its square root otherwise.
        """
        from .reference.surrogate import slope

        return slope(str(self.form), self._numbers(), v, theta, xp, exp)

    def __call__(self, v: Any, theta: Any) -> Any:
        """Evaluate at tensors, or at numbers and arrays, which `numpy` takes as well."""
        if is_tensor(v):
            import torch

            return self.of(v, torch.as_tensor(theta, dtype=v.dtype, device=v.device), torch)
        return self.numpy(v, theta)

    def numpy(self, v: npt.ArrayLike, theta: npt.ArrayLike = 0.0) -> npt.NDArray[Any]:
        """Evaluate at numbers or arrays.

        Parameters
        ----------
        v : membrane; float32 stays float32, everything else is float64
        theta : threshold, default 0.0, for which v is the distance y

        Returns
        -------
        array of the common shape

        Notes
        -----
        `Exponential`, `PeriodicExponential` and `Window` change with the threshold itself: give theta.
        """
        given = numbers("v", v)
        given = given if given.dtype == np.float32 else given.astype(np.float64)
        at = numbers("theta", theta).astype(given.dtype)
        try:
            shape = np.broadcast_shapes(given.shape, at.shape)
        except ValueError:
            raise InvalidValueError(f"theta has shape {at.shape}: it must broadcast against v of shape {given.shape}") from None
        with np.errstate(all="ignore"):  # exp of large arguments, and y = 0 where a form divides by it
            value = self.of(given, at, np)
        return np.broadcast_to(value, shape).astype(given.dtype)
