import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { openPlatform } from '../rollback/platform.ts';
import type { Line, Platform } from '../rollback/platform.ts';

// test/rollback/rehearsal.test.ts has the way as docs/rollback.md says it. Here it is gone by an operator who makes mistakes, and
// whose commands are killed.
describe('lightning rollback', { timeout: 240_000 }, () => {
  let platform: Platform;
  const ended = async (line: string): Promise<{ status: number | null; stdout: string; stderr: string }> => {
    const running = platform.run(line);
    const status = await running.status;
    return { status, stdout: running.stdout(), stderr: running.stderr() };
  };

  beforeAll(async () => {
    platform = await openPlatform({}, await migratedDataDirectory());
    await mkdir(path.join(platform.directory, 'full'));
    await writeFile(path.join(platform.directory, 'full/letter.txt'), 'dear reader');
  });
  afterAll(() => platform?.close());

  test.each([
    ['to-memory way --wait 0', 2, /--wait is "0"; expected a number of seconds from 1 to 86400/],
    ['to-memory way --within soon', 2, /--within is "soon"; expected a number of seconds from 1 to 3600/],
    ['to-memory full', 2, /full has other files; expected a new folder, or that of a rollback/],
    [
      'to-memory way --table nobody',
      1,
      /there is no table app_public\.nobody that could go along; expected one of/,
    ],
    ['to-memory way --table metrics_hour', 1, /app_public\.metrics_hour is computed from other tables/],
    ['to-database full', 2, /full has no rollback; expected the folder of lightning rollback to-memory/],
    ['to-memory', 2, /missing required argument 'folder'/],
  ])('%s is refused with status %i, and no write is stopped', async (line, status, message) => {
    expect(await ended(`lightning rollback ${line}`)).toEqual({
      status,
      stdout: '',
      stderr: expect.stringMatching(message),
    });
    expect(await ended('lightning writes start')).toMatchObject({
      status: 0,
      stdout: 'writes were not stopped\n',
    });
  });

  test('goes on where it was killed, waits for the process in memory, and comes back once however often it is asked', async () => {
    // Killed as soon as writes are stopped: the export is not there yet, or not whole.
    const killed = platform.run('lightning rollback to-memory way');
    await killed.says(/^1\/5/m);
    await platform.end(killed, 'SIGKILL');
    expect(killed.stdout()).not.toMatch(/^2\/5/m);

    expect(await ended('lightning rollback to-memory way --table agents')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/was begun with other tables; leave out --table to go on with it/),
    });
    const missing = await ended('lightning rollback to-memory way --wait 1');
    expect(missing).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^1\/5 .*\n2\/5 .*\n3\/5 .*\n4\/5 .*\n$/),
      stderr: expect.stringMatching(/no process serves from memory after 1 s\. Writes stay stopped/),
    });
    let memory: Line = platform.run('USE_DATABASE=false lightning start');
    await expect.poll(() => memory.stderr(), { timeout: 30_000 }).toMatch(/"event":"load-awaited"/);
    await expect(fetch(`${platform.url}/readyz`), 'its doors are closed').rejects.toThrow('fetch failed');
    const second = platform.run('USE_DATABASE=false PORT=0 lightning start');
    expect(await second.status, 'there is one memory for a DATA_DIR').toBe(1);
    expect(second.stderr()).toMatch(/is already open/);
    expect(await ended('lightning rollback to-memory way')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/\n5\/5 the critical data are in memory/),
    });
    await memory.says(/REST/);
    expect((await fetch(`${platform.url}/readyz`)).status).toBe(200);
    expect(await ended('lightning rollback to-memory way'), 'once more').toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/\n5\/5 the critical data were imported before\n/),
    });
    // Started anew, it has lost everything, and nobody is told so by an answer.
    await platform.end(memory, 'SIGKILL');
    memory = platform.run('USE_DATABASE=false lightning start');
    await expect.poll(() => memory.stderr(), { timeout: 30_000 }).toMatch(/"event":"load-awaited"/);
    expect(await ended('lightning rollback to-database way')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /does not have the critical data of .*was started anew and has lost them/,
      ),
    });
    expect(await ended('lightning rollback to-memory way')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/\n5\/5 the critical data are in memory/),
    });
    await memory.says(/REST/);
    expect(await ended('USE_DATABASE=false lightning tenant create acme')).toMatchObject({ status: 0 });

    const back = platform.run('lightning rollback to-database way');
    await back.says(/^2\/4/m);
    await platform.end(back, 'SIGKILL');
    expect(back.stdout()).not.toMatch(/^3\/4/m);
    expect(await ended('lightning rollback to-database way')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/\n3\/4 /),
    });
    expect(await ended('lightning rollback to-database way')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/\n3\/4 what was written in memory had been brought back before\n/),
    });
    await platform.end(memory);
    expect(await ended('lightning tenant list')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^acme\t/),
    });
    expect(await ended('lightning rollback to-memory way'), 'its folder has done its work').toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/way is of another rollback: the database takes writes again/),
    });
    expect(
      (await readdir(path.join(platform.directory, 'way'))).filter((name) => name.includes('unfinished')),
    ).toEqual([]);
    const left = await readdir(platform.dataDirectory);
    expect(left.filter((name) => name.startsWith('in-memory'))).toEqual([]);
  });
});

describe('lightning writes', { timeout: 60_000 }, () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await openPlatform({}, await migratedDataDirectory());
  });
  afterAll(() => platform?.close());
  const ended = async (line: string): Promise<{ status: number | null; stdout: string; stderr: string }> => {
    const running = platform.run(line);
    const status = await running.status;
    return { status, stdout: running.stdout(), stderr: running.stderr() };
  };

  test('stops, stays stopped over a restart, and starts, with one document each for programs', async () => {
    const stopped = await ended('lightning writes stop --reason "moving house" --json');
    expect(JSON.parse(stopped.stdout)).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reason: 'moving house',
      stopped_at: expect.stringMatching(/^\d{4}-.*Z$/),
      not_stopped: [],
    });
    expect(await ended('lightning tenant create acme')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/writes are stopped since .*: moving house/),
    });
    expect(await ended('lightning writes start')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^writes go on; they were stopped since /),
    });
    expect(JSON.parse((await ended('lightning writes start --json')).stdout)).toEqual({ ended: null });
    expect(await ended('lightning tenant create acme')).toMatchObject({ status: 0 });
  });

  test.each([
    ['stop', 2, /required option '--reason <text>' not specified/],
    ['stop --reason " "', 2, /--reason: expected a text of 1 to 500 characters/],
    ['stop --reason x --within 0', 2, /--within is "0"; expected a number of seconds/],
  ])('%s is refused with status %i', async (line, status, message) => {
    expect(await ended(`lightning writes ${line}`)).toMatchObject({
      status,
      stdout: '',
      stderr: expect.stringMatching(message),
    });
  });
});
