import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { signToken } from '../../src/auth/jwt.ts';
import { readOrMakeSecret } from '../../src/auth/secret-file.ts';
import { debianPython } from '../support/debian-tools.ts';
import { docBlocks } from '../support/doc-blocks.ts';
import { migratedDataDirectory } from '../support/embedded-template.ts';
import { freePort } from '../support/free-port.ts';
import { lacks } from '../support/lacks.ts';
import { startLightning } from '../support/lightning.ts';
import type { Started } from '../support/lightning.ts';
import { tcpGate } from '../support/tcp-gate.ts';
import type { FirstBytesTreatment, TcpGate } from '../support/tcp-gate.ts';

// The worker of docs/tasks.md runs as it stands there, but for the port and a shorter lease, while its tasks, the
// network and the service fail.

/** Seconds: a heartbeat comes every four, and a call has two. */
const lease = 12;
/** Seconds of work that no lease lasts without a heartbeat. */
const longWork = 14;

/** The user's part: what a task does is said by its context, and is told on stdout when it begins and ends. */
const givenWork = `
import sys, time
sys.stdin.readline()

class Odd(BaseException):
    pass

class Unprintable(Exception):
    def __str__(self):
        raise Odd("no text")

def work(task, gone):
    how = task["context"]["how"]
    print("begins", task["task_id"], flush=True)
    if how == "runtime": raise RuntimeError("the page has no text")
    if how == "value": raise ValueError("a\\0b \\ud800")
    if how == "odd": raise Odd("not an Exception")
    if how == "unprintable": raise Unprintable()
    if how == "exit": sys.exit(3)
    if how == "interrupt": raise KeyboardInterrupt()
    if how == "endless": return endless()
    if how == "set": return {1, 2}
    if how == "nan": return {"words": float("nan")}
    if how == "large": return "x" * 11_000_000
    if how == "circular":
        result = []
        result.append(result)
        return result
    if how == "until gone":
        print("gone" if gone.wait(30) else "never gone", flush=True)
        return "late"
    time.sleep(task["context"].get("seconds", 0))
    return {"seen": task["context"]["how"]}

def endless():
    return endless()
`;

