"""A client that costs little: one connection, one request after the other."""
import socket


class Refused(Exception):
    """The server closed the connection, or sent what is not a response."""


class Connection:
    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def get(self, path):
        """One GET; returns the status and the body."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        fields = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if "content-length" in fields:
            return status, self._exactly(int(fields["content-length"]))
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._exactly(size)
                self._until(b"\r\n")
            self._until(b"\r\n")
            return status, body
        raise Refused("a response without a length")

    def close(self):
        self.socket.close()

    def _receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise Refused("the connection was closed")
        self.buffer += piece

    def _until(self, end):
        while (at := self.buffer.find(end)) < 0:
            self._receive()
        found, self.buffer = self.buffer[:at], self.buffer[at + len(end):]
        return found

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._receive()
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found
