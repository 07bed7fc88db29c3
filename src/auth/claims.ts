/** The roles that a request can run under, without the prefix. Anything else in a token is refused. */
export const requestRoles = ['anon', 'member', 'service', 'admin'] as const;
export type RequestRole = (typeof requestRoles)[number];

/** Who is asking, as verified. Frozen; the same object serves all requests of one token. */
export interface Claims {
  readonly role: RequestRole;
  /** Null for anonymous requests only. */
  readonly tenantId: string | null;
  /** Who within the tenant: a user, a service, an agent. Ends up in the audit log. */
  readonly subject: string | null;
  /** The token's whole payload as JSON text, for functions that read `request.jwt.claims`. */
  readonly json: string;
  /** Of the session whose token it was, as the database says it; a JWT has none, whatever it claims. */
  readonly sessionId?: string;
}

/** A request without credentials. */
export const anonymous: Claims = Object.freeze({
  role: 'anon',
  tenantId: null,
  subject: null,
  json: '{"role":"anon"}',
});

/** Claims made by the process itself rather than read from a token: jobs, the CLI, imports. */
export function claimsOf(role: RequestRole, tenantId: string, subject: string): Claims {
  return Object.freeze({
    role,
    tenantId,
    subject,
    json: JSON.stringify({ role, tenant_id: tenantId, sub: subject }),
  });
}
