// OpenAI's own client: chat completions and responses.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import OpenAI from 'openai';

import { PNG, key, models, needs, url } from '../lib/gateway.mjs';

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const TIME = {
  type: 'function',
  function: {
    name: 'get_time',
    parameters: { type: 'object', properties: { zone: { enum: ['UTC', 'Europe/Oslo'] } }, required: ['zone'] },
  },
};
const user = (content) => [{ role: 'user', content }];

for (const model of models) {
  describe(`chat before ${model}`, () => {
    test('a question is answered', async () => {
      const answer = await client.chat.completions.create({ model, messages: user('Grüße 🏔') });
      assert.equal(answer.choices[0].message.content, 'You said: Grüße 🏔');
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    });

    test('a stream says the same, and its usage when asked', async () => {
      const stream = await client.chat.completions.create({
        model,
        messages: user('a cached prompt'),
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      let usage;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? '';
        usage = chunk.usage ?? usage;
      }
      assert.equal(text, 'You said: a cached prompt');
      assert.equal(usage.prompt_tokens_details.cached_tokens, 4);
    });

    test('tools are run until the answer', async () => {
      const asked = [];
      const runner = client.chat.completions.runTools({
        model,
        messages: user('call all'),
        tools: [WEATHER, TIME].map((tool) => ({
          type: 'function',
          function: { ...tool.function, parse: JSON.parse, function: (given) => asked.push(given) && 'rain' },
        })),
      });
      assert.match(await runner.finalContent(), /results: .*rain.*rain/);
      assert.deepEqual(asked, [{ city: 'Zürich' }, { zone: 'UTC' }]);
    });

    test('a streamed call adds up', async () => {
      const runner = client.chat.completions.stream({ model, messages: user('call'), tools: [WEATHER] });
      const answer = await runner.finalChatCompletion();
      const call = answer.choices[0].message.tool_calls[0];
      assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Zürich' });
      assert.equal(answer.choices[0].finish_reason, 'tool_calls');
    });

    test('an image arrives', needs(model, 'image'), async () => {
      const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG.toString('base64')}` } };
      const answer = await client.chat.completions.create({
        model,
        messages: user([{ type: 'text', text: 'what is it?' }, image]),
      });
      assert.match(answer.choices[0].message.content, new RegExp(`image/png of ${PNG.length} bytes`));
    });

    test('failures are the exceptions of their kind', async () => {
      const say = (text) => client.chat.completions.create({ model, messages: user(text) });
      await assert.rejects(say('fail:429'), OpenAI.RateLimitError);
      await assert.rejects(say('fail:contextlength'), OpenAI.BadRequestError);
      await assert.rejects(say('fail:500'), OpenAI.InternalServerError);
    });

    test('a stream that breaks is an error', async () => {
      for (const marker of ['fail:midstream', 'fail:truncate']) {
        // Before its first content a broken answer is still an error of the request.
        await assert.rejects(async () => {
          const stream = await client.chat.completions.create({
            model,
            messages: user(`this stream will break: ${marker}`),
            stream: true,
          });
          for await (const _ of stream);
        });
      }
    });
  });

  describe(`responses before ${model}`, () => {
    test('a question is answered', async () => {
      const answer = await client.responses.create({ model, input: 'hello', instructions: 'Be brief' });
      assert.equal(answer.output_text, 'system: Be brief. You said: hello');
    });

    test('a stream ends with the response', async () => {
      const stream = client.responses.stream({ model, input: 'call', tools: [{ ...WEATHER.function, type: 'function' }] });
      const answer = await stream.finalResponse();
      const call = answer.output.find((item) => item.type === 'function_call');
      assert.deepEqual(JSON.parse(call.arguments), { city: 'Zürich' });
    });
  });
}

test('a wrong key is an authentication error', async () => {
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(
    stranger.chat.completions.create({ model: models[0], messages: user('hello') }),
    OpenAI.AuthenticationError,
  );
});
