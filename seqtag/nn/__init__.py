"""Networks on Keras: cells and stacks, encoder blocks, heads, the CRF. They know arrays, not text.

Importing this registers every layer with Keras, so that `keras.models.load_model` reads a ``.keras`` file that
``seqtag export --format keras`` wrote. What a network is chosen from by name, without Keras, is in `seqtag.choices`.
"""

# The networks bring their layers with them, all but the poolings, which are imported when one is chosen.
from seqtag.nn import network as network
from seqtag.nn import pooling_layers as pooling_layers
