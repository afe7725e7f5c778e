"""The commands that make a trained model leave: `seqtag quantize` and `seqtag export`."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from seqtag import SequenceTagger, datasets, experiment, load
from seqtag.bundle import Bundle
from seqtag.cli import app
from seqtag.errors import ConfigError
from seqtag.export.formats import FORMATS


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained model, beside a labelled file that it was not trained on."""
    folder = tmp_path_factory.mktemp("export")
    corpora = datasets.make_tagging(sequences=80)
    tagger = SequenceTagger(units=40, epochs=8, encoders=["words", "affixes"], learning_rate=0.02, random_state=0)
    tagger.fit(corpora["train"], validation_data=corpora["dev"]).save(folder / "run")
    rows = ("".join(f"{t} {tag}\n" for t, tag in zip(s.tokens, s.labels, strict=True)) for s in corpora["test"])
    (folder / "test.conll").write_text("\n".join(rows), encoding="utf-8")
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["int8", "float16"])
def test_a_smaller_model_is_shown_beside_the_large_one_and_kept(run, tmp_path, weights):
    output = tmp_path / "small"
    data = ["--data", run.parent / "test.conll", "--max-loss", 100]
    done = call("quantize", run, "--output", output, "--weights", weights, *data)
    assert done.exit_code == 0, done.output
    head, before, after = done.stdout.splitlines()
    assert "MB" in head and "tokens/s on one core" in head and "span F1" in head
    assert (before.split()[0], after.split()[0]) == ("float32", weights)
    size = {name: sum(map(len, Bundle.read(path).files.values())) for name, path in (("b", run), ("a", output))}
    assert float(after.split()[1]) == pytest.approx(size["a"] / 1e6, abs=0.01) and size["a"] < size["b"]
    assert load(output).manifest["weights"] == weights


@pytest.mark.slow
def test_what_loses_too_much_is_not_written(run, tmp_path, monkeypatch):
    from seqtag.export import quantize

    def coarse(array):
        return np.rint(array * 0).astype(np.int8), np.ones((*array.shape[:-1], 1), np.float32)

    monkeypatch.setattr(quantize, "whole_rows", coarse)  # a model that has lost all its weights
    done = call("quantize", run, "--output", tmp_path / "small", "--data", run.parent / "test.conll")
    assert done.exit_code == 2 and "at most 0.1 points" in done.stderr and "float16" in done.stderr
    assert "Traceback" not in done.output and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_json_and_python_give_the_same_comparison(run, tmp_path):
    data = run.parent / "test.conll"
    done = call("quantize", run, "--output", tmp_path / "a", "--data", data, "--max-loss", 100, "--json")
    found = experiment.quantize(run, tmp_path / "b", data=data, max_loss=1.0)
    shown = json.loads(done.stdout)
    assert {name: set(values) for name, values in shown.items()} == {
        name: set(values) for name, values in found.to_dict().items()
    }
    assert shown["after"]["weights"] == "int8" and shown["after"]["span F1"] == found.to_dict()["after"]["span F1"]
    assert found.loss == pytest.approx(found.before.score - found.after.score)
    with pytest.raises(ConfigError, match="int8 already"):
        experiment.quantize(tmp_path / "a", tmp_path / "c", data=data)


def test_formats_that_help_names_are_those_that_there_are():
    shown = call("export", "--help").stdout
    assert all(name in shown for name in FORMATS)


@pytest.mark.slow
def test_export_writes_what_the_library_writes(run, tmp_path):
    done = call("export", run, "--format", "bundle", "--set", "weights=float16", "--output", tmp_path / "half")
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'half'}\n")
    assert load(tmp_path / "half").manifest["weights"] == "float16"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--format", "onxn"], 2, "Did you mean 'onnx'?"),
        (["--format", "bundle", "--set", "weight=int8"], 2, "Did you mean 'weights'?"),
        (["--format", "litert", "--set", "length=0"], 2, "length must be an int of at least 1"),
    ],
)
def test_a_mistake_is_told_in_a_line(run, tmp_path, arguments, status, says):
    done = call("export", run, "--output", tmp_path / "out", *arguments)
    assert done.exit_code == status and says in done.stderr and "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
