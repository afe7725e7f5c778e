"""Fixtures that several test modules use."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from seqtag import Corpus, SequenceClassifier, SequenceTagger

# As `seqtag train` sets them; without, `fit` says that they are not set.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")

settings.register_profile("seqtag", deadline=None)  # on a busy machine an example may take any time
settings.load_profile("seqtag")

LEARNS = {"epochs": 20, "learning_rate": 0.02, "batch_tokens": 100, "averaging": 0.9}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("SEQTAG_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}; set SEQTAG_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def corpora() -> dict[str, Corpus]:
    """Generated sentences whose labels depend on both neighbours of a word: train, dev and test."""
    from seqtag.datasets import make_tagging

    return make_tagging(sequences=120)


@pytest.fixture(scope="session")
def learned(corpora: dict[str, Corpus]) -> SequenceTagger:
    """A small tagger with every kind of encoder that has learned `corpora`."""
    from seqtag import SequenceTagger

    tagger = SequenceTagger(units=24, dropout=0.1, random_state=0, **LEARNS)
    return tagger.fit(corpora["train"], validation_data=corpora["dev"])


@pytest.fixture(scope="session")
def saved(learned: SequenceTagger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `learned`."""
    return learned.save(tmp_path_factory.mktemp("models") / "learned")


@pytest.fixture(scope="session")
def tiny() -> Callable[..., SequenceTagger]:
    """Make a tagger that is trained in no time and has learned next to nothing."""
    from seqtag import SequenceTagger

    defaults = {"encoders": ["words"], "units": 8, "epochs": 1, "neighbour_weight": 0, "random_state": 0}
    return lambda **params: SequenceTagger(**defaults | params)


@pytest.fixture(scope="session")
def kinds() -> dict[str, Corpus]:
    """Sentences whose ``label`` is the kind of the first name in them; every tenth of the development data is wrong."""
    from dataclasses import replace

    from seqtag import Corpus
    from seqtag.datasets import make_tagging

    made = make_tagging(sequences=240)
    wrong = {"PER": "LOC", "LOC": "ORG", "ORG": "none", "none": "PER"}  # so that no model can be sure and right
    dev = (replace(s, label=s.label if i % 10 else wrong[s.label]) for i, s in enumerate(made["dev"]))
    return made | {"dev": Corpus(tuple(dev), "tagging dev")}


@pytest.fixture(scope="session")
def classified(kinds: dict[str, Corpus]) -> SequenceClassifier:
    """A small classifier that has learned `kinds` and was calibrated on its development data."""
    from seqtag import SequenceClassifier

    classifier = SequenceClassifier(
        encoders=["words"], units=24, pooling="last", dropout=0.1, random_state=0, **LEARNS | {"batch_tokens": 200}
    )
    return classifier.fit(kinds["train"], validation_data=kinds["dev"])


@pytest.fixture(scope="session")
def small() -> Callable[..., SequenceClassifier]:
    """Make a classifier of words that is trained in no time and has learned next to nothing."""
    from seqtag import SequenceClassifier

    network = {"encoders": ["words"], "cell": "simple_rnn", "units": 8}
    training = {"epochs": 1, "neighbour_weight": 0, "validation_fraction": 0, "random_state": 0}
    return lambda **params: SequenceClassifier(**network | training | params)


@pytest.fixture
def eager() -> Iterator[None]:
    """Let TensorFlow compute at once: for a few small batches, tracing a graph takes ten times as long."""
    import tensorflow as tf

    # It always warns that tf.data goes on with graphs, which is right for it.
    warnings.filterwarnings("ignore", message="Even though the .*run_functions_eagerly", category=UserWarning)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
