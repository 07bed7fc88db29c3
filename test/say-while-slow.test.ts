import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { sayWhileSlow } from '../src/say-while-slow.ts';

describe('slow work', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const messagesOf = async (work: () => Promise<string>, ms: number): Promise<[string[], unknown]> => {
    const messages: string[] = [];
    const result = sayWhileSlow(({ message }) => messages.push(message), 'making it', work).catch(String);
    await vi.advanceTimersByTimeAsync(ms);
    return [messages, await result];
  };
  const after = (ms: number) => () =>
    new Promise<string>((resolve) => {
      setTimeout(() => resolve('made'), ms);
    });

  test('says every two seconds what is being done', async () => {
    expect(await messagesOf(after(7_000), 20_000)).toEqual([
      ['making it: 2 s so far', 'making it: 4 s so far', 'making it: 6 s so far'],
      'made',
    ]);
  });

  test('says nothing when it takes no longer than that', async () => {
    expect(await messagesOf(after(1_999), 20_000)).toEqual([[], 'made']);
  });

  test('falls silent when it fails', async () => {
    const fails = () => after(3_000)().then(() => Promise.reject(new Error('broken')));
    expect(await messagesOf(fails, 20_000)).toEqual([['making it: 2 s so far'], 'Error: broken']);
  });
});
