import { expect, test } from 'vitest';
import { Channels } from '../../../src/embedded/turns/channels.ts';

test('routes to the clients that listen, and to no others', () => {
  const channels = new Channels<string>();
  channels.set('a', new Set(['jobs', 'more']));
  channels.set('b', new Set(['jobs']));
  expect([...channels.listeners('jobs')]).toEqual(['a', 'b']);
  channels.set('a', new Set(['more']));
  expect([...channels.listeners('jobs')]).toEqual(['b']);
  expect([...channels.listeners('other')]).toEqual([]);
});

test('the engine stops listening once no client does, and starts again after it was lost', () => {
  const channels = new Channels<string>();
  channels.set('a', new Set(['jobs', 'odd "name']));
  channels.set('b', new Set(['jobs']));
  expect(channels.catchUp()).toEqual([]);
  channels.set('a', new Set());
  expect(channels.catchUp()).toEqual(['unlisten "odd ""name"']);
  expect(channels.catchUp()).toEqual([]);
  channels.forgetEngine();
  expect(channels.catchUp()).toEqual(['listen "jobs"']);
  channels.set('b', new Set());
  expect(channels.catchUp()).toEqual(['unlisten "jobs"']);
});
