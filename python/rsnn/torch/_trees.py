"""States in torch's trees: known by a name, so that an exported program that takes or returns them can be saved and loaded."""

from itertools import combinations

from torch.utils import _pytree

from rsnn.state import ORDER, make_state


def register() -> None:
    """Name the type of every state that a neuron, or a delay, may have; whoever loads a program has made no neuron before."""
    name_it = getattr(_pytree, "_register_namedtuple", None)  # torch has no public way to name a tuple
    if name_it is None:
        return
    first, *rest = ORDER
    neurons = [(first, *more) for size in range(len(ORDER)) for more in combinations(rest, size)]
    for fields in [*neurons, ("waiting",)]:
        name_it(type(make_state(fields, fields)), serialized_type_name=f"rsnn.state.State({', '.join(fields)})")


register()
