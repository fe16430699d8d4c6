"""A server that says byte for byte what a test wants, and remembers what it was asked on which connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Pause = float
Step = bytes | Pause | None  # bytes to send, seconds to wait, None to close the connection


@dataclass
class Script:
    """What is answered to each request in turn; the last answer goes on for ever."""

    answers: Sequence[Sequence[Step]]
    port: int = 0
    requests: list[tuple[int, bytes]] = field(default_factory=list)  # (number of the connection, head and body)
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection."""
        self.connections += 1
        number = self.connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")), 0
                )
                self.requests.append((number, head + await reader.readexactly(length)))
                for step in self.answers[min(len(self.requests), len(self.answers)) - 1]:
                    if step is None:
                        return
                    if isinstance(step, bytes):
                        writer.write(step)
                        await writer.drain()
                    else:
                        await asyncio.sleep(step)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the other side has gone
        finally:
            writer.close()


@asynccontextmanager
async def scripted(*answers: Sequence[Step]) -> AsyncIterator[Script]:
    """Run a script on a free port of loopback until the block ends."""
    script = Script(answers)
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(script.serve(reader, writer)))

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
        script.port = server.sockets[0].getsockname()[1]
        yield script
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
