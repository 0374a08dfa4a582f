"""Checking settings that came from a config or a call: all faults at once, each with what was got and is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

Rule = tuple[Callable[[Any], bool], str]
"""Whether a value is allowed, and what is."""


def faults_of(settings: Any, rules: Mapping[str, Rule]) -> list[str]:
    """One line for each attribute that breaks its rule."""
    return [
        f"{name}: got {value!r}, allowed {allowed}"
        for name, (good, allowed) in rules.items()
        if not good(value := getattr(settings, name))
    ]


def optional(rule: Rule) -> Rule:
    """The same, or None."""
    good, allowed = rule
    return lambda value: value is None or good(value), f"{allowed}, or none"


def is_number(value: Any) -> bool:
    """A finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """A whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


POSITIVE: Rule = lambda value: is_number(value) and value > 0, "a number above 0"
NOT_NEGATIVE: Rule = lambda value: is_number(value) and value >= 0, "0 or more"
COUNT: Rule = lambda value: is_whole(value) and value >= 0, "a whole number, 0 or more"
AT_LEAST_ONE: Rule = lambda value: is_whole(value) and value >= 1, "a whole number, 1 or more"
WHOLE: Rule = is_whole, "a whole number"
SWITCH: Rule = lambda value: isinstance(value, bool), "true or false"
NAME: Rule = lambda value: isinstance(value, str) and bool(value), "a text that is not empty"
MAPPING: Rule = lambda value: isinstance(value, Mapping), "a mapping"


def url_faults(urls: Any) -> list[str]:
    """What is wrong with the addresses of an endpoint. Credentials in one are not repeated in the message."""
    allowed = "allowed http(s)://host[:port]/path, or a list of such"
    if not isinstance(urls, tuple) or not urls or not all(isinstance(url, str) for url in urls):
        return [f"base_url: got {urls!r}, {allowed}"]
    return [fault for url in urls if (fault := _url_fault(url, allowed)) is not None]


def _url_fault(url: str, allowed: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"base_url: not a valid address, {allowed}"
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return (
            f"base_url: the address of {host} holds credentials or a query, {allowed}; "
            "a key goes into the environment variable that api_key_env names"
        )
    if parts.scheme not in ("http", "https") or not host:
        return f"base_url: got {url!r}, {allowed}"
    return None
