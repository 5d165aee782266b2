SOURCE = "QwenLM/qwen-code#670, Kilo-Org/kilocode#2426"
DID = "Provider answers 429 without Retry-After; its headers name the limit that is used up as vendors like: Cerebras, Mistral, Hugging Face"
RIGHT = "the client is told when that limit is back, not when another is"
from lib import *

TOLD = {
    "Cerebras": ([("x-ratelimit-remaining-requests-day", "900"), ("x-ratelimit-reset-requests-day", "30000"),
                  ("x-ratelimit-remaining-tokens-minute", "0"), ("x-ratelimit-reset-tokens-minute", "12.5")], 13),
    "Mistral": ([("x-ratelimitbysize-remaining-minute", "0"), ("x-ratelimitbysize-reset-minute", "17")], 17),
    "Hugging Face": ([("ratelimit", '"api";r=0;t=33, "pages";r=90;t=300')], 33),
    "seconds to wait": ([("x-ratelimit-reset-after", "4")], 4),
}


async def run(t):
    faults = []
    for name, (headers, seconds) in TOLD.items():
        u = await t.upstream(refuse(429, "slow down", headers))
        g = await t.gateway("[retries]\nattempts = 1\n" + up("a", u.url))
        r = await g.client.chat(name)
        waits = int(r.header("retry-after") or -1)
        if r.status != 429 or not seconds - 1 <= waits <= seconds:
            faults.append(f"{name}: {r.status}, retry-after {r.header('retry-after')}, not {seconds}")
        await g.stop()
    check(not faults, "; ".join(faults))
