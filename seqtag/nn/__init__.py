"""Networks on Keras: cells and stacks, encoder blocks, heads, the CRF. They know arrays, not text."""
