"""Content and templates to one self-contained HTML file, in which nothing but our own scripts can run.

The file asks for nothing from any network: its policy (CSP) allows no source at all, and of scripts only those whose
hash it names. Text of policies and critics is JSON in which no character can end a script element, and the scripts
write it as text, never as HTML.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ...errors import MissingDependencyError

SCRIPTS = ("elements", "run", "table", "looking", "curves", "from_above", "answer", "scenes", "main")
"""In the order in which they are put together."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page(content: Mapping[str, Any]) -> str:
    """The whole HTML file. `content` is what its scripts draw; no value in it may be NaN or infinite."""
    script = '(() => {\n"use strict";\n' + "\n".join(_template(f"{name}.js") for name in SCRIPTS) + "\n})();"
    places = {
        "title": html.escape(str(content["title"])),
        "policy": html.escape(_policy(script, chart_library())),
        "style": _template("page.css"),
        "content": embedded(content),
        "charts": _packed_charts(),
        "script": script,
    }
    # In one pass, so that nothing that is put in is taken for a place.
    return _PLACE.sub(lambda place: places[place[1]], _template("page.html"))


def embedded(content: Any) -> str:
    """JSON that may stand in a script element whatever texts it holds."""
    plain = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        plain = plain.replace(character, f"\\u{ord(character):04x}")
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")


def chart_library() -> str:
    """The JavaScript of plotly, which ships in its Python package."""
    try:
        return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise MissingDependencyError("report.html draws its curves with plotly: pip install plotly") from error


@lru_cache(maxsize=1)
def _packed_charts() -> str:
    """A quarter of its size; it is unpacked when the first chart comes into view."""
    return base64.b64encode(gzip.compress(chart_library().encode(), mtime=0)).decode()


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _template(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
