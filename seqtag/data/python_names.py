"""The role of every name in a Python module, by its place in the tree and by Python's rules of scope."""

from __future__ import annotations

import ast
import builtins
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

DOCSTRING = "docstring"
"""Put on the tokens of docstrings, which are no part of the corpus."""

_VARIABLES = frozenset({"parameter_use", "local", "comprehension", "free"})
# What ``site`` and interactive sessions add depends on how Python was started.
_BUILTINS = frozenset(dir(builtins)) - {"_", "copyright", "credits", "exit", "help", "license", "quit"}
_IMPLICIT_GLOBALS = ("__name__", "__doc__", "__file__", "__package__", "__spec__", "__loader__", "__path__")

Place = tuple[int, int]


class Word(NamedTuple):
    """A token: where it starts and ends (line from 1, column in UTF-8 bytes, as ``ast`` counts)."""

    kind: int
    text: str
    start: Place
    end: Place
    first: bool
    indent: int


def name_roles(tree: ast.Module, words: list[Word]) -> list[str | None]:
    """Return the role of each token that the tree knows, `DOCSTRING` on docstrings, and None on the rest.

    Parameters
    ----------
    tree : ast.Module
        The parsed module.
    words : list of Word
        Its tokens, comments and line ends left out.
    """
    names = _Names(words)
    names.visit(tree)
    names.settle()
    return names.roles


@dataclass
class _Scope:
    """Who owns a name: ``bound`` holds the role of each name that is defined here."""

    parent: _Scope | None
    role: str  # what a name is that is bound here and nothing more is known of
    bound: dict[str, str] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)  # by a global or nonlocal statement

    def root(self) -> _Scope:
        return self.parent.root() if self.parent else self

    def bind(self, name: str, role: str | None = None) -> None:
        statement = self.elsewhere.get(name)
        if statement == "global":
            self.root().bind(name)
        elif role == "module":
            self.bound[name] = role
        elif statement is None:
            self.bound.setdefault(name, role or self.role)

    def find(self, name: str) -> str:
        """Return the role of a name that is used here."""
        scope, own = self, True
        while scope.parent is not None and scope.elsewhere.get(name) != "global":
            body = scope.role == "class_variable"  # a class body is seen from nowhere but itself
            if name in scope.bound and (scope is self or not body):
                role = scope.bound[name]
                return role if own or role == "module" else "free"
            if body and name == "__class__":
                return "free"
            own = own and scope.role == "comprehension"  # a reader sees no border there, nor does Python 3.12
            scope = scope.parent
        return self.root().bound.get(name) or ("builtin" if name in _BUILTINS else "global")


