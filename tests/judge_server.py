"""A real HTTP judge for tests, OpenAI-compatible, on 127.0.0.1 and a free port, with faults on request.

In a thread of the test (what it is asked and what it does are plain attributes), or as a process of its own:

    with JudgeServer(latency_s=0.05, faults={"status_500": 0.1}, seed=3) as judge: ... judge.url, judge.requests
    with JudgeProcess(latency_s=0.3, faults={"reset": 0.2}) as judge: ... judge.url, judge.stats()

Whether a call goes wrong, and how, is drawn from the seed, the request's text and how often that text was asked before,
so that it does not depend on the order in which requests arrive. A test can also say it call by call (`script`), or in
the graded text: a prediction whose first word is a fault's name gets that fault.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from recipes.bench.judge import Request, completion, port_of, response, serve  # noqa: E402

STATUS_FAULTS = {"status_500": 500, "status_503": 503, "status_408": 408, "status_409": 409, "status_400": 400}
DENIED_FAULTS = {"denied": 401, "not_found": 404}
BODY_FAULTS = {
    "malformed_json": b'{"id": "1", "choices": [{"mess',
    "html": b"<html>502 Bad Gateway</html>",
    "wrong_schema": b'{"id": "1", "result": "grade: 5"}',
    "empty_choices": b'{"id": "1", "choices": []}',
    "null_body": b"null",
}
REPLY_FAULTS = {
    "no_verdict": "It seems fine.",
    "nan_grade": "They agree.\n\ngrade: NaN",
    "wrong_grade": "They agree.\n\ngrade: 9",
    "empty_reply": "",
}
CONNECTION_FAULTS = ("hang", "reset", "truncated_body", "drip")
FAULTS = (
    *STATUS_FAULTS,
    *DENIED_FAULTS,
    *BODY_FAULTS,
    *REPLY_FAULTS,
    *CONNECTION_FAULTS,
    "rate_limited",
    "cut_off",
    "echo_key",
)
DRIP_PAUSE_S = 0.05
LOGPROB_OF_OTHERS = -8.0
PREDICTION = re.compile(r"<prediction>\s*(.*?)\s*</prediction>", re.DOTALL)

Grade = Callable[[str], float]
"""The text of a request's messages -> the grade."""


def hashed_grade(text: str) -> int:
    """0 to 5, the same for the same prediction."""
    return hashlib.sha256(_prediction(text).encode()).digest()[0] % 6


def rubric_grade(text: str) -> int:
    """A judge that is worth listening to: the shipped rubric critic's rules on the two texts in the prompt."""
    from ar1_rl.driving.decision_text import parse_decisions_by_rules as parse_decisions
    from rewards.critic.embedded import grade

    right = parse_decisions(re.search(r"<reference>\s*(.*?)\s*</reference>", text, re.DOTALL).group(1))
    said = parse_decisions(_prediction(text))
    return grade(said, said.components, right, right.components)[0]


