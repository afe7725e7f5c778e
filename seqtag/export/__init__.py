"""Writing a trained network for runtimes other than Keras."""
