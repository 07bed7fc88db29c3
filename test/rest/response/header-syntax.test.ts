import { expect, test } from 'vitest';
import { headerBytes, isFinalStatus, isHeader } from '../../../src/rest/response/header-syntax.ts';

test.each([
  ['X-A', 'any text, ü too', true],
  ['X-A', '', true],
  ['X-A', 'a\tb', true],
  ['X A', 'a', false],
  ['X:A', 'a', false],
  ['Ä', 'a', false],
  ['X-A', 'a\nb', false],
  ['X-A', 'a\rb', false],
  ['X-A', 'a\0b', false],
])('%j: %j can be a header: %s', (name, value, expected) => {
  expect(isHeader(name, value)).toBe(expected);
});

test.each([
  ['/films?id=eq.1', '/films?id=eq.1'],
  ['/ü', '/Ã¼'],
  ['a\r\nb', 'a%0D%0Ab'],
])('%j goes out as %j', (value, bytes) => {
  expect(headerBytes(value)).toBe(bytes);
});

test.each([
  [200, true],
  [999, true],
  [199, false],
  [1000, false],
  [200.5, false],
  ['200', false],
  [null, false],
])('%j can be the status of an answer: %s', (status, expected) => {
  expect(isFinalStatus(status)).toBe(expected);
});
