/** The roles that a request can run under, without the prefix. A token with any other role is refused. */
export const requestRoles = ['anon', 'member', 'service', 'admin'] as const;
export type RequestRole = (typeof requestRoles)[number];

/** The verified identity of a requester. Frozen; the same object serves all requests of one token. */
export interface Claims {
  readonly role: RequestRole;
  /** Null for anonymous requests only. */
  readonly tenantId: string | null;
  /** The requester within the tenant: a user, a service, an agent. Recorded in the audit log. */
  readonly subject: string | null;
  /** The token's whole payload as JSON text, for functions that read `request.jwt.claims`. */
  readonly json: string;
  /**
   * Id of the session that the token belongs to, as the database reports it. A JWT never has one, whatever it
   * claims.
   */
  readonly sessionId?: string;
}

/** A request without credentials. */
export const anonymous: Claims = Object.freeze({
  role: 'anon',
  tenantId: null,
  subject: null,
  json: '{"role":"anon"}',
});

/** Claims made by the process itself, not read from a token: jobs, the CLI, imports. */
export function claimsOf(role: RequestRole, tenantId: string, subject: string): Claims {
  return Object.freeze({
    role,
    tenantId,
    subject,
    json: JSON.stringify({ role, tenant_id: tenantId, sub: subject }),
  });
}
