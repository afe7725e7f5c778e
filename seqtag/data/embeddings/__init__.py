"""Pretrained word vectors: files of any usual form, read in one pass, of which no more is kept than is needed."""
