"""Finds synchronous use of the database in code that runs on the event loop.

It reads the code, from every coroutine function through the synchronous functions that it calls,
by names and not by types: a queryset is what comes from a manager, or is annotated as one. What is
handed to `sync_to_async` or `in_transaction` runs beside the loop and is not followed.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
MANAGERS = {"objects", "_default_manager", "_base_manager"}
# They ask the database at once when a queryset or a manager is asked.
ASKING = {
    *("get", "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update"),
    *("in_bulk", "count", "exists", "contains", "first", "last", "latest", "earliest"),
    *("aggregate", "update", "delete", "explain", "iterator"),
}
# Nothing but a model, or what writes one, has methods of these names.
WRITING = {"save", "delete", "refresh_from_db", "full_clean", "validate_unique"}
# They go through what they are given, and so load it.
LOADING = {
    *("list", "tuple", "set", "frozenset", "dict", "sorted", "len", "bool", "sum", "min", "max"),
    *("any", "all", "enumerate", "zip", "map", "filter", "next", "iter", "reversed"),
}
BLOCKING = {
    "django.shortcuts.render": "renders a template, which may load what nobody has loaded yet",
    "django.shortcuts.get_object_or_404": "asks the database",
    "django.shortcuts.get_list_or_404": "asks the database",
    "django.template.loader.render_to_string": "renders a template, which may ask the database",
    "django.db.connection.cursor": "opens a cursor",
    "django.contrib.auth.authenticate": "asks the database",
    "django.contrib.auth.login": "writes a session",
    "django.contrib.auth.logout": "writes a session",
}
ATOMIC = "django.db.transaction.atomic"
BESIDE_THE_LOOP = {"sync_to_async"}


@dataclass(frozen=True)
class BlockingCall:
    """One use of the database that would run on the event loop, and the way to it."""

    path: Path
    line: int
    code: str
    reason: str
    way: tuple[str, ...]


@dataclass
class Module:
    """One module: its functions by qualified name, and what its names stand for elsewhere."""

    name: str
    path: Path
    functions: dict[str, Function] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)

    def full_name(self, node: ast.expr) -> str:
        """The dotted name that an expression stands for; empty for anything else."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id, f"{self.name}.{node.id}")
        if isinstance(node, ast.Attribute):
            owner = self.full_name(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""


def read_module(path: Path, root: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    module = Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path)
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                module.imports[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    _gather(tree, "", module.functions)
    return module


def _gather(node: ast.AST, prefix: str, functions: dict[str, Function]) -> None:
    """Every function under the node, those in classes and functions as `Outer.inner`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if isinstance(child, Function):
                functions[name] = child
            _gather(child, f"{name}.", functions)
        else:
            _gather(child, prefix, functions)


def source_files(root: Path, folders: Iterable[str]) -> list[Path]:
    """The project's own modules; migrations never run on the loop."""
    return sorted(
        path
        for folder in folders
        for path in (root / folder).rglob("*.py")
        if "migrations" not in path.parts
    )


def blocking_calls(paths: Iterable[Path], root: Path) -> list[BlockingCall]:
    """Every synchronous use of the database that a coroutine function reaches, by place.

    Raises SyntaxError for a file that is no Python.
    """
    modules = {module.name: module for module in (read_module(path, root) for path in paths)}
    waiting: list[tuple[Module, str, tuple[str, ...]]] = [
        (module, name, (f"{module.name}.{name}",))
        for module in modules.values()
        for name, function in module.functions.items()
        if isinstance(function, ast.AsyncFunctionDef)
    ]
    seen: set[tuple[str, str]] = set()
    found: list[BlockingCall] = []
    while waiting:
        module, name, way = waiting.pop(0)
        if (module.name, name) in seen:
            continue
        seen.add((module.name, name))
        body = _Body(module, name, modules)
        found += [
            BlockingCall(module.path, node.lineno, ast.unparse(node), reason, way)
            for node, reason in body.blocking()
        ]
        waiting += [
            (other, called, (*way, f"{other.name}.{called}")) for other, called in body.calls
        ]
    return sorted(found, key=lambda call: (str(call.path), call.line, call.code))


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes that run when the function runs: not those of functions made inside."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


class _Body:
    """One function's body as it runs on the loop."""

    def __init__(self, module: Module, name: str, modules: Mapping[str, Module]) -> None:
        self._module, self._name, self._modules = module, name, modules
        function = module.functions[name]
        self._nodes = list(_own_nodes(function))
        self._querysets = _annotated(function.args)
        assignments = [node for node in self._nodes if isinstance(node, ast.Assign)]
        # Twice, because a name may be made of one that stands deeper in the code.
        for node in [*assignments, *assignments]:
            if self._is_queryset(node.value):
                self._querysets |= {t.id for t in node.targets if isinstance(t, ast.Name)}

    @property
    def calls(self) -> Iterator[tuple[Module, str]]:
        """The project's functions that the body calls on the loop."""
        for node in self._nodes:
            if isinstance(node, ast.Call):
                target = self._resolve(node.func)
                if target is not None and not _runs_beside(*target):
                    yield target

    def _resolve(self, callee: ast.expr) -> tuple[Module, str] | None:
        full = self._module.full_name(callee)
        if not full:
            return None
        local = full.removeprefix(f"{self._module.name}.")
        owner = self._name.rpartition(".")[0]
        if local.startswith(("self.", "cls.")):
            local = f"{owner}.{local.partition('.')[2]}"
        for candidate in (f"{self._name}.{local}", f"{owner}.{local}", local):
            if candidate in self._module.functions:
                return self._module, candidate
        name, _, function = full.rpartition(".")
        other = self._modules.get(name)
        return (other, function) if other and function in other.functions else None

    def blocking(self) -> Iterator[tuple[ast.expr, str]]:
        for node in self._nodes:
            reason = ""
            if isinstance(node, ast.Call):
                reason = self._blocking_call(node)
            elif isinstance(node, ast.expr):
                reason = self._blocking_expression(node)
            elif isinstance(node, ast.For) and self._is_queryset(node.iter):
                yield node.iter, "goes through a queryset; write: async for"
            elif isinstance(node, ast.If | ast.While) and self._is_queryset(node.test):
                yield node.test, "loads a queryset; write: await ….aexists()"
            elif isinstance(node, ast.With):
                for item in node.items:
                    if self._module.full_name(_called(item.context_expr)) == ATOMIC:
                        yield item.context_expr, "begins a transaction; write: in_transaction"
            if reason and isinstance(node, ast.expr):
                yield node, reason

    def _blocking_call(self, node: ast.Call) -> str:
        full = self._module.full_name(node.func)
        if full in BLOCKING:
            return BLOCKING[full]
        if isinstance(node.func, ast.Name):
            loads = node.func.id in LOADING and full not in self._module.imports.values()
            return "loads a queryset" if loads and any(map(self._is_queryset, node.args)) else ""
        if not isinstance(node.func, ast.Attribute):
            return ""
        method, receiver = node.func.attr, node.func.value
        if method in WRITING and not _is_super(receiver):
            return f"writes; write: await ….a{method}()" if method in ("save", "delete") else "asks"
        if method in ASKING and self._is_queryset(receiver):
            return f"asks the database; write: await ….a{method}()"
        if _is_session(receiver) and not method.startswith("a"):
            return f"may load the session; write: await request.session.a{method}()"
        return ""

    def _blocking_expression(self, node: ast.expr) -> str:
        if isinstance(node, ast.Attribute) and node.attr == "user" and _is_request(node.value):
            return "loads who has signed in; write: await request.auser()"
        if isinstance(node, ast.Subscript):
            if _is_session(node.value):
                return "loads the session; write: await request.session.aget()"
            if self._is_queryset(node.value) and not isinstance(node.slice, ast.Slice):
                return "loads one row of a queryset"
        if isinstance(node, ast.Starred) and self._is_queryset(node.value):
            return "loads a queryset"
        if isinstance(node, ast.Compare) and any(map(self._is_queryset, node.comparators)):
            return "loads a queryset; write: await ….acontains()" if _asks_in(node) else ""
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            first = node.generators[0]
            if not first.is_async and self._is_queryset(first.iter):
                return "goes through a queryset; write: async for"
        return ""

    def _is_queryset(self, node: ast.expr) -> bool:
        """Whether the expression is a manager or a queryset that is not loaded, by its names."""
        if isinstance(node, ast.Name):
            return node.id in self._querysets
        if isinstance(node, ast.Attribute):
            return node.attr in MANAGERS
        if isinstance(node, ast.Subscript):
            return isinstance(node.slice, ast.Slice) and self._is_queryset(node.value)
        if isinstance(node, ast.Call):
            target = self._resolve(node.func)
            if target is not None:
                function = target[0].functions[target[1]]
                return function.returns is not None and _names_a_queryset(function.returns)
            if isinstance(node.func, ast.Attribute) and node.func.attr not in ASKING:
                asked = node.func.attr.startswith("a") and node.func.attr[1:] in ASKING
                return not asked and self._is_queryset(node.func.value)
        return False


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _annotated(arguments: ast.arguments) -> set[str]:
    """The parameters that are annotated as querysets."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {a.arg for a in every if a.annotation is not None and _names_a_queryset(a.annotation)}


def _names_a_queryset(annotation: ast.expr) -> bool:
    named = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")
    return str(name).endswith("QuerySet")


def _runs_beside(module: Module, name: str) -> bool:
    """Whether the function's decorators take it off the loop."""
    for decorator in module.functions[name].decorator_list:
        if module.full_name(_called(decorator)).rpartition(".")[2] in BESIDE_THE_LOOP:
            return True
    return False


def _asks_in(node: ast.Compare) -> bool:
    return any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops)


def _is_request(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "request") or (
        isinstance(node, ast.Attribute) and node.attr == "request"
    )


def _is_session(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "session" and _is_request(node.value)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "super"
