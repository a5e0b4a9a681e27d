"""Whether an expression of Python is text that its author wrote, and no data ever joined."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.Lambda | ast.ClassDef | ast.Module
# psycopg.sql's classes quote what they are given, all but SQL itself.
COMPOSABLES = frozenset({"SQL", "Composed", "Composable", "Identifier", "Literal", "Placeholder"})
QUOTING = frozenset({"Identifier", "Literal", "Placeholder", "Composed"})
# What leaves text the text that it was.
UNCHANGING = frozenset({"strip", "encode", "decode", "as_string", "as_bytes", "lower", "upper"})
DEEPEST = 20


class Text(IntEnum):
    """The worst of an expression's parts: written, not to be followed, or formatted."""

    WRITTEN = 0
    UNKNOWN = 1
    FORMATTED = 2


@dataclass
class Names:
    """The values that each name of a scope is bound to; None for one that data may come through."""

    values: dict[str, list[ast.expr | None]] = field(default_factory=dict)

    def add(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.values.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            for element in target.elts:
                self.add(element, None)
        elif isinstance(target, ast.Starred):
            self.add(target.value, None)
        elif isinstance(target, ast.Subscript):
            self.add(target.value, value)


def composes(annotation: ast.expr | None) -> bool:
    """Whether an annotation allows only psycopg.sql's composed statements."""
    if isinstance(annotation, ast.BinOp):
        return composes(annotation.left) and composes(annotation.right)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.rpartition(".")[2] in COMPOSABLES
    return name_of(annotation) in COMPOSABLES


def name_of(node: ast.AST | None) -> str:
    """The last name of `a.b.c` or of `c`; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class Source:
    """One parsed module, that follows names to what they are bound to."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self._parents = {
            child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
        }
        self._names: dict[ast.AST, Names] = {}
        self._following: list[str] = []
        self._renamed = dict(_renamed_imports(tree))
        self._private = {
            node.name: node for node in ast.walk(tree)
            if isinstance(node, Function) and literal_parameters(node)
        }  # fmt: skip
        self._returns_composed = {
            node.name for node in ast.walk(tree) if isinstance(node, Function)
            and composes(node.returns)
        }  # fmt: skip
        self._composed_fields = {
            name_of(node.target) for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)
            and composes(node.annotation)
        }  # fmt: skip

    def called(self, call: ast.Call) -> str:
        """The last name of what is called, as its own module calls it."""
        name = name_of(call.func)
        return self._renamed.get(name, name) if isinstance(call.func, ast.Name) else name

    def literal_arguments(self, call: ast.Call) -> list[ast.expr]:
        """What a call gives to this module's parameters that are declared LiteralString."""
        function = self._private.get(self.called(call))
        if function is None:
            return []
        wanted = literal_parameters(function)
        names = [item.arg for item in [*function.args.posonlyargs, *function.args.args]]
        if isinstance(call.func, ast.Attribute) and names[:1] in (["self"], ["cls"]):
            names = names[1:]
        by_place = [a for name, a in zip(names, call.args, strict=False) if name in wanted]
        return by_place + [item.value for item in call.keywords if item.arg in wanted]

    def is_called(self, function: ast.expr) -> bool:
        """Whether the expression is called where it stands."""
        parent = self._parents.get(function)
        return isinstance(parent, ast.Call) and parent.func is function

    def judge(self, node: ast.expr, depth: int = 0) -> Text:
        """How far the expression is from text that stands in the source."""
        if depth > DEEPEST:
            return Text.UNKNOWN
        if isinstance(node, ast.Constant):
            return Text.WRITTEN
        if isinstance(node, ast.JoinedStr):
            return self._joined(node.values, depth)
        if isinstance(node, ast.FormattedValue):
            return self.judge(node.value, depth + 1)
        if isinstance(node, ast.BinOp):
            return self._operation(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.Name):
            return self._name(node, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, depth)
        return self._worst(_parts(node), depth)

    def _worst(self, parts: list[ast.expr] | None, depth: int) -> Text:
        if parts is None:
            return Text.UNKNOWN
        return max((self.judge(part, depth + 1) for part in parts), default=Text.WRITTEN)

    def _joined(self, parts: list[ast.expr], depth: int) -> Text:
        """Text of several parts: with one that is not written, it is formatted."""
        return Text.FORMATTED if self._worst(parts, depth) else Text.WRITTEN

    def _operation(self, node: ast.BinOp, depth: int) -> Text:
        if isinstance(node.op, ast.Mult):
            # "%s, " * count: what is repeated counts, and how often does not.
            return min(self.judge(node.left, depth + 1), self.judge(node.right, depth + 1))
        if isinstance(node.op, ast.Add) and (self._composed(node.left) or self._composed(node)):
            return self._worst([node.left, node.right], depth)
        return self._joined([node.left, node.right], depth)

    def _composed(self, node: ast.expr) -> bool:
        """Whether the expression is a composed statement, to whose methods any value may go."""
        if isinstance(node, ast.BinOp):
            return self._composed(node.left) and self._composed(node.right)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join"):
                return self._composed(node.func.value)
            return self.called(node) in COMPOSABLES | self._returns_composed
        if isinstance(node, ast.Name):
            if node.id in self._following:
                return True
            bound = self._bound(node)
            with self._follow(node.id):
                return bool(bound) and all(value and self._composed(value) for value in bound)
        return isinstance(node, ast.Attribute) and node.attr in self._composed_fields

    def _call(self, node: ast.Call, depth: int) -> Text:
        name = self.called(node)
        if name == "SQL":
            return self._worst(node.args, depth)
        if name in QUOTING or name in self._returns_composed:
            return Text.WRITTEN
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func, depth)
        if name in ("list", "tuple", "dedent", "str"):
            return self._worst(node.args, depth)
        return Text.UNKNOWN

    def _method(self, node: ast.Call, function: ast.Attribute, depth: int) -> Text:
        if function.attr in UNCHANGING or (function.attr == "dedent" and node.args):
            text = node.args[0] if function.attr == "dedent" else function.value
            return self.judge(text, depth + 1)
        if function.attr in ("format", "join", "replace", "format_map", "removesuffix"):
            if self._composed(function.value):
                return self.judge(function.value, depth + 1)
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            return self._joined([function.value, *values], depth)
        return Text.UNKNOWN

    def _name(self, node: ast.Name, depth: int) -> Text:
        if node.id in self._following:
            # text = text + "…": what it was before is judged already.
            return Text.WRITTEN
        bound = self._bound(node)
        known = [value for value in bound if value is not None]
        with self._follow(node.id):
            worst = self._worst(known, depth)
        return worst if bound and len(known) == len(bound) else max(Text.UNKNOWN, worst)

    @contextmanager
    def _follow(self, name: str) -> Iterator[None]:
        self._following.append(name)
        try:
            yield
        finally:
            self._following.pop()

    def _attribute(self, node: ast.Attribute, depth: int) -> Text:
        if node.attr in self._composed_fields or node.attr == "noop":
            return Text.WRITTEN
        # self.QUERY and Model.QUERY: what the class of this module says, unless anybody sets it.
        bound = [
            statement.value
            for owner in ast.walk(self.tree)
            if isinstance(owner, ast.ClassDef)
            for statement in owner.body
            if isinstance(statement, ast.Assign) and _assigns(statement, node.attr)
        ]
        is_set = any(
            isinstance(other, ast.Attribute)
            and other.attr == node.attr
            and isinstance(other.ctx, ast.Store)
            for other in ast.walk(self.tree)
        )
        owned = isinstance(node.value, ast.Name)
        return self._worst(bound, depth) if bound and owned and not is_set else Text.UNKNOWN

    def _bound(self, node: ast.Name) -> list[ast.expr | None]:
        """What the name is bound to in the innermost scope that binds it; [] when none does."""
        scope: ast.AST | None = self._parents.get(node)
        innermost = True
        while scope is not None:
            if isinstance(scope, Scope) and (innermost or not isinstance(scope, ast.ClassDef)):
                names = self._names_of(scope)
                if node.id in names.values:
                    return names.values[node.id]
                innermost = False
            scope = self._parents.get(scope)
        return []

    def _names_of(self, scope: Scope) -> Names:
        if scope not in self._names:
            self._names[scope] = _bindings(scope)
        return self._names[scope]


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """The expressions that an expression may be, or is made of; None where it cannot be said."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return node.elts
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return [node.elt]
    if isinstance(node, ast.Starred | ast.NamedExpr | ast.Await):
        return [node.value]
    if isinstance(node, ast.Dict):
        return node.values
    if isinstance(node, ast.Subscript):
        return [node.value]
    return None


def _assigns(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in statement.targets)


def _renamed_imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, alias.name


def _own_nodes(scope: Scope) -> Iterator[ast.AST]:
    """The nodes of a scope without those of the scopes inside it, but with their names."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Scope):
            waiting += ast.iter_child_nodes(node)


