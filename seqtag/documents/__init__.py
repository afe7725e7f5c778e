"""Documents by file: what a model answers for whole corpora, written so that nothing is lost or doubled."""

from seqtag.documents.files import Reached, label_files

__all__ = ["Reached", "label_files"]
