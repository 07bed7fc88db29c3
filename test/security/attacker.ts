import { Client } from 'pg';
import { attacks } from './attacks.ts';

/** What the process of an attacker is told. */
export interface Attack {
  readonly name: string;
  /** Of the analyst's login. */
  readonly connectionString: string;
  readonly url: string;
  readonly token: string;
  readonly seconds: number;
}

/** What stopped the attacker: each with how often, and the seconds until it came first. */
export type Stops = readonly {
  readonly how: string;
  readonly count: number;
  readonly afterSeconds: number;
}[];

// A process of its own, so that a flood does not keep whoever measures what it does.
process.once('message', (message) => {
  const attack = message as Attack;
  const over = AbortSignal.timeout(attack.seconds * 1000);
  const began = performance.now();
  const stops = new Map<string, { count: number; afterSeconds: number }>();
  const stopped = (how: string): void => {
    const afterSeconds = Number(((performance.now() - began) / 1000).toFixed(1));
    const known = stops.get(how) ?? { count: 0, afterSeconds };
    stops.set(how, { ...known, count: known.count + 1 });
  };
  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString: attack.connectionString });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const tell = (): void => {
    process.send!([...stops].map(([how, found]) => ({ how, ...found })));
    // Its connections end with it.
    process.disconnect();
    process.exit();
  };
  void attacks[attack.name]!({ ...attack, connect, over, stopped }).then(tell, tell);
  // A statement that nobody ends holds no attack beyond its time.
  over.addEventListener('abort', () => setTimeout(tell, 5_000));
});
