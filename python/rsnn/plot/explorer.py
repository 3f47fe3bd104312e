"""A neuron under one's hands: a slider for every parameter, and the membrane follows."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rsnn.arguments import choice, did_you_mean, flag, scalar, shown, size
from rsnn.composed import AnyNeuron
from rsnn.errors import InvalidTypeError, InvalidValueError
from rsnn.figures import missing, new_figure

from .notebook import Notebook
from .scene import Scene, Slide, sliders_of
from .window import Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Explorer:
    """Neurons with sliders; made by `explore`.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    values : dict
        What every slider stands at.
    neurons : tuple
        The neurons as they are now.
    where : str
        ``"window"`` or ``"notebook"``.
    seconds : float
        How long the last change took, from the new value to the picture.
    """

    def __init__(self, scene: Scene, where: str) -> None:
        self.scene, self.where = scene, where
        if where == "notebook":
            self.front: Any = Notebook(scene)
        else:
            self.front = Window(scene)
        # matplotlib holds what listens to sliders weakly: a window lives as long as its figure, whether or not the caller keeps this.
        scene.figure.rsnn_explorer = self

    @property
    def figure(self) -> Figure:
        """The picture."""
        made: Figure = self.scene.figure
        return made

    @property
    def values(self) -> dict[str, float]:
        """What every slider stands at."""
        return dict(self.scene.values)

    @property
    def neurons(self) -> tuple[Any, ...]:
        """The neurons as they are now."""
        return self.scene.neurons

    @property
    def seconds(self) -> float:
        """How long the last change took."""
        return self.scene.seconds

    def set(self, **values: float) -> None:
        """Move sliders, as a hand would.

        Parameters
        ----------
        **values : new values by the sliders' names, within their limits

        Raises
        ------
        InvalidTypeError, InvalidValueError
            A name without slider, a value beyond its limits.

        Examples
        --------
        >>> import rsnn
        >>> from matplotlib.figure import Figure
        >>> shown = rsnn.plot.explore(rsnn.LIF(tau_mem=20.0), figure=Figure())
        >>> shown.set(tau_mem=40.0)
        >>> shown.neurons
        (LIF(tau_mem=40.0),)
        """
        moved: dict[str, float] = {}
        for name, value in values.items():
            slide = self.scene.slides.get(name)
            if slide is None:
                cure = did_you_mean(name, self.scene.slides)
                raise InvalidValueError(f"{name}={shown(value)}: there is no such slider; there are {', '.join(self.scene.slides)}{cure}")
            moved[name] = scalar(name, value)
            if not slide.low <= moved[name] <= slide.high:
                raise InvalidValueError(f"{name}={shown(value)}: this slider goes from {slide.low:g} to {slide.high:g}")
        for name, number in moved.items():
            self.front.move(name, number)

    def show(self) -> None:
        """Show the window, and return when it is closed; in a session that is interactive, at once. In a notebook, show the widgets."""
        self.front.show()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.6g}" for name, value in self.scene.values.items())
        return f"Explorer({', '.join(type(one).__name__ for one in self.neurons)}: {values})"


def explore(
    neuron: Any,
    x: Any = None,
    *,
    steps: int = 200,
    sliders: Mapping[str, Any] | None = None,
    states: Sequence[str] | None = None,
    where: str = "auto",
    figure: Figure | None = None,
    show: bool = True,
) -> Explorer:
    """Open a window, or in a notebook widgets, with a slider for every parameter of a neuron; spikes and membrane follow the hand.

    Parameters
    ----------
    neuron : a neuron of rsnn, or a list of them
        With numbers for parameters, not arrays. Of several neurons a slider moves the parameter of that name of all that have it: LI beside
        LIF shows what a threshold does.
    x : array (T,), or function, optional
        The input. By default a step of current, whose height ``drive`` is a slider too, from steps / 10 on. An array is multiplied by the
        slider ``gain``. A function returns the array; its arguments are sliders, with their defaults to start from.
    steps : int, default 200
        Of the default input: T.
    sliders : dict, optional
        Limits by name, (low, high), or (low, high, step); or a number, which says where to start. None removes a slider. By default
        limits come from the value, within the parameter's own range.
    states : sequence of str, optional
        What to draw besides the membrane; by default every other state of the neurons.
    where : {"auto", "window", "notebook"}, default "auto"
        ``"auto"`` takes widgets in a notebook with ipywidgets (``pip install "rsnn[notebook]"``).
    figure : matplotlib.figure.Figure, optional
        Draw there, with matplotlib's own sliders, and open nothing: for a window of one's own.
    show : bool, default True
        Show it. A window keeps a script waiting until it is closed.

    Returns
    -------
    Explorer
        ``.neurons`` are the neurons that one ended with, ``.values`` the sliders, ``.set(tau_mem=30.0)`` moves them.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        No neuron; a slider of something that is no parameter; an input that is not (T,).

    Notes
    -----
    A change costs one run of the neurons and the drawing of their lines alone: everything else is kept as an image. Where the lines leave
    the axes, the limits follow and all is drawn anew.

    Examples
    --------
    >>> import numpy as np, rsnn
    >>> from matplotlib.figure import Figure
    >>> def spikes(first=20.0, second=100.0):
    ...     x = np.zeros(300)
    ...     x[[int(first), int(second)]] = 1.0
    ...     return x
    >>> rsnn.plot.explore(
    ...     rsnn.LI(10.0, tau_syn=5.0), spikes, sliders={"first": (0, 299), "second": (0, 299), "bias": None}, figure=Figure()
    ... )
    Explorer(LI: tau_syn=5, tau_mem=10, v_leak=0, r=1, first=20, second=100)
    """
    given = tuple(neuron) if isinstance(neuron, (list, tuple)) else (neuron,)
    for one in given:
        if not isinstance(one, AnyNeuron):
            raise InvalidTypeError(f"neuron={shown(one)}: must be a neuron of rsnn, such as rsnn.LIF(), or a list of them")
        if one.shape:
            raise InvalidValueError(f"neuron={shown(one)}: holds arrays of shape {one.shape}; give neurons with numbers alone")
    if not given:
        raise InvalidValueError("neuron: an empty list came; give at least one neuron")
    chosen = choice("where", where, ("auto", "window", "notebook"))
    shows = flag("show", show)
    if chosen == "auto":
        chosen = "notebook" if figure is None and in_notebook() else "window"
    slides, signal = sliders_of(given, x, size("steps", steps, 1), sliders)
    if figure is not None:
        made = new_figure(figure, 0, 0)
    elif chosen == "notebook":
        made = new_figure(None, 8.0, 5.0)
    else:
        made = _window_figure()
    explorer = Explorer(Scene(made, given, slides, signal, states, room=_room(slides) if chosen == "window" else 0.0), chosen)
    if shows and figure is None:
        explorer.show()
    return explorer


def in_notebook() -> bool:
    """Tell whether this is a notebook that can show widgets."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return False
    from importlib.util import find_spec

    return find_spec("ipywidgets") is not None


def _room(slides: Mapping[str, Slide]) -> float:
    """Give the part of the height that sliders take, two in a row."""
    return 0.06 + 0.045 * -(-len(slides) // 2)


def _window_figure() -> Any:
    """Make the figure of a window: the one place where pyplot is used, since it alone knows the windows of every system."""
    try:
        import matplotlib as mpl
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise missing(error) from error
    size: Any = {"figsize": (9.0, 6.5)}
    if str(mpl.get_backend()).lower() in ("agg", "pdf", "svg", "ps", "pgf", "template", "cairo"):
        from matplotlib.figure import Figure

        return Figure(**size)  # nothing can be shown, and pyplot shall keep nothing
    return pyplot.figure(**size)
