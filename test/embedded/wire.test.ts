import { describe, expect, test } from 'vitest';
import {
  FrameReader,
  ProtocolViolation,
  closeStatement,
  errorResponse,
  message,
  negotiateProtocolVersion,
  notificationResponse,
  query,
  readReport,
  readStartup,
  readyForQuery,
  sync,
} from '../../src/embedded/wire.ts';
import { startupPacket } from './wire-client.ts';

const framesOf = (reader: FrameReader) => {
  const frames = [];
  for (let frame = reader.next(); frame; frame = reader.next()) frames.push(Buffer.from(frame.bytes));
  return frames;
};

describe('FrameReader', () => {
  const messages = [query('select 1'), sync, message('P', '', 'x'.repeat(1000), Buffer.alloc(2)), sync];
  const stream = Buffer.concat(messages);

  test.each([1, 2, 3, 4, 5, 6, 7, 64, 1000, stream.length])(
    'finds the same messages in packets of %i bytes',
    (size) => {
      const reader = new FrameReader();
      const frames = [];
      for (let at = 0; at < stream.length; at += size) {
        reader.push(stream.subarray(at, at + size));
        frames.push(...framesOf(reader));
      }
      expect(frames).toEqual(messages);
      expect(reader.pending).toBe(0);
    },
  );

  test('a startup packet and the bytes after it in the same packet are parted', () => {
    const reader = new FrameReader();
    const packet = startupPacket({ user: 'postgres', options: '-c a=b' });
    reader.push(Buffer.concat([packet, sync]));
    expect(readStartup(reader.nextStartup() ?? Buffer.alloc(0))).toEqual({
      kind: 'startup',
      major: 3,
      minor: 0,
      parameters: new Map([
        ['user', 'postgres'],
        ['options', '-c a=b'],
      ]),
    });
    expect(framesOf(reader)).toEqual([sync]);
  });

  test('100 MB in packets of 64 kB are joined without copying them again and again', () => {
    const reader = new FrameReader();
    const large = message('d', Buffer.alloc(100 * 1024 * 1024));
    const began = performance.now();
    const found = [];
    for (let at = 0; at < large.length; at += 65_536) {
      reader.push(large.subarray(at, at + 65_536));
      found.push(...framesOf(reader).map((frame) => frame.length));
    }
    expect(found).toEqual([large.length]);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test.each([0, 3, 0x7fffffff])('a length of %i is a violation', (length) => {
    const reader = new FrameReader();
    const bytes = Buffer.from('Q\0\0\0\0rest');
    bytes.writeUInt32BE(length, 1);
    reader.push(bytes);
    expect(() => reader.next()).toThrow(ProtocolViolation);
  });

  test.each([7, 10_001, 0x51000000])('a startup packet of %i bytes is a violation', (length) => {
    const reader = new FrameReader();
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(length);
    reader.push(bytes);
    expect(() => reader.nextStartup()).toThrow(ProtocolViolation);
  });
});

test.each([
  [80877103, { kind: 'encryption' }],
  [80877104, { kind: 'encryption' }],
])('request %i asks for encryption', (code, expected) => {
  expect(readStartup(message('?', code).subarray(1))).toEqual(expected);
});

test('a cancel request names process and secret', () => {
  expect(readStartup(message('?', 80877102, 1001, -5).subarray(1))).toEqual({
    kind: 'cancel',
    processId: 1001,
    secret: -5,
  });
});

test('messages match the protocol, byte by byte', () => {
  expect(readyForQuery('T')).toEqual(Buffer.from('Z\0\0\0\x05T'));
  expect(query('sé')).toEqual(Buffer.from('Q\0\0\0\x07s\xe9\0', 'latin1'));
  expect(closeStatement('x')).toEqual(Buffer.from('C\0\0\0\x07Sx\0'));
  expect(notificationResponse(7, 'a', 'b')).toEqual(Buffer.from('A\0\0\0\x0c\0\0\0\x07a\0b\0'));
  expect(negotiateProtocolVersion(0, [])).toEqual(Buffer.from('v\0\0\0\x0c\0\0\0\0\0\0\0\0'));
  const report = { severity: 'ERROR', code: '55P03', message: 'nö', hint: 'h' } as const;
  expect(errorResponse(report).subarray(5)).toEqual(Buffer.from('SERROR\0VERROR\0C55P03\0Mnö\0Hh\0\0'));
  expect(readReport(errorResponse(report)).get('M')).toBe('nö');
});
