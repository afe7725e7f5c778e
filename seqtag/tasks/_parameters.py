"""Parameters that several estimators have: type, range and choices of each, declared once."""

from __future__ import annotations

from typing import Annotated, Literal

from seqtag.choices.cells import CELLS, INITIAL_STATES, MERGES
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.params import Param
from seqtag.training.devices import DEVICES, PRECISIONS, STRATEGIES

# What the network is.
Encoders = Annotated[list | Literal["auto"], Param("model")]
Tokenizer = Annotated[str, Param("model", choices=TOKENIZERS.names)]
Cell = Annotated[str, Param("model", choices=CELLS.names)]
Units = Annotated[int, Param("model", low=1)]
Layers = Annotated[int, Param("model", low=1)]
Switch = Annotated[bool, Param("model")]
Merge = Annotated[str, Param("model", choices=MERGES.names)]
InitialState = Annotated[str, Param("model", choices=lambda: tuple(s for s in INITIAL_STATES if s != "given"))]
Dropout = Annotated[float, Param("model", low=0, below=1)]

# How it is trained.
Epochs = Annotated[int | Literal["auto"], Param("training", low=1)]
Count = Annotated[int, Param("training", low=0)]
Size = Annotated[int, Param("training", low=1)]
Strength = Annotated[float, Param("training", low=0)]
Fraction = Annotated[float, Param("training", low=0, below=1)]
ClassWeight = Annotated[dict | Literal["balanced"] | None, Param("training")]
Folder = Annotated[str | None, Param("training")]
Device = Annotated[str, Param("training", choices=lambda: DEVICES)]
Precision = Annotated[str, Param("training", choices=lambda: PRECISIONS)]
Strategy = Annotated[str, Param("training", choices=lambda: STRATEGIES)]

# What belongs to the run, and has no place of its own in a configuration.
WarmStart = Annotated[bool, Param("run")]
RandomState = Annotated[int | None, Param("run", low=0)]
Verbose = Annotated[int, Param("run", low=0, high=2)]
