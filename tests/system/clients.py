"""Clients on keep-alive connections, and many of them at once."""

import http.client
import json
import threading
from urllib.parse import quote

PATIENCE = 90  # seconds: what anything may take on the slowest machine, and nothing measures


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


def key_path(group, key):
    return f"/v1/groups/{group}/keys/{quote(key if isinstance(key, bytes) else key.encode(), safe='')}"


class Client:
    """One keep-alive connection, made again only when the server has closed it. Not for two threads."""

    def __init__(self, port, timeout=PATIENCE, host="127.0.0.1"):
        self.host, self.port, self.timeout, self.connection, self.connects = host, port, timeout, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self.connects += 1
        try:
            self.connection.request(method, path, body, headers or {})
            response = self.connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            if response.will_close:
                self.close()
            return answer
        except Exception:
            self.close()
            raise

    def get(self, group, key, **headers):
        return self.ask("GET", key_path(group, key), headers=headers)

    def put(self, group, key, value, query="", **headers):
        return self.ask("PUT", key_path(group, key) + query, value, headers)

    def delete(self, group, key, **headers):
        return self.ask("DELETE", key_path(group, key), headers=headers)


def in_threads(count, function):
    """Runs function(i) in so many threads, begun together; returns their results, or raises the first error."""
    barrier, results, errors = threading.Barrier(count), [None] * count, []

    def run(i):
        try:
            barrier.wait(PATIENCE)
            results[i] = function(i)
        except BaseException as error:  # told below, in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
