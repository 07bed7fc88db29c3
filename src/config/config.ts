import type { TlsChoice } from '../db/connection-url.ts';
import type { PoolerMode } from '../db/pooler.ts';
import type { PageSizes, RequestBudgets } from '../request-budget.ts';
import type { Secret } from './secret.ts';

/** What can be configured of the dialect where it serves this project's own schema. */
export interface RestConfig {
  /** Of any read, on every level. */
  readonly maxRows: number;
  readonly logStatements: boolean;
  /** Whether `application/vnd.pgrst.plan` is answered: plans tell a tenant how many rows others have. */
  readonly plans: boolean;
}

/** The environment, parsed. Frozen; made once by parseConfig (parse-config.ts). */
export interface Config {
  /** Where the embedded database, its socket and its secret live. */
  readonly dataDirectory: string;
  /** False: an embedded database in memory, the way back that loses everything at the end. */
  readonly useDatabase: boolean;
  /** Null: the embedded database. */
  readonly server: ServerConfig | null;
  readonly pool: PoolConfig;
  readonly rolePrefix: string;
  /** Null: the embedded start keeps one in the data directory. */
  readonly jwtSecret: Secret | null;
  readonly http: HttpConfig;
  readonly rest: RestConfig;
  /** Null: nothing is embedded. */
  readonly embeddings: EmbeddingsConfig | null;
  /** Where alerts are sent; a secret, because whoever knows it can send some. Null: nowhere. */
  readonly alertWebhook: Secret | null;
  readonly backup: BackupConfig;
}

/** Where backups are kept. */
export interface BackupConfig {
  /** Null: nowhere; a server's backups have no default. */
  readonly store: BackupLocation | null;
  /** 32 bytes in hex or base64. Null: backups are not encrypted. */
  readonly encryptionKey: Secret | null;
  /** Where a server's WAL waits until it is in the store; absolute. */
  readonly spoolDirectory: string;
  /** Whether a server that waits for it hears of every write at once. */
  readonly synchronousWal: boolean;
  /** Every moment of so many days stays reachable. */
  readonly retentionDays: number;
  /** Where drills make their copies; absolute. */
  readonly drillDirectory: string;
  /** Of Postgres's programs. Null: `PATH` and the usual places. */
  readonly binDirectory: string | null;
  /** What those programs are looked for by, and run with. */
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
      /** Null: that of AWS. */
      readonly endpoint: string | null;
      readonly region: string;
      /** Null: found as AWS' tools find them (profile, role of the machine). */
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

/** The four identities on a server, and how they get there. Absent ones are null: a process needs only its own. */
export interface ServerConfig {
  /** The API's login: may do nothing but switch to the request roles. */
  readonly url: Secret;
  /** What `url` leads to. */
  readonly pooler: PoolerMode;
  /** The API's login on the server itself, for LISTEN. Null: `url` leads there. */
  readonly listenUrl: Secret | null;
  readonly migrateUrl: Secret | null;
  readonly workerUrl: Secret | null;
  readonly backupUrl: Secret | null;
  /** Null: by each URL's host; see `tlsOf`. */
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
  /** How often the connection that listens notifies itself. */
  readonly echoMs: number;
  readonly applicationName: string;
}

export interface HttpConfig {
  readonly budgets: RequestBudgets;
  /** Of GraphQL's lists. */
  readonly pages: PageSizes;
  readonly host: string;
  readonly port: number;
  /** Origins whose pages may use the API, as browsers write them. Null: any. */
  readonly corsOrigins: readonly string[] | null;
  /** For all of a process to end. */
  readonly shutdownMs: number;
  /** For a request to arrive, its body included. */
  readonly requestMs: number;
  /** For the next part of an answer to be taken. */
  readonly unreadMs: number;
}
