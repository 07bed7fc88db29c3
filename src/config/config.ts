import type { TlsChoice } from '../db/connection-url.ts';
import type { PoolerMode } from '../db/pooler.ts';
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
  /** Null: the embedded database keeps one in its data directory. */
  readonly jwtSecret: Secret | null;
  readonly http: HttpConfig;
  readonly rest: RestConfig;
  /** Null: knowledge is not embedded. */
  readonly embeddings: EmbeddingsConfig | null;
  /**
   * URL that alerts are sent to. A secret, because anyone who knows it can send alerts. Null: alerts are not
   * sent.
   */
  readonly alertWebhook: Secret | null;
  readonly backup: BackupConfig;
}

/** Options of backups. */
export interface BackupConfig {
  /** Null: backups are not kept. A server's backups have no default. */
  readonly store: BackupLocation | null;
  /** 32 bytes in hex or base64. Null: backups are not encrypted. */
  readonly encryptionKey: Secret | null;
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

/** The four identities on a server, and the way to it. Absent ones are null: a process needs only its own. */
export interface ServerConfig {
  /** The API's login, which may only switch to the request roles. */
  readonly url: Secret;
  /** The kind of pooler that `url` leads to. */
  readonly pooler: PoolerMode;
  /** The API's login on the server itself, for LISTEN. Null: `url` serves for that, too. */
  readonly listenUrl: Secret | null;
  readonly migrateUrl: Secret | null;
  readonly workerUrl: Secret | null;
  readonly backupUrl: Secret | null;
  /** Null: decided by each URL's host; see `tlsOf`. */
  readonly ssl: TlsChoice | null;
}

export interface PoolConfig {
  readonly size: number;
  readonly overflow: number;
  readonly waitMs: number;
  readonly recycleSeconds: number;
  readonly connectMs: number;
  readonly statementTimeoutMs: number;
  /** How long the server may be silent beyond that. */
  readonly silenceMs: number;
  /** How often the listening connection notifies itself. */
  readonly echoMs: number;
  readonly applicationName: string;
}

export interface HttpConfig {
  readonly budgets: RequestBudgets;
  /** Page sizes of GraphQL's lists. */
  readonly pages: PageSizes;
  readonly host: string;
  readonly port: number;
  /** Origins whose pages may use the API, as browsers write them. Null: any origin. */
  readonly corsOrigins: readonly string[] | null;
  /** Time for a whole process to end. */
  readonly shutdownMs: number;
  /** Time for a request to arrive, its body included. */
  readonly requestMs: number;
  /** Time for a client to take the next part of an answer. */
  readonly unreadMs: number;
}
