"""Corpora, readers, tagging schemes, encoders and batches: numpy and the standard library only."""
