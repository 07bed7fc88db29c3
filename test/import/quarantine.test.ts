import { expect, it } from 'vitest';
import { quarantineLine, refuseItem, refuseUnreadable } from '../../src/import/quarantine.ts';

it('a line is JSON with the item unchanged, digit by digit', () => {
  const text = '{\n  "a": 1.0,\r\n  "b": "line\\nend", "c": 12345678901234567890\n}\n';
  const line = quarantineLine(refuseItem('f.json', { index: 3, text }, 'a "reason"'));
  expect(line).not.toMatch(/[\r\n]/);
  expect(line).toContain('12345678901234567890');
  expect(JSON.parse(line)).toEqual({
    file: 'f.json',
    index: 3,
    reason: 'a "reason"',
    item: JSON.parse(text) as unknown,
  });
});

it('an item that is not JSON is kept as text, and one that is not text as base64', () => {
  const line = (bytes: Buffer) =>
    quarantineLine(refuseUnreadable('f.json', { index: null, bytes, reason: 'r' }));
  expect(line(Buffer.from('{"a":\n'))).toBe(
    '{"file":"f.json","index":null,"reason":"r","text":"{\\"a\\":\\n"}',
  );
  expect(line(Buffer.from([0xff, 0x41]))).toBe('{"file":"f.json","index":null,"reason":"r","base64":"/0E="}');
});
