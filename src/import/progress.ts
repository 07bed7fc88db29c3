import { SingleBar } from 'cli-progress';
import type { ImportProgress } from './import-folder.ts';

/** Where progress is shown: a terminal gets a bar, anything else lines. */
export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** What takes less needs no bar. */
const quietMs = 2_000;
const lineEveryMs = 5_000;

/** Shows how far an import is, once it has taken two seconds. */
export class ProgressDisplay {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  #bar: SingleBar | undefined;
  #nextAt: number;

  constructor(stream: ProgressStream, now: () => number = Date.now) {
    this.#stream = stream;
    this.#now = now;
    this.#nextAt = now() + quietMs;
  }

  show({ done, total, file }: ImportProgress): void {
    const now = this.#now();
    if (now < this.#nextAt) return;
    if (!this.#stream.isTTY) {
      this.#stream.write(`${done} of ${total} items (${file})\n`);
      this.#nextAt = now + lineEveryMs;
      return;
    }
    if (!this.#bar) {
      this.#bar = new SingleBar({
        stream: this.#stream,
        format: '{bar} {value} of {total} items, {eta_formatted} left ({file})',
        clearOnComplete: true,
        hideCursor: true,
        // The statements of a load are what matters; a bar is drawn when there is something new.
        fps: 10,
      });
      this.#bar.start(total, done, { file });
    }
    this.#bar.update(done, { file });
  }

  /** Takes the bar away. Must be called, also after an error: the bar keeps a timer. */
  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
