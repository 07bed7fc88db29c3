import type { Log } from './log.ts';

/** Longest silence of slow work, and so how long work may take before anything is said at all. */
const silenceMs = 2_000;

/**
 * Does the work, and logs what is being done every two seconds until it has settled: nothing for work that ends sooner.
 *
 * @param doing the work as a person says it, such as `making the embedded database in /srv/data`
 */
export async function sayWhileSlow<T>(log: Log, doing: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - began) / 1000);
    log({ level: 'info', event: 'still-working', message: `${doing}: ${seconds} s so far`, seconds });
  }, silenceMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
