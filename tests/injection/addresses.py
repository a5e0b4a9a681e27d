"""Every address of the service and every parameter that it reads, found and not listed."""

import ast
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode

from django.urls import URLPattern, URLResolver, get_resolver

from config.env import BASE_DIR

_PLACE = re.compile(r"<(?:\w+:)?\w+>|\(\?P<\w+>[^)]*\)")


def routes() -> list[str]:
    """The route of every view, its parameters as `{}`."""
    return sorted(set(_routes(get_resolver().url_patterns, "")))


def _routes(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + _PLACE.sub("{}", str(pattern.pattern)).replace("^", "").rstrip("$")
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield f"/{route}"


def filled(route: str, payload: str) -> str:
    """The address with the payload in the place of each of its parameters."""
    text = quote(payload.encode("utf-8", errors="surrogatepass"), safe="")
    return route.replace("{}", text or "x")


def asking(address: str, query: Mapping[str, str]) -> str:
    """The address with a query, whatever characters it holds."""
    return f"{address}?{urlencode(query, errors='surrogatepass')}"


def parameters_read() -> tuple[set[str], list[str]]:
    """The names that our code reads of request.GET or POST, and the places it cannot be told."""
    names: set[str] = set()
    unclear: list[str] = []
    for path in sorted((BASE_DIR / "apps").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        readers = {
            node.name: _parameter_of(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for node in ast.walk(tree):
            key = _key_read(node)
            if isinstance(key, ast.Constant):
                names.add(str(key.value))
            elif isinstance(key, ast.Name):
                function = next((f for f, given in readers.items() if key.id in given), None)
                found = _given(tree, function) if function else set()
                names |= found
                unclear += [] if found else [f"{path.name}:{node.lineno}"]
            elif key is not None:
                unclear.append(f"{path.name}:{node.lineno}")
    return names, unclear


def _parameter_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The parameters of a function that takes the request first."""
    names = [argument.arg for argument in function.args.args]
    return names[1:] if names[:1] == ["request"] else []


def _key_read(node: ast.AST) -> ast.expr | None:
    """The key of `request.GET.get(key)` and the like; None for anything else."""
    if isinstance(node, ast.Subscript) and _is_query(node.value):
        return node.slice
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr in ("get", "getlist", "pop") and _is_query(node.func.value):
        return node.args[0]
    return None


def _is_query(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("GET", "POST")


def _given(tree: ast.Module, function: str) -> set[str]:
    """The constants that a function is called with behind the request."""
    return {
        str(argument.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == function
        for argument in node.args[1:]
        if isinstance(argument, ast.Constant)
    }
