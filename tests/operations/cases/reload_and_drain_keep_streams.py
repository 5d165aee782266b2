SOURCE = "BerriAI/litellm#20409, #30772; envoyproxy/ai-gateway#470 (streams cut by a rollout)"
DID = "2,000 streams are live; the configuration is reloaded twice, then the gateway gets SIGTERM while all of them still flow"
RIGHT = "every stream ends with its last word and [DONE]; the process then ends by itself"
from lib import *
import resource

STREAMS = 2000


async def run(t):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 3 * STREAMS + 256
    if hard != resource.RLIM_INFINITY and hard < want:
        raise Skip(f"only {hard} files may be open, {want} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
    release = asyncio.Event()
    async def answer(r):
        c = r.conn
        await c.stream()
        await c.event(delta("first"))
        await release.wait()
        await c.event(delta(" last"))
        await c.event(delta(finish="stop"))
        await c.event("[DONE]")
        await c.end()
    u = await t.upstream(answer)
    g = await t.gateway(up("a", u.url) + '\n[server]\ndrain = "120s"\n')
    async def begin(i):
        s = await g.client.open("POST", "/v1/chat/completions", {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"q{i}"}]})
        return s, await s.piece(60)
    streams = []
    for n in range(0, STREAMS, 100):
        streams += await asyncio.gather(*(begin(i) for i in range(n, n + 100)))
    check(all(s.status == 200 for s, _ in streams), "not all streams began")
    for _ in range(2):
        r = await g.reload()
        check(r.status in (200, 204), f"reload: {r.short()}")
    g.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)
    release.set()
    async def rest(s, first):
        try:
            return first + await s.rest(60)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.TimeoutError) as error:
            return first + f" cut: {error!r}".encode()
    ends = await asyncio.gather(*(rest(s, first) for s, first in streams))
    lost = [e for e in ends if b" last" not in e or b"[DONE]" not in e]
    check(not lost, f"{len(lost)} of {STREAMS} streams were cut: {lost[:1]}")
    for _ in range(200):
        if g.process.poll() is not None:
            break
        await asyncio.sleep(0.05)
    check(g.process.poll() == 0, f"the process ended with {g.process.poll()}")
    return f"{STREAMS} streams ended whole"
