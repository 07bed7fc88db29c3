import type { Executor } from '../db/database.ts';
import { sql } from '../db/statement.ts';
import type { OnProgress } from '../on-progress.ts';
import type { Anchor } from './anchor.ts';
import { firstDifference, foundParts, rowBehind } from './found-rows.ts';
import type { LogRow } from './found-rows.ts';
import { readLinks } from './links.ts';
import type { Link } from './links.ts';
import { rowDigest } from './row-digest.ts';

/** The first thing that is wrong. */
export interface Tampering {
  /**
   * `altered`, `removed`, `slipped in`: a row of the log. `chain`: a link, or its list of rows. `anchor`: the chain is not the
   * one that an anchor saw. `empty`: nothing is sealed, so nothing is proven.
   */
  readonly kind: 'altered' | 'removed' | 'slipped in' | 'chain' | 'anchor' | 'empty';
  /** The link, or null where there is none. */
  readonly seal: number | null;
  readonly message: string;
  /** The row, as far as it is known; of a removed row its id, and the partition of its month. */
  readonly row: LogRow | null;
}

/** The result of a verification. It is good only when `tampering` is null. */
export interface ChainVerdict {
  readonly seals: number;
  /** Rows whose digest was computed anew. */
  readonly rows: number;
  /** Rows of partitions that retention removed, of which only the record is left. */
  readonly removedRows: number;
  /** Rows behind the last link, for which nothing is promised yet. */
  readonly unsealedRows: number;
  /** Anchors that were found in the chain. */
  readonly anchors: number;
  readonly head: Anchor | null;
  readonly tampering: Tampering | null;
}

