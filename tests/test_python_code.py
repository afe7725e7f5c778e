"""Every role by hand-labelled source, and the scopes against Python's own symbol table."""

import ast
import subprocess
import symtable
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from seqtag.data.python_code import (
    LONGEST_SEQUENCE,
    LONGEST_STRING,
    ROLES,
    label_source,
    read_words,
    shorten,
    split_of,
    standard_library,
    take,
)
from seqtag.data.python_names import DOCSTRING, name_roles
from seqtag.errors import DataError

LIBRARY = Path(sysconfig.get_path("stdlib"))

# Source, and the role of every token of it; a keyword stands alone, punctuation is left out.
CASES = {
    "assignment": ("x = y; y += 1", "x:global =:assignment y:global y:global +=:assignment 1:number"),
    "chain": ("a = b = -1", "a:global =:assignment b:global =:assignment -:operator 1:number"),
    "walrus": ("(n := 10)", "n:global :=:assignment 10:number"),
    "constants": ("x = True, None, ...", "x:global =:assignment True:constant None:constant ...:constant"),
    "relative import": ("from ... import a", "from import a:import_name"),
    "import": (
        "import os.path, re as r",
        "import os:import_module path:import_module re:import_module as r:import_name",
    ),
    "from": (
        "from .a.b import (c as d, e)",
        "from a:import_module b:import_module import c:import_name as d:import_name e:import_name",
    ),
    "star import": ("from a import *", "from a:import_module import *:import_name"),
    "module": (
        "import os\nos.sep\nos.getcwd()",
        "import os:import_module os:module sep:attribute os:module getcwd:method",
    ),
    "module or nothing": (
        "try: import a\nexcept E: a = None\na",
        "try import a:import_module except E:exception a:module =:assignment None:constant a:module",
    ),
    "imported name": ("from os import sep\nsep", "from os:import_module import sep:import_name sep:global"),
    "builtin": ("len(x)\nint", "len:builtin x:global int:builtin"),
    "shadowed builtin": ("len(x)\ndef len(a): pass", "len:call x:global def len:function a:parameter pass"),
    "call": ("f(g)(1)", "f:call g:global 1:number"),
    "method and attribute": ("a.b.c(d.e).f", "a:global b:attribute c:method d:global e:attribute f:attribute"),
    "attributes set and deleted": (
        "a.b = 1; del a.c",
        "a:global b:attribute =:assignment 1:number del a:global c:attribute",
    ),
    "call of an element": ("a.b[0]()", "a:global b:attribute 0:number"),
    "function": (
        "def f(a, /, b=1, *c, d=a, **e): return a, z",
        "def f:function a:parameter b:parameter 1:number *:unpacking c:parameter d:parameter a:global "
        "**:unpacking e:parameter return a:parameter_use z:global",
    ),
    "keyword-only": ("def f(*, a): a", "def f:function *:unpacking a:parameter a:parameter_use"),
    "async": ("async def f(): await g()", "async def f:function await g:call"),
    "parameter called": ("def f(g): g()", "def f:function g:parameter g:call"),
    "parameter set": ("def f(a): a = 1", "def f:function a:parameter a:parameter_use =:assignment 1:number"),
    "local, bound after its use": (
        "def f():\n use(x)\n x = 1",
        "def f:function use:call x:local x:local =:assignment 1:number",
    ),
    "bindings": (
        "def f():\n for i in z: pass\n with z as w: w\n import s\n s\n del q\n (v := i)\n def g(): pass\n g",
        "def f:function for i:local in z:global pass with z:global as w:local w:local import s:import_module "
        "s:module del q:local v:local :=:assignment i:local def g:function pass g:local",
    ),
    "free": (
        "def f(a):\n b = a\n def g(): return a, b\n return lambda: b",
        "def f:function a:parameter b:local =:assignment a:parameter_use def g:function return a:free b:free "
        "return lambda b:free",
    ),
    "nonlocal": (
        "def f():\n a = 1\n def g():\n  nonlocal a\n  a = 2",
        "def f:function a:local =:assignment 1:number def g:function nonlocal a:free a:free =:assignment 2:number",
    ),
    "global": (
        "def f(a):\n global b, int\n b = int",
        "def f:function a:parameter global b:global int:global b:global =:assignment int:global",
    ),
    "global from afar": (
        "def f():\n x = 1\n def g():\n  global x\n  x",
        "def f:function x:local =:assignment 1:number def g:function global x:global x:global",
    ),
    "lambda": (
        "f = lambda a, b=c: a + d",
        "f:global =:assignment lambda a:parameter b:parameter c:global a:parameter_use +:operator d:global",
    ),
    "comprehension": (
        "[x + y for x in x if x]",
        "x:comprehension +:operator y:global for x:comprehension in x:global if x:comprehension",
    ),
    "nested comprehension": (
        "{a: b for a in c for b in a}",
        "a:comprehension b:comprehension for a:comprehension in c:global for b:comprehension in a:comprehension",
    ),
    "comprehension in a function": (
        "def f(a):\n b = 1\n return {a for _ in b}",
        "def f:function a:parameter b:local =:assignment 1:number return a:parameter_use for _:comprehension "
        "in b:local",
    ),
    "lambda in a comprehension": ("[lambda: x for x in y]", "lambda x:free for x:comprehension in y:global"),
    "walrus in a comprehension": (
        "def f(): [y := x for x in z]; y",
        "def f:function y:local :=:assignment x:comprehension for x:comprehension in z:global y:local",
    ),
    "class": (
        "class A(B, c.D, E[F], metaclass=G): pass",
        "class A:class B:base c:global D:base E:base F:global metaclass:keyword_argument G:global pass",
    ),
    "class variable": (
        "class A:\n x = 1\n y = x\n [x for _ in x]\n def f(self): return x, self.x",
        "class A:class x:class_variable =:assignment 1:number y:class_variable =:assignment x:class_variable "
        "x:global for _:comprehension in x:class_variable def f:function self:parameter return x:global "
        "self:parameter_use x:attribute",
    ),
    "class in a function": (
        "def f(a):\n class B:\n  c = a\n  def g(self): __class__",
        "def f:function a:parameter class B:class c:class_variable =:assignment a:free def g:function "
        "self:parameter __class__:free",
    ),
    "decorator": (
        "@a\n@b.c(d)\n@e[0]\ndef f(): pass",
        "a:decorator b:global c:decorator d:global e:decorator 0:number def f:function pass",
    ),
    "class decorator": ("@property\nclass A: pass", "property:decorator class A:class pass"),
    "matrix product": ("a @ b\na @= b", "a:global @:operator b:global a:global @=:assignment b:global"),
    "annotation": (
        "def f(a: int = b, *c: d.e[f]) -> g[h]: x: list[int] = a\ny: z",
        "def f:function a:parameter int:annotation b:global *:unpacking c:parameter d:annotation e:annotation "
        "f:annotation g:annotation h:annotation x:local list:annotation int:annotation =:assignment "
        "a:parameter_use y:global z:annotation",
    ),
    "annotated call": (
        "x: A(b, c=d.e())",
        "x:global A:annotation b:annotation c:keyword_argument d:annotation e:annotation",
    ),
    "exception": (
        "try: raise a.B(c)\nexcept (D, e.F) as g: raise\nexcept ValueError: raise G from h",
        "try raise a:global B:exception c:global except D:exception e:global F:exception as g:global raise "
        "except ValueError:exception raise G:exception from h:global",
    ),
    "a variable raised": (
        "def f(a):\n try: pass\n except E as b: raise b\n raise a",
        "def f:function a:parameter try pass except E:exception as b:local raise b:local raise a:parameter_use",
    ),
    "except star": ("try: pass\nexcept* E: pass", "try pass except * E:exception pass"),
    "keyword argument": (
        "f(a=b, *d, **c)",
        "f:call a:keyword_argument b:global *:unpacking d:global **:unpacking c:global",
    ),
    "stars": (
        "a * b ** c; [*a, *b]; {**a}; x, *y = z; print(*a, (1)*2, 'a'*3)",
        "a:global *:operator b:global **:operator c:global *:unpacking a:global *:unpacking b:global "
        "**:unpacking a:global x:global *:unpacking y:global =:assignment z:global print:builtin *:unpacking "
        "a:global 1:number *:operator 2:number 'a':string *:operator 3:number",
    ),
    "word operators": (
        "a in b and not c is not d",
        "a:global in:operator b:global and:operator not:operator c:global is:operator not:operator d:global",
    ),
    "in twice": (
        "for a[b in c] in d in e: pass",
        "for a:global b:global in:operator c:global in d:global in:operator e:global pass",
    ),
    "comparisons": ("a <= b != c", "a:global <=:operator b:global !=:operator c:global"),
    "slice and dict": (
        "a[1:2] = {'k': lambda: 0}",
        "a:global 1:number 2:number =:assignment 'k':string lambda 0:number",
    ),
    "strings": (
        "b'x' + f'{a!r:{w}} {b}' 'y' + rb'z'",
        "b'x':string +:operator f'{a!r:{w}}␣{b}':string 'y':string +:operator rb'z':string",
    ),
    "nested f-string": ("f'{f\"{a}\"}', f'{{}}'", "f'{f\"{a}\"}':string f'{{}}':string"),
    "comments": ("x = 1  # a comment\n# another\n", "x:global =:assignment 1:number"),
    "docstrings": (
        '"""Doc."""\ndef f():\n    "doc" "more"\n    "no doc"\nclass A:\n    ("doc")',
        'def f:function "no␣doc":string class A:class',
    ),
    "names beyond ASCII": (
        "é = 'ü'; é.naïve(ö=é)",
        "é:global =:assignment 'ü':string é:global naïve:method ö:keyword_argument é:global",
    ),
    "soft keywords as names": (
        "match = case = type = _ = 1\nmatch(case)\ntype(_).match\nmatch[0]\nmatch * case",
        "match:global =:assignment case:global =:assignment type:global =:assignment _:global =:assignment "
        "1:number match:call case:global type:call _:global match:attribute match:global 0:number "
        "match:global *:operator case:global",
    ),
    "match": (
        "match match:\n case case: case\n case _: _",
        "match match:global case case:global case:global case _ _:global",
    ),
    "patterns": (
        "match a, b:\n case [1, *rest, *_] | (None as c) if d: pass\n case {'k': e, **f}: pass\n"
        " case A.B(g, h=(2), i=j): pass\n case (C()): pass",
        "match a:global b:global case 1:number *:unpacking rest:global *:unpacking _ |:operator None:constant "
        "as c:global if d:global pass case 'k':string e:global **:unpacking f:global pass case A:global "
        "B:attribute g:global h:keyword_argument 2:number i:keyword_argument j:global pass case C:global pass",
    ),
    "match in a function": (
        "def f(a):\n match a:\n  case [b, *c]: return b",
        "def f:function a:parameter match a:parameter_use case b:local *:unpacking c:local return b:local",
    ),
}