class JudgeServer:
    """Serves in a thread. `faults`: fault -> share of calls; `script`: the first calls' faults, None for a good one."""

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        faults: Mapping[str, float] | None = None,
        script: Sequence[str | None] = (),
        seed: int = 0,
        grade: Grade | float = 4,
        names: Sequence[str] = ("grade",),
        retry_after: str = "0.05",
        answers_logprobs: bool = True,
        hang_s: float = 60.0,
        port: int = 0,
        crashes_after: int | None = None,
    ) -> None:
        self.latency_s, self.seed, self.hang_s, self.retry_after = latency_s, seed, hang_s, retry_after
        self.faults, self.script = dict(faults or {}), list(script)
        self.grade, self.names, self.answers_logprobs = grade, tuple(names), answers_logprobs
        self.requests: list[dict[str, Any]] = []
        """Per call: body, text, authorization, fault, received_s."""
        self.now, self.most = 0, 0
        """Requests being worked on: now, and the most there ever were."""
        self._asked: Counter[str] = Counter()
        self._port = port
        self._crashes_after = crashes_after
        self._loop = asyncio.new_event_loop()
        unknown = {*self.faults, *(f for f in self.script if f)} - set(FAULTS)
        assert not unknown, f"no such fault: {unknown}; there are {FAULTS}"

    def __enter__(self) -> JudgeServer:
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        """The graded texts, in the order they came."""
        return [_prediction(request["text"]) for request in self.requests]

    def stats(self) -> dict[str, Any]:
        """Calls, calls by fault, and the most at once."""
        faults = Counter(r["fault"] for r in self.requests if r["fault"])
        return {"calls": len(self.requests), "faults": dict(faults), "most": self.most}

    def log(self) -> list[dict[str, Any]]:
        """Per call, in the order they came: the hash of its text, its fault, and the grade that the text deserves."""
        return [
            {
                "text": text_hash(request["text"]),
                "fault": request["fault"],
                "grade": self.grade(request["text"]) if callable(self.grade) else self.grade,
            }
            for request in self.requests
        ]

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(RuntimeError):
            self._loop.run_until_complete(self._run(started))
        self._loop.close()

    async def _run(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        server = await serve(self._handle, self._port)
        self.port = port_of(server)
        started.set()
        await self._stop.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _handle(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.method == "GET":
            told = self.log() if request.path.endswith("/log") else self.stats()
            writer.write(response(json.dumps(told).encode()))
            return True
        if self._crashes_after is not None and len(self.requests) >= self._crashes_after:
            os._exit(1)
        body = request.json()
        text = "\n".join(_text_of(message["content"]) for message in body["messages"])
        authorization = request.headers.get("authorization", "")
        fault = self._draw(text)
        self.requests.append(
            {"body": body, "text": text, "authorization": authorization, "fault": fault, "received_s": time.monotonic()}
        )
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.latency_s)
            return await self._answer(fault, body, text, authorization, writer)
        finally:
            self.now -= 1

    def _draw(self, text: str) -> str | None:
        if self.script:
            return self.script.pop(0)
        words = _prediction(text).split()
        if words and words[0] in FAULTS:
            return words[0]
        self._asked[text] += 1
        digest = hashlib.sha256(f"{self.seed} {self._asked[text]} {text}".encode()).digest()
        left = int.from_bytes(digest[:8], "big") / 2**64
        for fault, share in self.faults.items():
            if left < share:
                return fault
            left -= share
        return None

    async def _answer(
        self, fault: str | None, body: dict[str, Any], text: str, authorization: str, writer: asyncio.StreamWriter
    ) -> bool:
        if fault == "hang":
            await asyncio.sleep(self.hang_s)
            return False
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault in STATUS_FAULTS or fault in DENIED_FAULTS:
            status = {**STATUS_FAULTS, **DENIED_FAULTS}[fault]
            # Some servers print what they were sent.
            message = {"error": {"message": f"refused, you sent {authorization}"}}
            writer.write(response(json.dumps(message).encode(), status))
            return True
        if fault == "rate_limited":
            writer.write(response(b'{"error": {"message": "slow down"}}', 429, {"Retry-After": self.retry_after}))
            return True
        if fault in BODY_FAULTS:
            writer.write(response(BODY_FAULTS[fault]))
            return True
        whole = response(json.dumps(self._completion(fault, body, text, authorization)).encode())
        if fault == "truncated_body":
            writer.write(whole[:-20])
            await writer.drain()
            return False
        if fault == "drip":
            for byte in whole:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(DRIP_PAUSE_S)
            return True
        writer.write(whole)
        return True

    def _completion(self, fault: str | None, body: dict[str, Any], text: str, authorization: str) -> dict[str, Any]:
        grade = self.grade(text) if callable(self.grade) else self.grade
        pieces = [REPLY_FAULTS[fault]] if fault in REPLY_FAULTS else list(self._reply(body, grade))
        if fault == "cut_off":
            pieces = ["Let me think about grade: 3"]
        if fault == "echo_key":
            pieces = [f"You sent {authorization}.\n\n", *pieces]
        logprobs = _logprobs(pieces, grade) if body.get("logprobs") and self.answers_logprobs else None
        return completion(
            "".join(pieces),
            body["model"],
            prompt_tokens=len(text.split()),
            finish_reason="length" if fault == "cut_off" else "stop",
            logprobs=logprobs,
        )

    def _reply(self, body: dict[str, Any], grade: float) -> Iterator[str]:
        """Tokens of a good reply, in the form that was asked for."""
        choice = (body.get("structured_outputs") or {}).get("choice") or body.get("guided_choice")
        schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
        if choice:
            yield next((c for c in choice if f"{grade:g}" in c), choice[-1])
        elif schema:
            yield from re.findall(r"\w+|\W", json.dumps(_fill(schema, grade)))
        else:
            yield "They agree.\n"
            for name in self.names:
                yield from ("\n", name, ":", " ", f"{grade:g}")


class JudgeProcess:
    """The same judge in a process of its own. `grade`: a number, or the name of a function in this file.

    With `crashes_after`, the process is gone at the call after so many.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def __enter__(self) -> JudgeProcess:
        command = [sys.executable, str(Path(__file__)), json.dumps(self.settings)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http"), "the judge did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def kill(self) -> None:
        """What a crash of the server looks like."""
        self._process.kill()
        self._process.wait(10)

    def stats(self) -> dict[str, Any]:
        return self._get("")

    def log(self) -> list[dict[str, Any]]:
        return self._get("/log")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)


def text_hash(text: str) -> str:
    """What a request's text is called in the log."""
    return hashlib.sha256(text.encode()).hexdigest()


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _prediction(text: str) -> str:
    found = PREDICTION.search(text)
    return found.group(1) if found else text


def _fill(schema: Mapping[str, Any], grade: float) -> Any:
    """An instance of a JSON schema: the grade where a number or one of several values is wanted, text elsewhere."""
    if "enum" in schema:
        return next((v for v in schema["enum"] if str(v) in (str(grade), f"{grade:g}")), schema["enum"][-1])
    if schema.get("type") == "object":
        return {name: _fill(part, grade) for name, part in schema.get("properties", {}).items()}
    return {"integer": grade, "number": grade, "string": "They agree."}[schema["type"]]


def _logprobs(pieces: Sequence[str], grade: float) -> list[dict[str, Any]]:
    """As of a judge that gives the grade 0.6, the next lower 0.3 and the next higher 0.1."""
    import math

    entries = []
    for piece in pieces:
        shares = {piece: 1.0}
        if piece == f"{grade:g}":
            shares = {f"{grade:g}": 0.6, f"{max(grade - 1, 0):g}": 0.3, f"{min(grade + 1, 5):g}": 0.1}
        tops = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in shares.items()]
        tops += [{"token": t, "logprob": LOGPROB_OF_OTHERS, "bytes": None} for t in ("the", "\n")]
        entries.append({"token": piece, "logprob": tops[0]["logprob"], "bytes": None, "top_logprobs": tops})
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", help="keyword arguments of JudgeServer as JSON")
    settings = json.loads(parser.parse_args().settings)
    if isinstance(settings.get("grade"), str):
        module, _, name = settings["grade"].rpartition(":")
        settings["grade"] = getattr(importlib.import_module(module), name) if module else globals()[settings["grade"]]
    with JudgeServer(**settings) as judge:
        print(judge.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
