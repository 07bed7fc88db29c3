import { expect, test } from 'vitest';
import { shownSecret, withoutPasswords } from '../../src/config/shown-value.ts';

test.each([
  ['postgres://me:hunter2@db.example:5433/app', 'postgres://me:[secret]@db.example:5433/app'],
  ['postgresql://me@db.example/app', 'postgresql://me@db.example/app'],
  [
    'postgres://me:hunter2@db.example/app?sslmode=verify-full&sslpassword=hunter2',
    'postgres://me:[secret]@db.example/app?sslmode=verify-full&sslpassword=[secret]',
  ],
  [
    'postgres://me:hunter2%2F@db/app?host=/run/postgresql',
    'postgres://me:[secret]@db/app?host=/run/postgresql',
  ],
])('the URL of a database %# is shown without its password', (url, shown) => {
  expect(shownSecret(url)).toBe(shown);
});

test.each([
  ['a password with a slash', 'postgres://me:12/hunter2@db.example/app'],
  ['a password with a hash', 'postgres://me:12#hunter2@db.example/app'],
  ['a password with a question mark', 'postgres://me:12?hunter2@db.example/app'],
  ['a URL that cannot be read', 'postgres//me:hunter2@host/db'],
  ['a webhook, whose path is the secret', 'https://hooks.example/services/hunter2'],
  ['a secret', 'hunter2hunter2hunter2hunter2hunter2'],
])('of %s nothing is shown', (_, value) => {
  expect(shownSecret(value)).toBeNull();
});

test('a value that is not a secret loses the passwords and keys of its URLs, and nothing else', () => {
  expect(withoutPasswords('https://me:hunter2@api.example/v1?api-key=hunter2&version=3')).toBe(
    'https://[secret]@api.example/v1?api-key=[secret]&version=3',
  );
  expect(withoutPasswords('https://token@a.example,https://b.example')).toBe(
    'https://[secret]@a.example,https://b.example',
  );
  for (const plain of ['s3://bucket/prefix', '/srv/data@home', 'https://api.example/v1', '10.0.0.0/8']) {
    expect(withoutPasswords(plain)).toBe(plain);
  }
});
