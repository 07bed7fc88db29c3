import type { Log } from '../log.ts';
import type { ConnectionEvent } from './connection-event.ts';

/** Logs an event of a connection, with what to do about it. */
export function logConnectionEvent(event: ConnectionEvent, log: Log): void {
  switch (event.kind) {
    case 'idle-connection-lost':
      log({
        level: 'warning',
        event: event.kind,
        message: `an idle connection was lost: ${event.error.message}`,
      });
      return;
    case 'listener-lost':
      log({
        level: 'warning',
        event: event.kind,
        message: `the listening connection was lost: ${event.error.message}`,
      });
      return;
    case 'cannot-listen':
      log({ level: 'warning', event: event.kind, message: cannotListenSentence });
      return;
    case 'listener-restored':
      log({ level: 'info', event: event.kind, message: `listening again after ${event.afterMs} ms` });
      return;
    case 'statement-failed':
      // Its caller reports it; ServerTroubles reports what is the server's.
      return;
    default:
      event satisfies never;
  }
}

const cannotListenSentence =
  'DATABASE_URL leads to a connection pooler, behind which LISTEN does not work: changes reach /events and subscriptions, and ' +
  'suspended tenants are locked out, up to a second late. Set LISTEN_DATABASE_URL to the same login at the address of the ' +
  'server itself, or DB_POOLER=session if the pooler keeps a session for each client (docs/poolers.md)';
