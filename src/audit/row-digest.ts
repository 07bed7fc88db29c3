import type { Executor } from '../db/database.ts';
import { quoteIdentifier, quoteLiteral, sql } from '../db/statement.ts';
import { OperationalError } from '../operational-error.ts';

/** The log has a column of a type that this release cannot digest, or is not a table of ours at all. */
export class LogUnreadable extends OperationalError {
  override name = 'LogUnreadable';
}

/** Types whose text no setting of a session changes. */
const plainTypes = new Set([
  'text',
  'name',
  'xid8',
  'smallint',
  'integer',
  'bigint',
  'boolean',
  'uuid',
  'inet',
  'numeric',
  'text[]',
]);

/**
 * The SHA-256 of a row `r` of audit.log as an expression of SQL. It is the one that audit.log_digest_expression makes for the
 * sealer, made without asking the database for it: whoever tampers with the log may have replaced the functions that would find
 * it out. Uses nothing but Postgres's own functions.
 */
export async function rowDigest(executor: Executor): Promise<string> {
  const { rows } = await executor.query<{ name: string; type: string; kind: string }>(sql`
    select a.attname as name, pg_catalog.format_type(a.atttypid, null) as type, c.relkind as kind
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = 'audit' and c.relname = 'log'
    order by a.attname::pg_catalog.text collate "C"`);
  if (rows.some(({ kind }) => kind !== 'p')) {
    throw new LogUnreadable('audit.log is not a partitioned table: something else stands in its place');
  }
  if (rows.length === 0) {
    throw new LogUnreadable('there is no audit.log: expected a database of this program, migrated');
  }
  return `pg_catalog.sha256(${rows.map(({ name, type }) => fieldOf(name, type)).join(' || ')})`;
}

function fieldOf(name: string, type: string): string {
  const letters = Buffer.from(name);
  const length = Buffer.alloc(4);
  length.writeInt32BE(letters.length);
  const head = `\\x${Buffer.concat([length, letters]).toString('hex')}`;
  return `coalesce(${quoteLiteral(head).trim()}::pg_catalog.bytea || ${valueOf(`r.${quoteIdentifier(name)}`, name, type)}, '')`;
}

function valueOf(column: string, name: string, type: string): string {
  const bytes = (text: string): string => `pg_catalog.convert_to(${text}, 'UTF8')`;
  if (type === 'jsonb') return `pg_catalog.sha256(${bytes(`${column}::pg_catalog.text`)})`;
  if (type === 'timestamp with time zone') return `pg_catalog.timestamptz_send(${column})`;
  if (type === 'bytea') return `pg_catalog.int4send(pg_catalog.octet_length(${column})) || ${column}`;
  if (plainTypes.has(type)) {
    const text = `${column}::pg_catalog.text`;
    return `pg_catalog.int4send(pg_catalog.octet_length(${text})) || ${bytes(text)}`;
  }
  throw new LogUnreadable(
    `column ${name} of audit.log has the type ${type}, which this release cannot digest: run the release that made it`,
  );
}
