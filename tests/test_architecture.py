"""The house as a table: who may know whom, what each room may import, and how large a thing may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import seqtag

PACKAGE = Path(seqtag.__file__).parent

# Level of each room: imports point to the same level or down.
LEVELS = {
    "": 0,  # seqtag/__init__.py, whose exports are lazy
    "errors": 0,
    "machine": 0,
    "registry": 0,
    "params": 0,
    "data": 1,
    "datasets": 1,
    "decoding": 2,
    "metrics": 2,
    "plots": 2,
    "reference": 2,
    "reference_network": 2,
    "render": 2,
    "choices": 2,
    "nn": 2,
    "training": 3,
    "export": 3,
    "bundle": 3,
    "backends": 3,
    "opening": 3,
    "decoders": 3,
    "occlusion": 3,
    "trace": 3,
    "flow": 2,
    "jobs": 2,
    "scored": 2,
    "shading": 2,
    "thresholds": 2,
    "known": 3,
    "language": 3,
    "loading": 3,
    "predictor": 3,
    "online": 3,
    "computing": 3,
    "windows": 3,
    "answers": 3,
    "tasks": 4,
    "config": 5,
    "doctor": 5,
    "documents": 5,
    "experiment": 5,
    "tuning": 5,
    "report": 5,
    "cli": 6,
    "server": 6,
    "__main__": 7,
}

# Rooms of one level that may know each other; what stands at the right is known.
NEIGHBOURS = {
    ("nn", "choices"),
    ("choices", "nn"),  # a factory, of the layer that it makes
    ("params", "errors"),
    ("registry", "errors"),
    ("datasets", "data"),
    ("metrics", "decoding"),
    ("predictor", "backends"),
    ("predictor", "bundle"),
    ("predictor", "opening"),
    ("opening", "backends"),
    ("opening", "bundle"),
    ("predictor", "decoders"),
    ("predictor", "trace"),
    ("predictor", "online"),
    ("predictor", "windows"),
    ("predictor", "computing"),
    ("predictor", "known"),
    ("language", "backends"),
    ("language", "bundle"),
    ("language", "export"),
    ("predictor", "language"),
    ("loading", "bundle"),
    ("loading", "language"),
    ("loading", "predictor"),
    ("computing", "backends"),
    ("computing", "windows"),
    ("online", "backends"),
    ("online", "decoders"),
    ("windows", "backends"),
    ("export", "bundle"),
    ("export", "decoders"),
    ("trace", "backends"),
    ("trace", "decoders"),
    ("trace", "occlusion"),
    ("occlusion", "backends"),
    ("occlusion", "decoders"),
    ("reference_network", "reference"),
    ("experiment", "config"),
    ("tuning", "config"),
    ("tuning", "experiment"),
    ("experiment", "report"),
    ("report", "config"),
}

# Where a library may be imported: when the module is imported, or inside a function that needs it.
AT_IMPORT = {
    "numpy": ("data", "datasets", "decoding", "metrics", "plots", "reference", "reference_network", "render", "nn",
              "training", "export", "bundle", "backends", "opening", "decoders", "occlusion", "trace", "predictor",
              "online", "computing", "windows", "scored", "known", "language", "tasks", "config", "experiment",
              "report", "tuning", "cli", "server"),
    "keras": ("nn", "training"),
    "tensorflow": ("nn._tensorflow", "training.mirrored", "export._litert_network", "export._litert_stack"),
    "sklearn": ("tasks",),
    "pydantic": ("config", "server"),
    "yaml": ("config._yaml",),
    "typer": ("cli",),
    "onnxruntime": ("export._onnx_host",),  # which is copied beside a graph, and imported from there
}  # fmt: skip
IN_FUNCTIONS = {
    "keras": ("choices", "export", "backends", "predictor", "tasks", "doctor", "cli._start"),
    "tensorflow": ("nn._tensorflow", "training", "export", "doctor"),
    "jax": ("training.devices",),
    "onnx": ("export",),
    "onnxruntime": ("backends", "doctor"),
    "optuna": ("tuning",),
    "sqlalchemy": ("tuning",),
    "pandas": ("data",),
    "pyarrow": ("documents.parquet",),
    "pooch": ("data", "datasets"),
    "sklearn": ("datasets",),
    "pydantic": ("config", "server"),
    "jinja2": ("render", "report"),
    "matplotlib": ("plots", "report"),
    "rich": ("training", "cli"),
    "typer": ("cli",),
    "fastapi": ("server",),
    "uvicorn": ("server",),
    "starlette": ("server",),
}

MAX_LINES = 500
MAX_FUNCTION = 60
SIGNATURES = {  # the signature of an estimator is its schema, so it has a line for each parameter
    "tasks.tagger.SequenceTagger.__init__",
    "tasks.classifier.SequenceClassifier.__init__",
    "tasks.joint.JointTagger.__init__",
}


class Import(NamedTuple):
    """One import: who imports what, where, and whether it happens when the module is imported."""

    module: str
    target: str
    line: int
    at_import: bool


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports(module: str) -> Iterator[Import]:
    """Every import of a module, those for type checkers left out."""

    def walk(node: ast.AST, at_import: bool) -> Iterator[Import]:
        if _is_type_checking(node):
            for child in node.orelse:
                yield from walk(child, at_import)
            return
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno, at_import) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"seqtag.{module}:{node.lineno}: imports name their module in full"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                target = full if full.removeprefix("seqtag.") in MODULES else node.module
                yield Import(module, target, node.lineno, at_import)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, at_import and not inside)

    return walk(TREES[module], True)


IMPORTS = [found for module in MODULES for found in _imports(module)]
OWN = [found for found in IMPORTS if found.target.split(".")[0] == "seqtag"]
OTHERS = [found for found in IMPORTS if found.target.split(".")[0] not in {"seqtag", *sys.stdlib_module_names}]


def _own(found: Import) -> str:
    return found.target.removeprefix("seqtag").removeprefix(".")


def _room(module: str) -> str:
    return module.split(".")[0]


def _within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def _place(found: Import) -> str:
    return f"seqtag/{found.module.replace('.', '/')}:{found.line} imports {found.target}"


def test_the_walk_sees_imports_at_every_depth():
    seen = {(found.module, found.target, found.at_import) for found in IMPORTS}
    assert ("predictor", "seqtag.data.schemes", True) in seen
    assert ("opening", "seqtag.nn.network", False) in seen
    assert ("choices.cells", "keras", False) in seen and ("nn.network", "keras", True) in seen
    assert ("backends", "onnxruntime", False) in seen
    assert not any(found.module == "" and found.target.startswith("seqtag.") for found in OWN)  # lazy, by name


def test_every_module_belongs_to_a_room():
    assert {_room(name) for name in MODULES} <= set(LEVELS)


def test_imports_point_down():
    up = [
        _place(found)
        for found in OWN
        if (here := _room(found.module)) != (there := _room(_own(found)))
        and there  # the version, which the root holds
        and not (LEVELS[there] < LEVELS[here] or (here, there) in NEIGHBOURS)
    ]
    assert not up, "\n".join(up)


def test_networks_and_decoding_share_arrays_only():
    tied = [
        _place(found)
        for found in OWN
        if {_room(found.module), _room(_own(found))} in ({"nn", "decoding"}, {"nn", "metrics"})
    ]
    assert not tied, "\n".join(tied)


def test_no_module_imports_itself_by_a_way_round():
    known = {name: {_own(found) for found in OWN if found.module == name} - {name} for name in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a cycle: {' > '.join((*path[path.index(module) :], module))}"
        if module in done:
            return
        for target in sorted(known.get(module, ())):
            visit(target, (*path, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


def test_libraries_are_imported_where_the_table_allows_it():
    wrong = []
    for found in OTHERS:
        library = found.target.split(".")[0]
        allowed = AT_IMPORT.get(library, ())
        if not found.at_import:
            allowed += IN_FUNCTIONS.get(library, ())
        if not _within(found.module, allowed):
            wrong.append(_place(found) + (" when it is imported" if found.at_import else ""))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short_and_say_what_they_are(name):
    assert ast.get_docstring(TREES[name]), "a module begins with a docstring"
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def _functions(node: ast.AST, name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            full = f"{name}.{child.name}"
            if isinstance(child, ast.FunctionDef):
                yield full, child
            yield from _functions(child, full)
        else:
            yield from _functions(child, name)


def _lines(function: ast.FunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    size = function.end_lineno - function.lineno + 1
    return size - (first.end_lineno - first.lineno + 1 if documented else 0)


def test_functions_are_short():
    sizes = {name: _lines(node) for module in MODULES for name, node in _functions(TREES[module], module)}
    long = {name for name, size in sizes.items() if size > MAX_FUNCTION}
    assert long == SIGNATURES, f"over {MAX_FUNCTION} lines: {sorted(long)}"


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import seqtag; dir(seqtag); print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    new = {name.split(".")[0] for name in run.stdout.split()}
    assert new <= {"seqtag", *sys.stdlib_module_names}, new
    assert [name for name in run.stdout.split() if name.startswith("seqtag.")] == []


@pytest.mark.parametrize("estimator", ["SequenceTagger", "SequenceClassifier"])
def test_an_estimator_is_there_before_keras_is(estimator):
    """What is wrong with parameters and data is told at once, not after the seconds that TensorFlow takes to start."""
    code = f"import sys; from seqtag import {estimator}; {estimator}(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert not {"keras", "tensorflow", "onnx", "onnxruntime"} & set(run.stdout.split())
