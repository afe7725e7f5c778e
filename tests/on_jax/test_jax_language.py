"""Language models and joint taggers under JAX: they learn, and answer as the equations and the ONNX graph do."""

import numpy as np
import pytest
from test_language_model import FEW, TEXTS, by_hand

from seqtag import JointTagger, LanguageModel
from seqtag.data.lanes import LaneBatches
from seqtag.nn.language import LaneScorer


@pytest.mark.parametrize(
    "options",
    [
        {"level": "words", "weight_dropout": 0.2, "sampled": 5},
        {"level": "characters", "continuous": True, "cell": "gru", "layers": 2},
    ],
    ids=lambda options: options["level"],
)
def test_a_language_model_learns_and_scores(options):
    shared = {"units": 8, "epochs": 3, "steps": 10, "random_state": 0, "learning_rate": 2e-2, "dropout": 0.1}
    model = LanguageModel(**shared | options).fit(TEXTS)
    scores = model.history_["score"]
    assert scores[-1] > scores[0] > -np.log(len(model.symbols_)) - 0.1
    table = model.predictor_.table
    text = FEW[0]
    np.testing.assert_allclose(by_hand(model, table.encode(text)), model.log_probabilities([text])[0], atol=1e-4)


def test_windows_carry_the_state():
    from seqtag.nn.language import build_language_model, symbols_spec
    from seqtag.nn.stack import Stack

    texts = [np.array([2, 3, 4, 2, 3, 4, 5], np.int32)] * 3
    stack = Stack(units=4, direction="forward")
    model = build_language_model([symbols_spec(6, 4)], stack=stack, lanes=1, dropout=0.0)
    whole = LaneScorer(model)(LaneBatches(texts, 1, 100, True).ordered())
    assert LaneScorer(model)(LaneBatches(texts, 1, 6, True).ordered()) == pytest.approx(whole, abs=1e-5)


def test_a_joint_tagger_learns():
    X = [["wake", "me", "at", "six"], ["play", "some", "jazz"]] * 32
    y = [(["O", "O", "O", "B-time"], "alarm"), (["O", "O", "B-genre"], "music")] * 32
    tagger = JointTagger(units=8, epochs=12, learning_rate=0.05, batch_tokens=96, averaging=0.8, random_state=0).fit(
        X, y
    )
    assert tagger.score(X, y) > 0.9
