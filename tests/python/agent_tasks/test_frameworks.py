"""Tool loops of agent frameworks, run by themselves to their end: a call, a call that fails, the answer."""

import agents
import anthropic
import openai
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ToolErrorMiddleware
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from .script import Script, Use

TASK = "How warm are the hall and the cellar?"
END = "The hall has 21 degrees, and of the cellar nothing is known."
SYSTEM = "You watch the temperature of a house."
MODEL, CLAUDE = "coder", "claude-opus-5-5"
STEPS = [
    [Use("temperature", {"room": "hall"}, says=("21 degrees",))],
    [Use("temperature", {"room": "cellar"}, says=("no sensor in the cellar",))],
]


def temperature(room: str) -> str:
    """Reads the thermometer of a room, in degrees."""
    if room == "cellar":
        raise LookupError("no sensor in the cellar")
    return "21 degrees"


def retried(room: str) -> str:
    """Reads the thermometer of a room, in degrees."""
    try:
        return temperature(room)
    except LookupError as error:
        raise ModelRetry(str(error)) from error


def options(gateway):
    return {"base_url": gateway.api, "api_key": "unused", "max_retries": 0}


def openai_agents(model):
    def run(gateway):
        agents.set_tracing_disabled(True)
        agent = agents.Agent(
            name="house",
            instructions=SYSTEM,
            model=model(MODEL, openai.AsyncOpenAI(**options(gateway))),
            tools=[agents.function_tool(temperature, failure_error_function=lambda _, error: str(error))],
        )
        return agents.Runner.run_sync(agent, TASK).final_output

    return run


def pydantic_openai(model):
    def run(gateway):
        provider = OpenAIProvider(openai_client=openai.AsyncOpenAI(**options(gateway)))
        return pydantic_agent(model(MODEL, provider=provider))

    return run


def pydantic_anthropic(gateway):
    client = anthropic.AsyncAnthropic(base_url=gateway.url, api_key="unused", max_retries=0)
    return pydantic_agent(AnthropicModel(CLAUDE, provider=AnthropicProvider(anthropic_client=client)))


def pydantic_agent(model):
    agent = Agent(model, instructions=SYSTEM)
    agent.tool_plain(retried, name="temperature", retries=2)
    return agent.run_sync(TASK).output


def langchain(model):
    def run(gateway):
        failures = ToolErrorMiddleware(lambda error, _: str(error))
        agent = create_agent(model(gateway), tools=[temperature], system_prompt=SYSTEM, middleware=[failures])
        last = agent.invoke({"messages": [{"role": "user", "content": TASK}]})["messages"][-1]
        return last.text

    return run


LOOPS = {
    "openai-agents-responses": openai_agents(agents.OpenAIResponsesModel),
    "openai-agents-chat": openai_agents(agents.OpenAIChatCompletionsModel),
    "pydantic-ai-chat": pydantic_openai(OpenAIChatModel),
    "pydantic-ai-responses": pydantic_openai(OpenAIResponsesModel),
    "pydantic-ai-anthropic": pydantic_anthropic,
    "langchain-openai": langchain(lambda gateway: ChatOpenAI(model=MODEL, **options(gateway))),
    "langchain-openai-responses": langchain(
        lambda gateway: ChatOpenAI(model=MODEL, use_responses_api=True, **options(gateway))
    ),
    "langchain-anthropic": langchain(
        lambda gateway: ChatAnthropic(model=CLAUDE, base_url=gateway.url, api_key="unused", max_retries=0)
    ),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_tool_loop_comes_to_its_end(loop, playing):
    script = Script(TASK, STEPS, END)
    with playing(script) as gateway:
        assert LOOPS[loop](gateway) == END
