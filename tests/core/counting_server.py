"""A server that takes uploads and measures them."""

import asyncio


class Counting:
    """Takes uploads apart without keeping them: what arrived, by its length and its bytes around the file."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.lengths: list[int] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = (
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        left = length
        while left:
            left -= len(await reader.read(min(left, 65536)))
        self.heads.append(head)
        self.lengths.append(length)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(self._answer), self._answer)
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
