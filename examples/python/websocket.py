"""WebSocket (RFC 6455) in as little as the example needs, so that it runs on Python alone. A real program
uses a library, such as websockets from PyPI."""

import base64
import hashlib
import os
import socket
import ssl
import struct
import threading
from urllib.parse import urlsplit


class Closed(Exception):
    """The connection has ended."""


class WebSocket:
    """One connection. One thread reads it; any may send."""

    def __init__(self, sock, file, masked):
        self.sock, self.file, self.masked = sock, file, masked
        self.writing = threading.Lock()

    def send(self, text, opcode=1):
        data = text.encode() if isinstance(text, str) else text
        mask = os.urandom(4) if self.masked else b""
        bit = 0x80 if self.masked else 0
        if len(data) < 126:
            head = struct.pack(">BB", 0x80 | opcode, bit | len(data))
        elif len(data) < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, bit | 126, len(data))
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, bit | 127, len(data))
        if mask:
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        with self.writing:
            self.sock.sendall(head + mask + data)

    def receive(self):
        """Returns the next text message; pings are answered meanwhile."""
        text = b""
        while True:
            first, second = self._read(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            mask = self._read(4) if second & 0x80 else bytes(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(self._read(size)))
            opcode = first & 0x0F
            if opcode == 8:
                self.send(data[:2], 8)
                raise Closed(data[2:].decode(errors="replace") or "closed")
            if opcode == 9:
                self.send(data, 10)
            elif opcode < 3:
                text += data
                if first & 0x80:
                    return text.decode()

    def _read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise Closed("the connection was lost")
        return data


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def connect(url, headers):
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    sock = socket.create_connection((parts.hostname, parts.port or (443 if secure else 80)), timeout=10)
    if secure:
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
    lines = [f"GET {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13"]
    sock.sendall("\r\n".join(lines + [f"{name}: {value}" for name, value in headers.items()] + ["", ""]).encode())
    file = sock.makefile("rb")
    status = file.readline().decode().strip()
    while file.readline().strip():
        pass
    if " 101 " not in status + " ":
        raise Closed(f"refused: {status}")
    sock.settimeout(60)  # a ping comes every 25 seconds
    return WebSocket(sock, file, masked=True)
