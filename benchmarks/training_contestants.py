"""Who takes part in `benchmarks/training.py`, with which interpreter, threads and environment, on which machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DISTRIBUTIONS = ("seqtag", "keras", "tensorflow", "torch", "flair", "spacy", "sklearn-crfsuite", "numpy")
PROBE = """
import importlib.metadata, importlib.util, json, sys
found = {}
for name in sys.argv[1:]:
    if importlib.util.find_spec(name.replace("-", "_")):
        found[name] = "of unknown version"
        for suffix in ("-cpu", ""):
            try:
                found[name] = importlib.metadata.version(name + suffix)
            except importlib.metadata.PackageNotFoundError:
                pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Contestant:
    """One line of the table.

    Parameters
    ----------
    module : str
        Module of `peers` that trains.
    package : str
        What its interpreter must have installed.
    title : str
        What it computes, in short.
    options : dict
        Handed to it.
    batches : {"", "buckets", "tens"}
        Encoded batches it takes: none, seqtag's own, or ten sentences in random order.
    one_core : bool
        Whether it runs on one core, whatever the others use.
    every_round : bool
        Whether ``--quick`` runs it in every round.
    in_quick : bool
        Whether ``--quick`` runs it where ``--only`` does not name it.
    """

    module: str
    package: str
    title: str
    options: dict[str, Any] = field(default_factory=dict)
    batches: str = ""
    one_core: bool = False
    every_round: bool = False
    in_quick: bool = True


ALONE = {"neighbour_weight": 0.0}
NCRFPP = {"inputs": ["words", "chars"], "by_place": True, "decode": True, "sgd": 0.015}
CONTESTANTS = {
    "seqtag-same": Contestant(
        "seqtag_tagger", "seqtag", "words, affixes, characters, BiLSTM 200, CRF", ALONE, every_round=True
    ),
    "seqtag": Contestant("seqtag_tagger", "seqtag", "as it comes: also neighbouring words", every_round=True),
    "keras-network": Contestant(
        "keras_network", "seqtag", "the same network as one writes it with `keras.layers`, `fit`", every_round=True
    ),
    "keras-layers": Contestant(
        "keras_layers", "seqtag", "seqtag with Keras's LSTM, embeddings and Adam, `fit`", every_round=True
    ),
    "torch-twin": Contestant(
        "torch_twin", "torch", "the same network, `nn.LSTM` packed, Adam", batches="buckets", every_round=True
    ),
    "seqtag-same-1core": Contestant("seqtag_tagger", "seqtag", "seqtag-same on one core", ALONE, one_core=True),
    "keras-tutorial": Contestant("keras_tutorial", "tensorflow", "words, BiLSTM 200, softmax, to 100", {"pad": 100}),
    "keras-tutorial-batch": Contestant(
        "keras_tutorial", "tensorflow", "the same, padded to the batch's longest", {"pad": "batch"}
    ),
    "torch-twin-sparse": Contestant(
        "torch_twin", "torch", "torch-twin with a sparse word table", {"sparse": True}, batches="buckets"
    ),
    "ncrfpp-like": Contestant(
        "torch_twin", "torch", "words, characters, CRF, tens of sentences", NCRFPP, batches="tens"
    ),
    "flair": Contestant("flair_tagger", "flair", "words, character BiLSTM, BiLSTM 200, CRF"),
    "spacy": Contestant("spacy_tagger", "spacy", "quickstart for the CPU, no vectors"),
    "crfsuite": Contestant("crfsuite_tagger", "sklearn-crfsuite", "hand-made features, L-BFGS"),
    "seqtag-1core": Contestant("seqtag_tagger", "seqtag", "seqtag on one core", one_core=True, in_quick=False),
    "seqtag-replicas": Contestant(
        "seqtag_tagger",
        "seqtag",
        "seqtag-same, a replica of one thread a core",
        ALONE | {"strategy": "mirrored", "device": "cpu"},
        in_quick=False,
    ),
}
LEARNERS = ("seqtag", "torch-twin", "keras-tutorial", "crfsuite")
FLOOR = Contestant("gemm", "seqtag", "float32 matrix products")
PARTS = Contestant("parts", "seqtag", "the parts of a step", one_core=True)


def interpreters(
    given: list[str], names: list[str], contestants: Mapping[str, Any] = CONTESTANTS, option: str = "--python"
) -> dict[str, str]:
    """Return each contestant's interpreter: its own, this one, or the one for what is not installed here."""
    own = dict(pair.split("=", 1) for pair in given if "=" in pair)
    if unknown := sorted(set(own) - set(contestants)):
        sys.exit(f"{option} NAME=PATH takes names of {', '.join(contestants)}; got {', '.join(unknown)}")
    fallback = next((path for path in given if "=" not in path), sys.executable)
    here = probe(sys.executable)
    return {name: own.get(name, sys.executable if contestants[name].package in here else fallback) for name in names}


def probe(python: str) -> dict[str, str]:
    """Return the versions of what an interpreter has installed."""
    done = subprocess.run([python, "-c", PROBE, *DISTRIBUTIONS], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def environment(contestant: Contestant, cores: int) -> dict[str, str]:
    """Return the environment of a contestant: the threads that suit its library best on so many cores.

    TensorFlow runs one operator a core, each on one thread; torch one operator on all cores. The GPU is not used.
    """
    on_tensorflow = contestant.package in ("seqtag", "tensorflow")
    threads = {
        "TF_NUM_INTRAOP_THREADS": 1,
        "TF_NUM_INTEROP_THREADS": cores,
        "OMP_NUM_THREADS": 1 if on_tensorflow else cores,
    }
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **quiet, **{name: str(value) for name, value in threads.items()}, "PYTHONPATH": path}


def machine(cores: int) -> dict[str, Any]:
    """Return what was measured on."""
    names = [line for line in cpu_lines() if line.startswith("model name")]
    model = names[0].split(":", 1)[1].strip() if names else platform.processor() or platform.machine()
    return {"processor": model, "cores": os.cpu_count(), "used": cores, "system": platform.platform()}


def cpu_lines() -> list[str]:
    """Return the lines in which Linux describes its processors; none elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
