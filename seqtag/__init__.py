"""seqtag: sequence labeling on Keras 3."""

from __future__ import annotations

__version__ = "0.1.0"
