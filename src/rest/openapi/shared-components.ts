import { reference } from './component-name.ts';

const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;

/** Parameters that all relations share, by component name. */
export const sharedParameters = {
  select: queryParameter(
    'select',
    text,
    'Columns and embedded relations: `id,name,agent:agents(name)`. The rows have these in place of their columns',
  ),
  order: queryParameter('order', text, 'Order of the rows: `created_at.desc.nullslast,id`'),
  limit: queryParameter('limit', count, 'Rows at most'),
  offset: queryParameter('offset', count, 'Rows to skip'),
  and: queryParameter('and', text, 'All of these: `(status.eq.done,priority.eq.high)`'),
  or: queryParameter('or', text, 'Any of these: `(status.eq.done,priority.eq.high)`'),
  columns: queryParameter('columns', text, 'Keys of the body that are written; others are ignored'),
  on_conflict: queryParameter(
    'on_conflict',
    text,
    'Columns of the unique key that an upsert goes by; `tenant_id` may be left out of them',
  ),
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

/** The refusals that an operation may answer with, by status. */
export type Refusals = Readonly<Record<string, { readonly $ref: string }>>;

const refusals = {
  '400': [
    'BadRequest',
    'The request is malformed, costs too much, or a rule of the schema refuses its values',
  ],
  '401': ['Unauthorized', 'The token is missing, not valid or expired'],
  '403': ['Forbidden', "The token's role may not do this, or its tenant is suspended"],
  '404': [
    'NotFound',
    'No function of this name takes these arguments, or the row that it is about does not exist',
  ],
  '406': [
    'NotAcceptable',
    'The answer does not come in this form: the media type, or one object for several rows',
  ],
  '409': ['Conflict', 'A row with this key exists, or a row that this one refers to does not'],
  '413': ['TooLarge', 'The body is too large'],
  '416': ['RangeNotSatisfiable', 'The rows end before this range'],
} as const;

/** The answers of an operation besides its success: these refusals, and any other error. */
export function refusedWith(...statuses: readonly (keyof typeof refusals)[]): Refusals {
  return {
    ...Object.fromEntries(
      statuses.map((status) => [status, reference('responses', refusals[status][0])] as const),
    ),
    default: reference('responses', 'Error'),
  };
}

const refusal = (description: string) => ({
  description,
  content: { 'application/json': { schema: reference('schemas', '-Error') } },
});

/** The answers that may come in place of a success, and the form of their bodies. */
export const errorComponents = {
  responses: {
    ...Object.fromEntries(Object.values(refusals).map(([name, meaning]) => [name, refusal(meaning)])),
    Error: refusal('Refused, or failed'),
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
        details: {
          description: 'Text, or the candidates of an ambiguous request',
          type: ['string', 'array', 'object', 'null'],
          items: {},
          additionalProperties: true,
        },
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
