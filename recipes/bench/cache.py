"""How many look-ups and writes a second the cache of critics' replies takes, on one thread.

Run `python -m recipes.bench.cache [--replies 50000] [--batch 64] [--folder DIR] [--json]`. Look-ups are by key, in
random order, of replies that are there; "all new" reads a file just opened, "missing" asks for keys that are not there,
and "renewing" is the worst case, in which every look-up also has to mark its entry as used.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rewards.critic.cache import TOUCH_AFTER_S, CachedReply, ReplyCache, cache_key

from .codec import processor_name

REPLY = "The prediction yields to the pedestrian as the reference does, but leaves the bus out. " * 3 + "\n\ngrade: 4"
SAMPLING = {"temperature": 0.0, "max_tokens": 1024}
GOAL_PER_S = 20_000


def key_of(number: int) -> str:
    """The key of one question, made as a critic makes it."""
    reference, prediction = "Yield to the pedestrian and the bus.", f"Yield to the pedestrian {number}."
    return cache_key("judge-8b", "0123456789abcdef", SAMPLING, f"scene-{number % 1000}", reference, prediction)


def rate(work: Callable[[Sequence[str]], object], keys: Sequence[str], batch: int, repeats: int) -> float:
    """Keys a second by the wall clock, the best of some passes: the others were disturbed."""
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        for first in range(0, len(keys), batch):
            work(keys[first : first + batch])
        best = max(best, len(keys) / (time.perf_counter() - start))
    return best


def measure(count: int, batch: int, repeats: int, folder: Path) -> dict[str, Any]:
    """All rates, with what they were measured on."""
    start = time.perf_counter()
    keys = [key_of(number) for number in range(count)]
    rates = {"keys made": count / (time.perf_counter() - start)}
    path, now = folder / "bench.sqlite", [time.time()]
    cache = ReplyCache(path, clock=lambda: now[0])
    rates["writes"] = rate(
        lambda some: cache.put_many(dict.fromkeys(some, CachedReply(REPLY, 220, 60))), keys, batch, 1
    )
    cache.close()
    random.Random(0).shuffle(keys)
    absent = [key_of(-1 - number) for number in range(count)]
    rates["look-ups, all new"] = rate(cache.get_many, keys, batch, 1)
    rates["look-ups"] = rate(cache.get_many, keys, batch, repeats)
    rates["look-ups, one by one"] = rate(cache.get_many, keys, 1, repeats)
    rates["look-ups, missing"] = rate(cache.get_many, absent, batch, repeats)

    def renewing(some: Sequence[str]) -> None:
        now[0] += 2 * TOUCH_AFTER_S / (len(keys) / batch)
        cache.get_many(some)

    now[0] += 2 * TOUCH_AFTER_S
    rates["look-ups, renewing"] = rate(renewing, keys, batch, repeats)
    found = len(cache.get_many(keys))
    cache.close()
    return {
        "replies": count,
        "found": found,
        "batch": batch,
        "file_bytes": path.stat().st_size,
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
        "per_s": rates,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of the cache of critics' replies.")
    parser.add_argument("--replies", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=64, help="keys in one call")
    parser.add_argument("--repeats", type=int, default=3, help="timed passes of which the best counts")
    parser.add_argument("--folder", type=Path, help="where the file is made (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(options.replies, options.batch, options.repeats, Path(folder))
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"{result['machine']}, 1 thread, {', '.join(f'{k} {v}' for k, v in result['versions'].items())}")
    print(f"{result['replies']} replies in batches of {result['batch']}, {result['file_bytes'] / 2**20:.1f} MiB")
    for name, per_s in result["per_s"].items():
        print(f"{name:24} {per_s:12,.0f} a second")
    print(f"goal of look-ups: {GOAL_PER_S:,} a second")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
