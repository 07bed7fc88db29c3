import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { makeSignatures } from '../../src/backup/signatures.ts';
import { isExport, openExport } from '../../src/export/open-export.ts';
import { isManifestName } from '../../src/export/manifest.ts';
import { lightningHere } from '../support/lightning-here.ts';
import { changeManifest, forge, madeExport, noKeys } from './made-export.ts';

const agents = 'app_public.agents.jsonl';
const manifestIn = async (folder: string): Promise<string> => (await readdir(folder)).find(isManifestName)!;

/** What opening an export says; null: it is good. */
const problemOf = async (folder: string, keys = noKeys): Promise<string | null> => {
  try {
    await openExport(folder, keys, () => {});
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};

test('an export is good as it was written, however it is stored', async () => {
  const keys = { ...noKeys, encryptionKey: randomBytes(32) };
  for (const storage of ['plain', 'gzip', 'zstd', 'sealed'] as const) {
    const folder = await madeExport(storage, keys);
    const { manifest, read } = await openExport(folder, keys, () => {});
    const lines: Buffer[] = [];
    for await (const piece of read(manifest.tables[1]!)) lines.push(piece);
    expect(Buffer.concat(lines).toString()).toBe(
      '{"tenant_id":"acme","id":"one","name":"One","model":"m"}\n' +
        '{"tenant_id":"acme","id":"two","name":"Two\\n\\"2\\"","model":"m"}\n',
    );
  }
});

const damages: Readonly<Record<string, [damage: (folder: string) => Promise<unknown>, says: RegExp]>> = {
  'a file that is missing': [
    (folder) => rm(path.join(folder, agents)),
    /app_public\.agents\.jsonl is missing from/,
  ],
  'a file that is not of the export': [
    (folder) => writeFile(path.join(folder, 'extra.txt'), ''),
    /extra\.txt is in .*, and the manifest does not name it/,
  ],
  'a folder that is not of the export': [(folder) => mkdir(path.join(folder, 'more')), /more is in /],
  'a file that was cut': [
    (folder) => truncate(path.join(folder, agents), 40),
    /app_public\.agents\.jsonl is damaged: it has 40 bytes, and the manifest says 121/,
  ],
  'a file that grew': [
    (folder) => appendFile(path.join(folder, agents), '{}\n'),
    /agents\.jsonl is damaged: it has 124/,
  ],
  'a file that was changed': [
    async (folder) => {
      const text = await readFile(path.join(folder, agents), 'utf8');
      await writeFile(path.join(folder, agents), text.replace('One', 'Oni'));
    },
    /agents\.jsonl is damaged: its SHA-256 is not the one of the manifest/,
  ],
  'a link out of the folder': [
    async (folder) => {
      await rename(path.join(folder, agents), path.join(folder, '../agents'));
      await symlink('../agents', path.join(folder, agents));
    },
    /agents\.jsonl is a symbolic link; expected a file/,
  ],
  'a manifest that is a link': [
    async (folder) => {
      const name = await manifestIn(folder);
      await rename(path.join(folder, name), path.join(folder, '../manifest'));
      await symlink('../manifest', path.join(folder, name));
    },
    /manifest-.* is a symbolic link/,
  ],
  'a manifest that was edited': [
    async (folder) => {
      const name = path.join(folder, await manifestIn(folder));
      await writeFile(
        name,
        (await readFile(name, 'utf8')).replace('"acme"', '"other"').replace('0.1.0', '0.1.1'),
      );
    },
    /manifest-.*\.json is damaged: its SHA-256 is/,
  ],
  'two manifests': [
    async (folder) => {
      const text = await readFile(path.join(folder, await manifestIn(folder)));
      const hash = createHash('sha256').update(`${text.toString()} `).digest('hex');
      await writeFile(path.join(folder, `manifest-${hash}.json`), `${text.toString()} `);
    },
    /has 2 manifests; expected one/,
  ],
  'another version of the format': [
    (folder) => changeManifest(folder, (manifest) => ({ ...manifest, version: 2 })),
    /has version 2 of the format, and this release reads 1/,
  ],
  'another format': [
    (folder) => changeManifest(folder, (manifest) => ({ ...manifest, format: 'x' })),
    /has the format "x"; expected "agent-lightning export"/,
  ],
  'a member of another type': [
    (folder) =>
      changeManifest(folder, ({ tables: [table], ...rest }) => ({
        ...rest,
        tables: [{ ...table, rows: -1 }],
      })),
    /is not a manifest: its member tables is missing, or is not what it should be/,
  ],
  'an id that leads elsewhere': [
    (folder) => changeManifest(folder, (manifest) => ({ ...manifest, id: '../x' })),
    /its member id is missing/,
  ],
  'fewer rows than the manifest says': [
    (folder) =>
      changeManifest(folder, (manifest) => ({
        ...manifest,
        tables: manifest.tables.map((table) => ({ ...table, rows: table.rows + 1 })),
      })),
    /tenants\.jsonl is damaged: it has 1 rows, and the manifest says 2/,
  ],
  'a last line without an end': [
    (folder) => forge(folder, 'app_public.agents', Buffer.from('{}'), { bytes: 2, rows: 0 }),
    /agents\.jsonl is damaged: its last line has no end/,
  ],
};

for (const [name, [damage, says]] of Object.entries(damages)) {
  test(`${name} is refused by name, before any database is opened`, async () => {
    const folder = await madeExport();
    expect(await problemOf(folder)).toBeNull();
    await damage(folder);
    const data = path.join(folder, '../data');
    const { status, stdout, stderr } = await lightningHere(['import', folder], { DATA_DIR: data });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(says);
    // One sentence, and no stack.
    expect(stderr.match(/^lightning: .*\n?$/gm), stderr).toHaveLength(1);
    expect(existsSync(data)).toBe(false);
  });
}

test('a gzip that grows beyond what its manifest says is left at once, and so is a line without an end', async () => {
  const folder = await madeExport('gzip');
  // Members of a megabyte, one behind the other: ten gigabytes.
  const grown = Buffer.alloc(1024 * 1024, 'x');
  const member = gzipSync(grown);
  await forge(folder, 'app_public.agents', Buffer.concat(Array.from({ length: 10_240 }, () => member)), {
    bytes: 2 * 1024 * 1024,
  });
  expect(await problemOf(folder)).toMatch(
    /agents\.jsonl\.gz is damaged: its content has more than the 2097152 bytes that the manifest names/,
  );
  await forge(folder, 'app_public.agents', Buffer.concat(Array.from({ length: 130 }, () => member)), {
    bytes: 130 * 1024 * 1024,
  });
  expect(await problemOf(folder)).toMatch(
    /agents\.jsonl\.gz is damaged: line 1 is longer than 134217728 bytes/,
  );
  await forge(folder, 'app_public.agents', Buffer.from('not gzip'), {});
  expect(await problemOf(folder)).toMatch(/agents\.jsonl\.gz is damaged: it cannot be decompressed/);
});

test('an encrypted export is read with its key alone, and its files belong to it', async () => {
  const encryptionKey = randomBytes(32);
  const folder = await madeExport('sealed', { ...noKeys, encryptionKey });
  expect(await problemOf(folder)).toMatch(
    /\.sealed cannot be read: it is encrypted, and BACKUP_ENCRYPTION_KEY is not set/,
  );
  expect(await problemOf(folder, { ...noKeys, encryptionKey: randomBytes(32) })).toMatch(
    /cannot be decrypted: .* BACKUP_ENCRYPTION_KEY is another one/,
  );
  const text = Buffer.concat(
    await Promise.all((await readdir(folder)).map((name) => readFile(path.join(folder, name)))),
  );
  expect(text.includes('acme')).toBe(false);
});

test('with keys of signatures an export of somebody else is refused, and one that a trusted key signed is not', async () => {
  const pair = generateKeyPairSync('ed25519');
  const other = generateKeyPairSync('ed25519');
  const signing = { ...noKeys, signatures: makeSignatures(pair.privateKey, []) };
  const folder = await madeExport('plain', signing);
  expect(
    await problemOf(folder, { ...noKeys, signatures: makeSignatures(null, [pair.publicKey]) }),
  ).toBeNull();
  expect(await problemOf(folder, { ...noKeys, signatures: makeSignatures(null, [other.publicKey]) })).toMatch(
    /is not signed by a trusted key: add the public key/,
  );
  expect(await problemOf(await madeExport(), signing)).toMatch(/is not signed by a trusted key/);
});

test('a folder without a manifest is not an export', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'no-export-'));
  expect(await isExport(folder)).toBe(false);
  const { status, stderr } = await lightningHere(['import', folder], {
    DATA_DIR: path.join(folder, '../none'),
  });
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('nothing to import') });
});

test('options that an export has no use for are refused', async () => {
  const folder = await madeExport();
  for (const flags of [['--create-missing-agents'], ['--quarantine', 'x']]) {
    expect(await lightningHere(['import', folder, ...flags], {})).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`leave out ${flags[0]}`),
    });
  }
});