NEWER_CASES = {
    "type alias": (
        "type A[T] = list[T]\ntype.A",
        "type A:global T:parameter =:assignment list:annotation T:annotation type:builtin A:attribute",
    ),
    "generic": (
        "def f[T: int, *U, **V](a: T, b=T) -> U: return T",
        "def f:function T:parameter int:annotation *:unpacking U:parameter **:unpacking V:parameter "
        "a:parameter T:annotation b:parameter T:parameter_use U:annotation return T:free",
    ),
    "generic class": (
        "class A[T](B[T]): x: T",
        "class A:class T:parameter B:base T:parameter_use x:class_variable T:annotation",
    ),
    "quotes in an f-string": ("f'{a['b']}'", "f'{a['b']}':string"),
}


def told(source):
    pairs = [pair for sequence in label_source(source) for pair in zip(sequence.tokens, sequence.labels, strict=True)]
    return " ".join(word if role == "keyword" else f"{word}:{role}" for word, role in pairs if role != "punctuation")


@pytest.mark.parametrize(("source", "expected"), CASES.values(), ids=CASES)
def test_roles_of_hand_labelled_source(source, expected):
    assert told(source) == expected


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with Python 3.12")
@pytest.mark.parametrize(("source", "expected"), NEWER_CASES.values(), ids=NEWER_CASES)
def test_roles_of_newer_syntax(source, expected):
    assert told(source) == expected


