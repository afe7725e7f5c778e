"""Commands that `benchmarks/inference.py` runs as a user would: cold starts, a large file, the slim install."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from inference_contestants import ROOT, Errors, GoneError, last_line

SENTENCE = "Ada moved to Paris in May ."
IN_PYTHON = "import sys; from seqtag import load; print(load(sys.argv[1]).predict([sys.argv[2].split()])[0])"
SLIM = ("numpy", "onnxruntime")


def start_commands(python: str, run: str, isolated: bool = False) -> dict[str, list[str]]:
    """Return the commands whose time to the first tags is a cold start."""
    script = Path(python).with_name("seqtag")
    command = [str(script)] if script.exists() else [python, "-m", "seqtag"]
    alone = ["-I"] if isolated else []
    return {
        "seqtag predict": [*command, "predict", run, "--text", SENTENCE],
        "python: seqtag.load": [python, *alone, "-c", IN_PYTHON, run, SENTENCE],
    }


def seconds_to_output(command: list[str], env: Mapping[str, str], folder: str) -> float:
    """Start a process and return the seconds until the first line that it writes.

    Raises
    ------
    GoneError
        If it fails, or writes nothing.
    """
    with closing(Errors()) as errors:
        pipes = {"stdout": subprocess.PIPE, "stderr": errors.file}
        began = time.perf_counter()
        with subprocess.Popen(command, env=dict(env), cwd=folder, text=True, **pipes) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            taken = time.perf_counter() - began
            process.stdout.read()
        if process.returncode or not line:
            raise GoneError(errors.last_line(process.returncode))
    return taken


def tag_files(run: str, sizes: list[int], folder: Path) -> list[dict[str, float]]:
    """Return the peak memory and the time of ``seqtag predict`` on files of so many tokens, from `benchmarks/files.py`.

    Raises
    ------
    GoneError
        If it fails.
    """
    out = folder / "files.json"
    script = str(Path(__file__).with_name("files.py"))
    _run([sys.executable, script, "--model", run, "--sizes", *map(str, sizes), "--json", str(out)])
    return json.loads(out.read_text(encoding="utf-8"))


def slim_install(run: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Install NumPy, ONNX Runtime and seqtag alone into an environment of their own; return its size and cold starts.

    pip stays outside, so that what is counted is what tagging needs: the files as they lie on the disk, in 10^6 bytes.
    """
    place = folder / "slim"
    python = str(place / "bin" / "python")
    try:
        _run([sys.executable, "-m", "venv", "--without-pip", str(place)])
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--quiet"]
        _run([*pip, *SLIM])
        _run([*pip, "--no-deps", str(_source(folder))])
    except GoneError as error:
        return {"error": str(error)}
    packages = next((place / "lib").glob("python*/site-packages"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    cold, failed = {}, {}
    for name, command in start_commands(python, str(Path(run).resolve()), isolated=True).items():
        try:
            cold[name] = sorted(seconds_to_output(command, env, str(folder)) for _ in range(repeats))[repeats // 2]
        except GoneError as error:
            failed[name] = str(error)
    return {"size": on_disk(packages), "seqtag": on_disk(packages / "seqtag"), "cold": cold, "failed": failed}


def _source(folder: Path) -> Path:
    """Copy what an installation is built from, so that nothing is built in the working tree."""
    source = folder / "source"
    shutil.copytree(ROOT / "seqtag", source / "seqtag", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    return source


def on_disk(folder: Path) -> float:
    """Return the space that a folder's files take on the disk, in 10^6 bytes."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise GoneError(last_line(done.stderr, done.returncode))
