import { describe, expect, test } from 'vitest';
import type { HavingFilter, LogicTree } from '../../../src/rest/request/query.ts';
import { refusalOf, requestOf } from './request-of.ts';

function having(
  name: string,
  aggregate: HavingFilter['aggregate'],
  operator: 'gt' | 'lt',
  value: string,
): LogicTree<HavingFilter> {
  return {
    kind: 'leaf',
    leaf: {
      field: { name, jsonPath: [] },
      aggregate,
      expression: { negated: false, operation: { kind: 'quantified', operator, quantifier: null, value } },
    },
  };
}

describe('having', () => {
  test('is one condition on an aggregate', () => {
    expect(requestOf('GET /orders?having=count().gt.5').query.having).toEqual([
      { path: [], value: having('*', 'count', 'gt', '5') },
    ]);
    expect(requestOf('GET /orders?having=amount.sum().lt.5,0').query.having).toEqual([
      { path: [], value: having('amount', 'sum', 'lt', '5,0') },
    ]);
  });

  test('is a tree of conditions, on any level', () => {
    expect(
      requestOf('GET /x?orders.having=not.and(amount.sum().gt.100,or(count().lt.3,"a.b".max().gt.1))').query
        .having,
    ).toEqual([
      {
        path: ['orders'],
        value: {
          kind: 'group',
          negated: true,
          operator: 'and',
          members: [
            having('amount', 'sum', 'gt', '100'),
            {
              kind: 'group',
              negated: false,
              operator: 'or',
              members: [having('*', 'count', 'lt', '3'), having('a.b', 'max', 'gt', '1')],
            },
          ],
        },
      },
    ]);
  });

  test.each(['amount.gt.5', 'amount.sum().5', 'count().gt', 'and(count().gt.1', 'and(count().gt.1)x'])(
    '%s is refused',
    (text) => {
      expect(refusalOf(`GET /orders?having=${text}`)).toMatchObject({ status: 400, code: 'PGRST100' });
    },
  );
});

describe('distinct', () => {
  test.each(['distinct', 'distinct=true'])('%s applies to whole rows', (parameter) => {
    expect(requestOf(`GET /orders?${parameter}`).query.distinct).toEqual({ kind: 'rows' });
  });

  test('names columns', () => {
    expect(requestOf('GET /orders?distinct=a,data->b').query.distinct).toEqual({
      kind: 'on',
      fields: [
        { name: 'a', jsonPath: [] },
        { name: 'data', jsonPath: [{ arrow: '->', key: 'b' }] },
      ],
    });
  });

  test.each(['', 'a,', 'a)'])('distinct=%s is refused', (text) => {
    expect(refusalOf(`GET /orders?distinct=${text}`)).toMatchObject({ status: 400, code: 'PGRST100' });
  });
});

describe('after', () => {
  test('is a cursor, empty for the first page', () => {
    expect(requestOf('GET /orders').query.after).toBeNull();
    expect(requestOf('GET /orders?after=').query.after).toBe('');
    expect(requestOf('GET /orders?after=WzEsMl0').query.after).toBe('WzEsMl0');
  });
});

describe('the dialect stays the same', () => {
  test('columns of these names are filtered like any other', () => {
    const { query } = requestOf('GET /orders?having=eq.1&distinct=is.null&after=not.in.(1)&e.having=like.a*');
    expect(query.filters.map(({ value }) => value.field.name)).toEqual([
      'having',
      'distinct',
      'after',
      'having',
    ]);
    expect(query).toMatchObject({ having: [], distinct: null, after: null });
  });

  test.each(['PATCH', 'DELETE', 'OPTIONS'])('%s does not have extensions', (method) => {
    expect(refusalOf(`${method} /orders?distinct=true`, { body: '{}' })).toMatchObject({
      code: 'PGRST100',
      message: '"failed to parse filter (true)" (line 1, column 1)',
    });
  });

  test('functions receive them as arguments', () => {
    expect(requestOf('GET /rpc/f?distinct=true&having=x&after=').query.parameters).toEqual([
      ['distinct', 'true'],
      ['having', 'x'],
      ['after', ''],
    ]);
  });
});
