"""Hold back what comes and goes: delay_proxy.py PORT HOST PORT SECONDS; on a machine."""

import asyncio
import sys

PORT, HOST, THERE, SECONDS = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what is read, each piece so many seconds after it came."""
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def read() -> None:
        while piece := await reader.read(65536):
            queue.put_nowait((clock() + SECONDS, piece))
        queue.put_nowait((clock() + SECONDS, b""))

    task = asyncio.create_task(read())
    try:
        while True:
            due, piece = await queue.get()
            await asyncio.sleep(max(due - clock(), 0))
            if not piece:
                return
            writer.write(piece)
            await writer.drain()
    except OSError:
        return
    finally:
        task.cancel()
        writer.close()


async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    there_reader, there_writer = await asyncio.open_connection(HOST, THERE)
    await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer))


async def main() -> None:
    """Serve for ever."""
    async with await asyncio.start_server(visit, "0.0.0.0", PORT, backlog=512) as server:
        await server.serve_forever()


asyncio.run(main())