def test_the_cases_show_every_role():
    shown = {word.rsplit(":", 1)[1] for _, expected in CASES.values() for word in expected.split() if ":" in word}
    assert shown | {"keyword", "punctuation"} == set(ROLES)
    assert all(sentence.endswith(".") for sentence in ROLES.values())


@pytest.mark.parametrize(
    ("source", "word", "role"),
    [
        ("f(a=1)", "=", "punctuation"),
        ("def f(a=1): pass", "=", "punctuation"),
        ("lambda a=1: a", "=", "punctuation"),
        ("(lambda: 0).x = 1", "=", "assignment"),
        ("@a\ndef f(): pass", "@", "punctuation"),
        ("def f(a, /): pass", "/", "punctuation"),
        ("def f() -> a: pass", "->", "punctuation"),
        ("from .. import a", ".", "punctuation"),
        ("a: b", ":", "punctuation"),
        ("a[:]", "[", "punctuation"),
    ],
)
def test_signs_that_are_read_by_their_place(source, word, role):
    sequence = label_source(source)[0]
    assert sequence.labels[sequence.tokens.index(word)] == role


SCOPES = {
    "parameter_use": lambda symbol: symbol.is_parameter(),
    "local": lambda symbol: symbol.is_local() and not symbol.is_parameter(),
    "free": lambda symbol: symbol.is_free(),
    "global": lambda symbol: symbol.is_global(),
    "builtin": lambda symbol: symbol.is_global(),
}  # fmt: skip


