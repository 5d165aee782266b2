// Vercel's AI SDK through @ai-sdk/anthropic: messages.

import { createAnthropic } from '@ai-sdk/anthropic';

import { claims } from '../lib/claims.mjs';
import { key, models, url } from '../lib/gateway.mjs';

const provider = createAnthropic({ baseURL: `${url}/v1`, apiKey: key });
for (const model of models) claims(`messages before ${model}`, provider(model));
