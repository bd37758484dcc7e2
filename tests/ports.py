"""Ports for servers of tests that run at the same time, and next to other programs."""

import atexit
import random
import socket


def free_port():
    """
    A port that nobody listens on, and that no other test takes until this process ends. It lies below those that outgoing
    connections get, one of which could else have it before the server does, or when the server comes back to it.
    """
    while True:
        port = random.randrange(12000, 32000)
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0larder-test-port-{port}")
            with socket.socket() as listener:
                listener.bind(("", port))
        except OSError:
            lock.close()
            continue
        atexit.register(lock.close)
        return port


if __name__ == "__main__":
    print(free_port())
