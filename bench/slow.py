"""Clients that begin many requests and never end them."""

import itertools
import socket
import threading
import time

MODES = ["heads", "bodies", "reads"]
# Small enough that an answer soon has nowhere to go.
BUFFER = 4096
SETTLING = 2


class Slow:
    """That many connections at a time, kept up while the `with` lasts."""

    def __init__(self, mode, port, connections, tokens):
        self.mode, self.port, self.connections = mode, port, connections
        with open(tokens) as lines:
            # Of many users, so that nobody has more under way than one user may.
            self.tokens = itertools.cycle([line.strip() for line in lines])
        self.open, self.ending = [], threading.Event()

    def __enter__(self):
        self.open = [self.begin() for _ in range(self.connections)]
        self.dripping = threading.Thread(target=self.drip, daemon=True)
        self.dripping.start()
        # Answers that nobody takes fill every buffer on their way first.
        time.sleep(SETTLING)
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.dripping.join()
        for client in self.open:
            client.close()

    def begin(self):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.port))
        named = f"Host: a\r\nAuthorization: Bearer {next(self.tokens)}\r\n"
        heads = {
            "heads": f"GET /users/me HTTP/1.1\r\n{named}X-Slow: ",
            "bodies": f"POST /records HTTP/1.1\r\n{named}Content-Length: 1000000\r\n\r\nx",
            "reads": f"GET /records/a/b/file HTTP/1.1\r\n{named}\r\n",
        }
        client.sendall(heads[self.mode].encode())
        return client

    def drip(self):
        """A byte now and then; whoever was thrown out comes again."""
        while not self.ending.wait(1):
            for index, client in enumerate(self.open):
                try:
                    if self.mode == "reads":
                        client.recv(1)
                    else:
                        client.sendall(b"x")
                except OSError:
                    client.close()
                    self.open[index] = self.again(client)

    def again(self, former):
        try:
            return self.begin()
        except OSError:
            return former
