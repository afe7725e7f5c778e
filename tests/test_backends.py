"""A saved model belongs to no backend: what one has trained the other opens. And what each needs to be installed."""

import configparser
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TRAIN = """
import sys
from seqtag import SequenceTagger
network = {"encoders": ["words"], "cell": "gru", "units": 4, "initial_state": "learned"}
tagger = SequenceTagger(**network, epochs=1, neighbour_weight=0.1, random_state=0)
tagger.fit([["a", "b", "c"]] * 8, [["X", "Y", "X"]] * 8).save(sys.argv[1])
"""
COMPUTE = """
import json, sys
import keras, numpy as np
from seqtag import SequenceTagger
inputs = {"words": np.array([[2], [3], [1]]), "index": np.array([[0, 1, 2]]), "lengths": np.array([3])}
inputs = {name: array.astype(np.int32) for name, array in inputs.items()}
outputs = SequenceTagger.load(sys.argv[1]).model_.predict_on_batch(inputs)
print(json.dumps({"backend": keras.backend.backend(), "outputs": np.asarray(outputs).tolist()}))
"""


def run(code, backend, *arguments):
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("maker", ["tensorflow", "jax"])
def test_what_one_backend_saves_the_other_opens(maker, tmp_path):
    for backend in ("tensorflow", "jax"):
        if find_spec(backend) is None:
            pytest.skip(f"{backend} is not installed")
    folder = str(tmp_path / "model")
    run(TRAIN, maker, folder)
    found = {backend: json.loads(run(COMPUTE, backend, folder)) for backend in ("tensorflow", "jax")}
    assert [answer["backend"] for answer in found.values()] == ["tensorflow", "jax"]
    flat = [[x for place in answer["outputs"][0] for x in place] for answer in found.values()]
    assert len(flat[0]) == 6 and flat[0] == pytest.approx(flat[1], abs=1e-5)


def test_the_page_on_backends_names_what_is_required_without_tensorflow():
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    required = options["options"]["install_requires"].split() + options["options.extras_require"]["jax"].split()
    page = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    shown = next(line for line in page.splitlines() if line.startswith("pip install jax"))
    names = {re.split(r"[^\w-]", entry)[0] for entry in required} - {"tensorflow"}
    assert {re.split(r"[^\w-]", entry.strip("'"))[0] for entry in shown.split()[2:]} == names
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "without_tensorflow.py"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {re.split(r"[^\w-]", entry)[0] for entry in printed} == {*names, "hypothesis", "pytest"}
