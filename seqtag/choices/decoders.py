"""The decoders by name. A factory imports its layer in its body, so that names cost nothing.

They compute in float32 whatever the layers below do: their losses are sums over many places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqtag.registry import Registry

DECODERS: Registry[Callable[[dict[str, Any]], Any]] = Registry("decoder")


@DECODERS.register("crf")
def crf(allowed: dict[str, Any]) -> Any:
    """Make a CRF; ``allowed`` has the tables ``start``, ``transitions`` and ``end``, or nothing."""
    from seqtag.nn.heads import CRFHead

    return CRFHead(name="head", dtype="float32", **{f"allowed_{name}": table for name, table in allowed.items()})


@DECODERS.register("softmax")
def softmax(allowed: dict[str, Any]) -> Any:
    """Make a softmax; it learns each label by itself, and what is allowed matters to decoding alone."""
    from seqtag.nn.heads import SoftmaxHead

    return SoftmaxHead(name="head", dtype="float32")