def _bindings(scope: Scope) -> Names:
    names = Names()
    if isinstance(scope, Function | ast.Lambda):
        _bind_parameters(scope, names)
    for node in _own_nodes(scope):
        _bind(node, names)
    return names


def _bind_parameters(function: Function | ast.Lambda, names: Names) -> None:
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    written = [] if isinstance(function, ast.Lambda) else literal_parameters(function)
    for argument in filter(None, [*listed, arguments.vararg, arguments.kwarg]):
        value: ast.expr | None = None
        if composes(argument.annotation):
            # mypy lets only composed statements through.
            value = ast.Call(ast.Name("Composed"), [], [])
        elif argument.arg in written:
            value = ast.Constant(argument.arg)
        names.values[argument.arg] = [value]


def literal_parameters(function: Function) -> list[str]:
    """A private function's parameters declared LiteralString; who calls it is judged instead."""
    if not function.name.startswith("_"):
        return []
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [item.arg for item in arguments if name_of(item.annotation) == "LiteralString"]


def _bind(node: ast.AST, names: Names) -> None:
    """What one node binds."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            names.add(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        names.add(node.target, node.value)
    elif isinstance(node, ast.AugAssign):
        names.add(node.target, ast.BinOp(node.value, node.op, node.value))
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        # Each element of what is written is written.
        names.add(node.target, node.iter if isinstance(node.target, ast.Name) else None)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # What is put into a list may be joined to a statement.
        if node.func.attr in ("append", "extend", "insert") and node.args:
            names.add(node.func.value, node.args[-1])
    else:
        for name in _bound_to_anything(node):
            names.add(ast.Name(name), None)


def _bound_to_anything(node: ast.AST) -> list[str]:
    """The names that a node binds to what cannot be followed."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
        return [node.optional_vars.id]
    if isinstance(node, ast.ExceptHandler) and node.name:
        return [node.name]
    return node.names if isinstance(node, ast.Global | ast.Nonlocal) else []
