SOURCE = "haproxytech/dataplaneapi#161, haproxy/haproxy#1225 (checks in HTTP/1.0 send no Host)"
DID = "Load balancer's check and an old client speak HTTP/1.0: no Host, half of the connection closed after the request, an answer that takes a second"
RIGHT = "they are answered in HTTP/1.0, without chunks and interim responses"
from lib import *


async def ask(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


async def run(t):
    async def slow(r):
        await asyncio.sleep(1)
        await either(r)
    u = await t.upstream(slow)
    g = await t.gateway(up("a", u.url))
    check_page = await ask(g.port, b"GET /v1/models HTTP/1.0\r\n\r\n")
    check(check_page.split(b"\r\n")[0].endswith(b" 200 OK"), check_page[:200])
    for stream in (False, True):
        body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}).encode()
        head = f"POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        got = await ask(g.port, head.encode() + body)
        head, _, rest = got.partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.0 200 OK\r\n"), got[:200])
        check(b"transfer-encoding" not in head.lower() and b"hel" in rest, got[:400])
        check(not stream or rest.startswith(b"data: ") and b"[DONE]" in rest, rest[:200])
