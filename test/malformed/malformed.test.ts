import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiTargets } from '../support/api-targets.ts';
import type { ApiTarget } from '../support/api-targets.ts';
import { startApp, testToken } from '../support/app.ts';
import type { RunningApp } from '../support/app.ts';
import { randomOf, sendMalformed } from './malformed-requests.ts';

const [kind, open] = apiTargets[0]!;
let target: ApiTarget;
let app: RunningApp;
beforeAll(async () => {
  target = await open();
  app = await startApp(target.database);
});
afterAll(async () => {
  await app?.close();
  await target?.close();
});

test(`no malformed token, header, cookie, body or frame is a 5xx or waits, on the ${kind} database`, async () => {
  const seed = Math.floor(Math.random() * 4_294_967_296);
  const outcomes = await sendMalformed(app.url, await testToken(), { count: 300, random: randomOf(seed) });
  expect(outcomes).toHaveLength(300);
  const bad = outcomes.filter(({ status, hung }) => hung || (status ?? 0) >= 500);
  expect([seed, bad]).toEqual([seed, []]);
  expect(app.logged.filter(({ level }) => level === 'error')).toEqual([]);
  // Something of every kind was answered, so that the door was really reached.
  expect(
    [...new Set(outcomes.filter(({ status }) => status !== null).map((each) => each.kind))].toSorted(),
  ).toEqual(['body', 'cookie', 'frame', 'header', 'line', 'token']);
  expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
}, 120_000);
