import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ownKeys, parseJwtSecret } from '../src/auth/jwt-keys.ts';
import { makeVerifyToken, signToken } from '../src/auth/jwt.ts';
import { keysOf, strongSecret, usualRules } from './support/token-keys.ts';

test.skipIf(process.platform === 'win32')(
  'the steps of SECURITY.md put a new key beside the old one, whose tokens stay good, in a file of its owner alone',
  async () => {
    const page = readFileSync(new URL('../SECURITY.md', import.meta.url), 'utf8');
    const [, indented = ''] = /## How to rotate[^]*?```sh\n([^]*?)```/.exec(page) ?? [];
    expect(indented).toContain('jwt-secret');
    const folder = mkdtempSync(path.join(tmpdir(), 'lightning-rotation-'));
    const file = path.join(folder, 'jwt-secret');
    try {
      writeFileSync(file, `${strongSecret}\n`);
      const request = { role: 'member', tenantId: 't', subject: 'ann', lifetimeSeconds: 60 } as const;
      const old = await signToken(strongSecret, request, new Date());
      execFileSync('bash', ['-euc', indented], { cwd: folder });

      expect(statSync(file).mode & 0o777).toBe(0o600);
      const set = readFileSync(file, 'utf8');
      const [first, second] = parseJwtSecret(Buffer.from(set), ownKeys);
      // The same key as before, so that open streams go on.
      expect(first?.id).toBe(parseJwtSecret(Buffer.from(strongSecret), ownKeys)[0]?.id);
      expect(second?.kid).toMatch(/^\d{4}-\d\d-\d\d$/);
      const verify = makeVerifyToken(keysOf(set), usualRules);
      await expect(verify(old)).resolves.toMatchObject({ subject: 'ann' });
      const turned = JSON.stringify({ keys: JSON.parse(set).keys.toReversed() });
      const next = await signToken(turned, request, new Date());
      await expect(verify(next)).resolves.toMatchObject({ subject: 'ann' });
      await expect(makeVerifyToken(keysOf(strongSecret), usualRules)(next)).rejects.toMatchObject({
        code: 'TOKEN_FORGED',
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
