"""E-mail: handed to the mail server (SMTP, RFC 5321), one after another."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage

from .log import log
from .metrics import Metrics

SENDER = "hello@ai-saas.example"
PATIENCE = 5.0
AGAIN_AFTER = 1.0
MOST = 1000


class RefusedError(Exception):
    """The mail server's own words."""


class Mail:
    """What could not be handed over is tried again: a mail server that is away delays e-mails, and loses none until
    more than ``MOST`` wait.
    """

    def __init__(self, socket: str, metrics: Metrics) -> None:
        self._socket = socket
        self._metrics = metrics
        self._waiting: asyncio.Queue[EmailMessage] = asyncio.Queue(MOST)

    def send(self, to: str, subject: str, text: str) -> None:
        """Returns at once."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = SENDER, to, subject
        message.set_content(text)
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            log("error", "an e-mail was dropped", waiting=MOST)

    async def run(self) -> None:
        message: EmailMessage | None = None
        while True:
            message = message or await self._waiting.get()
            if await self._handed_over(message):
                message = None
            else:
                await asyncio.sleep(AGAIN_AFTER)

    async def _handed_over(self, message: EmailMessage) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._dialogue(message)
        except (OSError, TimeoutError, RefusedError) as error:
            log("error", "the mail server took nothing", error=str(error) or type(error).__name__)
            self._metrics.called("mail", ok=False)
            return False
        self._metrics.called("mail", ok=True)
        return True

    async def _dialogue(self, message: EmailMessage) -> None:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            await _said(reader, "220")
            for words, code in (
                ("EHLO ai-saas.example", "250"),
                (f"MAIL FROM:<{SENDER}>", "250"),
                (f"RCPT TO:<{message['To']}>", "250"),
                ("DATA", "354"),
            ):
                writer.write(f"{words}\r\n".encode())
                await _said(reader, code)
            lines = message.as_bytes().replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
            writer.write(lines + b"\r\n.\r\n")
            await _said(reader, "250")
            writer.write(b"QUIT\r\n")
        finally:
            writer.close()


async def _said(reader: asyncio.StreamReader, code: str) -> None:
    """Reads a reply to its last line. Raises RefusedError when it is another than expected."""
    line = "-"
    while line[3:4] == "-" or line == "-":
        line = (await reader.readline()).decode("utf-8", "replace").strip()
    if not line.startswith(code):
        raise RefusedError(line or "the mail server hung up")
