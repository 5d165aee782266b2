"""The vendors' clients behind one face, so that the same claims are held against each of them.

A speaker is made as a user would make the client, unchanged; it only spells a conversation in its vendor's words.
"""

from .anthropic import AnthropicSpeaker
from .bedrock import BedrockSpeaker
from .cohere import CohereSpeaker
from .common import PNG, Image, Results, Said, User
from .genai import GenaiSpeaker
from .mistral import MistralSpeaker
from .ollama import OllamaSpeaker
from .openai_chat import OpenAISpeaker
from .openai_responses import ResponsesSpeaker

__all__ = [
    "PNG",
    "AnthropicSpeaker",
    "BedrockSpeaker",
    "CohereSpeaker",
    "GenaiSpeaker",
    "Image",
    "MistralSpeaker",
    "OllamaSpeaker",
    "OpenAISpeaker",
    "ResponsesSpeaker",
    "Results",
    "Said",
    "User",
]