class _OwnNames(ast.NodeVisitor):
    """The plain names of one function's body, those of functions inside it left out."""

    def __init__(self, function):
        self.found = []
        for statement in function.body:
            self.visit(statement)

    def visit_Name(self, node):
        self.found.append(node)

    def leave(self, node):
        pass

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = leave  # noqa: N815
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_JoinedStr = leave  # noqa: N815


def _tables(table):
    yield table
    for child in table.get_children():
        yield from _tables(child)


@pytest.mark.parametrize(
    "module",
    ["argparse", "ast", "contextlib", "dataclasses", "enum", "functools", "tarfile", "typing", "asyncio/tasks"],
)
def test_scopes_agree_with_the_symbol_table_of_python(module):
    source = (LIBRARY / f"{module}.py").read_text(encoding="utf-8")
    tree, words = ast.parse(source), list(read_words(source))
    role_at = {word.start: role for word, role in zip(words, name_roles(tree, words), strict=True)}
    tables = [t for t in _tables(symtable.symtable(source, module, "exec")) if t.get_type() == "function"]
    unique = Counter((t.get_name(), t.get_lineno()) for t in tables)
    by_place = {(t.get_name(), t.get_lineno()): t for t in tables if unique[t.get_name(), t.get_lineno()] == 1}
    compared = 0
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        table = by_place.get((function.name, function.lineno))
        for name in _OwnNames(function).found if table else []:
            role = role_at[name.lineno, name.col_offset]
            if role in SCOPES and not name.id.startswith("__"):
                assert SCOPES[role](table.lookup(name.id)), (module, name.lineno, name.id, role)
                compared += 1
    assert compared > 100


