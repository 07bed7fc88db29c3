import { describe, expect, it } from 'vitest';
import { namedMessage, refusedNames } from '../src/refused-value.ts';

const given = [
  { name: 'count', type: 'integer', texts: ['soon'] },
  { name: 'run_after', type: 'timestamp with time zone', texts: ['soon'] },
  { name: '[2].agent_id', type: 'character varying(50)', texts: ['👧'.repeat(51)] },
  { name: 'source', type: 'text', texts: ['x'.repeat(50)] },
  { name: 'embedding', type: 'vector(1536)', texts: ['[1]', '1'] },
  { name: 'tags', type: 'text[]', texts: ['{}'] },
  { name: 'config', type: 'jsonb', texts: ['{"a":1e999999}'] },
  { name: 'timestamp', type: 'timestamp with time zone', texts: ['infinity'] },
];

describe('the value that Postgres refused', () => {
  it.each([
    ['22P02', 'invalid input syntax for type integer: "soon"', ['count']],
    ['22007', 'invalid input syntax for type timestamp with time zone: "soon"', ['run_after']],
    ['22008', 'date/time field value out of range: "soon"', ['run_after']],
    ['22P02', 'invalid input value for enum app_public.moods: "soon"', ['count', 'run_after']],
    ['22001', 'value too long for type character varying(50)', ['[2].agent_id']],
    ['22000', 'expected 1536 dimensions, not 1', ['embedding']],
    ['54000', 'vector cannot have more than 16000 dimensions', ['embedding']],
    ['22P02', 'expected JSON array', ['tags']],
    ['22003', 'value overflows numeric format', ['config']],
    ['54001', 'stack depth limit exceeded', ['config']],
    // What does not fit any given value, or is not about one, has no name.
    ['22012', 'division by zero', []],
    ['22003', '"1e400" is out of range for type double precision', []],
    ['23505', 'duplicate key value violates unique constraint "soon"', []],
    ['23514', 'new row for relation "tasks" violates check constraint "soon"', []],
    ['LTQ05', 'invalid error: "soon"', []],
    [undefined, 'invalid input syntax for type integer: "soon"', []],
  ])('%s %s: %j', (code, message, names) => {
    expect(refusedNames({ code, message }, given)).toEqual(names);
  });

  it('is the key of a partition that does not exist', () => {
    const message = 'no partition of relation "metrics" found for row';
    const detail = 'Partition key of the failing row contains ("timestamp") = (infinity).';
    expect(refusedNames({ code: '23514', message, detail }, given)).toEqual(['timestamp']);
    // Without the right to read the column there is no detail, and the partitions are of a time.
    expect(refusedNames({ code: '23514', message }, given)).toEqual(['run_after', 'timestamp']);
  });

  it('comes first in the message, and of many rows only three are named', () => {
    expect(namedMessage('out of range', ['a', 'b'])).toBe('invalid a or b: out of range');
    expect(namedMessage('out of range', [])).toBe('out of range');
    const rows = Array.from({ length: 9 }, (_, i) => ({ name: `[${i}].at`, type: 'date', texts: ['x'] }));
    expect(refusedNames({ code: '22007', message: 'invalid input syntax for type date: "x"' }, rows)).toEqual(
      ['[0].at', '[1].at', '[2].at'],
    );
  });
});
