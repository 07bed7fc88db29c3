import { expect, test } from 'vitest';
import { BackendScanner } from '../../../src/embedded/engine/backend-scanner.ts';
import { errorResponse, message, notificationResponse, readyForQuery } from '../../../src/embedded/wire.ts';

const row = (text: string) => message('D', Buffer.from(text));
const complete = (tag: string) => message('C', tag);
const status = (name: string, value: string) => message('S', name, value);

/** Scans output in pieces of the given size. */
function scan(output: Buffer, size: number, known = new Map<string, string>()) {
  const scanner = new BackendScanner(known);
  const taken: Uint8Array[] = [];
  for (let at = 0; at < output.length; at += size) {
    scanner.write(output.subarray(at, at + size));
    taken.push(scanner.take());
  }
  return { bytes: Buffer.concat(taken), scanner, findings: scanner.findings };
}

test.each([1, 2, 5, 13, 100, 10_000])('passes on whole messages only, in pieces of %i bytes', (size) => {
  const output = Buffer.concat([row('a'), row('x'.repeat(3000)), complete('SELECT 2'), readyForQuery('T')]);
  const { bytes, findings } = scan(output, size);
  expect(bytes).toEqual(output);
  expect(findings).toMatchObject({ status: 'T', error: undefined, acks: 'C', tags: ['SELECT 2'] });
});

test.each([1, 7, 10_000])('extracts notifications and known settings, in pieces of %i bytes', (size) => {
  const known = new Map([['TimeZone', 'UTC']]);
  const output = Buffer.concat([
    complete('SET'),
    notificationResponse(42, 'jobs', '{"a":1}'),
    status('TimeZone', 'UTC'),
    status('is_superuser', 'off'),
    readyForQuery('I'),
  ]);
  const { bytes, findings } = scan(output, size, known);
  expect(bytes).toEqual(Buffer.concat([complete('SET'), status('is_superuser', 'off'), readyForQuery('I')]));
  expect(findings.notifications).toEqual([['jobs', '{"a":1}']]);
  expect(findings.parameters).toEqual([['is_superuser', 'off']]);
  expect(known.get('is_superuser')).toBe('off');
});

test('acknowledgements count up to the first error', () => {
  const error = errorResponse({ severity: 'ERROR', code: '22012', message: 'division by zero' });
  const { findings } = scan(
    Buffer.concat([
      message('1'),
      message('2'),
      complete('INSERT 0 1'),
      message('1'),
      error,
      readyForQuery('I'),
    ]),
    1000,
  );
  expect(findings.acks).toBe('1C1');
  expect(Buffer.from(findings.error ?? [])).toEqual(error);
});

test('keeps half a message back, because an error can follow what was passed on', () => {
  const scanner = new BackendScanner(new Map());
  scanner.write(Buffer.concat([row('a'), row('b').subarray(0, 4)]));
  expect(Buffer.from(scanner.take())).toEqual(row('a'));
  expect(scanner.complete).toBe(0);
});

test('knows when COPY wants data, and that it ended', () => {
  const scanner = new BackendScanner(new Map());
  scanner.write(message('G', Buffer.alloc(3)));
  expect(scanner.copying).toBe(true);
  scanner.write(complete('COPY 1'));
  expect(scanner.copying).toBe(false);
  expect(scanner.findings.status).toBeNull();
});

test('the status is that of the last message', () => {
  expect(scan(Buffer.concat([readyForQuery('I'), message('1')]), 100).findings.status).toBeNull();
});
