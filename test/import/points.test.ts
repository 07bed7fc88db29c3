import { describe, expect, it } from 'vitest';
import { exactNumber } from '../../src/import/json-items.ts';
import { makePoint, pointKey } from '../../src/import/points.ts';

const names = { service: 'measurement', metric: 'field', time: 'time' };
const given = { service: 's', metric: 'm', value: 1, tags: {}, time: '2025-09-04 06:00:00.5+00:00' };

describe('a point', () => {
  it.each([
    ['2025-09-04 06:00:00.123456+00:00', '2025-09-04T06:00:00.123456Z'],
    ['2025-09-04T08:00:00.5+02', '2025-09-04T06:00:00.500000Z'],
    ['2025-09-04 00:30:00+0530', '2025-09-03T19:00:00.000000Z'],
    ['2025-09-04 06:00', '2025-09-04T06:00:00.000000Z'],
    ['2025-09-04 06:00:00.9999996Z', '2025-09-04T06:00:01.000000Z'],
  ])('of %s has one form of its time', (time, form) => {
    expect(makePoint({ ...given, time }, names)).toMatchObject({ time: form });
  });

  it.each([
    [1, '1'],
    [exactNumber('1.50'), '1.50'],
    [' 15 ', '15'],
    ['-1.5e-3', '-1.5e-3'],
    ['.5', '.5'],
  ])('of the value %j is a number', (value, text) => {
    expect(makePoint({ ...given, value }, names)).toMatchObject({ value: text });
  });

  it('is the same whatever the order of its tags, and another with another tag', () => {
    const keyOf = (tags: Record<string, string>) => {
      const point = makePoint({ ...given, tags }, names);
      return typeof point === 'string' ? point : pointKey(point);
    };
    expect(keyOf({ a: '1', b: '2' })).toBe(keyOf({ b: '2', a: '1' }));
    expect(keyOf({ a: '1' })).not.toBe(keyOf({ a: '2' }));
  });

  it.each([
    [{ value: 'High' }, 'value is "High", not a finite number'],
    [{ value: 'Infinity' }, 'not a finite number'],
    [{ value: '1e999' }, 'not a finite number'],
    [{ value: '1e-999' }, 'not a finite number'],
    [{ value: true }, 'value is true, not a finite number'],
    [{ value: null }, 'value is missing'],
    [{ service: '' }, 'measurement is not a non-empty text'],
    [{ service: 's'.repeat(51) }, 'measurement has 51 characters'],
    [{ metric: 5 }, 'field is not a non-empty text'],
    [{ tags: { t: ['x'] } }, 'the tag "t" is not a text'],
    [{ tags: { t: 'a\0' } }, 'a character that cannot be stored'],
    [{ time: '2025-02-30 00:00:00' }, 'expected a date and time'],
    [{ time: '' }, 'time is missing'],
    [{ time: '9999-01-01 00:00:00Z' }, 'from the year 2000 to now'],
  ])('%j is refused', (fields, reason) => {
    expect(makePoint({ ...given, ...fields }, names)).toContain(reason);
  });
});
