"""The public surface: what `seqtag` exports, that it is documented, and that it is what gets packaged."""

import importlib
import inspect
import re
import shutil
import subprocess
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqtag

ROOT = Path(seqtag.__file__).parents[1]
PUBLIC = [
    "Corpus",
    "CorpusStream",
    "JointTagger",
    "LanguageModel",
    "LanguagePredictor",
    "Predictor",
    "SeqtagError",
    "Sequence",
    "SequenceClassifier",
    "SequenceTagger",
    "load",
    "read",
]

# Modules whose names users hold on to.
MODULES = [
    "seqtag.data.corpus",
    "seqtag.data.readers",
    "seqtag.data.streaming",
    "seqtag.datasets",
    "seqtag.errors",
    "seqtag.language.generation",
    "seqtag.language.predictor",
    "seqtag.metrics.baselines",
    "seqtag.metrics.calibration",
    "seqtag.metrics.classes",
    "seqtag.metrics.counts",
    "seqtag.metrics.joint",
    "seqtag.metrics.language",
    "seqtag.metrics.scorers",
    "seqtag.metrics.tagging",
    "seqtag.loading",
    "seqtag.plots.classes",
    "seqtag.plots.spans",
    "seqtag.plots.style",
    "seqtag.plots.surprisal",
    "seqtag.plots.sweeps",
    "seqtag.plots.traces",
    "seqtag.predictor",
    "seqtag.shading",
    "seqtag.tasks.classifier",
    "seqtag.tasks.joint",
    "seqtag.tasks.language_model",
    "seqtag.tasks.tagger",
    "seqtag.trace",
    "seqtag.tuning",
]


def test_exports_are_pinned():
    assert seqtag.__all__ == PUBLIC == sorted(PUBLIC)
    assert set(PUBLIC) == set(seqtag._HOMES)
    assert {*PUBLIC, "__version__", "__all__"} <= set(dir(seqtag))
    assert all(name.startswith("_") or name in PUBLIC or _is_inside(name) for name in dir(seqtag))


def _is_inside(name: str) -> bool:
    """What a module has besides what it exports: its own imports and submodules."""
    return name in {"annotations", "importlib", "Any", "TYPE_CHECKING"} or isinstance(
        getattr(seqtag, name), types.ModuleType
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_exports_come_from_their_home(name):
    home = importlib.import_module(seqtag._HOMES[name])
    assert getattr(seqtag, name) is getattr(home, name)
    scope: dict[str, object] = {}
    exec(f"from seqtag import {name}", scope)
    assert scope[name] is getattr(home, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'seqtag' has no attribute 'Tagger'"):
        _ = seqtag.Tagger
    with pytest.raises(ImportError, match="Tagger"):
        exec("from seqtag import Tagger")


# --- docstrings -------------------------------------------------------------------------------------------------


def _public_members(module: types.ModuleType) -> Iterator[tuple[str, object]]:
    """The functions and classes that a module defines, and the methods that its classes add."""
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(member) or inspect.isclass(member):
            yield name, member
        if inspect.isclass(member):
            inherited = {known for base in member.__mro__[1:] for known in vars(base)}
            for own, method in vars(member).items():
                if not own.startswith("_") and own not in inherited:
                    yield f"{name}.{own}", getattr(method, "__func__", getattr(method, "fget", method))


def _parameters(member: object) -> list[str]:
    """The parameters that a docstring has to explain."""
    if inspect.isclass(member):
        if issubclass(member, Exception) or getattr(member, "_is_protocol", False):
            return []
        member = member.__init__ if "__init__" in vars(member) else None
    if not inspect.isfunction(member):
        return []
    return [name for name in inspect.signature(member).parameters if name not in ("self", "cls")]


MEMBERS = [
    pytest.param(member, id=f"{module}.{name}")
    for module in MODULES
    for name, member in _public_members(importlib.import_module(module))
    if callable(member)
]


@pytest.mark.parametrize("member", MEMBERS)
def test_public_names_are_documented(member):
    text = inspect.cleandoc(member.__doc__ or "")
    assert text, "a docstring says what it is"
    assert text.splitlines()[0].endswith((".", ":")), "its first line is a sentence"


def _is_method(member: object) -> bool:
    return inspect.isfunction(member) and "." in member.__qualname__


@pytest.mark.parametrize("member", [case for case in MEMBERS if _parameters(case.values[0])])
def test_parameters_are_documented(member):
    """Each in a section of their own; where there is but one, the sentence may say it."""
    parameters = _parameters(member)
    text = inspect.cleandoc(member.__doc__)
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.S | re.M)
    if section is None:
        assert len(parameters) == 1 or re.search(r"Parameters.* are those of", text), f"no section for {parameters}"
        return
    named = [name for line in re.findall(r"^(\w[\w, ]*) :", section[1], re.M) for name in line.split(", ")]
    assert named == parameters


# --- the package ------------------------------------------------------------------------------------------------


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", seqtag.__version__)
    settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert re.search(r"^version = attr: seqtag.__version__$", settings, re.M)


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    pytest.importorskip("setuptools", "77", reason="building needs setuptools 77 or later")
    source = tmp_path / "source"
    source.mkdir()
    shutil.copytree(ROOT / "seqtag", source / "seqtag", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(source),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"seqtag-{seqtag.__version__}-")
    files = {str(path.relative_to(source)) for path in (source / "seqtag").rglob("*") if path.is_file()}
    assert files - set(zipfile.ZipFile(wheel).namelist()) == set()
