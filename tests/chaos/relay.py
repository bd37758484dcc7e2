"""A TCP relay in front of one node, for what its peers send it: relay.py HOST PORT TARGET_PORT. Standard input says what it does:

    delay SECONDS   everything goes through so much later, in both directions; 0: at once
    half-open       the connections there are stay open, and nothing goes through them any more, as when the machine behind
                    them has been started anew; those that are made from now on work
"""

import asyncio
import contextlib
import sys

CHUNK = 1 << 16


class Relay:
    def __init__(self, host, target):
        self.host, self.target, self.delay = host, target, 0.0
        self.dead, self.links = set(), set()  # numbers of connections: those half open, and all
        self.made = 0

    async def serve(self, reader, writer):
        try:
            back_reader, back_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:  # nobody listens: as near to a refused connection as can be
            writer.transport.abort()
            return
        self.made += 1
        link = self.made
        self.links.add(link)
        await asyncio.gather(self.carry(link, reader, back_writer), self.carry(link, back_reader, writer))
        self.links.remove(link)

    async def carry(self, link, reader, writer):
        """What is read goes into a queue with its time, so that a delay costs no throughput."""
        queue = asyncio.Queue()
        sender = asyncio.create_task(self.send(link, queue, writer))
        data = b"first"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            queue.put_nowait((asyncio.get_running_loop().time() + self.delay, data))
        await sender

    async def send(self, link, queue, writer):
        """Bytes in their order, each not before its time, and then the end; of a half open connection only that."""
        data = b"first"
        with contextlib.suppress(OSError):
            while data:
                due, data = await queue.get()
                await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
                if data and link not in self.dead:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def obey(self):
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while words := (await lines.readline()).decode().split():
            if words[0] == "delay":
                self.delay = float(words[1])
            else:
                self.dead |= self.links


async def main(host, port, target):
    relay = Relay(host, int(target))
    server = await asyncio.start_server(relay.serve, host, int(port))
    print("listens", flush=True)
    async with server:
        await relay.obey()  # until the world ends


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
