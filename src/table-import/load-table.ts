import { createHash } from 'node:crypto';
import type { DatabaseError } from 'pg';
import type { Transaction } from '../db/database.ts';
import { quoteIdentifier, sql } from '../db/statement.ts';
import { requesterSettings } from '../auth/requester.ts';
import { printSettings } from '../export/lines.ts';
import { makeRoomForPoints } from '../import/point-places.ts';
import { pointsTarget } from '../import/points.ts';
import { refuseItem } from '../import/quarantine.ts';
import type { Refusal } from '../import/quarantine.ts';
import { ImportError } from '../import/read-stores.ts';
import { stateOf } from '../import/regular-file.ts';
import { become, becomeTenant, makeStaging, stageRows, storeRange } from '../import/staging.ts';
import type { Importer } from '../import/staging.ts';
import { namedMessage, refusedNames } from '../refused-value.ts';
import { OperationalError } from '../operational-error.ts';
import { chunksOf } from './chunks.ts';
import type { Chunk } from './chunks.ts';
import type { TablePlan } from './plan-tables.ts';
import type { Row } from './read-row.ts';
import { keyedStatements, numberedStatements } from './table-sql.ts';
import type { KeyedStatements, NumberedStatements } from './table-sql.ts';

/** What became of a source. */
export interface LoadedTable {
  readonly stored: number;
  readonly existing: number;
  readonly reasons: ReadonlyMap<string, number>;
  readonly quarantined: number;
  readonly sha256: { readonly read: string; readonly database: string };
  /** Rows that the database stored with other values than the file's, and the columns. */
  readonly differing: readonly { readonly id: string; readonly columns: readonly string[] }[];
}

