"""The same model answers the same in every form: cells, heads and encoders, and sequences of all kinds."""

import pytest
from combinations import title
from parity import ROWS, case_of, check, host_of, plain

from seqtag.data.features import Feature
from seqtag.export._tf_inputs import inputs_of
from seqtag.export.formats import export
from seqtag.export.saved_model import build_module
from seqtag.predictor import Predictor


def predictor(bundle, folder):
    """The bundle's own graph, decoded in Python."""
    opened = Predictor.from_bundle(bundle)
    return lambda sequences: list(zip(opened.predict(sequences), opened.predict_proba(sequences), strict=True))


def exported(inputs):
    """The graph with its decoder, by a host that knows nothing of seqtag."""

    def open_it(bundle, folder):
        model = host_of(export(bundle, "onnx", folder / inputs, {"inputs": inputs}))

        def answer(sequences):
            asked = [plain(sequence) for sequence in sequences]
            outputs = model.run(asked)
            name = "tag_probabilities" if "tags" in outputs else "probabilities"
            rows = [
                row[: len(sequence)] if "tags" in outputs else row
                for row, sequence in zip(outputs[name], sequences, strict=True)
            ]
            if "intent" in outputs:
                rows = list(zip(rows, outputs["intent_probabilities"], strict=True))
            return list(zip(model.predict(asked), rows, strict=True))

        return answer

    return open_it


def litert(bundle, folder):
    """The network in LiteRT's interpreter, decoded with what its signature says."""
    from test_litert import LONGEST, Model, answers

    model = Model(bundle, folder / "litert", length=LONGEST)
    return lambda sequences: list(answers(model, sequences))


def saved_model(bundle, folder):
    """The graph from strings to answers, in TensorFlow."""
    from test_saved_model import answers

    _, signatures, _ = build_module(bundle)
    inputs = inputs_of(tuple(map(Feature.from_dict, bundle.json("vocabulary.json"))))
    return lambda sequences: answers(signatures["serving_default"], inputs, sequences)


FORMS = {
    "predictor": predictor,
    "onnx of ids": exported("ids"),
    "onnx of strings": exported("strings"),
    "litert": litert,
    "saved_model": saved_model,
}
# To convert, to trace; tests/test_litert.py and tests/test_saved_model.py have each part once.
SLOW = {"litert": pytest.mark.soak, "saved_model": pytest.mark.soak}


@pytest.mark.parametrize("form", [pytest.param(form, marks=SLOW.get(form, ())) for form in FORMS])
@pytest.mark.parametrize("options", ROWS, ids=title)
def test_every_form_answers_as_keras_does(options, form, tmp_path):
    case = case_of(**options)
    answer = FORMS[form](case.bundle, tmp_path)
    check(case, answer(case.sequences))
    alone = [answer([sequence])[0] for sequence in case.sequences]  # other company, other padding
    check(case, alone)
