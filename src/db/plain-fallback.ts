import type { Socket } from 'node:net';
import { Connection } from 'pg';

/** The members of node-postgres' connection that its types leave out. */
interface Internals {
  readonly stream: Socket;
  connect(port: number, host: string): void;
  attachListeners(stream: Socket): void;
}

/** node-postgres' connection under `sslmode=prefer`: when the server has no TLS, it goes on without. */
export class PlainFallback extends Connection {
  connect(port: number, host: string): void {
    const inner = this as unknown as Internals;
    const { stream } = inner;
    const before = new Set(stream.listeners('data'));
    (Connection.prototype as unknown as Internals).connect.call(this, port, host);
    // The server answers the question for TLS with one byte. node-postgres waits for it here, and fails at an N.
    const judge = stream.listeners('data').find((listener) => !before.has(listener));
    if (judge === undefined) throw new Error('node-postgres no longer waits for the answer about TLS here');
    stream.removeListener('data', judge as () => void);
    stream.once('data', (answer: Buffer) => {
      if (answer.toString('latin1') !== 'N') {
        judge.call(stream, answer);
        return;
      }
      inner.attachListeners(stream);
      this.emit('sslconnect');
    });
  }
}
