"""The contestants of `benchmarks/training.py`: one module each, run in a process and an interpreter of its own."""
