import type { Duplex } from 'node:stream';
import type { Connection } from 'pg';

/** The part of node-postgres' Connection that its types leave out, or describe as it was in an older version. */
export interface WireConnection {
  readonly stream: Pick<Duplex, 'on' | 'off'> & {
    readonly bytesRead?: number;
    readonly bytesWritten?: number;
    /** Bytes that have not been sent yet. */
    readonly writableLength: number;
    readonly destroyed: boolean;
    cork(): void;
    uncork(): void;
    destroy(error?: Error): void;
  };
  parse(message: { name: string; text: string }): void;
  bind(message: { statement?: string; values: unknown[] }): void;
  describe(message: { type: 'P' | 'S'; name: string }): void;
  execute(message: object): void;
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
  sendCopyFail(reason: string): void;
  on(event: 'parseComplete', listener: () => void): void;
}

/** The connection with the members that its types leave out. */
export function wireOf(connection: Connection): WireConnection {
  return connection as unknown as WireConnection;
}
