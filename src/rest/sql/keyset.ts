import type { Keyset, ReadPlan } from '../plan/plan.ts';
import { fieldValue } from './field.ts';
import { fragment, identifier, join, nothing, parameter, verbatim } from './fragment.ts';
import type { Fragment } from './fragment.ts';
import { direction, orderedBy } from './order.ts';
import { range, relationOf, rowSource, selectList, where } from './read.ts';

const whole = identifier('lightning_row');

type Term = Keyset['terms'][number];

// Keyset pagination, an extension: `after=` takes a row's place in a total order, instead of an `offset` that reads
// all skipped rows.

/** A page of rows: each whole row in `row`, and its place in `place`, a JSON array of texts and nulls. */
export function keysetPage(plan: ReadPlan, { terms, after }: Keyset): Fragment {
  const relation = relationOf(plan);
  const values = terms.map(({ field }) => fieldValue(relation, field));
  const place = fragment`json_build_array(${join(
    values.map((value) => fragment`(${value})::text`),
    ', ',
  )})::text`;
  const order = orderedBy(
    terms.map((term, i) => fragment`${values[i] ?? nothing}${direction(term.direction, term.nulls)}`),
  );
  const behind = after === null ? nothing : placedAfter(terms, values, after);
  // `coalesce` keeps the row together: `select x.*` would give its columns, and `select x` a column if one had that
  // name.
  return fragment`select (select coalesce(${whole}.*) from (select ${selectList(plan)}) as ${whole}) as "row", ${place} as place${rowSource(
    plan,
  )}${where(plan, behind)}${order}${range(plan.range)}`;
}

/**
 * The cursor of the last row of the page called `page`: its place in base64url, as the planner reads it. Null if the
 * page is not full, which makes it the last one.
 */
export function cursor({ range: { limit } }: ReadPlan, page: Fragment): Fragment {
  if (limit === null || limit === 0) return verbatim('null::text');
  const place = fragment`convert_to((array_agg(${page}.place))[count(*)], 'UTF8')`;
  // Postgres breaks base64 into lines, and has no base64url before version 19.
  const encoded = fragment`translate(encode(${place}, 'base64'), E'+/=\\n', '-_')`;
  return fragment`case when count(*) = ${parameter(String(limit))} then ${encoded} end`;
}

/** The condition that a row comes after the place. */
function placedAfter(
  terms: readonly Term[],
  values: readonly Fragment[],
  place: readonly (string | null)[],
): Fragment {
  const inOneDirection = new Set(terms.map((term) => term.direction)).size === 1;
  // As a comparison of rows, so that an index on the terms can be entered at the place.
  if (inOneDirection && terms.every((term) => !term.nullable)) {
    const operator = verbatim(terms[0]?.direction === 'desc' ? '<' : '>');
    return fragment`(${join(values, ', ')}) ${operator} (${join(place.map(parameter), ', ')})`;
  }
  const cases = terms.map((term, i) => {
    const equal = terms
      .slice(0, i)
      .map((_, before) => sameAs(values[before] ?? nothing, place[before] ?? null));
    const beyond = behindValue(term, values[i] ?? nothing, place[i] ?? null);
    return fragment`(${join([...equal, beyond], ' and ')})`;
  });
  const [first] = terms;
  const bound = first && !first.nullable ? notBefore(first, values[0] ?? nothing, place[0] ?? null) : nothing;
  return fragment`${bound}(${join(cases, ' or ')})`;
}

/** Repeats what the cases imply for the first term: an index can be entered by this condition, but not by an `or`. */
function notBefore({ direction: way }: Term, value: Fragment, at: string | null): Fragment {
  if (at === null) return nothing;
  return fragment`${value} ${verbatim(way === 'desc' ? '<=' : '>=')} ${parameter(at)} and `;
}

function sameAs(value: Fragment, at: string | null): Fragment {
  return at === null ? fragment`${value} is null` : fragment`${value} = ${parameter(at)}`;
}

function behindValue(
  { direction: way, nulls, nullable }: Term,
  value: Fragment,
  at: string | null,
): Fragment {
  if (at === null) return nulls === 'nullsfirst' ? fragment`${value} is not null` : verbatim('false');
  const beyond = fragment`${value} ${verbatim(way === 'desc' ? '<' : '>')} ${parameter(at)}`;
  return nullable && nulls === 'nullslast' ? fragment`(${beyond} or ${value} is null)` : beyond;
}
