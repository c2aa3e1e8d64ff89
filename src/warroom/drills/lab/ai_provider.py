"""A small AI provider for the lab's app: HTTP on a Unix socket, as ``python ai_provider.py SOCKET``.

It thinks nothing, but it is a real service of its own: it can be stopped, and it can hang. It needs the standard
library only, so that it starts at once.
"""

from __future__ import annotations

import json
import socketserver
import sys


class Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """One request after another, for as long as the connection is kept."""
        while (request := self._request()) is not None:
            path, body = request
            status, answer = self._answer(path, body)
            data = json.dumps(answer).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data)

    def _request(self) -> tuple[str, bytes] | None:
        """Its method with its path, and its body; None when there are no more."""
        first = self.rfile.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        length = 0
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return f"{first[0]} {first[1]}", self.rfile.read(length)

    @staticmethod
    def _answer(path: str, body: bytes) -> tuple[str, dict[str, str]]:
        if path != "POST /v1/replies":
            return "404 Not Found", {"error": "no such path"}
        try:
            content = str(json.loads(body)["content"])
        except (ValueError, KeyError, TypeError):
            return "400 Bad Request", {"error": "content was expected"}
        return "200 OK", {"reply": f"You say: {content[:500]} Tell me more."}


class Provider(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with Provider(sys.argv[1], Connection) as server:
        server.serve_forever(poll_interval=60)
