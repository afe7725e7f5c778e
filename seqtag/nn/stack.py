"""The recurrent stack as a value, and the layers that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from seqtag.choices.cells import CELLS, DIRECTIONS, INITIAL_STATES, MERGES
from seqtag.errors import ConfigError


@dataclass(frozen=True)
class Stack:
    """Which recurrent layers stand on each other.

    Parameters
    ----------
    cell : str
        Name of `seqtag.choices.cells.CELLS`.
    units : int
        Width H of the hidden state of one direction.
    layers : int
        How many.
    direction : {"forward", "backward", "both"}
        Which way each layer reads.
    merge : {"concat", "sum", "mean"}
        What becomes of the states of the two directions (Schuster and Paliwal, 1997); without a second one, nothing.
    residual : bool
        Whether each layer from the second on adds its input to its output (He et al., 2016).
    layer_norm : bool
        Whether each layer's output is normalised (Ba, Kiros and Hinton, 2016), after the residual is added.
    dropout : float
        Rate of the variational dropout between layers (one mask a sequence; Gal and Ghahramani, 2016). A residual
        connection goes round it.
    initial_state : {"zero", "given", "learned"}
        The state before the first step of each direction.
    steps : int, optional
        Write the loop out over exactly so many steps, to which sequences must be padded.
    weight_dropout : float
        In training, the rate at which weights of the recurrent matrices are left out (Merity et al., 2018).

    Raises
    ------
    ConfigError
        If a name is unknown, with the near name, or a number out of range.
    """

    cell: str = "lstm"
    units: int = 200
    layers: int = 1
    direction: str = "both"
    merge: str = "concat"
    residual: bool = False
    layer_norm: bool = False
    dropout: float = 0.0
    initial_state: str = "zero"
    steps: int | None = None
    weight_dropout: float = 0.0

    def __post_init__(self) -> None:
        for table, name in (
            (CELLS, self.cell),
            (DIRECTIONS, self.direction),
            (MERGES, self.merge),
            (INITIAL_STATES, self.initial_state),
        ):
            table[name]
        for name in ("units", "layers", "steps"):
            value = getattr(self, name)
            if value is None and name == "steps":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"{name} must be a whole number of at least 1; got {value!r}.")
        for name in ("dropout", "weight_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 0 and below 1; got {getattr(self, name)!r}.")

    @property
    def ways(self) -> tuple[str, ...]:
        """The directions that each layer reads in."""
        return DIRECTIONS[self.direction]

    @property
    def merges(self) -> bool:
        """Whether two directions are made one vector of the width of one."""
        return len(self.ways) == 2 and MERGES[self.merge].reduce is not None

    @property
    def width(self) -> int:
        """Width of the output."""
        return self.units * (1 if self.merges else len(self.ways))

    @property
    def ends(self) -> str:
        """Where the last state of the reading stands in the output, as `pooling_layers.LastPooling` takes it."""
        if len(self.ways) == 2:
            return "both" if self.merges else "halves"
        return "last" if self.ways == ("forward",) else "first"

    @property
    def initial_shape(self) -> tuple[int, int, int, int]:
        """Shape of the initial states of one sequence: layers, directions, states of the cell, H."""
        return self.layers, len(self.ways), CELLS[self.cell].states, self.units


DEFAULT_STACK = Stack()
"""One bidirectional LSTM."""


def build_stack(
    stack: Stack,
    states: Any,
    lengths: Any,
    seeds: Iterator[int],
    *,
    initial: Any = None,
    after_first: Callable[[Any], Any] | None = None,
    last: list[Any] | None = None,
) -> Any:
    """Put the layers of a stack on inputs.

    The layers are named ``recurrent_{i}``, ``merge_{i}``, ``residual_{i}``, ``norm_{i}`` and ``dropout_{i}`` (before
    the i-th), those of the stack's options alone.

    Parameters
    ----------
    stack : Stack
        What to build.
    states : KerasTensor, shape (B, T, D)
        Right-padded inputs.
    lengths : KerasTensor of int, shape (B,)
        Length of each sequence.
    seeds : iterator of int
        Asked for a seed for each dropout and each recurrent layer, from the first on.
    initial : KerasTensor, shape (B, layers, directions, states of the cell, H), optional
        The initial states where they are ``given`` (`Stack.initial_shape`): forward before backward, the LSTM's h
        before c.
    after_first : callable, optional
        Takes the first layer's states, the directions side by side, and returns them: an auxiliary loss sits here.
    last : list, optional
        Gets each layer's state after the last place, (B, 1, states of the cell, H), see `recurrent.Recurrent`.

    Returns
    -------
    KerasTensor, shape (B, T, stack.width)
        Zero beyond a length, unless the layers are normalised: what stands there then means nothing.

    Raises
    ------
    ConfigError
        If the initial states or the time axis do not fit the stack.
    """
    import keras

    from seqtag.nn.recurrent import Merge, Recurrent

    _check_inputs(stack, states, initial)
    for depth in range(stack.layers):
        below = states
        if depth:
            seed = next(seeds)  # drawn at any rate, so that the rate changes no initial weight
            if stack.dropout:
                states = keras.layers.SpatialDropout1D(stack.dropout, seed=seed, name=f"dropout_{depth}")(states)
        layer = Recurrent(
            stack.cell,
            stack.units,
            stack.direction,
            next(seeds),
            stack.initial_state,
            stack.steps is not None,
            stack.weight_dropout,
            last is not None,
            name=f"recurrent_{depth}",
        )
        states = layer(states, lengths) if initial is None else layer(states, lengths, initial[:, depth])
        if last is not None:
            states, end = states
            last.append(end)
        if depth == 0 and after_first is not None:
            states = after_first(states)
        if stack.merges:
            states = Merge(stack.merge, name=f"merge_{depth}")(states)
        if stack.residual and depth:
            states = keras.layers.Add(name=f"residual_{depth}")([below, states])
        if stack.layer_norm:
            states = keras.layers.LayerNormalization(epsilon=1e-5, name=f"norm_{depth}")(states)
    return states


def _check_inputs(stack: Stack, states: Any, initial: Any) -> None:
    """Refuse inputs that the stack cannot read."""
    if stack.steps is not None and states.shape[1] != stack.steps:
        raise ConfigError(
            f"a stack of steps={stack.steps} must be given inputs of {stack.steps} places; got the shape "
            f"{tuple(states.shape)}. Give the network's inputs that length, or leave steps out."
        )
    if stack.initial_state != "given" and initial is not None:
        raise ConfigError(f"a stack with initial_state={stack.initial_state!r} takes no initial states; pass none.")
    found = None if initial is None else tuple(initial.shape[1:])
    if stack.initial_state == "given" and found != stack.initial_shape:
        raise ConfigError(
            f"the given initial states of a sequence must be of the shape {stack.initial_shape} (layers, directions, "
            f"states of the cell, units); got {found or 'nothing'}."
        )
