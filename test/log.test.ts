import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { makeLog } from '../src/log.ts';
import type { LogEntry } from '../src/log.ts';

const at = new Date('2026-11-29T12:00:00Z');

function written(entry: LogEntry, isTTY: boolean): string {
  let text = '';
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      text += String(chunk);
      done();
    },
  });
  makeLog(Object.assign(stream, { isTTY }), () => at)(entry);
  return text;
}

const bug: LogEntry = {
  level: 'error',
  event: 'internal-error',
  message: 'it broke',
  requestId: 'r1',
  stack: 'TypeError: it broke\n    at work (file.ts:1:1)',
};

test('a collector gets a line of JSON', () => {
  const text = written(bug, false);
  expect(text.endsWith('}\n')).toBe(true);
  expect(JSON.parse(text)).toEqual({ time: at.toISOString(), ...bug });
});

test('a terminal gets a sentence', () => {
  expect(written({ level: 'info', event: 'stopped', message: 'stopped', port: 3000 }, true)).toBe(
    'stopped\n',
  );
  expect(written({ level: 'warning', event: 'odd', message: 'it is odd', stack: undefined }, true)).toBe(
    'warning: it is odd\n',
  );
  const statement: LogEntry = {
    level: 'info',
    event: 'rest-statement',
    message: 'select 1',
    requestId: 'r1',
  };
  expect(written(statement, true)).toBe('select 1\n');
});

test('a terminal gets the request and the stack of a bug as well', () => {
  expect(written(bug, true)).toBe(
    'error: it broke (request r1)\nTypeError: it broke\n    at work (file.ts:1:1)\n',
  );
});
