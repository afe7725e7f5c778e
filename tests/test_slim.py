"""A slim install (NumPy, ONNX Runtime and this package, nothing else) loads saved models and answers as any other."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqtag import SequenceClassifier, SequenceTagger
from seqtag.export.formats import export

ROOT = Path(__file__).parents[1]
SENTENCES = [["the", "cat", "sat"], ["Ada", "moved", "to", "Paris", "."], ["한국", "naïve", "👩‍🚀"], []]
LARGEST = 175e6  # bytes on disk

ANSWER = """
import json, sys
import seqtag
sentences = json.loads(sys.argv[1])
answers = {}
for path in sys.argv[2:]:
    model = seqtag.load(path)
    answers[path] = [model.predict(sentences), [row.tolist() for row in model.predict_proba(sentences)]]
unwanted = {"pandas", "sklearn", "keras", "tensorflow", "onnx", "typer", "yaml"} & set(sys.modules)
print(json.dumps({"answers": answers, "unwanted": sorted(unwanted), "home": seqtag.__file__}))
"""


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def slim(tmp_path_factory):
    """A fresh environment; its Python."""
    folder = tmp_path_factory.mktemp("slim")
    source = folder / "source"
    shutil.copytree(ROOT / "seqtag", source / "seqtag", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    assert run(sys.executable, "-m", "venv", "--without-pip", folder / "env").returncode == 0
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    done = run(*pip, "numpy", "onnxruntime")
    if done.returncode:
        pytest.skip(f"no package index can be reached: {done.stderr.strip()[-200:]}")
    done = run(*pip, "--no-deps", source)
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A tagger, a smaller copy of it, and a classifier; with what they answer here."""
    folder = tmp_path_factory.mktemp("models")
    options = {"units": 40, "epochs": 1, "random_state": 0}
    X, y = SENTENCES[:3] * 8, [["B-X", "I-X", "O"], ["O", "B-X", "O", "B-X", "O"], ["O", "O", "O"]] * 8
    tagger = SequenceTagger(scheme="iob2", **options).fit(X, y)
    tagger.save(folder / "tagger")
    export(folder / "tagger", "bundle", folder / "int8")
    classifier = SequenceClassifier(**options).fit(X, ["a", "b", "a"] * 8)
    classifier.save(folder / "classifier")
    return folder


@pytest.mark.slow
def test_a_slim_install_answers_the_same(slim, models, tmp_path):
    from seqtag import load

    paths = [models / name for name in ("tagger", "int8", "classifier")]
    done = run(slim, "-c", ANSWER, json.dumps(SENTENCES), *paths, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unwanted"] == [] and not Path(found["home"]).is_relative_to(ROOT)
    for path in paths:
        answers, probabilities = found["answers"][str(path)]
        model = load(path)
        assert answers == model.predict(SENTENCES)
        for row, here in zip(probabilities, model.predict_proba(SENTENCES), strict=True):
            assert row == here.tolist()


@pytest.mark.slow
def test_a_slim_install_is_small(slim):
    (packages,) = (slim.parents[1] / "lib").glob("python*/site-packages")
    size = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file() and not file.is_symlink())
    assert 50e6 < size < LARGEST


@pytest.mark.slow
def test_the_command_says_what_it_needs(slim, tmp_path):
    done = run(slim.parent / "seqtag", "--help", cwd=tmp_path)
    assert done.returncode == 1 and "pip install typer rich" in done.stderr and "Traceback" not in done.stderr
