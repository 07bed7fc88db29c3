import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKey, listKeys, revokeKey } from '../../src/commands/key.ts';
import type { Installation } from '../../src/db/installation.ts';
import { migratedDatabase } from '../support/db.ts';
import type { MigratedDatabase } from '../support/db.ts';
import { installationIn } from '../support/installation.ts';
import { serverDatabase } from '../support/server-database.ts';
import { noServer } from '../support/server.ts';

describe.skipIf(noServer)("keys by the migrations' login", () => {
  let made: MigratedDatabase;
  let installation: Installation;

  beforeAll(async () => {
    made = await migratedDatabase();
    installation = installationIn(serverDatabase(made.urls.migrate));
  });
  afterAll(async () => {
    await installation?.database.close();
    await made?.drop();
  });

  test('are made for a tenant or the operator, listed without the key itself, and revoked by their id or by the key', async () => {
    const service = await createKey(installation, 'importer', { role: 'service', expires: 'never' });
    const operator = await createKey(installation, 'dashboard', { role: 'operator', expires: '1d' });
    const listed = await listKeys(installation);
    expect(listed).toMatchObject([
      { tenant_id: 'default', name: 'importer', role: 'service', expires_at: null, last_used_at: null },
      { tenant_id: null, name: 'dashboard', role: 'operator' },
    ]);
    expect(JSON.stringify(listed)).not.toMatch(/ltk_|digest|[0-9a-f]{64}/);
    expect(await listKeys(installation, 'default')).toHaveLength(1);
    await revokeKey(installation, service);
    await revokeKey(installation, operator.slice(4, 16));
    expect(await listKeys(installation)).toEqual([]);
    await expect(revokeKey(installation, 'nothing')).rejects.toThrow('lightning key list');
  });

  test.each([
    [{ role: 'operator', expires: '1d', tenant: 'default' }, 'an operator belongs to no tenant'],
    [{ role: 'anon', expires: '1d' }, 'has that role already'],
    [{ role: 'root', expires: '1d' }, '--role is "root"'],
    [{ role: 'service', expires: 'soon' }, '--expires is "soon"'],
    [{ role: 'service', expires: '1d', tenant: 'nobody' }, 'tenant nobody does not exist'],
  ])('with %j are refused', async (flags, message) => {
    await expect(createKey(installation, 'x', flags)).rejects.toThrow(message);
    expect(await listKeys(installation)).toEqual([]);
  });
});
