"""aiohttp's server and nothing else: `python -m bench.bare PORT` answers every request with an empty 200.

It is the measure for what forward auth adds: no router, no application, no access log.
"""

import asyncio
import sys

from aiohttp import web


async def empty(_request: web.BaseRequest) -> web.Response:
    """Say yes to everything."""
    return web.Response()


async def serve(port: int) -> None:
    """Listen until killed."""
    runner = web.ServerRunner(web.Server(empty, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
