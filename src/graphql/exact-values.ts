import { LIST_TYPES, listOfCodec, TYPES } from 'postgraphile/@dataplan/pg';
import type { PgCodec } from 'postgraphile/@dataplan/pg';
import { sql } from 'postgraphile/pg-sql2';
import type { SQL } from 'postgraphile/pg-sql2';
import { parseExact } from '../exact-json.ts';
import { AppError } from '../errors.ts';

/**
 * Makes PostGraphile return the same values that REST and events return. By default PostGraphile formats times with
 * `to_char`, which gives null for `infinity`, drops the era of a year before Christ and turns 24:00 into 00:00. It
 * takes intervals apart the same way, which loses signs. It parses JSON into doubles, which rounds long numbers. And
 * it removes the /32 of an IPv6 network as if that were a single IPv4 host.
 *
 * This changes the library's own codecs, of which each process has one set, before a schema is built. Codecs of our
 * own would not do: filters and aggregates recognise a type by the identity of its codec. Calling it again changes
 * nothing.
 */
export function carryExactValues(): void {
  for (const name of ['timestamptz', 'timestamp', 'date', 'time', 'timetz'] as const) {
    change(name, castBy(asJsonText));
  }
  change('interval', castBy(asIntervalFields));
  for (const name of ['json', 'jsonb'] as const) change(name, { fromPg: parseJson });
  change('inet', { fromPg: withoutFullMask });
}

type CodecChange = Partial<Pick<PgCodec, 'fromPg' | 'castFromPg' | 'listCastFromPg'>>;

/** Changes a codec, and also the codec of its arrays, which was derived from it earlier. */
function change(name: keyof typeof TYPES & keyof typeof LIST_TYPES, changes: CodecChange): void {
  const codec: Parameters<typeof listOfCodec>[0] = TYPES[name];
  Object.assign(codec, changes);
  const { fromPg, castFromPg, listCastFromPg } = listOfCodec({ ...codec });
  Object.assign(LIST_TYPES[name], { fromPg, castFromPg, listCastFromPg });
}

function castBy(cast: (value: SQL) => SQL): CodecChange {
  return {
    castFromPg: cast,
    listCastFromPg: (list) => {
      const item = sql.identifier(Symbol('item'));
      return sql`(case when (${list}) is not null then array(select ${cast(item)} from unnest(${list}) ${item})::text end)`;
    },
  };
}

/** The text that Postgres writes into JSON, and that REST and events send: ISO 8601, `infinity`, `... BC`. */
function asJsonText(value: SQL): SQL {
  return sql`(pg_catalog.to_json(${value}) #>> '{}')`;
}

/**
 * The six numbers that the interval codec reads, each with its own sign. An infinite interval has no minutes, for
 * example.
 */
function asIntervalFields(value: SQL): SQL {
  const fields = ['year', 'month', 'day', 'hour', 'minute', 'second'].map(
    (field) => sql`coalesce(pg_catalog.date_part(${sql.literal(field)}, ${value}), 0)`,
  );
  return sql`(case when (${value}) is not null then pg_catalog.concat_ws('_', ${sql.join(fields, ', ')}) end)`;
}

/** An `inet` text without its mask if that covers a single host, where Postgres itself leaves it out. */
function withoutFullMask(text: string): string {
  return text.replace(text.includes(':') ? /\/128$/ : /\/32$/, '');
}

/**
 * Numbers that a double may not hold: those with more digits than are safe, or with an exponent. A match inside a
 * string only costs time.
 */
const longNumber = /\d[\d.]{15}|\d[eE]/;

function parseJson(text: string): unknown {
  return longNumber.test(text) ? parseExact(text) : JSON.parse(text);
}

/**
 * Tells a null or empty range from one without bounds: PostGraphile casts the two bounds of a range of times separately,
 * and an empty range has neither.
 */
export const ExactRangesPlugin: GraphileConfig.Plugin = {
  name: 'ExactRangesPlugin',
  version: '1.0.0',
  gather: {
    hooks: {
      pgCodecs_PgCodec: (_info, { pgCodec }) => {
        if (pgCodec?.rangeOfCodec) Object.assign(pgCodec, exactRange(pgCodec));
      },
    },
  },
};

function exactRange({ castFromPg, fromPg }: PgCodec): CodecChange {
  const bounds = castFromPg ?? ((range: SQL) => sql`(${range})::text`);
  return {
    ...castBy(
      (range) =>
        sql`(case when isempty(${range}) then 'empty' when (${range}) is not null then ${bounds(range)} end)`,
    ),
    fromPg: (text) => {
      if (text === 'empty')
        throw new AppError('VALUE_NOT_REPRESENTABLE', 'GraphQL cannot represent an empty range', {
          hint: 'REST and CSV carry this value.',
        });
      return fromPg(text);
    },
  };
}
