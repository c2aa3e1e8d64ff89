"""A small mail server for the lab's app: SMTP (RFC 5321) on a Unix socket, as ``python mail_server.py SOCKET``.

What it takes it forgets, but for a line on standard output. It needs the standard library only, so that it starts at
once.
"""

from __future__ import annotations

import socketserver
import sys


class Connection(socketserver.StreamRequestHandler):
    sender = ""

    def handle(self) -> None:
        self._say("220 mail.lab ESMTP")
        self.recipients: list[str] = []
        while line := self.rfile.readline(2000).decode("utf-8", "replace"):
            words = line.strip()
            command = words[:4].upper()
            if command == "QUIT":
                self._say("221 bye")
                return
            self._say(self._answer(command, words))

    def _answer(self, command: str, words: str) -> str:
        if command in ("EHLO", "HELO", "NOOP", "RSET"):
            self.sender, self.recipients = "", []
        elif command == "MAIL":
            self.sender = words.partition(":")[2]
        elif command == "RCPT" and self.sender:
            self.recipients.append(words.partition(":")[2])
        elif command == "DATA" and self.recipients:
            return self._take()
        else:
            return "503 not now" if command in ("RCPT", "DATA") else "500 what?"
        return "250 ok"

    def _take(self) -> str:
        self._say("354 go on, end with a dot")
        size = 0
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            size += len(line)
        print(f"took {size} bytes from {self.sender} for {', '.join(self.recipients)}", flush=True)
        return "250 taken"

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


class MailServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with MailServer(sys.argv[1], Connection) as server:
        server.serve_forever(poll_interval=60)
