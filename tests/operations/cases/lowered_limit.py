SOURCE = "BerriAI/litellm#24677 (a key waits for minutes after its limit was reached)"
DID = "Operator lowers a key's limit from 40 requests a minute to 2, by reload, after it has sent 20"
RIGHT = "it is limited at once, and told to come back within a minute"
import re

from lib import *


async def run(t):
    u = await t.upstream(either)
    folder = t.folder()
    key = t.key(folder, requests_per_minute=40)
    g = await t.gateway(up("a", u.url) + f'\n[keys]\nfile = "{folder}/keys.toml"\n')
    c = g.with_key(key)
    first = [(await c.chat(f"x{i}")).status for i in range(20)]
    check(first == [200] * 20, f"{first}")
    keys = folder / "keys.toml"
    keys.write_text(re.sub(r"requests_per_minute = 40", "requests_per_minute = 2", keys.read_text()))
    done = await g.reload()
    check(done.status == 200, done.short())
    states = [await c.chat(f"y{i}") for i in range(3)]
    last = states[-1]
    check(last.status == 429, f"{[r.status for r in states]}")
    waits = int(last.header("retry-after"))
    check(waits <= 60, f"retry-after {waits}")
    return f"retry-after {waits}"
