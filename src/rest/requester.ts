import type { Claims } from '../auth/claims.ts';
import type { TransactionSettings } from '../db/database.ts';

/** The identity that a request runs under. Frozen; the same object may serve all requests of one token. */
export interface Requester {
  /** The database role, which is also in `settings`. It may not exist: nothing has checked that. */
  readonly role: string;
  /**
   * Settings that tell the database who the requester is: `role`, `request.jwt.claims`, and whatever else a
   * deployment needs.
   */
  readonly settings: TransactionSettings;
  /** Whether the role is that of requests without credentials: a forbidden request is then a 401, otherwise a 403. */
  readonly isAnonymous: boolean;
  /** Whom the request counts for, where requests are counted. */
  readonly claims?: Claims;
}

/**
 * Identifies the requester by an Authorization header; undefined: the request has none. Rejects with RestError,
 * PGRST300 to PGRST303.
 */
export type IdentifyRequester = (authorization: string | undefined) => Promise<Requester>;
