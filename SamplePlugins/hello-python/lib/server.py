"""Answers HTTP on the socket that the host has made: descriptor 3."""

import json
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"healthy": True})
        elif self.path == "/hello":
            self.answer(200, {"message": "Hello, World!"})
        else:
            self.answer(404, {"error": "there is only /hello"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.answer(200, {"bytes": len(body)})

    def answer(self, status, value):
        body = json.dumps(value, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return self.headers.get("X-Forwarded-For", "unix")

    def log_request(self, code="-", size="-"):
        pass  # The host keeps an access log.


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("unix", 0)


server = Server(None, Hello, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("hello-python serves", flush=True)
server.serve_forever()
