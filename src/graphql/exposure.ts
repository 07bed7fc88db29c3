import type { RequestRole } from '../auth/claims.ts';

/** The part of the database that a GraphQL schema shows. */
export interface Exposure {
  readonly schemas: readonly string[];
  /** The role that reads the catalog. */
  readonly introspectAs: RequestRole;
  /** Whether it has the tables of tenants, with their subscriptions, and shows what any of the tenants' roles may do. */
  readonly isOfTenants: boolean;
}

/** What people, services and administrators of tenants see. */
export const tenantsExposure: Exposure = {
  schemas: ['app_public'],
  introspectAs: 'anon',
  isOfTenants: true,
};

/** What operators see, and nobody else does. */
export const operatorsExposure: Exposure = {
  schemas: ['ops'],
  introspectAs: 'operator',
  isOfTenants: false,
};
