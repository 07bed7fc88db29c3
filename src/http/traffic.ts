import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Claims } from '../auth/claims.ts';
import type { TrafficConfig } from '../config/config.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import { makeClientAddresses } from './client-address.ts';
import type { ClientAddresses } from './client-address.ts';
import { Rate, Tally } from './rate.ts';
import type { Refusals } from './refusals.ts';

/** Gives back what a caller was let in with. Call it once. */
export type Leave = () => void;

/** The names that a token's requests count for. */
interface Caller {
  readonly tenant: string;
  readonly subject: string;
}

/** How many of these go on now, for callers of every tenant. Requests without a token are not counted. */
export interface TrafficState {
  readonly connections: number;
  readonly requests: number;
  readonly streams: number;
  readonly subscriptions: number;
}

/** How often the same caller is named in the log. */
const sayEveryMs = 60_000;
const nothing: Leave = () => {};

/**
 * The limits on what callers may do at the same time and in a second, at all doors of one process. Every method that
 * refuses throws TOO_MANY_REQUESTS. A request without a token counts for its address alone.
 */
export class Traffic {
  #addresses: ClientAddresses;
  readonly #perAddress: Rate;
  readonly #perTenant: Rate;
  readonly #perSubject: Rate;
  readonly #requests: Tally;
  readonly #requestsOfSubject: Tally;
  readonly #streams: Tally;
  readonly #subscriptions: Tally;
  readonly #connections: Tally;
  readonly #callers = new WeakMap<Claims, Caller>();
  readonly #log: Log;
  readonly #note: Refusals['note'];
  #said = new Set<string>();
  #saidSince = 0;

  constructor(config: TrafficConfig, log: Log, note: Refusals['note']) {
    this.#addresses = makeClientAddresses(config.trustedProxies);
    this.#perAddress = new Rate(config.perAddress);
    this.#perTenant = new Rate(config.perTenant);
    this.#perSubject = new Rate(config.perSubject);
    this.#requests = new Tally(config.requestsOfTenant);
    this.#requestsOfSubject = new Tally(config.requestsOfSubject);
    this.#streams = new Tally(config.streamsOfTenant);
    this.#subscriptions = new Tally(config.subscriptionsOfTenant);
    this.#connections = new Tally(config.connectionsOfAddress);
    this.#log = log;
    this.#note = note;
  }

  /** Sets other limits, for what comes from now on. */
  adopt(config: TrafficConfig): void {
    this.#addresses = makeClientAddresses(config.trustedProxies);
    this.#perAddress.limit(config.perAddress);
    this.#perTenant.limit(config.perTenant);
    this.#perSubject.limit(config.perSubject);
    this.#requests.limit(config.requestsOfTenant);
    this.#requestsOfSubject.limit(config.requestsOfSubject);
    this.#streams.limit(config.streamsOfTenant);
    this.#subscriptions.limit(config.subscriptionsOfTenant);
    this.#connections.limit(config.connectionsOfAddress);
  }

  get state(): TrafficState {
    return {
      connections: this.#connections.total,
      requests: this.#requests.total,
      streams: this.#streams.total,
      subscriptions: this.#subscriptions.total,
    };
  }

  /** Closes connections beyond the most that an address may have. Proxies may have any number. */
  boundConnections(server: Server): void {
    server.prependListener('connection', (socket: Socket) => {
      const { remoteAddress } = socket;
      if (this.#addresses.isProxy(remoteAddress)) return;
      const address = this.#addresses.ofSocket(remoteAddress);
      if (!this.#connections.enter(address)) {
        this.#say('connections', `address ${address}`);
        socket.destroy();
        return;
      }
      socket.once('close', () => this.#connections.leave(address));
    });
  }

  /** Counts a request that came, before anybody knows who sent it. */
  arrive(request: IncomingMessage): void {
    const address = this.#addresses.of(request);
    if (!this.#perAddress.take(address, performance.now()))
      throw this.#refusal('requests a second', `address ${address}`);
  }

  /** Counts a request, or a message that asks for something, for its token. */
  ask(claims: Claims): void {
    const caller = this.#callerOf(claims);
    if (caller === null) return;
    const now = performance.now();
    if (!this.#perTenant.take(caller.tenant, now)) throw this.#refusal('requests a second', caller.tenant);
    if (!this.#perSubject.take(caller.subject, now)) throw this.#refusal('requests a second', caller.subject);
  }

  /** Counts a request as `ask` does, and as one in progress until it leaves. */
  begin(claims: Claims): Leave {
    this.ask(claims);
    return this.work(claims);
  }

  /** Counts a request as one in progress until it leaves. */
  work(claims: Claims): Leave {
    const caller = this.#callerOf(claims);
    if (caller === null) return nothing;
    if (!this.#requests.enter(caller.tenant)) throw this.#refusal('requests in progress', caller.tenant);
    if (!this.#requestsOfSubject.enter(caller.subject)) {
      this.#requests.leave(caller.tenant);
      throw this.#refusal('requests in progress', caller.subject);
    }
    return () => {
      this.#requests.leave(caller.tenant);
      this.#requestsOfSubject.leave(caller.subject);
    };
  }

  /** Counts a stream of events or a WebSocket until it leaves. */
  stream(claims: Claims): Leave {
    return this.#hold(this.#streams, 'streams and WebSockets', claims);
  }

  /** Counts a subscription until it leaves. */
  subscription(claims: Claims): Leave {
    return this.#hold(this.#subscriptions, 'subscriptions', claims);
  }

  #hold(tally: Tally, what: string, claims: Claims): Leave {
    const caller = this.#callerOf(claims);
    if (caller === null) return nothing;
    if (!tally.enter(caller.tenant)) throw this.#refusal(what, caller.tenant);
    return () => tally.leave(caller.tenant);
  }

  /** Null: the request has no token. Operators belong to no tenant, and count as one. */
  #callerOf(claims: Claims): Caller | null {
    if (claims.role === 'anon') return null;
    let caller = this.#callers.get(claims);
    if (caller === undefined) {
      const tenant = claims.tenantId === null ? 'operators' : `tenant ${claims.tenantId}`;
      caller = { tenant, subject: `${tenant}, subject ${claims.subject ?? 'none'}` };
      this.#callers.set(claims, caller);
    }
    return caller;
  }

  #refusal(what: string, whose: string): AppError {
    this.#say(what, whose);
    return new AppError('TOO_MANY_REQUESTS', `too many ${what}`, {
      hint: 'Come again after the seconds that Retry-After says, with fewer at a time; the limits are in docs/limits.md.',
    });
  }

  #say(what: string, whose: string): void {
    this.#note(what, whose);
    const now = Date.now();
    if (now - this.#saidSince > sayEveryMs || this.#said.size > 1_000) {
      this.#said = new Set();
      this.#saidSince = now;
    }
    const message = `too many ${what}: ${whose}`;
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#log({ level: 'warning', event: 'too-many-requests', message });
  }
}
