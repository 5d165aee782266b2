// What Vercel's AI SDK must get from a model, whichever provider package speaks to it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { APICallError, Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

import { PNG, needs } from './gateway.mjs';

const PERSON = z.object({ name: z.string(), age: z.number(), tags: z.array(z.string()) });
const once = { maxRetries: 0 };

/** Registers the claims for `model`, a language model of the AI SDK. */
export function claims(name, model) {
  describe(name, () => {
    test('text is generated', async () => {
      const said = await generateText({ model, prompt: 'hello', system: 'Be brief', ...once });
      assert.equal(said.text, 'system: Be brief. You said: hello');
      assert.equal(said.finishReason, 'stop');
      assert.ok(said.usage.outputTokens > 0);
    });

    test('text is streamed', async () => {
      const said = streamText({ model, prompt: 'a cached prompt', ...once });
      const pieces = [];
      for await (const piece of said.textStream) pieces.push(piece);
      assert.equal(pieces.join(''), 'You said: a cached prompt');
      assert.ok(pieces.length > 1);
      assert.equal((await said.usage).inputTokenDetails.cacheReadTokens, 4);
    });

    for (const [how, run] of [['whole', generateText], ['streamed', streamText]]) {
      test(`tools are run until the answer, ${how}`, async () => {
        const asked = [];
        const said = run({
          model,
          prompt: 'call all',
          tools: {
            get_weather: tool({
              inputSchema: z.object({ city: z.string() }),
              execute: async (given) => asked.push(given) && 'rain',
            }),
            get_time: tool({
              inputSchema: z.object({ zone: z.enum(['UTC']) }),
              execute: async (given) => asked.push(given) && 'noon',
            }),
          },
          stopWhen: stepCountIs(3),
          ...once,
        });
        const answer = how === 'streamed' ? said : await said;
        assert.match(await answer.text, /results: .*rain.*noon/);
        assert.deepEqual(asked, [{ city: 'Zürich' }, { zone: 'UTC' }]);
      });
    }

    test('an object fits its schema', needs(name, 'object'), async () => {
      const said = await generateText({ model, prompt: 'who?', output: Output.object({ schema: PERSON }), ...once });
      assert.deepEqual(PERSON.parse(said.output), said.output);
    });

    test('an image arrives', needs(name, 'image'), async () => {
      const content = [
        { type: 'text', text: 'what is it?' },
        { type: 'image', image: PNG, mediaType: 'image/png' },
      ];
      const said = await generateText({ model, messages: [{ role: 'user', content }], ...once });
      assert.match(said.text, new RegExp(`image/png of ${PNG.length} bytes`));
    });

    test('failures have their status', async () => {
      for (const [marker, status] of [['fail:429', 429], ['fail:contextlength', 400]]) {
        await assert.rejects(generateText({ model, prompt: marker, ...once }), (error) => {
          assert.ok(APICallError.isInstance(error), String(error));
          assert.equal(error.statusCode, status);
          return true;
        });
      }
    });

    test('a stream that breaks is an error', async () => {
      for (const marker of ['fail:midstream', 'fail:truncate']) {
        const errors = [];
        const said = streamText({
          model,
          prompt: `this stream will break: ${marker}`,
          onError: ({ error }) => errors.push(error),
          ...once,
        });
        await said.consumeStream({ onError: (error) => errors.push(error) });
        assert.ok(errors.length > 0, marker);
      }
    });
  });
}