/** What is told while a source is loaded. */
export interface LoadHooks {
  /** Called with refused rows, and awaited. */
  readonly onRefused: (refusals: readonly Refusal[]) => Promise<void>;
  /** Called with the number of rows that are done. */
  readonly onRows: (count: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Loads a source in one transaction, some rows at a time: COPY into a temporary table, and from there as the tenant's service. A row that
 * cannot be stored does not affect the others. Rejects with ImportError, and nothing is stored, when the file is another one than the plan's.
 */
export function loadTable(importer: Importer, plan: TablePlan, hooks: LoadHooks): Promise<LoadedTable> {
  return importer.installation.database.transaction(printSettings, async (transaction) => {
    const handle = await plan.source.open();
    try {
      const load = new Load(transaction, importer, plan, hooks);
      await load.begin();
      for await (const chunk of chunksOf(plan, handle, hooks.signal)) await load.add(chunk);
      if ((await stateOf(handle)).state !== plan.state || load.read !== plan.records)
        throw new ImportError(`${plan.path} changed while it was read; nothing of it is stored`);
      return load.result();
    } finally {
      await handle.close();
    }
  });
}

/** Reasons that a report counts one by one. The quarantine file has the reason of each row. */
const mostReasons = 1_000;

/** One source on its way into its table. */
class Load {
  readonly transaction: Transaction;
  readonly importer: Importer;
  readonly plan: TablePlan;
  readonly hooks: LoadHooks;
  /** How many records were read. */
  read = 0;
  #quarantined = 0;
  #stored = 0;
  #existing = 0;
  readonly #reasons = new Map<string, number>();
  readonly #digests = { read: createHash('sha256'), database: createHash('sha256') };
  readonly #differing: { id: string; columns: readonly string[] }[] = [];
  readonly #names: readonly string[];
  readonly #keyed: KeyedStatements | null;
  readonly #numbered: NumberedStatements | null;
  /** The highest number of a row that was there before; null: there was none. */
  #before: string | null = null;
  #chunks = 0;

  constructor(transaction: Transaction, importer: Importer, plan: TablePlan, hooks: LoadHooks) {
    this.transaction = transaction;
    this.importer = importer;
    this.plan = plan;
    this.hooks = hooks;
    const { target, columns, named } = plan;
    this.#names = columns.map(({ name }) => name);
    this.#keyed = target.numbered === null ? keyedStatements(target, columns, named) : null;
    this.#numbered = target.numbered === null ? null : numberedStatements(target, columns);
  }

  async begin(): Promise<void> {
    const { transaction, importer, plan } = this;
    await makeStaging(transaction, this.#names, importer);
    const { numbered, table } = plan.target;
    if (numbered === null) return;
    const role = quoteIdentifier(requesterSettings(importer.claims, importer.installation)['role'] ?? '');
    await transaction.query({
      text: 'create temporary table import_matched (numbered bigint primary key) on commit drop',
    });
    await transaction.query({ text: `grant select, insert on pg_temp.import_matched to ${role}` });
    await becomeTenant(transaction, importer);
    const { rows: any } = await transaction.query({ text: `select from ${table.relation} limit 1` });
    await become(transaction, importer.installation, 'owner');
    const { rows } = await transaction.query<{ last: string | null }>(
      sql`select pg_sequence_last_value(pg_get_serial_sequence(${table.relation}, ${numbered})::regclass)::text as last`,
    );
    await become(transaction, importer.installation, 'login');
    this.#before = any.length === 0 ? null : (rows[0]?.last ?? null);
  }

  async add({ rows, refusals, records }: Chunk): Promise<void> {
    const { transaction, importer } = this;
    const refused: Refusal[] = [...refusals];
    if (rows.length > 0) {
      if (this.#chunks > 0) {
        await become(transaction, importer.installation, 'login');
        await transaction.query({ text: 'truncate pg_temp.import_rows' });
      }
      await stageRows(
        transaction,
        this.#names,
        rows.map(({ values }) => values),
      );
      if (this.#chunks === 0) await transaction.query({ text: 'analyze pg_temp.import_rows' });
      await this.#makeRoom();
      await becomeTenant(transaction, importer);
      this.#chunks += 1;
      const onRefused = (ordinal: number, reason: string): void => {
        const row = rows[ordinal];
        if (row) refused.push(refuseItem(this.plan.path, row, reason));
      };
      const before = refused.length;
      const [stored, existing] = await (this.#keyed === null
        ? this.#storeNumbered(rows, onRefused)
        : this.#storeKeyed(this.#keyed, rows, onRefused));
      this.#stored += stored;
      this.#existing += existing;
      if (stored + existing + refused.length - before !== rows.length)
        throw new OperationalError(
          `${this.plan.path}: ${rows.length} rows were given, ${stored} are stored and ${existing} were there: others write the same rows; run it again`,
        );
    }
    for (const { reason } of refused) this.#count(reason);
    await this.hooks.onRefused(refused.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0)));
    this.read += records;
    this.hooks.onRows(records);
  }

  result(): LoadedTable {
    return {
      stored: this.#stored,
      existing: this.#existing,
      reasons: this.#reasons,
      quarantined: this.#quarantined,
      sha256: { read: this.#digests.read.digest('hex'), database: this.#digests.database.digest('hex') },
      differing: this.#differing,
    };
  }

  /** Points need partitions for their days. A time that no point can have makes none, and its row is refused. */
  async #makeRoom(): Promise<void> {
    const { transaction, importer, plan } = this;
    if (plan.target.table.name !== pointsTarget.table || !this.#names.includes('timestamp')) return;
    const { rows } = await transaction.query<{ day: string }>({
      text: `
        select distinct t.at::date::text as day
        from (
          select case when pg_input_is_valid(r."timestamp", 'timestamptz') then r."timestamp"::timestamptz end as at
          from pg_temp.import_rows r
        ) t
        where t.at between '2000-01-01Z' and now() + interval '24 hours'
        order by 1`,
    });
    await become(transaction, importer.installation, 'owner');
    await makeRoomForPoints(
      transaction,
      plan.tenantId,
      rows.map(({ day }) => day),
    );
  }

  async #storeNumbered(
    rows: readonly Row[],
    onRefused: (ordinal: number, reason: string) => void,
  ): Promise<readonly [stored: number, existing: number]> {
    const statements = this.#numbered;
    if (!statements) return [0, 0];
    const done = new Set<number>();
    let existing = 0;
    const refuse = (ordinal: number, error: DatabaseError): void => {
      done.add(ordinal);
      onRefused(ordinal, this.#reasonOf(error, rows[ordinal]));
    };
    if (this.#before !== null) {
      const match = async (inner: Transaction, first: number, last: number): Promise<void> => {
        const { rows: found } = await inner.query<{ ordinal: number; read: string }>({
          text: statements.match,
          values: [first, last, [], this.#before],
        });
        for (const { ordinal, read } of found) {
          done.add(ordinal);
          existing += 1;
          this.#digest(read, read);
        }
      };
      await storeRange(this.transaction, [0, rows.length - 1], match, refuse);
    }
    return [await this.#insert(statements.insert, [0, rows.length - 1], done, refuse), existing];
  }

  async #storeKeyed(
    statements: KeyedStatements,
    rows: readonly Row[],
    onRefused: (ordinal: number, reason: string) => void,
  ): Promise<readonly [stored: number, existing: number]> {
    const all = [0, rows.length - 1] as const;
    const refusedRows = new Set<number>();
    const refuse = (ordinal: number, error: DatabaseError): void => {
      refusedRows.add(ordinal);
      onRefused(ordinal, this.#reasonOf(error, rows[ordinal]));
    };
    const locate = async ([first, last]: readonly [number, number]) =>
      (
        await this.transaction.query<{ ordinal: number; stored: boolean }>({
          text: statements.locate,
          values: [first, last, []],
        })
      ).rows;
    const located = await locate(all);
    let stored = await this.#insert(
      statements.insert,
      all,
      new Set(located.map(({ ordinal }) => ordinal)),
      refuse,
    );
    // A row before them may have been refused, and then the first of them that is not takes its place.
    const repeated = located.filter((row) => !row.stored).map(({ ordinal }) => ordinal);
    const later = repeated.length === 0 ? [] : await this.#missing(statements, repeated);
    for (const ordinal of later) {
      const [missing] = await this.#missing(statements, [ordinal]);
      if (missing === undefined) continue;
      stored += await this.#insert(statements.insert, [ordinal, ordinal], new Set(), refuse);
      if (!refusedRows.has(ordinal))
        located.splice(
          located.findIndex((row) => row.ordinal === ordinal),
          1,
        );
    }
    const compared = located.map(({ ordinal }) => ordinal).filter((ordinal) => !refusedRows.has(ordinal));
    let existing = 0;
    await this.#compare(statements, compared, refuse, ({ ordinal, key, differs, read, stored: there }) => {
      if (differs.length > 0) {
        onRefused(ordinal, `conflict: a row with the key ${key} is there with another ${differs.join(', ')}`);
        return;
      }
      existing += 1;
      this.#digest(read, there);
    });
    return [stored, existing];
  }

  /** Those of these rows whose key is not in the table. */
  async #missing({ compare }: KeyedStatements, ordinals: readonly number[]): Promise<readonly number[]> {
    const there = new Set<number>();
    const look = async (inner: Transaction, first: number, last: number): Promise<void> => {
      const { rows } = await inner.query<Compared>({ text: compare, values: [first, last, ordinals] });
      for (const { ordinal } of rows) there.add(ordinal);
    };
    const range = [ordinals[0] ?? 0, ordinals.at(-1) ?? 0] as const;
    // What cannot be compared shows when it is compared.
    await storeRange(this.transaction, range, look, (ordinal) => there.add(ordinal));
    return ordinals.filter((ordinal) => !there.has(ordinal));
  }

  async #compare(
    { compare }: KeyedStatements,
    ordinals: readonly number[],
    refuse: (ordinal: number, error: DatabaseError) => void,
    onRow: (row: Compared) => void,
  ): Promise<void> {
    if (ordinals.length === 0) return;
    const look = async (inner: Transaction, first: number, last: number): Promise<void> => {
      const { rows } = await inner.query<Compared>({ text: compare, values: [first, last, ordinals] });
      rows.forEach(onRow);
    };
    await storeRange(this.transaction, [ordinals[0] ?? 0, ordinals.at(-1) ?? 0], look, refuse);
  }

  /** Stores the rows of a range that are not done, and returns how many. */
  async #insert(
    text: string,
    range: readonly [number, number],
    done: ReadonlySet<number>,
    refuse: (ordinal: number, error: DatabaseError) => void,
  ): Promise<number> {
    let stored = 0;
    const skipped = [...done];
    const changed: (readonly [number, number])[] = [];
    const insert = async (inner: Transaction, first: number, last: number): Promise<void> => {
      const { rows } = await inner.query<{ put: number; read: string; stored: string }>({
        text,
        values: [first, last, skipped],
      });
      const [result] = rows;
      if (!result) return;
      stored += result.put;
      if (result.read === result.stored) this.#digest(result.read, result.stored);
      else changed.push([first, last]);
    };
    const ordinary = (ordinal: number, error: DatabaseError): void => {
      if (!done.has(ordinal)) refuse(ordinal, error);
    };
    await storeRange(this.transaction, range, insert, ordinary);
    for (const each of changed) await this.#noteChanged(each, done);
    return stored;
  }

