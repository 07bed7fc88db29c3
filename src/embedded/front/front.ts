import { randomInt } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { Client } from './client.ts';
import type { EmbeddedEvent } from '../embedded-event.ts';
import { shuttingDown } from './reports.ts';
import type { Scheduler } from '../turns/scheduler.ts';
import { statementsOf } from '../sql/sql-text.ts';
import type { Statement } from '../sql/sql-text.ts';
import { admit } from './startup.ts';
import {
  FrameReader,
  ProtocolViolation,
  errorResponse,
  message,
  negotiateProtocolVersion,
  readStartup,
  readyForQuery,
} from '../wire.ts';
import type { Report } from '../wire.ts';

/** Upper bound of clients. One session serves them all, so more connections would point to a leak. */
const largestClients = 500;
/** Equal to the default of Postgres' authentication_timeout. */
const startupTimeoutMs = 60_000;

/**
 * The socket that every client connects to, our own process included, and the start of each connection.
 *
 * Our own and not `@electric-sql/pglite-socket`, because that one schedules single messages where the
 * protocol's unit is the batch up to Sync, so messages of two clients can mix inside one implicit transaction;
 * shares prepared names, settings, roles and temporary tables between clients; ends at a COPY FROM STDIN, and
 * the database with it; passes notifications to whichever client happens to run; drops cancellations; lets a
 * client that idles in a transaction block all others for ever; and runs PGlite in the thread that also has to
 * answer.
 */
export class Front {
  readonly #scheduler: Scheduler;
  readonly #onEvent: (event: EmbeddedEvent) => void;
  readonly #server: Server;
  readonly #clients = new Map<number, Client>();
  readonly #sockets = new Set<Socket>();
  /** The parameters reported to a client at its start, by the settings that it brings (`SessionState.key`). */
  readonly #welcomes = new Map<string, ReadonlyMap<string, string>>();
  readonly #defaults: ReadonlyMap<string, string>;
  readonly #texts = new Map<string, readonly Statement[]>();
  #lastId = 0;

  /** The scheduler must be running. */
  constructor(scheduler: Scheduler, onEvent: (event: EmbeddedEvent) => void) {
    this.#scheduler = scheduler;
    this.#onEvent = onEvent;
    this.#defaults = new Map(scheduler.parameters).set('session_authorization', 'postgres');
    this.#welcomes.set('', this.#defaults);
    this.#server = createServer((socket) => this.#connected(socket));
  }

  /**
   * Opens the socket, for its owner only. Removes the socket of an earlier process, so the caller must hold the
   * lock.
   */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => resolve());
    });
    chmodSync(path, 0o600);
  }

  /** Stops taking connections. Open ones end when the scheduler is closed. */
  stopListening(): void {
    this.#server.close();
  }

  /** Ends the remaining connections. The socket's file is gone when the promise resolves. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#sockets.size === 0) resolve();
      for (const socket of this.#sockets) {
        socket.once('close', () => {
          if (this.#sockets.size === 0) resolve();
        });
        socket.end();
        setTimeout(() => socket.destroy(), farewellMs).unref();
      }
    });
    this.#server.close();
    await closed;
  }

  #connected(socket: Socket): void {
    const reader = new FrameReader();
    let client: Client | undefined;
    this.#sockets.add(socket);
    socket.setTimeout(startupTimeoutMs, () => socket.destroy());
    // An error of a socket means that its client went away; `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      client?.disconnected();
      if (client) this.#clients.delete(client.processId);
    });
    socket.on('data', (chunk) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      if (client) {
        client.receive(bytes);
        return;
      }
      reader.push(bytes);
      try {
        client = this.#startup(socket, reader);
      } catch (error) {
        if (!(error instanceof ProtocolViolation)) throw error;
        this.#refuse(socket, { severity: 'FATAL', code: error.code, message: error.message });
      }
      client?.proceed();
    });
  }

  /** Reads the packets before the typed messages. Undefined: the client has to send more, or is done. */
  #startup(socket: Socket, reader: FrameReader): Client | undefined {
    while (socket.writable) {
      const packet = reader.nextStartup();
      if (!packet) return undefined;
      const startup = readStartup(packet);
      if (startup.kind === 'encryption') {
        socket.write('N');
      } else if (startup.kind === 'cancel' || startup.kind === 'withdraw') {
        const client = this.#clients.get(startup.processId);
        if (client?.secret === startup.secret) this.#scheduler[startup.kind](client);
        socket.end();
        return undefined;
      } else if (startup.major !== 3) {
        const version = `${startup.major}.${startup.minor}`;
        throw new ProtocolViolation(`protocol version ${version} is not supported: expected 3.0`);
      } else {
        return this.#admit(socket, reader, startup.parameters, startup.minor);
      }
    }
    return undefined;
  }

  #admit(
    socket: Socket,
    reader: FrameReader,
    parameters: ReadonlyMap<string, string>,
    minor: number,
  ): Client | undefined {
    const admission = admit(parameters, this.#defaults);
    const refusal =
      this.#scheduler.refusal ??
      (this.#clients.size >= largestClients ? tooManyClients : undefined) ??
      (admission.kind === 'refused' ? admission.report : undefined);
    if (refusal || admission.kind === 'refused') {
      this.#refuse(socket, refusal ?? shuttingDown);
      return undefined;
    }
    socket.setTimeout(0);
    if (minor > 0 || admission.unknownOptions.length > 0) {
      socket.write(negotiateProtocolVersion(0, admission.unknownOptions));
    }
    const id = ++this.#lastId;
    const identity = { id, processId: firstProcessId + id, secret: randomInt(-(2 ** 31), 2 ** 31) };
    const client = new Client(socket, reader, identity, admission.settings, this.#scheduler, (sql) =>
      this.#analyse(sql),
    );
    this.#clients.set(client.processId, client);
    this.#scheduler.join(client);
    const { key } = client.session;
    const known = this.#welcomes.get(key);
    if (known) {
      client.output(welcome(client, known));
    } else {
      client.setUp(() => {
        const told = new Map(this.#scheduler.parameters).set('session_authorization', 'postgres');
        if (this.#welcomes.size < largestWelcomes) this.#welcomes.set(key, told);
        client.output(welcome(client, told));
      });
    }
    return client;
  }

  #refuse(socket: Socket, report: Report): void {
    socket.end(errorResponse(report));
    setTimeout(() => socket.destroy(), farewellMs).unref();
    this.#onEvent({ kind: 'client-refused', code: report.code, message: report.message });
  }

  /** Returns the statements of a text, and remembers them for the short texts that come again and again. */
  #analyse(sql: string): readonly Statement[] {
    if (sql.length > largestRememberedText) return statementsOf(sql);
    const known = this.#texts.get(sql);
    if (known) return known;
    const statements = statementsOf(sql);
    if (this.#texts.size >= largestTexts) this.#texts.clear();
    this.#texts.set(sql, statements);
    return statements;
  }
}

const farewellMs = 1000;
const firstProcessId = 1000;
const largestWelcomes = 1000;
const largestTexts = 2000;
const largestRememberedText = 4096;

const tooManyClients: Report = {
  severity: 'FATAL',
  code: '53300',
  message: `sorry, too many clients already (${largestClients})`,
};

function welcome(client: Client, parameters: ReadonlyMap<string, string>): Buffer {
  return Buffer.concat([
    message('R', 0),
    ...[...parameters].map(([name, value]) => message('S', name, value)),
    message('K', client.processId, client.secret),
    readyForQuery('I'),
  ]);
}
