import { Client } from 'pg';

export interface Writer {
  /** The number of acknowledged transactions: 1 to this number. */
  readonly acked: number;
  /** Resolves once that many transactions are acknowledged. */
  until(count: number): Promise<void>;
  /** Waits for the running transaction to end. */
  stop(): Promise<void>;
}

/** Writes 1, 2, 3 ... into two tables, `one` and `two`, in one transaction each, as fast as they are acknowledged. */
export async function startWriting(connectionString: string): Promise<Writer> {
  const client = new Client({ connectionString });
  await client.connect();
  await client.query('truncate one, two');
  let acked = 0;
  const stopping = new AbortController();
  const waiting: { count: number; resolve: () => void }[] = [];
  const writing = (async () => {
    while (!stopping.signal.aborted) {
      const n = acked + 1;
      await client.query(
        `with w as (insert into one select ${n}, md5('${n}')) insert into two select ${n}, md5('${n}')`,
      );
      acked = n;
      for (const { count, resolve } of waiting) if (acked >= count) resolve();
    }
    await client.end();
  })();
  return {
    get acked() {
      return acked;
    },
    until: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve });
      }),
    stop: () => {
      stopping.abort();
      return writing;
    },
  };
}
