import type { KeyObject } from 'node:crypto';
import type { TlsChoice } from '../db/tls-parameters.ts';
import type { PoolerMode } from '../db/pooler.ts';
import type { LogChoice } from '../log.ts';
import type { PageSizes, RequestBudgets } from '../request-budget.ts';
import type { Secret } from './secret.ts';

/** Options of the REST dialect where it serves this project's own schema. */
export interface RestConfig {
  /** Most rows of a read, on every level. */
  readonly maxRows: number;
  readonly logStatements: boolean;
  /** Whether `application/vnd.pgrst.plan` is answered. Plans tell a tenant how many rows other tenants have. */
  readonly plans: boolean;
}

/** The parsed environment. Frozen; made once, by parseConfig (parse-config.ts). */
export interface Config {
  /** Directory of the embedded database, its socket and its secret. */
  readonly dataDirectory: string;
  /** False: an embedded database in memory, which loses everything at the end. */
  readonly useDatabase: boolean;
  /** Null: the embedded database. */
  readonly server: ServerConfig | null;
  readonly pool: PoolConfig;
  readonly rolePrefix: string;
  /** Whether the checks for production hold, and its defaults: docs/configuration.md. */
  readonly production: boolean;
  readonly jwt: JwtConfig;
  readonly http: HttpConfig;
  readonly rest: RestConfig;
  readonly log: LogConfig;
  /** Null: no metrics are served. */
  readonly metrics: MetricsConfig | null;
  /** Null: knowledge is not embedded. */
  readonly embeddings: EmbeddingsConfig | null;
  /**
   * URL that alerts are sent to. A secret, because anyone who knows it can send alerts. Null: alerts are not
   * sent.
   */
  readonly alertWebhook: Secret | null;
  /** Where the heads of the sealed audit log go. The URL is a secret like that of alerts. */
  readonly anchors: { readonly file: string | null; readonly webhook: Secret | null };
  readonly backup: BackupConfig;
}

/** What `start`, `serve` and `work` log. */
export interface LogConfig extends LogChoice {
  /** Requests that take so long are warnings. */
  readonly slowRequestMs: number;
}

/** The address of `/metrics`. */
export interface MetricsConfig {
  readonly host: string;
  /** Null: the usual port of the command. */
  readonly port: number | null;
}

/** The keys of tokens, and what a token has to claim. */
export interface JwtConfig {
  /**
   * A secret of HS256, a JSON Web Key or a set of them. Null: an embedded database keeps a secret in its data directory; on a
   * server, this process has no use of tokens, or takes the keys of `keysUrl` alone.
   */
  readonly secret: Secret | null;
  /** The file that `secret` was read from, absolute, which is read again when it changes. Null: it came as a value. */
  readonly secretFile: string | null;
  /** URL of a set of public keys. */
  readonly keysUrl: string | null;
  /** How often that set is read. */
  readonly keysEverySeconds: number;
  /** Null: any issuer, also none. */
  readonly issuer: string | null;
  /** Null: any audience, also none. */
  readonly audience: string | null;
  /** Longest time from `iat` (without one: from now) to `exp`. Null: a token needs no `exp`. */
  readonly maxLifetimeSeconds: number | null;
  /** Tolerance for the difference between the clocks of two machines. */
  readonly skewSeconds: number;
}

/** Options of backups. */
export interface BackupConfig {
  /** Null: backups are not kept. A server's backups have no default. */
  readonly store: BackupLocation | null;
  /** 32 bytes in hex or base64. Null: backups are not encrypted. */
  readonly encryptionKey: Secret | null;
  /** An Ed25519 key that signs what is stored. Null: nothing is signed. */
  readonly signingKey: KeyObject | null;
  /** Further Ed25519 keys whose signatures are trusted. Without them and a signing key, nothing is checked. */
  readonly publicKeys: readonly KeyObject[];
  /** Directory where a server's WAL waits until it is in the store; absolute. */
  readonly spoolDirectory: string;
  /** Whether every write is confirmed at once, for a server that waits for that. */
  readonly synchronousWal: boolean;
  /** A restore can reach every moment of the last so many days. */
  readonly retentionDays: number;
  /** Directory where drills make their copies; absolute. */
  readonly drillDirectory: string;
  /** Directory of Postgres's programs. Null: `PATH` and the usual places. */
  readonly binDirectory: string | null;
  /** The variables used to find those programs, and to run them. */
  readonly programEnvironment: { readonly PATH?: string; readonly HOME?: string };
}

