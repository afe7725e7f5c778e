"""What this machine has for training and answering, what will be used, and why not more: ``seqtag doctor``.

`look` gathers facts, `diagnose` judges them, `Report.to_text` words it. Keras is started in a process of its own, so
that whatever it does there, even ending it, is told like everything else.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seqtag.errors import ParameterError
from seqtag.machine import usable_cores
from seqtag.render import table
from seqtag.training.devices import THREADS, choose, visible_gpus

ANSWERING = ("numpy", "onnxruntime")
TRAINING = ("keras", "numpy", "onnx", "pandas", "scikit-learn")
VARIABLES = ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", *THREADS)
INSTRUCTIONS = ("sse4_2", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd")
SAME = {"tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos", "tf-nightly")}
PATIENCE = 180  # seconds that Keras gets to start, on a slow disk for the first time

# === Facts ===


@dataclass(frozen=True)
class Library:
    """A library that seqtag can use.

    Parameters
    ----------
    name : str
        As pip knows it.
    version : str or None
        What is installed.
    least : str
        What is needed, at least.
    extra : str
        The extra of seqtag that asks for it; empty where seqtag itself does.
    """

    name: str
    version: str | None
    least: str = ""
    extra: str = ""

    @property
    def is_old(self) -> bool:
        """Whether it is installed and too old."""
        return self.version is not None and _numbers(self.version) < _numbers(self.least)


@dataclass(frozen=True)
class Facts:
    """What was found.

    Parameters
    ----------
    python, system : str
        Version and platform.
    cores : int
        Cores that this process may use.
    memory : float or None
        Memory in GiB.
    instructions : tuple of str
        Instruction sets of the processor that matter here.
    environment : dict of str to str
        Those of `VARIABLES` that are set.
    libraries : tuple of Library
        Needed ones and optional ones.
    driver : bool
        Whether there is an NVIDIA driver.
    keras : dict
        What `probe` found, or ``error``: why it found nothing.
    said : str
        What the libraries wrote while they started.
    providers : tuple of str
        What ONNX Runtime can compute with.
    """

    python: str
    system: str
    cores: int
    memory: float | None = None
    instructions: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    libraries: tuple[Library, ...] = ()
    driver: bool = False
    keras: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    providers: tuple[str, ...] = ()


def look() -> Facts:
    """Gather the facts of this machine and this environment; takes as long as Keras takes to start."""
    keras, said = _probe_apart()
    return Facts(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=usable_cores(),
        memory=_memory(),
        instructions=_instructions(),
        environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
        libraries=tuple(_libraries()),
        driver=Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None,
        keras=keras,
        said=said,
        providers=_providers(),
    )


def probe() -> dict[str, Any]:
    """Start Keras here and return what it sees: backend, GPUs, threads, and what training would use."""
    import keras

    backend = keras.backend.backend()
    found: dict[str, Any] = {"backend": backend, "gpus": visible_gpus(backend)}
    if backend == "tensorflow":
        import tensorflow as tf

        found["cuda"] = tf.test.is_built_with_cuda()
        found["gpus"] = [_gpu_name(tf, name) for name in found["gpus"]]
    found["strategies"] = {}
    for strategy in ("none", "mirrored"):
        try:
            found["strategies"][strategy] = asdict(choose(strategy=strategy))
        except ParameterError as error:
            found["strategies"][strategy] = {"error": str(error)}
    return found


def _gpu_name(tf: Any, name: str) -> str:
    details = tf.config.experimental.get_device_details(tf.config.PhysicalDevice(f"/physical_device:{name}", "GPU"))
    return " ".join(filter(None, (name, details.get("device_name"))))


def _probe_apart() -> tuple[dict[str, Any], str]:
    """Run `probe` in a process of its own; return what it found and what was written to standard error."""
    code = "import json; from seqtag.doctor import probe; print('found:' + json.dumps(probe()))"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return {"error": f"Keras did not start within {PATIENCE} seconds"}, ""
    answers = [line.removeprefix("found:") for line in done.stdout.splitlines() if line.startswith("found:")]
    if answers:
        return json.loads(answers[-1]), done.stderr
    if done.returncode < 0:
        return {"error": f"the process that started Keras was ended by signal {-done.returncode}"}, done.stderr
    lines = done.stderr.strip().splitlines()
    return {"error": lines[-1] if lines else f"it ended with status {done.returncode}"}, done.stderr


def _libraries() -> Iterator[Library]:
    """Read what seqtag's own metadata asks for, and JAX, which Keras can use instead of TensorFlow."""
    try:
        wanted = importlib.metadata.requires("seqtag") or []
    except importlib.metadata.PackageNotFoundError:
        wanted = [f"{name}>=0" for name in (*TRAINING, "tensorflow", "onnxruntime")]
    for line in (*wanted, 'jax>=0; extra == "jax"'):
        match = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*(?:>=\s*([\w.]+))?[^;]*(?:;.*extra == [\"']([^\"']+))?", line)
        if match is None or match[3] in ("dev", "gpu"):
            continue
        yield Library(match[1], _version(match[1]), match[2] or "0", match[3] or "")


def _version(name: str) -> str | None:
    """Return the version of a library under any name that it is published by."""
    for published in SAME.get(name, (name,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(published)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _memory() -> float | None:
    """Memory of the machine in GiB."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return None


def _instructions() -> tuple[str, ...]:
    """Instruction sets that the processor names; only Linux tells."""
    with contextlib.suppress(OSError):
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
        return tuple(name for name in INSTRUCTIONS if name in words)
    return ()


def _providers() -> tuple[str, ...]:
    try:
        import onnxruntime
    except ImportError:
        return ()
    return tuple(onnxruntime.get_available_providers())


# === Judgement ===


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Parameters
    ----------
    topic, text : str
        What it is about, and what was found.
    level : {"ok", "note", "problem"}
        A problem keeps one from training.
    advice : str
        What to do, where there is something to do.
    """

    topic: str
    text: str
    level: str = "ok"
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """What was found and what follows."""

    facts: Facts
    findings: tuple[Finding, ...]

    @property
    def can_train(self) -> bool:
        """Whether nothing keeps one from training."""
        return all(finding.level != "problem" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything in JSON's types."""
        return {
            "can_train": self.can_train,
            "findings": [asdict(f) for f in self.findings],
            "facts": asdict(self.facts),
        }

    def to_text(self) -> str:
        """Return a line a finding, advice below it, and the conclusion."""
        rows = []
        for finding in self.findings:
            rows.append([finding.level if finding.level != "ok" else "", finding.topic, finding.text])
            if finding.advice:
                rows.append(["", "", f"-> {finding.advice}"])
        end = "This machine can train." if self.can_train else "This machine cannot train yet: see the problems above."
        return f"{table(rows)}\n\n{end}"


def diagnose(facts: Facts) -> Report:
    """Judge facts."""
    findings = [
        Finding("python", f"{facts.python}, {facts.system}"),
        *_of_libraries(facts),
        _of_keras(facts),
        _of_processor(facts),
        *_of_threads(facts),
        _of_gpus(facts),
        *_of_plans(facts),
        _of_onnx(facts),
    ]
    return Report(facts, tuple(findings))


def _of_libraries(facts: Facts) -> Iterator[Finding]:
    backend = facts.keras.get("backend") or facts.environment.get("KERAS_BACKEND", "tensorflow")
    needed = {*TRAINING, *ANSWERING, backend}
    good = [f"{lib.name} {lib.version}" for lib in facts.libraries if lib.version and not lib.is_old]
    yield Finding("libraries", ", ".join(dict.fromkeys(good)))
    seen = set()
    for lib in facts.libraries:
        if lib.name in seen or (lib.version and not lib.is_old):
            continue
        seen.add(lib.name)
        state = f"{lib.name} {lib.version} is too old, {lib.least} is needed" if lib.version else f"no {lib.name}"
        install = (
            f"pip install 'seqtag[{lib.extra}]'" if lib.extra and lib.extra != "jax" else f"pip install -U {lib.name}"
        )
        if lib.name in needed:
            yield Finding("libraries", state, "problem", install)
        elif lib.extra != "jax" and lib.name != "tensorflow":
            yield Finding("libraries", f"{state} (optional)", "note", install)


def _of_keras(facts: Facts) -> Finding:
    error = facts.keras.get("error")
    if error:
        advice = "Run python -c 'import keras' to see all of it; reinstalling the named library often helps."
        return Finding("keras", f"does not start: {error}", "problem", advice)
    return Finding("keras", f"computes with {facts.keras['backend']}")


def _of_processor(facts: Facts) -> Finding:
    memory = f", {facts.memory:.0f} GiB of memory" if facts.memory else ""
    instructions = f", {' '.join(facts.instructions)}" if facts.instructions else ""
    text = f"{facts.cores} core{'s' if facts.cores > 1 else ''} usable{memory}{instructions}"
    if facts.environment.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        return Finding(
            "cpu", f"{text}; oneDNN is off", "note", "Unset TF_ENABLE_ONEDNN_OPTS: training is slower without."
        )
    return Finding("cpu", text)


def _of_threads(facts: Facts) -> Iterator[Finding]:
    if facts.keras.get("backend") != "tensorflow":
        return
    chosen = [f"{name}={facts.environment[name]}" for name in THREADS if facts.environment.get(name)]
    if chosen:
        yield Finding("threads", ", ".join(chosen))
    elif facts.cores > 1:
        yield Finding(
            "threads",
            f"not set: `seqtag train` sets 1 within an operation and {facts.cores} operations at once; Python programs "
            f"get {facts.cores} of both, and train more slowly",
            "note",
            f"Before Python starts: export {THREADS[0]}=1 {THREADS[1]}={facts.cores}",
        )


def _of_gpus(facts: Facts) -> Finding:
    gpus = facts.keras.get("gpus")
    if gpus:
        return Finding("gpu", ", ".join(gpus))
    reason, advice = why_no_gpu(facts)
    return Finding("gpu", f"none: {reason}", "note" if advice else "ok", advice)


def why_no_gpu(facts: Facts) -> tuple[str, str]:
    """Return why no GPU is seen, as far as that can be known, and what to do; nothing where there is nothing to do."""
    hidden = facts.environment.get("CUDA_VISIBLE_DEVICES")
    built = "TensorFlow was built without CUDA"
    if hidden is not None and hidden.strip() in ("", "-1"):
        return (
            f"CUDA_VISIBLE_DEVICES={hidden!r} hides them",
            "Unset it, or name the GPUs to use: CUDA_VISIBLE_DEVICES=0",
        )
    if not facts.driver:
        also = f"; {built}, too" if facts.keras.get("cuda") is False else ""
        return f"no NVIDIA driver was found{also}", ""
    if facts.keras.get("backend") == "jax":
        return "JAX sees none", "pip install -U 'jax[cuda12]'"
    if facts.keras.get("cuda") is False:
        return built, "pip install 'seqtag[gpu]' (and uninstall tensorflow-cpu, if that is what is installed)"
    if "Cannot dlopen some GPU libraries" in facts.said or "Could not find cuda drivers" in facts.said:
        return "CUDA's libraries do not load beside the driver", "pip install 'seqtag[gpu]', which brings them"
    return "there is a driver, but no GPU that Keras can use", "Run nvidia-smi: does it list the GPU?"


def _of_plans(facts: Facts) -> Iterator[Finding]:
    for strategy, plan in facts.keras.get("strategies", {}).items():
        if "error" in plan:
            yield Finding(f"strategy {strategy}", plan["error"])
        else:
            kind, replicas = plan["device"].upper(), plan["replicas"]
            alone = " (one device: as none)" if strategy == "mirrored" and replicas == 1 else ""
            copies = f"{replicas} replica{'s' if replicas > 1 else ''}"
            yield Finding(f"strategy {strategy}", f"trains on the {kind}, {copies}, float32 unless asked{alone}")


def _of_onnx(facts: Facts) -> Finding:
    if not facts.providers:
        return Finding("answering", "ONNX Runtime does not start", "problem", "pip install -U onnxruntime")
    return Finding("answering", f"ONNX Runtime with {', '.join(facts.providers)}; seqtag uses CPUExecutionProvider")
