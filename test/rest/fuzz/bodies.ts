import * as fc from 'fast-check';
import { asQuery, marked } from './texts.ts';

/** A body and its content type. */
export interface Body {
  readonly body: string;
  readonly type: string;
}

/** JSON with keys that are mostly these, CSV, forms, and bodies that are neither. */
export function bodies(keys: readonly string[]): fc.Arbitrary<Body> {
  const json = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom<unknown>(
        1,
        0,
        -3.5,
        true,
        null,
        'Ran',
        'S-7',
        [1, 2],
        { a: 1 },
        '2026-01-01',
      ),
    },
    marked,
  );
  const key = fc.oneof({ weight: 20, arbitrary: fc.constantFrom(...keys) }, marked);
  const object = fc.dictionary(key, json, { maxKeys: 3 });
  const asJson = (of: unknown): Body => ({ body: JSON.stringify(of), type: 'application/json' });
  const csv = fc
    .tuple(
      fc.array(fc.constantFrom(...keys), { minLength: 1, maxLength: 2 }),
      fc.array(marked, { maxLength: 3 }),
    )
    .map(([line, fields]): Body => ({ body: `${line.join(',')}\n${fields.join(',')}`, type: 'text/csv' }));
  const form = fc
    .array(fc.tuple(fc.constantFrom(...keys), marked), { maxLength: 3 })
    .map((pairs): Body => ({ body: asQuery(pairs), type: 'application/x-www-form-urlencoded' }));
  const otherTypes = fc.constantFrom('text/plain', 'application/octet-stream', 'text/xml', 'zq/zq');
  return fc.oneof(
    { weight: 5, arbitrary: object.map(asJson) },
    { weight: 2, arbitrary: fc.array(object, { maxLength: 2 }).map(asJson) },
    marked.map((body): Body => ({ body, type: 'application/json' })),
    csv,
    form,
    fc.tuple(marked, otherTypes).map(([body, type]): Body => ({ body, type })),
  );
}
