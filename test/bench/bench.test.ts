import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';

const script = fileURLToPath(new URL('bench.ts', import.meta.url));

// The benchmark measures a real server, so it needs one.
describe.skipIf(noServer)('the benchmark, in its shortest form', () => {
  let outcome: Outcome;
  let report: Report;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'lightning-bench-'));
    const json = path.join(directory, 'report.json');
    outcome = await bench(['--rounds', '1', '--seconds', '1', '--json', json], readyServer().adminUrl);
    report = JSON.parse(await readFile(json, 'utf8').catch(() => '{}')) as Report;
  }, 120_000);

  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('succeeds, and reports progress only on standard error', () => {
    expect(outcome).toMatchObject({ status: 0 });
    expect(outcome.stderr).toContain('warm-up  get     Agent Lightning REST');
    expect(outcome.stderr).toContain('round 1/1  insert  plain PostGraphile');
    expect(outcome.stdout).not.toContain('warm-up  get');
  });

  test('says what machine it ran on, and that everything shares it', () => {
    expect(outcome.stdout).toMatch(
      /^\d+ cores \(.+\), \d+ GiB, Node v\d+.+, Postgres \d+\S* \(fsync (on|off),/,
    );
    expect(outcome.stdout).toContain('Database, server and load generator share these cores');
  });

  test('prints for each scenario our rate beside both others', () => {
    const ratio = String.raw`\d+\.\d\d \(\d+\.\d\d-\d+\.\d\d\)`;
    for (const title of ['get one agent by id', 'list 50 tasks by agent and status', 'insert one task']) {
      const section = outcome.stdout.split('\n\n').find((part) => part.startsWith(title));
      for (const ours of ['Agent Lightning GraphQL', 'Agent Lightning REST']) {
        expect(section).toMatch(new RegExp(`${ours} / node:http \\+ pg: ${ratio}`));
        expect(section).toMatch(new RegExp(`${ours} / plain PostGraphile: ${ratio}`));
      }
    }
  });

  test('finds every answer right, and in the database exactly the rows that the answers name', () => {
    expect(report.problems).toEqual([]);
    expect(report.scenarios.map(({ scenario }) => scenario)).toEqual(['get', 'list', 'insert']);
    for (const { scenario, opponents } of report.scenarios) {
      expect(opponents).toHaveLength(4);
      for (const { opponent, errors, answers, rowsChanged, rowsAudited } of opponents) {
        expect(errors).toBe(0);
        expect(answers).toBeGreaterThan(20);
        const [least, most] = scenario === 'insert' ? [answers, answers + 20] : [0, 0];
        expect(rowsChanged).toBeGreaterThanOrEqual(least);
        expect(rowsChanged).toBeLessThanOrEqual(most);
        expect(rowsAudited).toBe(opponent.startsWith('Agent Lightning') ? rowsChanged : 0);
      }
    }
  });

  test('leaves neither a database nor a role behind', async () => {
    // Other benchmarks have databases and roles of their own on the same server.
    const [, name] = /^in (bench_\w+) and /m.exec(outcome.stderr) ?? [];
    expect(name).toBeDefined();
    const client = new Client({ connectionString: readyServer().adminUrl });
    await client.connect();
    try {
      const { rows } = await client.query(
        `select datname::text as name from pg_database where starts_with(datname, $1)
         union all select rolname from pg_roles where starts_with(rolname, $1)`,
        [name],
      );
      expect(rows).toEqual([]);
    } finally {
      await client.end();
    }
  });
});

describe('the options of the benchmark', () => {
  test('--help lists every option', async () => {
    const { status, stdout } = await bench(['--help']);
    expect(status).toBe(0);
    for (const option of ['--rounds', '--seconds', '--scenario', '--json', '--profile']) {
      expect(stdout).toContain(option);
    }
  });

  test.each([
    [['--rounds', '0'], '--rounds is "0"; a whole number from 1 to 1000 is needed'],
    [['--seconds', 'long'], '--seconds is "long"; a number from 0.5 to 3600 is needed'],
    [['--scenario', 'drop'], '--scenario is "drop"; allowed are get, list, insert'],
    [['--fast'], "Unknown option '--fast'"],
  ])('%j is refused, saying what is allowed', async (args, message) => {
    const { status, stdout, stderr } = await bench(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Report {
  readonly problems: readonly string[];
  readonly scenarios: readonly {
    readonly scenario: string;
    readonly opponents: readonly {
      readonly opponent: string;
      readonly answers: number;
      readonly errors: number;
      readonly rowsChanged: number;
      readonly rowsAudited: number;
    }[];
  }[];
}

function bench(args: readonly string[], serverUrl?: string): Promise<Outcome> {
  const env = { ...process.env, ...(serverUrl === undefined ? {} : { TEST_DATABASE_URL: serverUrl }) };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
