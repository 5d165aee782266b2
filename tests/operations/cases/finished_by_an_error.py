SOURCE = "openclaw/openclaw#59680, BerriAI/litellm#38535"
DID = "Provider answers 200 and names the failure where the reason to stop stands: finish_reason \"error\", whole and streamed"
RIGHT = "the next upstream answers; where there is none the client gets an error, and nothing is kept"
from lib import *


async def run(t):
    async def failing(r):
        if not r.json.get("stream"):
            return await r.conn.reply(200, completion("", finish="error", usage=None))
        await r.conn.stream()
        await r.conn.event(delta("", role="assistant"))
        await r.conn.event(delta(finish="error"))
        await r.conn.event("[DONE]")
        await r.conn.end()
    bad = await t.upstream(failing)
    good = await t.upstream(either)
    two = await t.gateway("[retries]\neject_after = 1000\n" + up("failing", bad.url) + up("good", good.url))
    one = await t.gateway("[retries]\nattempts = 1\neject_after = 1000\n" + up("failing", bad.url))
    faults = []
    for stream in (False, True):
        r = await two.client.chat(f"two {stream}", stream=stream)
        if r.status != 200 or r.content() != "hello":
            faults.append(f"{stream=}: with another upstream {r.short()}")
        asked = len(bad.requests)
        alone = [await one.client.chat(f"one {stream}", stream=stream) for _ in range(2)]
        if any("error" not in r.text or "upstream" not in r.text for r in alone):
            faults.append(f"{stream=}: alone {alone[0].short()}")
        if len(bad.requests) != asked + 2:
            faults.append(f"{stream=}: kept")
    check(not faults, "; ".join(faults))
