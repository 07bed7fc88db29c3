import { storableText } from '../storable-text.ts';
import { isJsonNumber, numberText } from './json-items.ts';
import type { JsonValue } from './json-items.ts';
import { legacyInstant } from './local-time.ts';
import { sha256 } from './sha256.ts';
import { textProblem } from './storable.ts';
import type { ImportRow, Target } from './store.ts';

/** A measurement before it is stored. The value is as written. */
export interface Point {
  readonly service: string;
  readonly metric: string;
  readonly value: string;
  /** A flat object as JSON, its keys in order. */
  readonly tags: string;
  readonly time: string;
}

/**
 * Points. The table has no key for them: the same service, metric, tags and time are the same point, and `place` counts those that have all
 * of these in common, where a source means each of its rows.
 */
export const pointsTarget: Target = {
  table: 'app_public.metrics',
  columns: ['service_name', 'metric_name', 'value', 'tags', 'timestamp', 'place', 'repeats'],
  insert: `
    insert into app_public.metrics (service_name, metric_name, value, tags, "timestamp")
    select r.service_name, r.metric_name, r.value::double precision, r.tags::jsonb, r."timestamp"::timestamptz
    from pg_temp.import_rows r
    where r.ordinal between $1 and $2 and not r.repeats::boolean and r.place::integer >= (
      select count(*) from app_public.metrics m
      where m.service_name = r.service_name and m.metric_name = r.metric_name and m."timestamp" = r."timestamp"::timestamptz
        and m.tags = r.tags::jsonb
    )`,
  compare: `
    select r.ordinal, m.id::text as stored_id,
      case when m.value <> r.value::double precision then '{value}'::text[] else '{}' end as differs
    from pg_temp.import_rows r
    left join lateral (
      select m.id, m.value
      from app_public.metrics m
      where m.service_name = r.service_name and m.metric_name = r.metric_name and m."timestamp" = r."timestamp"::timestamptz
        and m.tags = r.tags::jsonb
      order by m.id
      offset r.place::integer
      limit 1
    ) m on true
    order by 1`,
  hashed: ["t.service_name || ' ' || t.metric_name"],
};

/** The time before which no legacy point can be, so that a wrong one does not make partitions of its own. */
const earliest = Date.UTC(2000, 0, 1);
/** How far ahead of the clock a point may be. */
const aheadMs = 86_400_000;

/** What a point is known by: two with the same key are the same point. */
export function pointKey({ service, metric, tags, time }: Point): string {
  return JSON.stringify([service, metric, tags, time]);
}

/** Returns a point of texts and JSON values as a source has them, or the reason why it cannot be stored. */
export function makePoint(
  {
    service,
    metric,
    value,
    tags,
    time,
  }: {
    readonly service: JsonValue | undefined;
    readonly metric: JsonValue | undefined;
    readonly value: JsonValue | undefined;
    readonly tags: { readonly [key: string]: JsonValue };
    readonly time: JsonValue | undefined;
  },
  names: { readonly service: string; readonly metric: string; readonly time: string },
): Point | string {
  if (typeof service !== 'string' || service === '') return `${names.service} is not a non-empty text`;
  if (typeof metric !== 'string' || metric === '') return `${names.metric} is not a non-empty text`;
  const number = numberOf(value);
  if (number === null)
    return value === null || value === undefined || value === ''
      ? 'value is missing'
      : `value is ${JSON.stringify(value)?.slice(0, 60)}, not a finite number`;
  if (typeof time !== 'string' || time === '') return `${names.time} is missing`;
  const at = utcMicroseconds(time);
  if (at === null) return `${names.time} is ${JSON.stringify(time.slice(0, 60))}; expected a date and time`;
  const ms = Date.parse(at);
  if (ms < earliest || ms > Date.now() + aheadMs)
    return `${names.time} is ${JSON.stringify(time)}; expected one from the year 2000 to now`;
  const entries = Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  const unusable = entries.find(([, tag]) => typeof tag === 'object' && tag !== null && !isJsonNumber(tag));
  if (unusable) return `the tag ${JSON.stringify(unusable[0])} is not a text, a number or a boolean`;
  const json = JSON.stringify(Object.fromEntries(entries));
  const words = [service, metric, ...entries.flat().filter((word) => typeof word === 'string')];
  // A mark in the place of what cannot be stored could make one series of two.
  if (words.some((word) => storableText(word) !== word || word.includes('\uFFFD')))
    return 'a name or a tag has a character that cannot be stored';
  return (
    textProblem(names.service, service, 50) ??
    textProblem(names.metric, metric, 100) ?? { service, metric, value: number, tags: json, time: at }
  );
}

/** The point as a row of the target. */
export function pointImportRow(
  point: Point,
  { index, text }: Pick<ImportRow, 'index' | 'text'>,
  { place, repeats }: { readonly place: number; readonly repeats: boolean },
): ImportRow {
  const { service, metric, value, tags, time } = point;
  return {
    index,
    text,
    owner: null,
    repeats,
    values: [service, metric, value, tags, time, String(place), String(repeats)],
    hashes: [sha256(`${service} ${metric}`)],
  };
}

/** A finite number as it is written, also where a source has it as text; otherwise null. */
function numberOf(value: JsonValue | undefined): string | null {
  if (!isJsonNumber(value) && typeof value !== 'string') return null;
  const text = typeof value === 'string' ? value.trim() : numberText(value);
  const isNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text));
  // Postgres refuses what a double would round to zero.
  return isNumber && (Number(text) !== 0 || !/[1-9]/.test(text.split(/e/i)[0] ?? '')) ? text : null;
}

/** An instant in one form, in UTC and to the microsecond that Postgres keeps. A time without a zone is UTC. */
function utcMicroseconds(text: string): string | null {
  const instant = legacyInstant(text, 'Z');
  const parts = instant === null ? null : /^(.{19})(?:\.(\d+))?(.+)$/.exec(instant.text);
  if (!parts) return null;
  const [, seconds = '', fraction = '', zone = ''] = parts;
  const offset = zone.replace(
    /^([+-]\d\d):?(\d\d)?$/,
    (_, hours: string, minutes = '00') => `${hours}:${minutes}`,
  );
  const micros = Math.round(Number(`0.${fraction || '0'}`) * 1_000_000);
  const start = new Date(Date.parse(`${seconds}${offset}`) + (micros === 1_000_000 ? 1_000 : 0));
  return Number.isNaN(start.getTime())
    ? null
    : `${start.toISOString().slice(0, 19)}.${String(micros % 1_000_000).padStart(6, '0')}Z`;
}