/** What a verification needs. */
export interface ChainVerification {
  /** A login for which no row is filtered, or that gets an error; statements need no common transaction. */
  readonly executor: Executor;
  /** Heads that left the database, in any order. */
  readonly anchors?: AsyncIterable<Anchor> | Iterable<Anchor> | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Computes the chain and the digests of all rows that it seals anew, link by link, and stops at the first thing that is wrong.
 * Reads only, with statements of its own over Postgres's own functions: it trusts no function of the database. A link and its
 * rows are read in one statement, so that sealing and retention may go on meanwhile.
 */
export async function verifyChain(options: ChainVerification): Promise<ChainVerdict> {
  const { executor, onProgress, signal } = options;
  const digest = await rowDigest(executor);
  const anchored = await checkAnchors(options);
  const counts = { seals: 0, rows: 0, removedRows: 0, unsealedRows: 0, anchors: anchored.agreeing };
  const verdict = (head: Anchor | null, tampering: Tampering | null): ChainVerdict => ({
    ...counts,
    head,
    tampering,
  });
  if (anchored.tampering) return verdict(null, anchored.tampering);

  const { rows: size } = await executor.query<{ rows: string }>(
    sql`select coalesce(pg_catalog.max(s.total_rows), 0)::pg_catalog.text as rows from audit.seals s`,
  );
  const total = Number(size[0]?.rows ?? 0);
  let before: Link | null = null;
  let last: Link | null = null;
  for await (const link of readLinks(executor)) {
    signal?.throwIfAborted();
    const broken = brokenLink(link, before);
    if (broken !== null) return verdict(headOf(before), broken);
    if (link.kind === 'rows') {
      const found = await checkRows(executor, digest, link);
      if (found.tampering) return verdict(headOf(before), found.tampering);
      counts.rows += found.rows;
      counts.removedRows += found.removedRows;
      last = link;
    }
    counts.seals += 1;
    before = link;
    onProgress?.(
      total === 0 ? null : (counts.rows + counts.removedRows) / total,
      `${counts.rows} rows of ${counts.seals} links`,
    );
  }
  if (before === null) {
    return verdict(null, {
      kind: 'empty',
      seal: null,
      message: 'nothing is sealed, so nothing is proven: the worker seals each minute',
      row: null,
    });
  }
  if (last !== null) counts.unsealedRows = await countUnsealed(executor, last);
  return verdict(headOf(before), null);
}

function headOf(link: Link | null): Anchor | null {
  if (link === null) return null;
  return { number: link.number, hash: link.hash, at: link.sealedAt, rows: link.totalRows };
}

/** What is wrong with a link by itself and after the one before it. */
function brokenLink(link: Link, before: Link | null): Tampering | null {
  const wrong = (message: string): Tampering => ({ kind: 'chain', seal: link.number, message, row: null });
  const expected = (before?.number ?? 0) + 1;
  if (link.number !== expected)
    return wrong(`link ${expected} of the chain is missing: link ${link.number} follows`);
  if (link.previous !== (before?.hash ?? '0'.repeat(64))) {
    return wrong(`link ${link.number} of the chain does not follow from link ${expected - 1}`);
  }
  if (!link.hashIsRight)
    return wrong(`link ${link.number} of the chain was altered: its hash is that of another link`);
  if (!link.digestIsRight) return wrong(`the parts of link ${link.number} of the chain were altered`);
  const sealed = link.kind === 'rows' ? link.rowCount : 0;
  if (link.totalRows !== (before?.totalRows ?? 0) + sealed)
    return wrong(`link ${link.number} of the chain counts its rows wrong`);
  return null;
}

async function checkRows(
  executor: Executor,
  digest: string,
  link: Link,
): Promise<{ rows: number; removedRows: number; tampering: Tampering | null }> {
  let rows = 0;
  let removedRows = 0;
  for (const part of await foundParts(executor, digest, link.number)) {
    if (part.sound) {
      if (part.removed) removedRows += part.sealedRows;
      else rows += part.sealedRows;
      continue;
    }
    const { month } = part;
    const counted = `link ${link.number} sealed ${part.sealedRows} rows of ${month}, and the log has ${part.foundRows} there`;
    const difference = part.sameRows ? null : await firstDifference(executor, digest, link.number, month);
    if (difference === null) {
      const message = `${counted}: its list of rows was altered`;
      return { rows, removedRows, tampering: { kind: 'chain', seal: link.number, message, row: null } };
    }
    const { kind, row } = difference;
    const place = row.partition === null ? `no partition covers ${month}` : `in ${row.partition}`;
    const message = `row ${row.id} of audit.log was ${kind} (${place}); ${counted}`;
    return { rows, removedRows, tampering: { kind, seal: link.number, message, row } };
  }
  const behind = await rowBehind(executor, link.number);
  if (behind === null) return { rows, removedRows, tampering: null };
  const message = `row ${behind.id} of audit.log was slipped in (in ${behind.partition}) behind link ${link.number}`;
  return { rows, removedRows, tampering: { kind: 'slipped in', seal: link.number, message, row: behind } };
}

/** Anchors compared in one statement. */
const batch = 1_000;

async function checkAnchors({
  executor,
  anchors = [],
}: ChainVerification): Promise<{ agreeing: number; tampering: Tampering | null }> {
  let agreeing = 0;
  let highest = 0;
  let firstBad: { number: number; found: boolean } | null = null;
  const check = async (some: readonly Anchor[]): Promise<void> => {
    const { rows } = await executor.query<{ number: string; found: boolean; agrees: boolean }>(sql`
      select a.number::pg_catalog.text, s.number is not null as found,
        coalesce(pg_catalog.encode(s.hash, 'hex') = a.hash, false) as agrees
      from unnest(${some.map(({ number }) => number)}::pg_catalog.int8[], ${some.map(({ hash }) => hash)}::pg_catalog.text[])
        a(number, hash)
      left join audit.seals s on s.number = a.number`);
    for (const { number: text, found, agrees } of rows) {
      const number = Number(text);
      if (agrees) {
        agreeing += 1;
        highest = Math.max(highest, number);
      } else if (firstBad === null || number < firstBad.number) firstBad = { number, found };
    }
  };
  let some: Anchor[] = [];
  for await (const anchor of anchors) {
    some.push(anchor);
    if (some.length === batch) {
      await check(some);
      some = [];
    }
  }
  if (some.length > 0) await check(some);
  const bad = firstBad as { number: number; found: boolean } | null;
  if (bad === null) return { agreeing, tampering: null };
  const since =
    highest > 0 && highest < bad.number ? `; it still agrees with the anchor of link ${highest}` : '';
  const message = bad.found
    ? `the chain is another one than the anchor of link ${bad.number} saw: it was written anew${since}`
    : `the chain does not reach link ${bad.number}, which an anchor saw: links were removed, or the database was restored to an earlier moment${since}`;
  return { agreeing, tampering: { kind: 'anchor', seal: bad.number, message, row: null } };
}

async function countUnsealed(executor: Executor, last: Link): Promise<number> {
  const { rows } = await executor.query<{ count: string }>(sql`
    select pg_catalog.count(*)::pg_catalog.text as count
    from audit.log r
    join audit.seals s on s.number = ${last.number}
    where (r.transaction_id, r.id) > (s.to_transaction_id, s.to_id) and r.id > s.id_floor`);
  return Number(rows[0]?.count ?? 0);
}
