import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anonymous, claimsOf } from '../../../src/auth/claims.ts';
import type { RequestRole } from '../../../src/auth/claims.ts';
import { requesterSettings } from '../../../src/auth/requester.ts';
import { sql } from '../../../src/db/statement.ts';
import type { Statement } from '../../../src/db/statement.ts';
import { apiTargets } from '../../support/api-targets.ts';
import type { ApiTarget } from '../../support/api-targets.ts';
import { testRolePrefix } from '../../support/logins.ts';
import { other, own, suspended } from '../../support/two-tenants.ts';

interface Opened {
  readonly session_id: string;
  readonly token: string;
  readonly expires_at: Date;
}

interface Caller {
  readonly role?: RequestRole;
  readonly tenant?: string;
  readonly subject?: string;
}

const aUuid = '00000000-0000-4000-8000-000000000000';

describe.each(apiTargets)('sessions, %s', (_, open) => {
  let target: ApiTarget;

  beforeAll(async () => {
    target = await open();
    for (const tenant of [own, other, suspended])
      await target.admin.query('select ops.create_tenant($1, $1)', [tenant]);
  }, 120_000);
  afterAll(() => target?.close());

  const as = async <Row>(
    statement: Statement,
    { role = 'service', tenant = own, subject = 'portal' }: Caller = {},
  ): Promise<readonly Row[]> => {
    const claims = role === 'anon' ? anonymous : claimsOf(role, tenant, subject);
    return (
      await target.database.queryWith<Row>(
        requesterSettings(claims, { rolePrefix: testRolePrefix }),
        statement,
      )
    ).rows;
  };
  /** Opens a session; `rest` are further arguments of the function, as SQL. */
  const create = async (user: string, rest = '', caller: Caller = {}): Promise<Opened> => {
    const text = `select * from app_public.create_session($1${rest})`;
    const [opened] = await as<Opened>({ text, values: [user] }, caller);
    if (!opened) throw new Error('no session was opened');
    return opened;
  };
  const validate = (token: string, caller: Caller = {}) =>
    as<{ session_id: string; user_id: string; role: string; data: object; expires_at: Date }>(
      sql`select * from app_public.validate_session(${token})`,
      caller,
    );
  const claims = (token: string) =>
    as<{ tenant_id: string; user_id: string; role: string }>(
      sql`select tenant_id, user_id, role from ops.session_claims(${token})`,
      { role: 'anon' },
    );
  const failing = (statement: Statement, caller: Caller = {}) =>
    as(statement, caller).then(
      () => 'no error',
      (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
    );
  /** Moves a session as if time had passed. */
  const age = (id: string, by: string) =>
    target.admin.query(
      `update app_public.sessions set expires_at = expires_at - $2::interval, ends_at = ends_at - $2::interval where id = $1`,
      [id, by],
    );
  const secondsLeft = (at: Date | undefined) => Math.round(((at?.getTime() ?? NaN) - Date.now()) / 1000);

  describe('create_session', () => {
    test('gives a token of 32 random bytes once, and stores its digest only', async () => {
      const first = await create('ada');
      const second = await create('ada');
      expect(first.token).toMatch(/^lts_[A-Za-z0-9_-]{43}$/);
      expect(Buffer.from(first.token.slice(4), 'base64url')).toHaveLength(32);
      expect(second.token).not.toBe(first.token);
      const { rows } = await target.admin.query('select * from app_public.sessions where id = $1', [
        first.session_id,
      ]);
      expect(rows).toMatchObject([
        { tenant_id: own, user_id: 'ada', token: createHash('sha256').update(first.token).digest('hex') },
      ]);
      const everywhere = await target.admin.query<{ text: string }>(
        `select jsonb_agg(l.*)::text as text from audit.log l where table_name = 'app_public.sessions'`,
      );
      expect(everywhere.rows[0]?.text).toContain('ada');
      expect(everywhere.rows[0]?.text).not.toContain(first.token);
    });

    test('lives for twelve hours, or as long as is said, with the data and role that are given', async () => {
      expect(Math.abs(secondsLeft((await create('bob')).expires_at) - 43_200)).toBeLessThan(60);
      const { token } = await create('bob', `, '{"theme": "dark"}', '5 minutes', 'service'`);
      const [session] = await validate(token);
      expect(session).toMatchObject({ user_id: 'bob', role: 'service', data: { theme: 'dark' } });
      expect(Math.abs(secondsLeft(session?.expires_at) - 300)).toBeLessThan(60);
    });

    test('is of an administrator for an administrator to open, and nobody makes one by writing to the table', async () => {
      const { token } = await create('root', `, role => 'admin'`, { role: 'admin' });
      expect(await claims(token)).toEqual([{ tenant_id: own, user_id: 'root', role: 'admin' }]);
      expect(await failing(sql`select app_public.create_session('root', role => 'admin')`)).toBe(
        'LTU04: only an administrator can open a session with the role admin',
      );
      const insert = sql`insert into app_public.sessions (user_id, token, expires_at, role)
        values ('root', repeat('a', 64), now() + interval '1 hour', 'admin')`;
      expect(await failing(insert)).toMatch(/^LTU04: /);
      const update = sql`update app_public.sessions set role = 'admin'`;
      expect(await failing(update)).toMatch(/^42501/);
      expect(await failing(update, { role: 'admin' })).toMatch(/^42501/);
    });

    test.each([
      [`null`, /^LTU01: user_id must have 1 to 100 characters, not 0/],
      [`''`, /^LTU01: /],
      [`repeat('x', 101)`, /^LTU01: user_id must have 1 to 100 characters, not 101/],
      [`'u', ttl => null`, /^LTU02: a session cannot live for a ttl of null/],
      [`'u', ttl => '0 s'`, /^LTU02: a session cannot live for a ttl of 00:00:00/],
      [`'u', ttl => '2 years'`, /^LTU02: /],
      [`'u', sliding => true, max_age => '0 s'`, /^LTU02: .* max_age: 00:00:00/],
      [`'u', role => 'anon'`, /^LTU03: a session cannot have the role anon/],
      [`'u', role => null`, /^LTU03: /],
      [`'u', data => '[]'`, /^LTU05: data must be an object, not array/],
      [`'u', data => null`, /^LTU05: /],
    ])('refuses %s', async (rest, message) => {
      expect(await failing({ text: `select * from app_public.create_session(${rest})` })).toMatch(message);
    });
  });

  describe('validate_session', () => {
    test.each([
      ['a token that nobody got', `lts_${'A'.repeat(43)}`],
      ['a text that is none', 'x'],
      ['an empty text', ''],
    ])('finds nothing for %s', async (_name, token) => {
      expect(await validate(token)).toEqual([]);
      expect(await claims(token)).toEqual([]);
    });

    test('finds nothing once the session is over', async () => {
      const { token, session_id } = await create('late', `, ttl => '1 hour'`);
      expect(await validate(token)).toHaveLength(1);
      await age(session_id, '61 minutes');
      expect(await validate(token)).toEqual([]);
      expect(await claims(token)).toEqual([]);
    });

    test("finds nothing of another tenant, for whom the token is somebody's all the same", async () => {
      const { token } = await create('eve', '', { tenant: other });
      expect(await validate(token)).toEqual([]);
      expect(await validate(token, { tenant: other })).toMatchObject([{ user_id: 'eve' }]);
      expect(await claims(token)).toMatchObject([{ tenant_id: other }]);
    });

    test('finds nothing while the tenant is locked out', async () => {
      const { token } = await create('sam', '', { tenant: suspended });
      expect(await claims(token)).toHaveLength(1);
      await target.admin.query('select ops.set_tenant_suspended($1, true)', [suspended]);
      expect(await claims(token)).toEqual([]);
    });

    test('does not prolong a session that does not slide', async () => {
      const { token, session_id } = await create('fix', `, ttl => '1 hour'`);
      await age(session_id, '30 minutes');
      const [session] = await validate(token);
      expect(Math.abs(secondsLeft(session?.expires_at) - 1_800)).toBeLessThan(60);
    });

    test('prolongs one that slides, up to its greatest age, and writes only when a tenth of its time is over', async () => {
      const { token, session_id } = await create(
        'sly',
        `, ttl => '1 hour', sliding => true, max_age => '2 hours'`,
      );
      const writes = async () =>
        (
          await target.admin.query(
            `select count(*)::int as count from audit.log where operation = 'update' and key ->> 'id' = $1`,
            [session_id],
          )
        ).rows[0].count as number;
      await age(session_id, '5 minutes');
      const before = await writes();
      expect(Math.abs(secondsLeft((await validate(token))[0]?.expires_at) - 3_300)).toBeLessThan(60);
      expect(await writes()).toBe(before);
      await age(session_id, '25 minutes');
      expect(Math.abs(secondsLeft((await validate(token))[0]?.expires_at) - 3_600)).toBeLessThan(60);
      await age(session_id, '55 minutes');
      // 85 minutes old: 35 are left of the two hours.
      expect(Math.abs(secondsLeft((await validate(token))[0]?.expires_at) - 2_100)).toBeLessThan(60);
    });

    test('is for programs, session_claims for the API, and neither shows a digest', async () => {
      const { token } = await create('who');
      const statement = sql`select * from app_public.validate_session(${token})`;
      expect(await failing(statement, { role: 'member' })).toMatch(/^42501/);
      expect(await failing(statement, { role: 'anon' })).toMatch(/^42501/);
      expect(await failing(sql`select * from ops.session_claims(${token})`)).toMatch(/^42501/);
      expect(await failing(sql`select app_private.use_session(${token})`)).toMatch(/^42501/);
      expect(Object.keys((await validate(token))[0] ?? {}).toSorted()).toEqual([
        'data',
        'expires_at',
        'role',
        'session_id',
        'user_id',
      ]);
    });
  });

  describe('ops.live_sessions', () => {
    test('gives those that are open, each in its own tenant, to the API only', async () => {
      const [alive, gone, over] = [await create('live'), await create('live'), await create('live')];
      const theirs = await create('live', '', { tenant: other });
      await as(sql`select app_public.revoke_session(${gone.session_id})`);
      await age(over.session_id, '13 hours');
      const ask = (tenants: string[], caller: Caller = { role: 'anon' }) => {
        const ids = [alive, gone, over, theirs].map(({ session_id }) => session_id);
        return as<{ id: string }>(
          sql`select id from ops.live_sessions(${tenants}::text[], ${ids}::uuid[]) id`,
          caller,
        );
      };
      expect(await ask([own, own, own, other])).toEqual([
        { id: alive.session_id },
        { id: theirs.session_id },
      ]);
      // Another tenant's session is as good as none.
      expect(await ask([other, own, own, own])).toEqual([]);
      await expect(ask([own], { role: 'service' })).rejects.toMatchObject({ code: '42501' });
    });

    test('gives none of a tenant that is locked out', async () => {
      await target.admin.query('select ops.set_tenant_suspended($1, false)', [suspended]);
      const { session_id } = await create('sam', '', { tenant: suspended });
      const ask = () =>
        as(sql`select id from ops.live_sessions(${[suspended]}::text[], ${[session_id]}::uuid[]) id`, {
          role: 'anon',
        });
      expect(await ask()).toHaveLength(1);
      await target.admin.query('select ops.set_tenant_suspended($1, true)', [suspended]);
      expect(await ask()).toEqual([]);
    });
  });

  describe('touch_session', () => {
    const touch = async (id: string, rest = '') => {
      const [row] = await as<{ at: Date }>({
        text: `select app_public.touch_session($1${rest}) as at`,
        values: [id],
      });
      return secondsLeft(row?.at);
    };

    test('prolongs by what is said, by what it slides, or not at all, and never beyond its age', async () => {
      const fixed = await create('toucher', `, ttl => '1 hour'`);
      expect(Math.abs((await touch(fixed.session_id)) - 3_600)).toBeLessThan(60);
      expect(Math.abs((await touch(fixed.session_id, `, '3 hours'`)) - 10_800)).toBeLessThan(60);
      const sliding = await create('toucher', `, ttl => '1 hour', sliding => true, max_age => '2 hours'`);
      await age(sliding.session_id, '30 minutes');
      expect(Math.abs((await touch(sliding.session_id)) - 3_600)).toBeLessThan(60);
      expect(Math.abs((await touch(sliding.session_id, `, '1 day'`)) - 5_400)).toBeLessThan(60);
    });

    test("refuses what is no time, what is over, what never was, and another tenant's", async () => {
      const { session_id } = await create('over', `, ttl => '1 hour'`);
      const ask = (id: string, rest = '') =>
        failing({ text: `select app_public.touch_session($1${rest})`, values: [id] });
      expect(await ask(session_id, `, '-1 s'`)).toMatch(
        /^LTU06: a session cannot be prolonged by a ttl of -00:00:01/,
      );
      await age(session_id, '2 hours');
      expect(await ask(session_id)).toBe(`LTU07: session ${session_id} does not exist or is over`);
      expect(await ask(aUuid)).toBe(`LTU07: session ${aUuid} does not exist or is over`);
      const foreign = await create('eve', '', { tenant: other });
      expect(await ask(foreign.session_id)).toMatch(/^LTU07: /);
      expect(await failing(sql`select app_public.touch_session(${aUuid})`, { role: 'member' })).toMatch(
        /^42501/,
      );
    });
  });

  describe('revoking', () => {
    test('ends one session, at once, and says whether there was one', async () => {
      const [one, two] = [await create('rev'), await create('rev')];
      const revoke = async (id: string, caller: Caller = {}) =>
        (await as<{ done: boolean }>(sql`select app_public.revoke_session(${id}) as done`, caller))[0]?.done;
      expect(await revoke(one.session_id, { tenant: other })).toBe(false);
      expect(await revoke(one.session_id)).toBe(true);
      expect(await revoke(one.session_id, { role: 'admin' })).toBe(false);
      expect(await validate(one.token)).toEqual([]);
      expect(await validate(two.token)).toHaveLength(1);
    });

    test('ends all sessions of a user of the tenant, and of nobody else', async () => {
      const mine = [await create('leaver'), await create('leaver'), await create('stayer')];
      const foreign = await create('leaver', '', { tenant: other });
      expect(
        await as(sql`select app_public.revoke_user_sessions('leaver') as count`, { role: 'admin' }),
      ).toEqual([{ count: 2 }]);
      const live = await Promise.all(
        [...mine, foreign].map(async ({ token }) => (await claims(token)).length),
      );
      expect(live).toEqual([0, 0, 1, 1]);
    });

    test('is not for people, but for their own sessions', async () => {
      expect(await failing(sql`select app_public.revoke_session(${aUuid})`, { role: 'member' })).toMatch(
        /^42501/,
      );
      expect(await failing(sql`select app_public.revoke_user_sessions('x')`, { role: 'member' })).toMatch(
        /^42501/,
      );
    });
  });

  describe('own sessions', () => {
    const member: Caller = { role: 'member', subject: 'mia' };

    test('are listed without tokens and data: of this user, of this tenant, alive', async () => {
      const first = await create('mia', `, '{"secret": 1}'`);
      const second = await create('mia');
      const over = await create('mia', `, ttl => '1 hour'`);
      await age(over.session_id, '2 hours');
      await create('max');
      await create('mia', '', { tenant: other });
      const rows = await as<Record<string, unknown>>(sql`select * from app_public.own_sessions()`, member);
      expect(rows.map((row) => row['session_id'])).toEqual([first.session_id, second.session_id]);
      expect(Object.keys(rows[0] ?? {})).toEqual([
        'session_id',
        'role',
        'created_at',
        'expires_at',
        'is_current',
      ]);
      expect(await failing(sql`select * from app_public.own_sessions()`, { role: 'anon' })).toMatch(/^42501/);
    });

    test("can be ended by their user, and nobody else's can", async () => {
      const [mine, others] = [await create('mia'), await create('max')];
      const foreign = await create('mia', '', { tenant: other });
      const revoke = async (id: string) =>
        (await as<{ done: boolean }>(sql`select app_public.revoke_own_session(${id}) as done`, member))[0]
          ?.done;
      expect(await revoke(others.session_id)).toBe(false);
      expect(await revoke(foreign.session_id)).toBe(false);
      expect(await revoke(mine.session_id)).toBe(true);
      expect(
        (await Promise.all([mine, others, foreign].map(({ token }) => claims(token)))).map((c) => c.length),
      ).toEqual([0, 1, 1]);
      expect(await failing(sql`select app_public.revoke_own_session(${aUuid})`, { role: 'anon' })).toMatch(
        /^42501/,
      );
    });
  });
});
