"""Objects of a user's own, named by `path/to/file.py:name` or `package.module:name`.

One form for rewards, scene sources and prompt builders: a function that is called with its keyword arguments, a class
that is constructed with them, or an object that is there already.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import Ar1RlError, ConfigError


def is_spec(text: str) -> bool:
    """Whether `text` names an object of a user's own, rather than something built in."""
    return ":" in text


def load_object(spec: str, *, what: str = "object") -> Any:
    """The object that `spec` names; ConfigError says what is missing, beginning with `what`.

    A file is run once as long as it does not change, so that all its users share its objects.
    """
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"{what} {spec!r}: allowed are 'path/to/file.py:name' and 'package.module:name'")
    told = f"{what} {spec!r}"
    module = _module_of_file(told, Path(place).expanduser()) if place.endswith(".py") else _module(told, place)
    if not hasattr(module, name):
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise ConfigError(f"{told}: {place} has no {name!r}{nearest(name, public)}")
    return getattr(module, name)


def load_callable(spec: str, arguments: Mapping[str, Any], *, takes: tuple[str, ...], what: str) -> Callable[..., Any]:
    """The callable that `spec` names with keyword `arguments` bound; it must accept the positional values `takes`."""
    target = load_object(spec, what=what)
    if not callable(target):
        raise ConfigError(f"{what} {spec!r}: got a {type(target).__name__}, allowed is a function or a class")
    return bind(spec, target, arguments, takes=takes, what=what)


def bind(
    spec: str, target: Callable[..., Any], arguments: Mapping[str, Any], *, takes: tuple[str, ...], what: str
) -> Callable[..., Any]:
    """`target` with keyword arguments: a class is constructed with them, anything else keeps them for each call."""
    told = f"{what} {spec!r}"
    if inspect.isclass(target):
        made = construct(spec, target, arguments, what=what)
        if not callable(made):
            raise ConfigError(f"{told}: a {target.__name__} cannot be called; give it __call__({', '.join(takes)})")
        _check_call(told, made, takes, {})
        return made
    _check_call(told, target, takes, arguments)
    return functools.partial(target, **arguments) if arguments else target


def construct(spec: str, target: Callable[..., Any], arguments: Mapping[str, Any], *, what: str) -> Any:
    """What `target` makes of the keyword arguments; ConfigError where they do not fit it."""
    told = f"{what} {spec!r}"
    _check_call(told, target, (), arguments)
    try:
        return target(**arguments)
    except Ar1RlError:
        raise
    except Exception as error:
        raise ConfigError(f"{told}: cannot be constructed: {type(error).__name__}: {error}") from error


def nearest(name: str, names: Collection[str]) -> str:
    """The end of an error message: names close to `name`, else all there are."""
    near = difflib.get_close_matches(name, list(names), n=3)
    if near:
        return f"; nearest: {', '.join(near)}"
    return f"; there are: {', '.join(names)}" if names else "; it defines none"


def _check_call(told: str, target: Callable[..., Any], takes: tuple[str, ...], arguments: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(target)
    except ValueError:
        # Some builtins have none; the call itself will tell.
        return
    try:
        signature.bind(*takes, **arguments)
    except TypeError as error:
        parameters = ", ".join(signature.parameters) or "none"
        called = f"; it is called with ({', '.join(takes)})" if takes else ""
        raise ConfigError(f"{told}: {error}; its parameters are {parameters}{called}") from error


def _module_of_file(told: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"{told}: there is no file {path.absolute()}")
    content = hashlib.sha256(str(path.absolute()).encode() + b"\0" + path.read_bytes()).hexdigest()[:12]
    name = f"ar1_rl_plugin_{path.stem}_{content}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, path)
    assert module_spec is not None and module_spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(module_spec)
    # Dataclasses and pickle look a class's module up by name.
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Ar1RlError) or not isinstance(error, Exception):
            raise
        raise ConfigError(
            f"{told}: {path} does not run: {type(error).__name__}: {error}{_beside(error, path)}"
        ) from error
    return module


def _beside(error: Exception, path: Path) -> str:
    """A hint where a file imports another one that lies next to it."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        neighbour = path.parent / f"{error.name.split('.')[0]}.py"
        if neighbour.exists():
            return f"; {neighbour} is there: set PYTHONPATH={path.parent}, or install both as a package"
    return ""


def _module(told: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"{told}: there is no module {name!r}; for a file, end it in .py") from error
        raise ConfigError(f"{told}: module {name} needs {error.name!r}, which is not installed") from error
    except Ar1RlError:
        raise
    except Exception as error:
        raise ConfigError(f"{told}: module {name} does not import: {type(error).__name__}: {error}") from error