def test_builtins_are_names_that_the_module_does_not_bind():
    source = (LIBRARY / "typing.py").read_text(encoding="utf-8")
    top = symtable.symtable(source, "typing", "exec")
    owned = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    used = [
        (word, role)
        for sequence in label_source(source)
        for word, role in zip(sequence.tokens, sequence.labels, strict=True)
    ]
    assert {word for word, role in used if role == "builtin"}.isdisjoint(owned)
    imported = {symbol.get_name() for t in _tables(top) for symbol in t.get_symbols() if symbol.is_imported()}
    assert {word for word, role in used if role == "module"} <= imported


@pytest.mark.parametrize("module", ["json/decoder", "dataclasses", "_pydecimal", "configparser"])
def test_every_name_and_attribute_is_labelled_in_its_own_token(module):
    source = (LIBRARY / f"{module}.py").read_text(encoding="utf-8")
    tree, words = ast.parse(source), list(read_words(source))
    roles = name_roles(tree, words)
    starts = {word.start: i for i, word in enumerate(words)}
    ends = {word.end: i for i, word in enumerate(words)}
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            i = starts[node.lineno, node.col_offset]
            assert (words[i].text, roles[i] in ROLES) == (node.id, True)
        if isinstance(node, ast.Attribute):
            i = ends[node.end_lineno, node.end_col_offset]
            assert words[i].text == node.attr
            assert roles[i] in {"attribute", "method", "annotation", "decorator", "base", "exception"}
        pending += [] if isinstance(node, ast.JoinedStr) else ast.iter_child_nodes(node)


def test_tokens_carry_their_line_module_and_place():
    sequences = label_source("import a\n\n\ndef f():\n    '''Doc.'''\n    return (1,\n        2)\n", "pkg.mod")
    assert [s.tokens[0] for s in sequences] == ["import", "def"]
    assert sequences[1].lines == (4,) * 5 + (6,) * 4 + (7,) * 2
    assert [(s.group, s.id) for s in sequences] == [("pkg.mod", "pkg.mod:1"), ("pkg.mod", "pkg.mod:4")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_count(end):
    sequences = label_source(f"x = 1{end}y = 2  # z{end}")
    assert [(s.tokens, s.lines) for s in sequences] == [(("x", "=", "1"), (1, 1, 1)), (("y", "=", "2"), (2, 2, 2))]


def test_a_statement_is_one_sequence_with_its_decorator_and_branches():
    sequences = label_source("@a\ndef f():\n    pass\nif x:\n    y\nelse:\n    z\na; b\n")
    assert [" ".join(s.tokens) for s in sequences] == ["@ a def f ( ) : pass", "if x : y else : z", "a ; b"]


def test_a_long_statement_is_cut_where_the_code_is_indented_least():
    method = "    @d\n    def f(self):\n" + "        x = 1\n        if x:\n            y = 2\n" * 10
    sequences = label_source("class A:\n" + method * 3)
    assert [len(s) for s in sequences] == [3 + 8 + 90, 8 + 90, 8 + 90]
    assert [s.tokens[0] for s in sequences] == ["class", "@", "@"]


def test_a_statement_without_a_better_place_is_cut_late():
    sequences = label_source("def f():\n" + "    if x:\n        y = 2\n" * 60)
    assert [s.tokens[0] for s in sequences] == ["def", "if", "if"]
    assert [len(s) for s in sequences] == [5 + 24 * 6, 25 * 6, 11 * 6]


def test_a_long_logical_line_is_cut_hard():
    sequences = label_source("x = [" + "1, " * 200 + "]")
    assert [len(s) for s in sequences] == [150, 150, 104]
    assert sum((s.tokens for s in sequences), ())[:5] == ("x", "=", "[", "1", ",")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("'a  b'", "'a␣b'"),
        ("'''a\n\tb'''", "'''a␣b'''"),
        ("'" + "x" * 38 + "'", "'" + "x" * 38 + "'"),
        ("'" + "x" * 39 + "'", "'" + "x" * 37 + "…'"),
        ('"""' + "x" * 90 + '"""', '"""' + "x" * 33 + '…"""'),
        ("b'\u2028\x0c'", "b'␣'"),
    ],
)
def test_strings_are_shortened(text, short):
    assert shorten(text) == short
    assert len(short) <= LONGEST_STRING and not any(character.isspace() for character in short)


