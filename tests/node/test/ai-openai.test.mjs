// Vercel's AI SDK through @ai-sdk/openai: chat completions, and responses, which it prefers.

import { createOpenAI } from '@ai-sdk/openai';

import { claims } from '../lib/claims.mjs';
import { key, models, url } from '../lib/gateway.mjs';

const provider = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
for (const model of models) {
  claims(`chat before ${model}`, provider.chat(model));
  claims(`responses before ${model}`, provider.responses(model));
}
