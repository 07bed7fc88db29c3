/** The part of autocannon that the benchmark uses; the package has no type declarations. */
declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  interface Request {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly onResponse?: (status: number, body: string) => void;
  }

  interface Client {
    setRequests(requests: Request[]): void;
  }

  interface Options {
    readonly url: string;
    readonly connections: number;
    /** Duration in seconds. */
    readonly duration: number;
    /** Milliseconds between looks at the clock: a run may exceed its duration by up to this. */
    readonly sampleInt: number;
    /** Seconds to wait for an answer. */
    readonly timeout: number;
    readonly setupClient: (client: Client) => void;
  }

  interface Result {
    /** Duration in seconds, to a hundredth. */
    readonly duration: number;
    /** The number of failed connections and missing answers. */
    readonly errors: number;
    readonly '2xx': number;
    readonly non2xx: number;
  }

  interface Instance extends EventEmitter {
    on(
      event: 'response',
      listener: (client: Client, status: number, bytes: number, milliseconds: number) => void,
    ): this;
  }

  export default function autocannon(
    options: Options,
    callback: (error: Error | null, result: Result) => void,
  ): Instance;
}