  /** Finds which rows of a range the database stored with other values than the file's. */
  async #noteChanged([first, last]: readonly [number, number], done: ReadonlySet<number>): Promise<void> {
    if (this.#keyed === null)
      throw new OperationalError(`${this.plan.path}: the database stored other rows than the file has`);
    const ordinals = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter(
      (ordinal) => !done.has(ordinal),
    );
    await this.#compare(
      this.#keyed,
      ordinals,
      () => {},
      ({ key, differs, read, stored }) => {
        if (differs.length > 0) this.#differing.push({ id: key, columns: differs });
        else this.#digest(read, stored);
      },
    );
  }

  #count(reason: string): void {
    this.#quarantined += 1;
    const counted = this.#reasons.has(reason) || this.#reasons.size < mostReasons ? reason : 'other reasons';
    this.#reasons.set(counted, (this.#reasons.get(counted) ?? 0) + 1);
  }

  #digest(read: string, stored: string): void {
    this.#digests.read.update(`${read}\n`);
    this.#digests.database.update(`${stored}\n`);
  }

  #reasonOf({ message, code = '', detail }: DatabaseError, row: Row | undefined): string {
    const given = this.plan.columns.map(({ name, type }, i) => {
      const value = row?.values[i] ?? null;
      return { name, type, texts: value === null ? [] : [value] };
    });
    const names = refusedNames({ code, message, ...(detail !== undefined && { detail }) }, given);
    const why = detail === undefined || code.startsWith('22') ? '' : `; ${detail}`;
    return `Postgres refused it: ${namedMessage(message, names)} (${code}${why})`;
  }
}

interface Compared {
  readonly ordinal: number;
  readonly key: string;
  readonly differs: readonly string[];
  readonly read: string;
  readonly stored: string;
}
