import type { QualifiedName } from '../schema-cache/identifier.ts';
import type { PostgrestConfig } from './config.ts';
import type { PostgrestOptionName } from './option-list.ts';

/**
 * The configuration in effect, as a configuration file that produces it again. Like PostgREST's own dump it contains the
 * secrets: a reader of the dump can sign tokens.
 */
export function dumpConfig(config: PostgrestConfig): string {
  const lines = Object.entries(values).map(([name, value]) => `${name} = ${quote(value(config))}`);
  const settings = config.rest.appSettings.map(([name, value]) => `${name} = ${quote(value)}`);
  return [...lines, ...settings].sort().join('\n');
}

type Value = string | number | boolean | null;

const values: Readonly<Record<PostgrestOptionName, (config: PostgrestConfig) => Value>> = {
  'admin-server-host': ({ admin }) => admin.host,
  'admin-server-port': ({ admin }) => admin.port,
  'admin-server-unix-socket': ({ admin }) => admin.socket,
  'admin-server-unix-socket-mode': ({ admin }) => admin.socketMode.toString(8),
  'client-error-verbosity': ({ rest }) => rest.errorVerbosity,
  'db-aggregates-enabled': ({ rest }) => rest.aggregatesEnabled,
  'db-anon-role': ({ identification }) => identification.anonymousRole,
  'db-channel': ({ database }) => database.channel,
  'db-channel-enabled': ({ database }) => database.channelEnabled,
  'db-config': ({ database }) => database.configInDatabase,
  'db-extra-search-path': ({ rest }) => rest.extraSearchPath.join(','),
  'db-hoisted-tx-settings': ({ rest }) => rest.hoistedSettings.join(','),
  'db-max-rows': ({ rest }) => rest.maxRows,
  'db-plan-enabled': ({ rest }) => rest.planEnabled,
  'db-pool': ({ database }) => database.poolSize,
  'db-pool-acquisition-timeout': ({ database }) => database.poolWaitSeconds,
  'db-pool-automatic-recovery': ({ database }) => database.automaticRecovery,
  'db-pool-max-idletime': ({ database }) => database.poolMaxIdleSeconds,
  'db-pool-max-lifetime': ({ database }) => database.poolMaxLifetimeSeconds,
  'db-pre-config': ({ database }) => dotted(database.preConfig),
  'db-pre-request': ({ rest }) => dotted(rest.preRequest),
  'db-prepared-statements': ({ rest }) => rest.preparedStatements,
  'db-root-spec': ({ rest }) => dotted(rest.rootSpec),
  'db-schemas': ({ rest }) => rest.schemas.join(','),
  'db-tx-end': ({ rest }) => rest.transactionEnd,
  'db-uri': ({ database }) => database.uri.reveal(),
  'jwt-aud': ({ identification }) => identification.audience,
  'jwt-cache-max-entries': ({ identification }) => identification.cacheMaxEntries,
  'jwt-role-claim-key': ({ identification }) => identification.roleClaim.text,
  'jwt-secret': ({ jwtSecret }) => jwtSecret?.reveal() ?? null,
  'jwt-secret-is-base64': ({ jwtSecretIsBase64 }) => jwtSecretIsBase64,
  'log-level': ({ logLevel }) => logLevel,
  'log-query': ({ logQuery }) => logQuery,
  'openapi-mode': ({ rest }) => rest.openapi.mode,
  'openapi-security-active': ({ rest }) => rest.openapi.securityActive,
  'openapi-server-proxy-uri': ({ rest }) => rest.openapi.serverProxyUri,
  'server-cors-allowed-origins': ({ corsAllowedOrigins }) => corsAllowedOrigins?.join(',') ?? null,
  'server-host': ({ server }) => server.host,
  'server-port': ({ server }) => server.port,
  'server-reuseport': ({ server }) => server.reusePort,
  'server-timing-enabled': ({ rest }) => rest.serverTiming,
  'server-trace-header': ({ rest }) => rest.traceHeader,
  'server-unix-socket': ({ server }) => server.socket,
  'server-unix-socket-mode': ({ server }) => server.socketMode.toString(8),
  'url-use-legacy-target-names': ({ rest }) => rest.legacyTargetNames,
};

function dotted(name: QualifiedName | null): string | null {
  return name && (name.schema === '' ? name.name : `${name.schema}.${name.name}`);
}

/**
 * A value as a configuration file writes it: unset is an empty text, and a dollar sign is doubled because a single
 * one begins a variable.
 */
function quote(value: Value): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const escaped = (value ?? '').replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `"${escaped.replaceAll('$', '$$$$')}"`;
}
