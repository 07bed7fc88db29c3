import { describe, expect, test } from 'vitest';
import { conflictKey, withinTenant } from '../../../src/rest/plan/conflict-key.ts';
import { column, table } from './catalog.ts';

const steps = table('steps', [column('tenant_id'), column('key'), column('note')], {
  primaryKey: ['tenant_id', 'id'],
  uniqueKeys: [
    ['tenant_id', 'id'],
    ['tenant_id', 'id', 'key'],
    ['tenant_id', 'note'],
  ],
});

describe('the key that on_conflict means', () => {
  test.each([
    [['id'], ['tenant_id', 'id']],
    [
      ['key', 'id'],
      ['tenant_id', 'id', 'key'],
    ],
    [
      ['id', 'tenant_id'],
      ['tenant_id', 'id'],
    ],
    [['note'], ['tenant_id', 'note']],
  ])('%j, where the tenant is the same in all rows, is %j', (named, key) => {
    expect(conflictKey(steps, named, 'tenant_id')).toEqual(key);
  });

  test('is refused with the keys that there are', () => {
    expect(() => conflictKey(steps, ['key'], 'tenant_id')).toThrow(
      expect.objectContaining({
        code: '42P10',
        status: 400,
        message: 'there is no unique or exclusion constraint matching the ON CONFLICT specification',
        hint: 'Use on_conflict=id or on_conflict=id,key or on_conflict=note.',
      }),
    );
    expect(() => conflictKey(table('loose', [], { uniqueKeys: [] }), ['id'], 'tenant_id')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('leave out on_conflict') }),
    );
  });

  test('goes to Postgres as it is where no column confines the rows', () => {
    expect(conflictKey(steps, ['key'], null)).toEqual(['key']);
  });

  test('goes to Postgres as it is for a view and for a column that does not exist', () => {
    expect(conflictKey({ ...steps, isView: true, uniqueKeys: [] }, ['key'], 'tenant_id')).toEqual(['key']);
    expect(conflictKey(steps, ['nope'], 'tenant_id')).toEqual(['nope']);
  });
});

test('a key within the tenant is the key without the tenant, unless nothing else is in it', () => {
  expect(withinTenant(['tenant_id', 'id'], 'tenant_id')).toEqual(['id']);
  expect(withinTenant(['tenant_id'], 'tenant_id')).toEqual(['tenant_id']);
  expect(withinTenant(['tenant_id', 'id'], null)).toEqual(['tenant_id', 'id']);
});
