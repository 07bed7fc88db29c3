import { reference } from './component-name.ts';

const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;

/** Parameters that all relations share, by component name. */
export const sharedParameters = {
  select: queryParameter('select', text, 'Columns and embedded relations: `id,name,agent:agents(name)`'),
  order: queryParameter('order', text, 'Order of the rows: `created_at.desc.nullslast,id`'),
  limit: queryParameter('limit', count, 'Rows at most'),
  offset: queryParameter('offset', count, 'Rows to skip'),
  and: queryParameter('and', text, 'All of these: `(status.eq.done,priority.eq.high)`'),
  or: queryParameter('or', text, 'Any of these: `(status.eq.done,priority.eq.high)`'),
  columns: queryParameter('columns', text, 'Keys of the body that are written; others are ignored'),
  on_conflict: queryParameter('on_conflict', text, 'Columns of the unique key that an upsert goes by'),
  after: queryParameter(
    'after',
    text,
    'Keyset pagination: empty for the first page, then the `Next-Cursor` of the previous page',
  ),
  distinct: queryParameter('distinct', text, '`true`: no row twice; or columns: the first row of each value'),
  having: queryParameter('having', text, 'Condition on an aggregate: `count().gt.5`'),
  Range: headerParameter('Range', 'Rows of the page: `0-24`'),
  preferRead: headerParameter('Prefer', '`count=exact`, `planned` or `estimated`; `timezone=...`'),
  preferInsert: headerParameter(
    'Prefer',
    '`return=representation`, `headers-only` or `minimal`; `resolution=merge-duplicates` or `ignore-duplicates`; `missing=default`',
  ),
  preferWrite: headerParameter(
    'Prefer',
    '`return=representation`, `headers-only` or `minimal`; `handling=strict, max-affected=1`',
  ),
  preferCall: headerParameter('Prefer', '`count=exact`; `handling=strict, max-affected=1`'),
} as const;

/** Query parameters with a special meaning: a column with such a name gets no filter in the document. */
export const sharedParameterNames: ReadonlySet<string> = new Set(
  Object.values(sharedParameters)
    .filter(({ in: place }) => place === 'query')
    .map(({ name }) => name),
);

/** The answer that may come in place of any other. */
export const errorComponents = {
  responses: {
    Error: {
      description: 'Refused, or failed',
      content: { 'application/json': { schema: reference('schemas', '-Error') } },
    },
  },
  schemas: {
    // A name that no relation's component can have, because none begins with a bare hyphen.
    '-Error': {
      type: 'object',
      description: 'Why: a code of PostgREST, or the SQLSTATE',
      required: ['code', 'message', 'details', 'hint'],
      properties: {
        code: text,
        message: text,
        details: {},
        hint: { type: ['string', 'null'] },
      },
    },
  },
} as const;

function queryParameter(name: string, schema: object, description: string) {
  return { name, in: 'query', schema, description } as const;
}

function headerParameter(name: string, description: string) {
  return { name, in: 'header', schema: text, description } as const;
}
