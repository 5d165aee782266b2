//! The forms in which upstreams embed texts.

/// The forms in which upstreams take texts and give vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddingForm {
    /// OpenAI's `/v1/embeddings`, which vLLM, Mistral and Azure have too.
    OpenAi,
    /// Cohere's `/v2/embed`.
    Cohere,
    /// Google's `batchEmbedContents`.
    Gemini,
    /// Amazon Titan's text embeddings (V2) as a body of Bedrock's InvokeModel: one text each.
    Titan,
    /// Cohere's embeddings as a body of Bedrock's InvokeModel.
    BedrockCohere,
}
