"""A mail server on loopback, and how notices are addressed to it."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from itertools import takewhile


@contextmanager
def mail_server(port: int) -> Iterator[list[EmailMessage]]:
    """A mail server on loopback that keeps what it is sent."""
    mails: list[EmailMessage] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip().upper():
                if line == "DATA":
                    self.say("354 go on")
                    body = b"".join(takewhile(lambda line: line not in (b".\r\n", b""), self.rfile))
                    mails.append(email.message_from_bytes(body, policy=policy.default))
                self.say("221 bye" if line == "QUIT" else "250 ok")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    with Server(("127.0.0.1", port), Session) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield mails
        finally:
            server.shutdown()
            thread.join()


def mail_address(port: int) -> str:
    return f"mailto://127.0.0.1:{port}?from=frazil@example.org&to=team@example.org&mode=insecure"
