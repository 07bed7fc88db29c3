import { expect, test } from 'vitest';
import { renewableRest } from '../../src/api/renewable-rest.ts';
import { ownRestOptions } from '../../src/api/rest-options.ts';
import { parseConfig } from '../../src/config/parse-config.ts';

test('options are made anew for what they say, so that plans are not forgotten for anything else', () => {
  const { rest, http } = parseConfig({});
  const renewable = renewableRest(rest, (to) => ownRestOptions(to, { budgets: http.budgets, url: null }));
  const first = renewable.options;
  renewable.adopt({ ...rest, logStatements: true });
  expect([renewable.options, renewable.logsStatements]).toEqual([first, true]);
  expect(renewable.options).toBe(first);
  renewable.adopt({ ...rest, maxRows: 7 });
  expect([renewable.options.maxRows, renewable.logsStatements]).toEqual([7, false]);
  renewable.adopt({ ...rest, plans: true });
  expect([renewable.options.maxRows, renewable.options.planEnabled]).toEqual([1000, true]);
});
