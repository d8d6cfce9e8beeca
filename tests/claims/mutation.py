"""Break a formula in every small way, and see whether a test notices.

A claim's test holds the form of the notes in functions called ``noted…`` and, where
that one does not hold, what holds in functions called ``corrected…``. A mutant is the
test with one small change in one of them, or with one put in the other's place.
"""

import ast
import copy
import functools
import inspect
import textwrap
from pathlib import Path

import pytest

CHECKS = ("whole", "pair", "check_groups")  # of the package's arguments
FOLDER = Path(__file__).parent
SWAPS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Add,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
NAMES = {
    "floor": "ceil", "ceil": "floor", "max": "min", "min": "max",
    "valid": "full", "same": "valid", "full": "valid",
}  # fmt: skip


def changes(node):
    """Yield what may stand in a node's place, each a mistake that one could make."""
    if isinstance(node, ast.BinOp | ast.BoolOp):
        for other in SWAPS.get(type(node.op), ()):
            yield _with(node, op=other())
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in SWAPS.get(type(node.ops[0]), ()):
            yield _with(node, ops=[other()])
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        yield node.operand
    elif isinstance(node, ast.Constant):
        if type(node.value) in (int, float):
            yield from (_with(node, value=node.value + d) for d in (1, -1))
        elif node.value in NAMES:
            yield _with(node, value=NAMES[node.value])
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield _with(node, attr=NAMES[node.attr])
    elif isinstance(node, ast.Name) and node.id in NAMES:
        yield _with(node, id=NAMES[node.id])
    elif isinstance(node, ast.Call):
        if node.args and not isinstance(node.args[0], ast.GeneratorExp | ast.Starred):
            yield node.args[0]
        for i in range(len(node.keywords)):
            yield _with(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) > 1:
        if isinstance(node.ctx, ast.Load):
            for i in range(len(node.elts)):
                yield _with(node, elts=node.elts[:i] + node.elts[i + 1 :])
    elif isinstance(node, ast.Dict) and len(node.keys) > 1:
        rotated = node.values[1:] + node.values[:1]
        yield _with(node, values=rotated)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield _with(node, value=ast.Constant(None))


def _with(node, **fields):
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


class _Replace(ast.NodeTransformer):
    """Put one node in the place of another."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        """Replace, or look further down."""
        return self.new if node is self.old else self.generic_visit(node)


def mutants(function):
    """Yield the definition of a function with one change each, and what was changed."""
    for index, node in enumerate(ast.walk(function)):
        if node is function or _is_declared(node, function):
            continue
        for change in range(len(list(changes(node)))):
            mutant = copy.deepcopy(function)
            old = list(ast.walk(mutant))[index]
            new = list(changes(old))[change]
            told = f"{ast.unparse(old)} -> {ast.unparse(new)}"
            yield ast.fix_missing_locations(_Replace(old, new).visit(mutant)), told


def _is_declared(node, function):
    """Tell whether a node is part of a signature, a docstring or a check of input."""
    parts = [function.args, *function.decorator_list]
    parts += [s for s in function.body if isinstance(s, ast.Expr)]
    parts += [
        s
        for s in ast.walk(function)
        if (isinstance(s, ast.If) and isinstance(s.body[-1], ast.Raise))
        or (isinstance(s, ast.Call) and getattr(s.func, "id", "") in CHECKS)
    ]
    return any(node is each for part in parts for each in ast.walk(part))


@functools.cache
def claim_tests():
    """Map each claim's test, "file::name", to its definition."""
    found = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        if path.name in ("test_ledger.py", "test_mutations.py"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[f"tests/claims/{path.name}::{node.name}"] = node
    return found


def forms(test, prefix):
    """List the functions inside a test whose names begin so."""
    return [
        node
        for node in test.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith(prefix)
    ]


def names(test):
    """List the names that a test uses."""
    return {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}


def broken_tests(test):
    """Yield each mutant of a claim's test that must fail, and what was changed.

    Every form is mutated, also one that fails: a test that does not notice would prove
    the failure of something else. And where both are there, the noted form stands in
    for the corrected one, and the other way round.
    """
    for form in forms(test, "noted") + forms(test, "corrected"):
        for mutant, told in mutants(form):
            yield _swap(test, form, mutant), f"{form.name}: {told}"
    for old, new in [("corrected", "noted"), ("noted", "corrected")]:
        pairs = {f.name: f for f in forms(test, new)}
        for form in forms(test, old):
            if form.name.replace(old, new) in pairs:
                other = copy.deepcopy(pairs[form.name.replace(old, new)])
                other.name = form.name
                yield _swap(test, form, other), f"{new} in place of {form.name}"


def _swap(test, old, new):
    """Copy a test with another definition inside it."""
    body = [new if node is old else node for node in test.body]
    return ast.fix_missing_locations(_with(test, body=body))


def fails(key, test):
    """Run a test from its definition, in a module like its own; tell if it fails."""
    path = FOLDER / key.partition("::")[0].rpartition("/")[2]
    tree = ast.parse(path.read_text())
    tree.body = [test if getattr(n, "name", "") == test.name else n for n in tree.body]
    module = {"__name__": "mutant"}
    exec(compile(tree, str(path), "exec"), module)
    try:
        module[test.name]()
    except (Exception, pytest.fail.Exception):
        return True
    return False


def mutate_package(function):
    """Yield a function of the package, code that breaks it, and what was changed.

    Put the code into the function itself: then all who have imported it see it.
    """
    inner = inspect.unwrap(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(inner)))
    definition = tree.body[0]
    definition.decorator_list = []
    for mutant, told in mutants(definition):
        scope = {}
        exec(
            compile(ast.Module([mutant], []), inner.__code__.co_filename, "exec"),
            inner.__globals__,
            scope,
        )
        yield inner, scope[inner.__name__].__code__, f"{inner.__name__}: {told}"
