import type { TransactionSettings } from '../db/database.ts';

/** On whose behalf a request runs. Frozen; the same object may serve all requests of one token. */
export interface Requester {
  /** The database role; also in `settings`. Nobody has checked that it exists. */
  readonly role: string;
  /** What makes the database see the requester: `role`, `request.jwt.claims` and whatever else a deployment needs. */
  readonly settings: TransactionSettings;
  /** Runs under the role of requests without credentials: what is forbidden is a 401 to it, and a 403 to others. */
  readonly isAnonymous: boolean;
}

/** Tells who is behind an Authorization header; undefined: there is none. Rejects with RestError, PGRST300 to PGRST303. */
export type IdentifyRequester = (authorization: string | undefined) => Promise<Requester>;
