"""A small OpenAI-compatible judge on 127.0.0.1: one process, standard library only, any number of requests at once.

`python -m recipes.bench.judge --latency 0.3` prints its address as one line and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
BACKLOG = 1024
"""Connections that may wait to be accepted: a whole batch may come at once."""


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; returns whether the connection stays open."""


async def serve(handler: Handler, port: int = 0) -> asyncio.Server:
    """Listen on a free port, or the one given."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None and await handler(request, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connected, HOST, port, backlog=BACKLOG)


def port_of(server: asyncio.Server) -> int:
    """The port that a server listens on."""
    return int(server.sockets[0].getsockname()[1])


def response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """A whole HTTP response with a JSON body."""
    lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def completion(
    text: str, model: str, *, prompt_tokens: int, finish_reason: str = "stop", logprobs: Any = None
) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
    if logprobs is not None:
        choice["logprobs"] = {"content": logprobs}
    words = len(text.split())
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": words, "total_tokens": prompt_tokens + words}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def latency(median_s: float, sigma: float, text: bytes) -> float:
    """A log-normal time [s], drawn from the text, so that the same question takes the same time again."""
    return random.Random(text).lognormvariate(math.log(median_s), sigma) if median_s > 0.0 else 0.0


async def _run(median_s: float, sigma: float) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(latency(median_s, sigma, request.body))
        reply = completion("They agree in both.\n\ngrade: 4", request.json()["model"], prompt_tokens=300)
        writer.write(response(json.dumps(reply).encode()))
        return True

    server = await serve(answer)
    print(f"http://{HOST}:{port_of(server)}/v1", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description="A judge that answers every request after a while.")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds before each reply, the median")
    parser.add_argument("--sigma", type=float, default=0.0, help="of its logarithm; 0: always the same")
    options = parser.parse_args()
    asyncio.run(_run(options.latency, options.sigma))


if __name__ == "__main__":
    main()
