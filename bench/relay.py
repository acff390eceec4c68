# SPDX-License-Identifier: Apache-2.0
"""A link in user space: a relay on the loopback that has a round trip and, if it is wanted, a rate.

Both ends speak TCP to the relay, not to each other, so neither sees the round trip in its window: slow start is that of the loopback.
"""
import asyncio
import math
import threading

CHUNK_BYTES, LATE_S = 8192, 0.02


class Relay:
    """Sends up at a rate, which its connections share chunk by chunk, and delays both ways."""

    def __init__(self, host, port, rtt_ms, mbps=math.inf, own_port=0):
        self.host, self.port, self.free_s = host, port, 0
        self.set(rtt_ms, mbps)
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.connect, "127.0.0.1", own_port, limit=CHUNK_BYTES))
        self.url = "http://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def set(self, rtt_ms, mbps=math.inf):
        self.bytes_per_s, self.delay_s = mbps * 125000, rtt_ms / 2000

    async def connect(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port, limit=CHUNK_BYTES)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, far_writer, True), self.pump(far_reader, writer, False), return_exceptions=True)

    async def pump(self, reader, writer, up):
        while data := await reader.read(CHUNK_BYTES):
            now = self.loop.time()
            if up:
                # Who is woken late makes up for it: the rate holds over a few chunks. A link that was idle has nothing to make up.
                self.free_s = (self.free_s if now - self.free_s < LATE_S else now) + len(data) / self.bytes_per_s
                await asyncio.sleep(self.free_s - now)
            self.loop.call_later(self.delay_s, writer.write, data)
        self.loop.call_later(self.delay_s, writer.close)

    async def end(self):
        self.server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    def stop(self):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