/** A directory (absolute), or a bucket of object storage. */
export type BackupLocation =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      /** Empty, or ends with a slash. */
      readonly prefix: string;
      /** Null: the endpoint of AWS. */
      readonly endpoint: string | null;
      readonly region: string;
      /** Null: found the way AWS' tools find them (profile, role of the machine). */
      readonly credentials: S3Credentials | null;
    };

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: Secret | null;
}

/** An endpoint that speaks OpenAI's embeddings API. */
export interface EmbeddingsConfig {
  /** Without `/embeddings` and without a slash at the end. */
  readonly url: string;
  readonly model: string;
  readonly apiKey: Secret | null;
}

/** The four identities on a server, and the way to it. Absent ones are null: a process needs only its own. At least one is there. */
export interface ServerConfig {
  /** The API's login, which may only switch to the request roles. */
  readonly url: Secret | null;
  /** The kind of pooler that `url` leads to. */
  readonly pooler: PoolerMode;
  /** The API's login on the server itself, for LISTEN. Null: `url` serves for that, too. */
  readonly listenUrl: Secret | null;
  readonly migrateUrl: Secret | null;
  readonly workerUrl: Secret | null;
  readonly backupUrl: Secret | null;
  /** What holds for URLs that say nothing themselves. */
  readonly tls: TlsChoice;
}

export interface PoolConfig {
  readonly size: number;
  readonly overflow: number;
  readonly waitMs: number;
  /** Most of the pool, in percent, that the requests of one tenant use at once. */
  readonly tenantPercent: number;
  readonly recycleSeconds: number;
  readonly connectMs: number;
  /** How long a process waits for a server that is away when it starts. */
  readonly startWaitMs: number;
  readonly statementTimeoutMs: number;
  /** How long the server may be silent beyond that. */
  readonly silenceMs: number;
  /** How often the listening connection notifies itself. */
  readonly echoMs: number;
  readonly applicationName: string;
}

/** Limits on callers at the doors of one process; 0: none. */
export interface TrafficConfig {
  /** Addresses and networks of proxies whose X-Forwarded-For counts. */
  readonly trustedProxies: readonly string[];
  /** Requests a second. */
  readonly perAddress: number;
  readonly perTenant: number;
  readonly perSubject: number;
  /** Requests in progress. */
  readonly requestsOfTenant: number;
  readonly requestsOfSubject: number;
  /** Streams of events and WebSockets that are open. */
  readonly streamsOfTenant: number;
  readonly subscriptionsOfTenant: number;
  readonly connectionsOfAddress: number;
}

export interface HttpConfig {
  readonly traffic: TrafficConfig;
  /** Whether requests without a token get GraphiQL, the reference page, OpenAPI and introspection. */
  readonly showsSchemaToAll: boolean;
  readonly budgets: RequestBudgets;
  /** Page sizes of GraphQL's lists. */
  readonly pages: PageSizes;
  readonly host: string;
  /** Whether production may listen in plain HTTP beyond this machine. */
  readonly allowPlainHttp: boolean;
  readonly port: number;
  /** Null: plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** The address that clients see behind a proxy, without a trailing slash. Null: the one that they ask. */
  readonly publicUrl: string | null;
  /** Origins whose pages may use the API, as browsers write them. Null: any origin. */
  readonly corsOrigins: readonly string[] | null;
  /** Time for a whole process to end. */
  readonly shutdownMs: number;
  /** The part of it in which the API still serves, so that balancers and clients can turn elsewhere; at most half. */
  readonly drainMs: number;
  /** Time for a request to arrive, its body included. */
  readonly requestMs: number;
  /** Time for a client to take the next part of an answer. */
  readonly unreadMs: number;
}