@pytest.mark.parametrize("source", ["def f(:", "x = '", "\0", "    x"])
def test_source_that_does_not_parse_is_refused(source):
    with pytest.raises(DataError, match=r"^mod must be valid source for the running Python; got "):
        label_source(source, "mod")


def test_nothing_but_comments_and_docstrings_gives_no_sequence():
    assert label_source("# hello\n'''Doc.'''\n") == []
    assert label_source("") == []


def test_the_library_is_listed_without_tests_tables_and_platform_files(tmp_path):
    for name in (
        "b.py", "a.py", "pkg/__init__.py", "pkg/c.py", "pkg/test/d.py", "tests/e.py", "site-packages/f.py",
        "__pycache__/g.py", "encodings/cp1.py", "_data-linux.py", "h.txt", "idlelib/idle_test/i.py",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    modules = standard_library(tmp_path)
    assert list(modules) == ["a", "b", "pkg", "pkg.c"]
    assert modules["pkg"] == tmp_path / "pkg" / "__init__.py"


def test_the_part_of_a_module_never_changes():
    assert [split_of(name) for name in ("ast", "json.decoder", "stat", "string")] == ["train", "train", "dev", "test"]
    counts = Counter(map(split_of, standard_library(LIBRARY)))
    assert 0.7 < counts["train"] / counts.total() < 0.9 and min(counts["dev"], counts["test"]) > 20


def test_a_part_is_filled_up_to_its_limit_from_many_modules():
    modules = standard_library(LIBRARY)
    corpus = take(modules, "dev", 6000)
    assert 6000 - LONGEST_SEQUENCE <= corpus.n_tokens <= 6000
    shares = Counter()
    for sequence in corpus:
        shares[sequence.group] += len(sequence)
    assert {split_of(name) for name in shares} == {"dev"}
    assert max(shares.values()) < 6000 / 12 + 2 * LONGEST_SEQUENCE


def test_without_a_limit_every_module_is_taken_whole(tmp_path):
    names = [f"m{i}" for i in range(40)]
    for name in names:
        (tmp_path / f"{name}.py").write_text("x = 1\n" * 50)
    modules = standard_library(tmp_path)
    parts = {split: take(modules, split, None) for split in ("train", "dev", "test")}
    assert sum(len(part) for part in parts.values()) == 40 * 50
    assert all(set(part.labels[0]) == {"global", "assignment", "number"} for part in parts.values())


def test_a_file_that_cannot_be_labelled_is_left_out_and_logged(tmp_path, caplog):
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "bad.py").write_text("x = = 1\n")
    (tmp_path / "ugly.py").write_bytes(b"# coding: utf-8\nx = '\xff'\n")
    modules = standard_library(tmp_path)
    with caplog.at_level("INFO", logger="seqtag"):
        parts = [take(modules, split, None) for split in ("train", "dev", "test")]
    assert [s.group for part in parts for s in part] == ["good"]
    assert {record.getMessage().split(" is left out: ")[0] for record in caplog.records} == {
        str(tmp_path / "bad.py"),
        str(tmp_path / "ugly.py"),
    }


def test_the_corpus_does_not_depend_on_the_seed_of_hashing():
    code = (
        "from seqtag.data.python_code import *; import hashlib, sysconfig, pathlib;"
        "modules = standard_library(pathlib.Path(sysconfig.get_path('stdlib')));"
        "print(hashlib.sha256(repr([take(modules, s, 5000) for s in ('train', 'test')]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, cwd=Path(__file__).parents[1],
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1
    assert DOCSTRING not in ROLES
