import { expect, test } from 'vitest';
import { componentName } from '../../../src/rest/openapi/component-name.ts';

test.each([
  [['agents'], 'agents'],
  [['rowFilter', 'agents', 'id'], 'rowFilter.agents.id'],
  [['Straße 7'], 'Stra-udf-e-u20-7'],
  [['a.b', 'c'], 'a-u2e-b.c'],
  [['a', 'b.c'], 'a.b-u2e-c'],
])('%j becomes %s', (parts, name) => {
  expect(componentName(...parts)).toBe(name);
  expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
});
