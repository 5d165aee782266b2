"""A function agent of LlamaIndex, run to its end by tests/python/agent_tasks in an environment of its own: it pins an
older OpenAI client than the tests use. Arguments: the page's code, which makes `chat`, the task, and what the agent is told
of itself."""

import asyncio
import sys

from llama_index.core.agent.workflow import FunctionAgent

code, task, system = sys.argv[1:]
made = {}
exec(code, made)  # noqa: S102


def temperature(room: str) -> str:
    """Reads the thermometer of a room, in degrees."""
    if room == "cellar":
        raise LookupError("no sensor in the cellar")
    return "21 degrees"


async def run():
    agent = FunctionAgent(tools=[temperature], llm=made["chat"], system_prompt=system)
    print(await agent.run(task))


asyncio.run(run())
