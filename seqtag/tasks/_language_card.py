"""The model card of a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seqtag.data.symbols import SymbolTable


def language_card(manifest: Mapping[str, Any], trained: Mapping[str, Any], table: SymbolTable) -> str:
    """Word what a language model is, how it was made and how to use it."""
    stack, params, history = manifest["network"]["stack"], manifest["params"], trained["history"]
    unit = table.level.removesuffix("s")
    reached = "No development texts"
    if history["score"]:
        best = history["best_epoch"]
        score = history["score"][best]
        found = f"{np.exp(-score):.2f}, {-score / np.log(2):.3f} bits"
        reached = f"Best development perplexity a {unit}: {found} (epoch {best + 1})"
    read = "from their ends" if params["go_backwards"] else "forward"
    apart = "as pieces of one text" if params["continuous"] else "each for itself"
    use = 'load("this/folder").generate("")' if not params["go_backwards"] else 'load("this/folder").score(["a text"])'
    return f"""# A seqtag model: {manifest["task"]}

{stack["layers"]} {stack["cell"]} layer(s) of {stack["units"]} units over {table.level}, read {read}, {apart}.

* {len(table):,} symbols
* Trained on {trained["train_sequences"]:,} texts, {trained["train_tokens"]:,} symbols, in {trained["seconds"]:.0f} s
* {len(history["loss"])} epochs, seed {trained["seed"]}
* {reached}
* Made with seqtag {manifest["seqtag"]}

What it writes is likely, not true, and may repeat what it was trained on.

```python
from seqtag import load
{use}
```
"""
