// OpenAI's Realtime client as pages use it: the key is a subprotocol, since a page can set no header.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import OpenAI from 'openai';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';

import { key, models, url } from '../lib/gateway.mjs';

for (const model of models) {
  test(`a conversation with ${model}`, async () => {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, dangerouslyAllowBrowser: true });
    // By itself the client only speaks TLS.
    const onURL = (address) => (address.protocol = new URL(url).protocol.replace('http', 'ws'));
    const realtime = await OpenAIRealtimeWebSocket.create(client, { model, onURL });
    const said = await new Promise((resolve, reject) => {
      let text = '';
      realtime.on('error', reject);
      realtime.on('session.created', () => {
        const content = [{ type: 'input_text', text: 'good evening' }];
        realtime.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content } });
        realtime.send({ type: 'response.create', response: { output_modalities: ['text'] } });
      });
      realtime.on('response.output_text.delta', (event) => (text += event.delta));
      realtime.on('response.done', () => resolve(text));
    });
    assert.equal(said, 'good evening');
    assert.equal(realtime.socket.protocol, 'realtime');
    const closed = new Promise((resolve) => realtime.socket.addEventListener('close', resolve));
    realtime.close();
    assert.equal((await closed).code, 1000);
  });
}
