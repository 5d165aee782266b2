SOURCE = "decolua/9router#3242, azrtydxb/Fastllm-proxy#28"
DID = "Preferred provider answers 200 with something that is no answer: its API gateway's page, its billing's words, an empty object"
RIGHT = "the next upstream answers; where there is none the client gets a 502, and nothing is kept"
from lib import *

WORDS = {
    "an API gateway's error": {"message": "Internal server error"},
    "a balance": {"code": "1113", "msg": "balance", "success": False},
    "another balance": {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
    "FastAPI's detail": {"detail": "Not authenticated"},
    "an empty object": {},
}


async def run(t):
    said = {}

    async def odd(r):
        await r.conn.reply(200, said["now"])
    bad = await t.upstream(odd)
    good = await t.upstream(either)
    two = await t.gateway("[retries]\neject_after = 1000\n" + up("odd", bad.url) + up("good", good.url))
    one = await t.gateway("[retries]\nattempts = 1\neject_after = 1000\n" + up("odd", bad.url))
    faults = []
    for name, words in WORDS.items():
        said["now"] = words
        for stream in (False, True):
            r = await two.client.chat(name, stream=stream)
            if r.status != 200 or r.content() != "hello":
                faults.append(f"{name}, {stream=}: with another upstream {r.short()}")
        asked = len(bad.requests)
        alone = [await one.client.chat(name) for _ in range(2)]
        if [r.status for r in alone] != [502, 502]:
            faults.append(f"{name}: alone {alone[0].short()}")
        if len(bad.requests) != asked + 2:
            faults.append(f"{name}: kept")
    check(not faults, "; ".join(faults))
    return f"{len(WORDS)} kinds"