const failing: readonly (readonly [how: string, error: RegExp])[] = [
  ['runtime', /^RuntimeError: the page has no text$/],
  ['value', /^ValueError: a\\0b \\ud800$/],
  ['odd', /Odd: not an Exception$/],
  ['unprintable', /Unprintable: <exception str\(\) failed>$/],
  ['exit', /^SystemExit: 3$/],
  ['interrupt', /^KeyboardInterrupt$/],
  ['endless', /^RecursionError: maximum recursion depth exceeded/],
  ['set', /^TypeError: Object of type set is not JSON serializable$/],
  ['nan', /^ValueError: Out of range float values are not JSON compliant/],
  ['circular', /^ValueError: Circular reference detected$/],
  ['large', /Refused: \('LTR413', /],
];

interface Worker {
  readonly process: ChildProcess;
  output(): string;
  log(): string;
  readonly token: string;
  /** Lets it claim: until then it waits. */
  go(): void;
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** Calls a function as the worker's tenant, past the gate. */
  ask<T>(name: string, body: object): Promise<T>;
  /** Returns the task's id. */
  enqueue(how: string, seconds?: number, maxAttempts?: number): Promise<string>;
  fault: Fault | null;
}

/** What happens to the first call of a function. */
interface Fault {
  readonly name: string;
  readonly treat: () => FirstBytesTreatment;
  struck: number;
}

interface Attempt {
  readonly outcome: string;
  readonly reason: string | null;
}

// Windows cannot ask a process to end, which the worker does at SIGTERM.
describe.skipIf(lacks('python3-requests') || process.platform === 'win32')(
  'the Python worker of docs/tasks.md',
  () => {
    let directory: string;
    let port: number;
    let started: Started;
    let gate: TcpGate;
    let database: Client;
    let secret: string;
    let tenants = 0;
    const workers = new Set<Worker>();

    const connect = async (): Promise<void> => {
      const client = new Client({ host: directory, user: 'postgres', database: 'postgres' });
      client.on('error', () => {});
      await client.connect();
      database = client;
    };
    const start = async (): Promise<void> => {
      started = await startLightning({ DATA_DIR: directory, PORT: String(port) });
    };

    beforeAll(async () => {
      directory = await migratedDataDirectory();
      port = await freePort();
      await start();
      secret = await readOrMakeSecret(directory);
      await connect();
      gate = await tcpGate({ host: '127.0.0.1', port });
      await gate.open();
      gate.treatByFirstBytes(treat);
    }, 60_000);
    afterAll(async () => {
      for (const worker of workers) worker.process.kill('SIGKILL');
      await database?.end().catch(() => {});
      await started?.stop();
      await gate?.shut();
      if (directory) await rm(directory, { recursive: true, force: true });
    });

    /** Starts a worker in a tenant of its own, so that it meets only the tasks of its test. */
    const begin = async (goes = true): Promise<Worker> => {
      const tenant = `worker-${(tenants += 1)}`;
      await database.query('select ops.create_tenant($1, $1)', [tenant]);
      const token = await signToken(
        secret,
        { role: 'service', tenantId: tenant, subject: 'reader', lifetimeSeconds: 3600 },
        new Date(),
      );
      const [written = '', ...others] = await docBlocks('docs/tasks.md', 'python');
      expect(others).toEqual([]);
      const moved = written
        .replace('http://127.0.0.1:3000', `http://127.0.0.1:${gate.port}`)
        .replace('"summariser-1", 60 ', `"summariser-1", ${lease} `);
      expect(moved).toContain(`http://127.0.0.1:${gate.port}/`);
      expect(moved).toContain(`"summariser-1", ${lease} `);
      const child = spawn(debianPython, ['-c', `TOKEN = ${JSON.stringify(token)}\n${givenWork}\n${moved}`]);
      let [output, log] = ['', ''];
      child.stdout.on('data', (data) => (output += String(data)));
      child.stderr.on('data', (data) => (log += String(data)));
      const ask = async <T>(name: string, body: object): Promise<T> => {
        const response = await fetch(`${started.url}/rest/v1/rpc/${name}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        const answer = (await response.json()) as T;
        if (!response.ok) throw new Error(JSON.stringify(answer));
        return answer;
      };
      const worker: Worker = {
        process: child,
        token,
        go: () => child.stdin.end('\n'),
        output: () => output,
        log: () => log,
        ended: new Promise((resolve) => child.on('exit', (status, signal) => resolve(status ?? signal))),
        ask,
        enqueue: async (how, seconds = 0, maxAttempts = 5) => {
          const context = { how, seconds };
          const task = { description: how, context, max_attempts: maxAttempts };
          return (await ask<{ id: string }>('enqueue_task', task)).id;
        },
        fault: null,
      };
      workers.add(worker);
      if (goes) worker.go();
      return worker;
    };

    const look = async (id: string) => {
      const task = await database.query<{ status: string; result: unknown; error_message: string | null }>(
        'select status, result, error_message from app_public.tasks where id = $1',
        [id],
      );
      const attempts = await database.query<Attempt>(
        'select outcome, error as reason from app_public.task_attempts where task_id = $1 order by fencing_token',
        [id],
      );
      return { ...task.rows[0]!, attempts: attempts.rows };
    };
    const statusOf = (id: string) => async (): Promise<string> => {
      try {
        return (await look(id)).status;
      } catch (error) {
        if (error instanceof DatabaseError && error.severity === 'ERROR') throw error;
        // The service is being restarted.
        await connect().catch(() => {});
        return 'unknown';
      }
    };
    /** Not `expect.poll`, which tests that run at the same time cannot use. */
    const becomes = (id: string, status: string, timeout = 50_000): Promise<void> =>
      vi.waitFor(async () => expect(await statusOf(id)()).toBe(status), { timeout, interval: 200 });
    const completedOnce = async (id: string, how: string): Promise<void> => {
      await becomes(id, 'completed');
      const { result, attempts } = await look(id);
      expect(result).toEqual({ seen: how });
      expect(attempts.filter(({ outcome }) => outcome === 'completed')).toHaveLength(1);
    };
    /** The worker lives, does another task, and ends cleanly. */
    const goesOn = async (worker: Worker): Promise<void> => {
      await completedOnce(await worker.enqueue('well'), 'well');
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe(0);
      expect(worker.log()).not.toContain('Traceback');
    };
    /** The treatment of a connection, which carries one call of one worker. */
    const treat = (bytes: Buffer): FirstBytesTreatment | null => {
      const head = bytes.toString('latin1');
      for (const { fault, token } of workers) {
        if (fault === null || fault.struck > 0 || !head.includes(token)) continue;
        if (!head.startsWith(`POST /rest/v1/rpc/${fault.name} `)) continue;
        fault.struck += 1;
        return fault.treat();
      }
      return null;
    };
    /** Does something once to the worker's first call of this function. */
    const strike = (worker: Worker, name: string, how: () => FirstBytesTreatment): Fault =>
      (worker.fault = { name, treat: how, struck: 0 });

    test(
      'records what goes wrong with a task as its failure, and works on',
      { timeout: 120_000 },
      async () => {
        const worker = await begin();
        const ids = new Map<string, string>();
        for (const [how] of failing) ids.set(how, await worker.enqueue(how, 0, 1));
        await vi.waitFor(
          async () => {
            const open = [...ids].map(async ([how, id]) =>
              (await look(id)).attempts.length === 0 ? [how] : [],
            );
            expect((await Promise.all(open)).flat()).toEqual([]);
          },
          { timeout: 60_000, interval: 500 },
        );
        for (const [how, error] of failing) {
          const { status, error_message: message, attempts } = await look(ids.get(how)!);
          expect([how, status]).toEqual([how, 'dead']);
          expect(message, how).toMatch(error);
          expect(attempts).toEqual([{ outcome: 'failed', reason: message }]);
        }
        await goesOn(worker);
      },
    );

    const calls = ['claim_task', 'heartbeat_task', 'complete_task', 'fail_task'] as const;
    const faults: readonly (readonly [what: string, treatment: FirstBytesTreatment])[] = [
      ['cut before it arrives', 'reset'],
      ['cut before its answer', 'reset-answer'],
      ['lost in silence', 'swallow'],
      ['answered in silence', 'mute'],
    ];
    const cases = calls.flatMap((name) =>
      faults.map(([what, treatment]) => [name, what, treatment] as const),
    );

    test.concurrent.each(cases)(
      'survives a %s that is %s',
      { timeout: 60_000 },
      async (name, _what, treatment) => {
        const worker = await begin(false);
        const seen = strike(worker, name, () => treatment);
        const outcomes = await endsOnce(worker, name);
        expect(seen.struck).toBe(1);
        // Nobody knows of a claim that was answered in vain until its lease is over.
        const vain = name === 'claim_task' && (treatment === 'mute' || treatment === 'reset-answer');
        expect(outcomes).toEqual([
          ...(vain ? ['expired'] : []),
          name === 'fail_task' ? 'failed' : 'completed',
        ]);
        await goesOn(worker);
      },
    );

    /** A task in which the function is called, and its only end. Returns how its attempts ended. */
    const endsOnce = async (
      worker: Worker,
      name: (typeof calls)[number],
      timeout?: number,
    ): Promise<string[]> => {
      const fails = name === 'fail_task';
      const id = await (fails
        ? worker.enqueue('runtime', 0, 1)
        : worker.enqueue('slowly', name === 'heartbeat_task' ? longWork : 0.2));
      worker.go();
      await becomes(id, fails ? 'dead' : 'completed', timeout);
      const { result, error_message: message, attempts } = await look(id);
      const outcomes = attempts.map(({ outcome }) => outcome);
      expect(result).toEqual(fails ? null : { seen: 'slowly' });
      expect(message).toBe(fails ? (attempts[0]?.reason ?? null) : null);
      expect(outcomes.slice(0, -1).filter((outcome) => outcome !== 'expired')).toEqual([]);
      return outcomes;
    };

    const kills = calls.flatMap((name) => [
      [name, 'before it arrives', 'reset'] as const,
      [name, 'before its answer is heard', 'reset-answer'] as const,
    ]);

    describe('when the service is killed', () => {
      let restarted = Promise.resolve();

      // Whatever became of this test, the next one finds the service.
      afterEach(async () => {
        await restarted.catch(() => {});
        const { exitCode, signalCode } = started.process;
        if (exitCode !== null || signalCode !== null) await start();
        await connect();
      }, 120_000);

      test.each(kills)(
        'survives a kill -9 of the service at %s, %s',
        { timeout: 180_000 },
        async (name, _when, treatment) => {
          const worker = await begin(false);
          const seen = strike(worker, name, () => {
            const kill = async (): Promise<void> => {
              // The service has carried the call out, or has not got it.
              if (treatment === 'reset-answer') await sleep(150);
              await started.stop('SIGKILL');
              await sleep(700);
              await start();
            };
            restarted = kill();
            restarted.catch(() => {});
            return treatment === 'reset' ? 'reset' : 'mute';
          });
          const outcomes = await endsOnce(worker, name, 150_000);
          // The lease may have run out while the service was away.
          expect(outcomes.at(-1)).toMatch(name === 'fail_task' ? /^(failed|expired)$/ : /^completed$/);
          expect(seen.struck).toBe(1);
          await restarted;
          await connect();
          await goesOn(worker);
        },
      );
    });

    test('throws its result away when the task is cancelled', { timeout: 60_000 }, async () => {
      const worker = await begin();
      const id = await worker.enqueue('until gone');
      await expect.poll(() => worker.output(), { timeout: 10_000 }).toContain(`begins ${id}`);
      await worker.ask('cancel_task', { task_id: id });
      await expect.poll(() => worker.output(), { timeout: 10_000 }).toMatch(/^gone$/m);
      await expect
        .poll(() => worker.log())
        .toContain(`task ${id} is no longer ours: its result is thrown away`);
      expect(await look(id)).toMatchObject({ status: 'cancelled', result: null });
      await goesOn(worker);
    });

    test(
      'throws its result away when another agent has taken the task over',
      { timeout: 60_000 },
      async () => {
        const worker = await begin();
        const id = await worker.enqueue('until gone');
        await expect.poll(() => worker.output(), { timeout: 10_000 }).toContain(`begins ${id}`);
        await database.query('update app_public.task_leases set expires_at = now() where task_id = $1', [id]);
        const [second] = await worker.ask<{ task_id: string; fencing_token: number }[]>('claim_task', {
          agent: 'second',
        });
        expect(second?.task_id).toBe(id);
        await expect.poll(() => worker.output(), { timeout: 10_000 }).toMatch(/^gone$/m);
        await expect.poll(() => worker.log()).toContain('LTQ02');
        const { task_id, fencing_token } = second!;
        await worker.ask('complete_task', { task_id, fencing_token, result: 'of the second' });
        await goesOn(worker);
        const { result, attempts } = await look(id);
        expect([result, attempts.map(({ outcome }) => outcome)]).toEqual([
          'of the second',
          ['expired', 'completed'],
        ]);
      },
    );

    test('ends the task at hand at SIGTERM, and claims no other', { timeout: 60_000 }, async () => {
      const worker = await begin();
      const id = await worker.enqueue('slowly', 3);
      const next = await worker.enqueue('well');
      await expect.poll(() => worker.output(), { timeout: 10_000 }).toContain(`begins ${id}`);
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe(0);
      await completedOnce(id, 'slowly');
      expect((await look(next)).status).toBe('pending');
    });

    test('ends at SIGTERM in an outage, and leaves its task to the others', { timeout: 60_000 }, async () => {
      const worker = await begin();
      const id = await worker.enqueue('slowly', 1);
      await expect.poll(() => worker.output(), { timeout: 10_000 }).toContain(`begins ${id}`);
      await gate.shut();
      await expect.poll(() => worker.log(), { timeout: 10_000 }).toContain('complete_task: ');
      const began = performance.now();
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toBe(0);
      expect(performance.now() - began).toBeLessThan(5_000);
      await gate.open();
      expect((await look(id)).status).toBe('running');
      await goesOn(await begin());
    });
  },
);