class _Names(ast.NodeVisitor):
    """One walk over a module's tree. Plain names wait for its end: what binds one may stand after its use."""

    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.starts = {word.start: i for i, word in enumerate(words)}
        self.ends = {word.end: i for i, word in enumerate(words)}
        self.roles: list[str | None] = [None] * len(words)
        self.wishes: dict[int, str] = {}
        self.names: list[tuple[int, str, _Scope]] = []
        self.scope = _Scope(None, "global", dict.fromkeys(_IMPLICIT_GLOBALS, "global"))
        self.inside: str | None = None

    def settle(self) -> None:
        for i, name, scope in self.names:
            self.mark(i, _decide(self.wishes.get(i), scope.find(name)))

    # helpers: where a word is, and what is put on it

    def start(self, node: ast.AST) -> int:
        return self.starts[node.lineno, node.col_offset]  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.ends[node.end_lineno, node.end_col_offset]  # type: ignore[attr-defined]

    def after(self, i: int, text: str) -> int:
        return next(j for j in range(i, len(self.words)) if self.words[j].text == text) + 1

    def before(self, i: int, text: str) -> int:
        return next(j for j in range(i - 1, -1, -1) if self.words[j].text == text)

    def mark(self, i: int, role: str) -> None:
        if self.roles[i] is None:
            self.roles[i] = role

    def name(self, i: int, name: str, role: str | None = None) -> None:
        """Bind a name here and let its place be decided like any use of it."""
        self.scope.bind(name, role)
        self.names.append((i, name, self.scope))

    def wish(self, node: ast.expr, role: str) -> None:
        """Give a role to the last name of an expression, looking through calls and subscripts."""
        while isinstance(node, (ast.Call, ast.Subscript)):
            node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Name):
            self.wishes.setdefault(self.start(node), role)
        elif isinstance(node, ast.Attribute):
            self.mark(self.end(node), role)

    def all(self, nodes: Iterable[ast.AST | None], scope: _Scope | None = None, inside: str | None = None) -> None:
        """Visit nodes, in another scope or inside an annotation if one is given."""
        held = self.scope, self.inside
        self.scope, self.inside = scope or self.scope, inside or self.inside
        for node in nodes:
            if node is not None:
                self.visit(node)
        self.scope, self.inside = held

    # expressions

    def visit_Name(self, node: ast.Name) -> None:
        i = self.start(node)
        if not isinstance(node.ctx, ast.Load):
            self.scope.bind(node.id)
        if self.inside:
            self.wishes.setdefault(i, self.inside)
        self.names.append((i, node.id, self.scope))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.mark(self.end(node), self.inside or "attribute")
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self.wish(node.func, self.inside or "call")
        elif isinstance(node.func, ast.Attribute):
            self.wish(node.func, self.inside or "method")
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self.mark(self.start(node), "keyword_argument")
        self.visit(node.value)

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value is ...:
            self.mark(self.start(node), "constant")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Stop: a formatted string is one token, and before 3.12 the places inside it are wrong."""

    visit_TemplateStr = visit_JoinedStr  # noqa: N815

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        owner = self.scope
        while owner.role == "comprehension" and owner.parent:
            owner = owner.parent
        owner.bind(node.target.id)
        self.names.append((self.start(node.target), node.target.id, self.scope))
        self.visit(node.value)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.all([node.body], self.parameters(node.args))

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        inner = _Scope(self.scope, "comprehension")
        self.visit(node.generators[0].iter)  # the first is computed outside
        self.all([loop.iter for loop in node.generators[1:]], inner)
        self.all([part for loop in node.generators for part in (loop.target, *loop.ifs)], inner)
        self.all(results, inner)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp  # noqa: N815

    # definitions

    def visit_Module(self, node: ast.Module) -> None:
        self.body(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.decorators(node)
        i = self.after(self.start(node), "def")
        self.mark(i, "function")
        self.scope.bind(node.name)
        outer, self.scope = self.scope, self.type_parameters(node)
        inner = self.parameters(node.args)
        self.all([node.returns], inside="annotation")
        self.scope = inner
        self.body(node)
        self.scope = outer

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.decorators(node)
        self.mark(self.start(node) + 1, "class")
        self.scope.bind(node.name)
        outer, self.scope = self.scope, self.type_parameters(node)
        for base in node.bases:
            self.wish(base, "base")
        self.all([*node.bases, *node.keywords])
        self.scope = _Scope(self.scope, "class_variable")
        self.body(node)
        self.scope = outer

    def decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.wish(decorator, "decorator")
        self.all(node.decorator_list)

    def parameters(self, arguments: ast.arguments) -> _Scope:
        """Label the parameters, and return the scope in which they can be used."""
        inner = _Scope(self.scope, "local")
        variadic = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
        for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *variadic):
            self.mark(self.start(arg), "parameter")
            inner.bind(arg.arg, "parameter_use")
            self.all([arg.annotation], inside="annotation")
        self.all([*arguments.defaults, *arguments.kw_defaults])
        return inner

    def type_parameters(self, node: ast.AST) -> _Scope:
        """Label what Python 3.12 and later write in brackets after a name, if anything."""
        found = getattr(node, "type_params", [])
        inner = _Scope(self.scope, "comprehension") if found else self.scope
        for one in found:
            i = self.start(one)
            self.mark(i + (self.words[i].kind == tokenize.OP), "parameter")
            inner.bind(one.name, "parameter_use")
            self.all([getattr(one, "bound", None), getattr(one, "default_value", None)], inner, "annotation")
        return inner

    def body(self, node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        head = node.body[0] if node.body else None
        if isinstance(head, ast.Expr) and isinstance(head.value, ast.Constant) and isinstance(head.value.value, str):
            for i in range(self.start(head), self.end(head) + 1):
                self.mark(i, DOCSTRING)
        self.all(node.body)

    # statements

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.all([node.target, node.value])
        self.all([node.annotation], inside="annotation")

    def visit_TypeAlias(self, node) -> None:
        self.mark(self.start(node), "keyword")
        self.visit(node.name)
        self.all([node.value], self.type_parameters(node), "annotation")

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        statement = "global" if isinstance(node, ast.Global) else "nonlocal"
        for number, name in enumerate(node.names):
            self.scope.elsewhere[name] = statement
            self.name(self.start(node) + 1 + 2 * number, name)

    visit_Nonlocal = visit_Global  # noqa: N815

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            first, last = self.start(alias), self.end(alias)
            for i in range(first, last + 1):
                if self.words[i].kind == tokenize.NAME and self.words[i].text != "as":
                    self.mark(i, "import_name" if alias.asname and i == last else "import_module")
            self.scope.bind(alias.asname or alias.name.partition(".")[0], "module")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for i in range(self.start(node) + 1, self.start(node.names[0])):
            if self.words[i].kind == tokenize.NAME and self.words[i].text != "import":
                self.mark(i, "import_module")
        for alias in node.names:
            self.mark(self.start(alias), "import_name")
            self.mark(self.end(alias), "import_name")
            if alias.name != "*":
                self.scope.bind(alias.asname or alias.name)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc:
            self.wish(node.exc, "exception")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        for caught in node.type.elts if isinstance(node.type, ast.Tuple) else [node.type] if node.type else []:
            self.wish(caught, "exception")
        if node.name:
            self.name(self.after(self.start(node), "as"), node.name)
        self.generic_visit(node)

    # patterns: match, case and _ are keywords here and here only

    def visit_Match(self, node: ast.Match) -> None:
        self.mark(self.start(node), "keyword")
        for case in node.cases:
            self.mark(self.before(self.start(case.pattern), "case"), "keyword")
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.name(self.end(node), node.name)
        elif node.pattern is None:
            self.mark(self.start(node), "keyword")
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.name(self.end(node), node.name)
        else:
            self.mark(self.end(node), "keyword")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.name(self.before(self.end(node), "**") + 1, node.rest)
        self.generic_visit(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        for pattern in node.kwd_patterns:
            self.mark(self.before(self.start(pattern), "=") - 1, "keyword_argument")
        self.generic_visit(node)


def _decide(wish: str | None, found: str) -> str:
    """Settle a plain name between what its place asks for and what its scope says."""
    if wish is None or (wish == "call" and found == "builtin") or (wish == "exception" and found in _VARIABLES):
        return found
    return wish
