"""Which of several servers is asked next: round robin, with rest for those that fail."""

from __future__ import annotations

REST_AFTER = 3
"""Failures in a row after which a server is rested: one fault is no reason to do without it."""


class Rotation:
    """Servers by number. Times are seconds of any one clock.

    A server that failed `rest_after` times in a row is left out for `rest_s`. Then one request tries it; the others
    come back once that one has been answered. Where all are at rest, the one whose rest ends soonest is tried.
    """

    def __init__(self, servers: int, rest_s: float, rest_after: int = REST_AFTER) -> None:
        self._rest_s = rest_s
        self._rest_after = rest_after
        self._failures = [0] * servers
        self._rests_until_s = [float("-inf")] * servers
        self._closed_until_s = [float("-inf")] * servers
        self._next = 0

    def pick(self, now_s: float) -> tuple[int, float]:
        """The server to ask, and how long [s] it wants to be left alone before."""
        servers = len(self._failures)
        order = [(self._next + i) % servers for i in range(servers)]
        open_at_s = [max(self._rests_until_s[i], self._closed_until_s[i], now_s) for i in range(servers)]
        server = min(order, key=lambda i: open_at_s[i])
        self._next = (server + 1) % servers
        if self._failures[server] >= self._rest_after:
            self._rests_until_s[server] = now_s + self._rest_s
        return server, max(0.0, self._closed_until_s[server] - now_s)

    def failed(self, server: int, now_s: float) -> None:
        """A request to the server came to nothing."""
        self._failures[server] += 1
        if self._failures[server] >= self._rest_after:
            self._rests_until_s[server] = now_s + self._rest_s

    def worked(self, server: int) -> None:
        """The server answered."""
        self._failures[server] = 0
        self._rests_until_s[server] = float("-inf")

    def close(self, server: int, until_s: float) -> None:
        """The server asked to be left alone until then."""
        self._closed_until_s[server] = max(self._closed_until_s[server], until_s)
