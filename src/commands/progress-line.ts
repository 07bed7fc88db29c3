import type { OnProgress } from '../on-progress.ts';

/** Shows how far something long is: once a second at most, and nothing of what is over sooner. */
export function progressLine(stream: NodeJS.WritableStream): OnProgress {
  let shownAt = performance.now();
  return (fraction, note) => {
    if (performance.now() - shownAt < 1_000) return;
    shownAt = performance.now();
    stream.write(`${fraction === null ? '   ' : `${Math.floor(fraction * 100)} %`} ${note}\n`);
  };
}
