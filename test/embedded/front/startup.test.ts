import { expect, test } from 'vitest';
import { admit } from '../../../src/embedded/front/startup.ts';

const defaults = new Map([
  ['TimeZone', 'UTC'],
  ['client_encoding', 'UTF8'],
]);
const admitted = (parameters: Record<string, string>) =>
  admit(new Map(Object.entries({ user: 'postgres', database: 'postgres', ...parameters })), defaults);

test.each<[Record<string, string>, string[]]>([
  [{}, []],
  [{ client_encoding: 'UTF8', TimeZone: 'UTC' }, []],
  [{ client_encoding: "'utf-8'" }, []],
  [{ timezone: 'Europe/Berlin', application_name: 'psql' }, ['timezone', 'application_name']],
  [
    { options: '-c a.b=1 --statement-timeout=5s', application_name: 'x' },
    ['a.b', 'statement_timeout', 'application_name'],
  ],
  [{ replication: 'false' }, []],
])('%o asks for the settings %o', (parameters, names) => {
  const admission = admitted(parameters);
  expect(admission.kind === 'admitted' && admission.settings.map((setting) => setting.name)).toEqual(names);
});

test("the database defaults to the user's name", () => {
  expect(admit(new Map([['user', 'postgres']]), defaults).kind).toBe('admitted');
  expect(admit(new Map(), defaults)).toMatchObject({ kind: 'refused', report: { code: '28000' } });
});

test.each<[Record<string, string>, string]>([
  [{ user: 'alice' }, '28000'],
  [{ database: 'alice' }, '3D000'],
  [{ replication: 'true' }, '0A000'],
  [{ client_encoding: 'LATIN1' }, '0A000'],
  [{ options: '--nothing' }, '22023'],
])('%o is refused with %s', (parameters, code) => {
  expect(admitted(parameters)).toMatchObject({ kind: 'refused', report: { severity: 'FATAL', code } });
});

test('unknown options of the protocol are named, not refused', () => {
  expect(admitted({ '_pq_.x': '1' })).toMatchObject({ kind: 'admitted', unknownOptions: ['_pq_.x'] });
});
