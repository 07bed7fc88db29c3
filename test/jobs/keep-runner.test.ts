import { expect, test, vi } from 'vitest';
import { ConnectionLost } from '../../src/db/database.ts';
import { keepRunner } from '../../src/jobs/keep-runner.ts';
import type { LogEntry } from '../../src/log.ts';

/** A run that ends when it is told to. */
function makeRun() {
  let fail: (error: Error) => void = () => {};
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  return { ended, stop: vi.fn<() => Promise<void>>(async () => end()), fail };
}

test('a run that ends by itself is started again, as often as it takes, and its rejection does no harm', async () => {
  const logged: LogEntry[] = [];
  const runs = [makeRun(), makeRun()];
  const begin = vi
    .fn<() => Promise<ReturnType<typeof makeRun>>>()
    .mockResolvedValueOnce(runs[0]!)
    .mockRejectedValueOnce(new Error('the database is away'))
    .mockResolvedValueOnce(runs[1]!);
  const keeping = await keepRunner(begin, (entry) => logged.push(entry));
  runs[0]!.fail(new Error('the connection was lost'));
  await vi.waitFor(() => expect(begin).toHaveBeenCalledTimes(3), 10_000);
  expect(logged.map(({ message }) => message)).toEqual([
    'the worker ended by itself and is being restarted: the connection was lost',
    'the worker cannot be restarted: the database is away',
  ]);
  await keeping.stop();
  expect(runs[1]!.stop).toHaveBeenCalledOnce();
});

test('a failed restart is logged with its stack if it is a bug, and without one if it is an operational error', async () => {
  const logged: LogEntry[] = [];
  const runs = [makeRun(), makeRun()];
  const bug = new TypeError('of undefined');
  const begin = vi
    .fn<() => Promise<ReturnType<typeof makeRun>>>()
    .mockResolvedValueOnce(runs[0]!)
    .mockRejectedValueOnce(bug)
    .mockResolvedValueOnce(runs[1]!);
  const keeping = await keepRunner(begin, (entry) => logged.push(entry));
  runs[0]!.fail(new ConnectionLost('the connection was lost', { reason: 'cut' }));
  await vi.waitFor(() => expect(begin).toHaveBeenCalledTimes(3), 10_000);
  expect(logged.map(({ stack }) => stack)).toEqual([undefined, bug.stack]);
  await keeping.stop();
});

test('a first run that cannot start is reported to the caller', async () => {
  const begin = () => Promise.reject(new Error('no such database'));
  await expect(keepRunner(begin, () => {})).rejects.toThrow('no such database');
});
