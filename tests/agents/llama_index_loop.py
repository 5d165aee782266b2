"""A function agent of LlamaIndex, run to its end by tests/python/agent_tasks in an environment of its own: it pins an
older OpenAI client than the tests use. Arguments: URL, model, the task, what the agent is told of itself."""

import asyncio
import sys

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai_like import OpenAILike

url, model, task, system = sys.argv[1:]


def temperature(room: str) -> str:
    """Reads the thermometer of a room, in degrees."""
    if room == "cellar":
        raise LookupError("no sensor in the cellar")
    return "21 degrees"


async def run():
    llm = OpenAILike(
        model=model, api_base=f"{url}/v1", api_key="unused", is_chat_model=True, is_function_calling_model=True, max_retries=0
    )
    agent = FunctionAgent(tools=[temperature], llm=llm, system_prompt=system)
    print(await agent.run(task))


asyncio.run(run())
