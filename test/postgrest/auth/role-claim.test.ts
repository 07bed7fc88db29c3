import { describe, expect, it } from 'vitest';
import { parseRoleClaim } from '../../../src/postgrest/auth/role-claim.ts';

const claims = {
  role: 'plain',
  'https://www.example.com/roles': [{ value: 'namespaced' }],
  realm: { roles: ['other', 'author', 'auditor'], 'odd-key': { x: 1 } },
  nested: { deep: { role: 'deep' } },
  groups: [
    { name: 'a', level: 1 },
    { name: 'b', level: 5, main: true },
    { name: 'c', level: 3 },
  ],
};

describe('the location of the role in a token', () => {
  it.each([
    ['$.role', 'plain'],
    ['$["role"]', 'plain'],
    ['$.realm.roles[1]', 'author'],
    ['$.realm.roles[-1]', 'auditor'],
    ['$.realm.roles[9]', undefined],
    ["$['https://www.example.com/roles'][0].value", 'namespaced'],
    ['$.realm["odd-key"].x', 1],
    ["$.realm.roles[?(@ == 'author')]", 'author'],
    ["$.realm.roles[?(@ != 'other')]", 'author'],
    ["$.realm.roles[?search(@, '^au.*r$')]", 'author'],
    ["$.realm.roles[?!search(@, '^a') || @ == 'x']", 'other'],
    ['$.groups[?@.main].name', 'b'],
    ['$.groups[?@.level > 1 && @.level <= 3].name', 'c'],
    ['$.groups[?@.name == $.groups[2].name].level', 3],
    ['$.groups[?(@.level >= 5)].name', 'b'],
    ['$.realm.roles[1:]', 'author'],
    ['$.realm.roles[::-1]', 'auditor'],
    ['$.realm.roles[3, 2, 0]', 'auditor'],
    ['$.nested..role', 'deep'],
    ['$.nested.*.role', 'deep'],
    ['$ .realm [ "roles" ] [ 0 ]', 'other'],
    ['$.missing', undefined],
    ['$.role.further', undefined],
    ['$.__proto__', undefined],
    ['$.constructor', undefined],
  ])('%s finds %j', (path, expected) => {
    const claim = parseRoleClaim(path);
    expect(claim.deprecated).toBe(false);
    expect(claim.find(claims)).toBe(expected);
  });

  it.each([
    ['.role', 'plain'],
    ['.realm.roles[1]', 'author'],
    ['."https://www.example.com/roles"[0].value', 'namespaced'],
    ['.realm."odd-key".x', 1],
    ['.realm.roles[?(@ == "author")]', 'author'],
    ['.realm.roles[?(@ != "other")]', 'author'],
    ['.realm.roles[?(@ ^== "aud")]', 'auditor'],
    ['.realm.roles[?(@ ==^ "tor")]', 'auditor'],
    ['.realm.roles[?(@ *== "uth")]', 'author'],
    ['.groups[?(@ == "a")]', undefined],
    ['.realm.roles[9]', undefined],
    ['.missing', undefined],
    ['.constructor', undefined],
  ])('%s, in the older syntax, finds %j', (path, expected) => {
    const claim = parseRoleClaim(path);
    expect(claim.deprecated).toBe(true);
    expect(claim.find(claims)).toBe(expected);
  });

  it.each([
    '$.my_role;;domain',
    '@@.role.other',
    '$.a[',
    '$.a[01]',
    '$.a[?]',
    "$.a[?'x']",
    "$.a[?search(@, '(')]",
    '$.a[?length(@) > 1]',
    '$.a[?@.* == 1]',
    "$['\\x']",
    '$.',
    'role.other',
    '.role##',
    '.my_role;;domain',
    '.#$$%&$%/',
    '1234',
    '.role[?(@ =)]',
    '.role[?(@ == "a")].more',
    '',
  ])('%j is refused', (path) => {
    expect(() => parseRoleClaim(path)).toThrow(/\(character \d+\)$/);
  });
});
