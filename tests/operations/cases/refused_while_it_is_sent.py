SOURCE = "envoyproxy/envoy#2929, villadora/express-http-proxy#546"
DID = "Upstream refuses a prompt of 6 MB with 413 before it has read it, and closes the connection"
RIGHT = "the client gets the 413, every time"
from lib import *


async def run(t):
    body = json.dumps({"error": {"message": "too large", "type": "invalid_request_error", "code": "too_large"}}).encode()

    async def refuse_early(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 413 X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(refuse_early, "127.0.0.1", 0, limit=1 << 16)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    g = await t.gateway(up("a", url))
    states = [(await g.client.chat("x" * 6_000_000 + str(i))).status for i in range(12)]
    server.close()
    check(states == [413] * 12, f"{states}")
