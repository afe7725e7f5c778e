"""`seqtag doctor`: what is found, what follows, and how it is said."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from seqtag import doctor
from seqtag.doctor import Facts, Library, diagnose, look, why_no_gpu

PLAN = {"device": "cpu", "precision": "float32", "replicas": 1}
HEALTHY = Facts(
    python="3.12.1",
    system="Linux x86_64",
    cores=4,
    memory=16.0,
    instructions=("avx2",),
    environment={"TF_NUM_INTRAOP_THREADS": "1"},
    libraries=(Library("keras", "3.15.1", "3.15.1"), Library("tensorflow", "2.21.0", "2.21")),
    driver=True,
    keras={"backend": "tensorflow", "gpus": ["GPU:0 H100"], "cuda": True, "strategies": {"none": PLAN}},
    providers=("CPUExecutionProvider",),
)


def of(report, topic):
    return [finding for finding in report.findings if finding.topic == topic]


def test_a_healthy_machine_needs_no_advice():
    report = diagnose(HEALTHY)
    assert report.can_train and {finding.level for finding in report.findings} == {"ok"}
    assert "GPU:0 H100" in report.to_text() and report.to_text().endswith("This machine can train.")
    assert json.loads(json.dumps(report.to_dict()))["can_train"] is True


@pytest.mark.parametrize(
    ("library", "text", "level", "advice"),
    [
        (Library("onnx", None, "1.19"), "no onnx", "problem", "pip install -U onnx"),
        (Library("keras", "3.9", "3.15"), "keras 3.9 is too old, 3.15 is needed", "problem", "pip install -U keras"),
        (Library("optuna", None, "5.0", "tune"), "no optuna (optional)", "note", "pip install 'seqtag[tune]'"),
        (Library("rich", None, "13.9"), "no rich (optional)", "note", "pip install -U rich"),
        (Library("tensorflow", None, "2.21"), "no tensorflow", "problem", "pip install -U tensorflow"),
    ],
    ids=lambda value: value.name if isinstance(value, Library) else "",
)  # fmt: skip
def test_libraries_that_are_missing_or_old(library, text, level, advice):
    report = diagnose(replace(HEALTHY, libraries=(library,)))
    *_, found = of(report, "libraries")
    assert (found.text, found.level, found.advice) == (text, level, advice)
    assert report.can_train == (level != "problem")


def test_tensorflow_is_not_missed_where_keras_computes_with_jax():
    keras = {"backend": "jax", "gpus": [], "strategies": {}}
    libraries = (Library("tensorflow", None, "2.21"), Library("jax", "0.9", "0", "jax"))
    report = diagnose(replace(HEALTHY, keras=keras, libraries=libraries))
    assert report.can_train and "tensorflow" not in report.to_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"environment": {"CUDA_VISIBLE_DEVICES": "-1"}}, "CUDA_VISIBLE_DEVICES='-1' hides them"),
        ({"environment": {"CUDA_VISIBLE_DEVICES": ""}}, "CUDA_VISIBLE_DEVICES='' hides them"),
        ({"driver": False}, "no NVIDIA driver was found"),
        ({"keras": {"backend": "tensorflow", "cuda": False}}, "TensorFlow was built without CUDA"),
        ({"keras": {"backend": "jax"}}, "JAX sees none"),
        ({"said": "W0000 Cannot dlopen some GPU libraries. Please"}, "CUDA's libraries do not load beside the driver"),
        ({}, "there is a driver, but no GPU that Keras can use"),
    ],
)
def test_why_there_is_no_gpu(change, reason):
    base = replace(HEALTHY, environment={}, keras={"backend": "tensorflow", "cuda": True})
    found, advice = why_no_gpu(replace(base, **change))
    assert found == reason and bool(advice) == (change != {"driver": False})


def test_threads_that_are_not_set_are_a_note_with_the_line_to_type():
    (found,) = of(diagnose(replace(HEALTHY, environment={})), "threads")
    assert found.level == "note" and found.advice.endswith("TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=4")
    assert not of(diagnose(replace(HEALTHY, environment={}, cores=1)), "threads")


def test_onednn_that_is_off_is_a_note():
    (found,) = of(diagnose(replace(HEALTHY, environment={"TF_ENABLE_ONEDNN_OPTS": "0"})), "cpu")
    assert found.level == "note" and "oneDNN is off" in found.text


def test_plans_say_on_how_many_devices_and_why_not():
    plans = {"none": PLAN, "mirrored": PLAN | {"device": "gpu", "replicas": 2}}
    report = diagnose(replace(HEALTHY, keras=HEALTHY.keras | {"strategies": plans}))
    assert of(report, "strategy none")[0].text.startswith("trains on the CPU, 1 replica,")
    assert of(report, "strategy mirrored")[0].text.startswith("trains on the GPU, 2 replicas,")
    refused = diagnose(replace(HEALTHY, keras=HEALTHY.keras | {"strategies": {"mirrored": {"error": "not here"}}}))
    assert of(refused, "strategy mirrored")[0].text == "not here" and refused.can_train


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ImportError('libfoo.so: cannot open shared object file')", "ImportError: libfoo.so: cannot open"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "was ended by signal 4"),
        ("raise SystemExit(3)", "it ended with status 3"),
        ("import time; time.sleep(60)", "did not start within 1 seconds"),
    ],
    ids=["import", "crash", "exit", "hang"],
)
def test_a_keras_that_does_not_start_is_told_and_not_raised(tmp_path, monkeypatch, code, error):
    (tmp_path / "keras.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor, "PATIENCE", 1 if "sleep" in code else 60)
    facts = look()
    assert error in facts.keras["error"]
    report = diagnose(facts)
    assert not report.can_train and "Traceback" not in report.to_text()
    assert report.to_text().endswith("cannot train yet: see the problems above.")


@pytest.mark.slow
def test_the_command_tells_of_this_machine():
    done = subprocess.run([sys.executable, "-m", "seqtag", "doctor", "--json"], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert done.returncode == 0 and not done.stderr
    assert found["can_train"] and found["facts"]["keras"]["backend"] == "tensorflow"
    assert found["facts"]["keras"]["strategies"]["none"]["precision"] == "float32"


def test_the_command_ends_with_1_where_one_cannot_train(monkeypatch):
    from typer.testing import CliRunner

    from seqtag.cli import app

    monkeypatch.setattr(doctor, "look", lambda: replace(HEALTHY, keras={"error": "ImportError: broken"}))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "does not start: ImportError: broken" in result.stdout
