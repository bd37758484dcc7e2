"""An origin whose values have versions: scripts/origin.py, and PUT /users/KEY says what the value of a key is from now on.

A key that was never put has version 0. The values that clients write look the same: what they are is in history.py.
"""

import os
import sys
from urllib.parse import unquote_to_bytes

sys.path[:0] = [os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "scripts")]
import origin  # noqa: E402
from history import value_of  # noqa: E402

LOADED = "loaded"  # the group that has this origin
values = {}


class Handler(origin.Handler):
    def do_PUT(self):
        if not self.path.startswith("/users/"):
            super().do_PUT()
            return
        values[unquote_to_bytes(self.path[len("/users/"):])] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(204, b"", "text/plain")

    def answer(self, status, body, kind, headers=None):
        if status == 200 and self.command == "GET" and self.path.startswith("/users/"):
            key = unquote_to_bytes(self.path[len("/users/"):])
            body = values.get(key) or value_of(LOADED, key.decode(), 0)
        super().answer(status, body, kind, headers)


if __name__ == "__main__":
    host, port = sys.argv[1:]
    server = origin.Origin((host, int(port)), 0)
    server.RequestHandlerClass = Handler
    server.serve_forever()
