// Vercel's AI SDK through @ai-sdk/openai: chat completions, and responses, which it prefers.

import { createOpenAI } from '@ai-sdk/openai';
import { defaultSettingsMiddleware, wrapLanguageModel } from 'ai';

import { claims } from '../lib/claims.mjs';
import { key, models, url } from '../lib/gateway.mjs';

const provider = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
// With it the SDK sends whole conversations; without, it refers to what the gateway keeps.
const middleware = defaultSettingsMiddleware({ settings: { providerOptions: { openai: { store: false } } } });
for (const model of models) {
  claims(`chat before ${model}`, provider.chat(model));
  claims(`responses before ${model}`, provider.responses(model));
  claims(`responses that keep nothing before ${model}`, wrapLanguageModel({ model: provider.responses(model), middleware }));
}
