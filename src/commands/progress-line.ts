import type { OnProgress } from '../on-progress.ts';

/** Shows the progress of long work: once a second at most, and not at all for work that ends sooner. */
export function progressLine(stream: NodeJS.WritableStream): OnProgress {
  let shownAt = performance.now();
  return (fraction, note) => {
    if (performance.now() - shownAt < 1_000) return;
    shownAt = performance.now();
    stream.write(`${fraction === null ? '   ' : `${Math.floor(fraction * 100)} %`} ${note}\n`);
  };
}
