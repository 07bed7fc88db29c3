/** The roles of requests to the data of tenants, without the prefix. */
export const tenantRoles = ['anon', 'member', 'service', 'admin'] as const;
/** The roles that a request can run under. A token with any other role is refused. */
export const requestRoles = [...tenantRoles, 'operator'] as const;
export type RequestRole = (typeof requestRoles)[number];

/** Why a token of this role cannot have this tenant, after "the token has"; null: it can. */
export function roleTenantProblem(role: RequestRole, tenantId: unknown): string | null {
  if (role === 'anon') return null;
  if (role !== 'operator') {
    return typeof tenantId === 'string' && tenantId !== '' ? null : `the role ${role} but lacks a tenant_id`;
  }
  return tenantId === undefined || tenantId === null
    ? null
    : 'the role operator and a tenant_id; an operator belongs to no tenant';
}

/** The verified identity of a requester. Frozen; the same object serves all requests of one token. */
export interface Claims {
  readonly role: RequestRole;
  /** Null for anonymous requests and operators only. */
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
  /** Id of the key that signed the JWT, which is not in `json`. Absent for other tokens. */
  readonly keyId?: string;
  /** Id of the API key, which the database reports as it does that of a session. */
  readonly apiKeyId?: string;
}

/** A request without credentials. */
export const anonymous: Claims = Object.freeze({
  role: 'anon',
  tenantId: null,
  subject: null,
  json: '{"role":"anon"}',
});

/** Claims made by the process itself, not read from a token: jobs, the CLI, imports. */
export function claimsOf(role: RequestRole, tenantId: string | null, subject: string): Claims {
  return Object.freeze({
    role,
    tenantId,
    subject,
    json: JSON.stringify({ role, ...(tenantId !== null && { tenant_id: tenantId }), sub: subject }),
  });
}
