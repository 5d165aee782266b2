"""Which upstreams the suites stand before."""

# One of each dialect that an upstream speaks.
UNLIKE = ("at-openai", "at-anthropic", "at-bedrock", "at-gemini", "at-cohere", "at-oci")
# The others: the same dialects behind other doors and credentials.
DOORS = (
    "at-vllm",
    "at-azure",
    "at-azure-entra",
    "at-azure-machine",
    "at-bedrock-invoke",
    "at-bedrock-chat",
    "at-sagemaker",
    "at-vertex",
    "at-vertex-claude",
    "at-vertex-mistral",
    "at-mistral",
    "at-oci-cohere",
)
