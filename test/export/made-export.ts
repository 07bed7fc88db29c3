import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { BackupKeys } from '../../src/backup/store/open-store.ts';
import { noSignatures } from '../../src/backup/signatures.ts';
import {
  fileOf,
  formatName,
  formatVersion,
  isManifestName,
  labelOf,
  manifestFile,
} from '../../src/export/manifest.ts';
import type { Manifest, Storage, TableFile } from '../../src/export/manifest.ts';
import { writeFile as writeTable } from '../../src/export/table-file.ts';

/** No encryption and no signature. */
export const noKeys: BackupKeys = { encryptionKey: null, signatures: noSignatures };

/** A small export that no database wrote: two agents and their tenant. `change` changes the manifest, whose name stays right. */
export async function madeExport(
  storage: Storage = 'plain',
  keys: BackupKeys = noKeys,
  change: (manifest: Manifest) => unknown = (manifest) => manifest,
): Promise<string> {
  const folder = path.join(await mkdtemp(path.join(tmpdir(), 'export-')), 'export');
  await mkdir(folder);
  const id = '20260101T000000Z-export-0123ab';
  const write = async (
    table: string,
    columns: readonly string[],
    rows: readonly object[],
  ): Promise<TableFile> => {
    const file = fileOf(table, storage);
    const lines = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const written = await writeTable(
      path.join(folder, file),
      (async function* () {
        yield lines;
      })(),
      { storage, label: labelOf(id, file), key: keys.encryptionKey },
    );
    return { table, rows: rows.length, ...written, columns, order: [columns[0]!] };
  };
  const manifest: Manifest = {
    format: formatName,
    version: formatVersion,
    id,
    at: '2026-01-01T00:00:00.000Z',
    release: '0.1.0',
    database: { kind: 'server', postgres: '17.1' },
    migrations: [],
    tenant: null,
    storage,
    tables: [
      await write('app_public.tenants', ['id', 'name'], [{ id: 'acme', name: 'Acme' }]),
      await write(
        'app_public.agents',
        ['tenant_id', 'id', 'name', 'model'],
        [
          { tenant_id: 'acme', id: 'one', name: 'One', model: 'm' },
          { tenant_id: 'acme', id: 'two', name: 'Two\n"2"', model: 'm' },
        ],
      ),
    ],
    sequences: {},
    notCarried: [],
  };
  const { name, bytes } = await manifestFile(change(manifest) as Manifest, keys);
  await writeFile(path.join(folder, name), bytes);
  return folder;
}

/** Replaces the content of a table's file, and what the manifest says of it, so that only the content itself can be wrong. */
export async function forge(
  folder: string,
  table: string,
  stored: Buffer,
  says: Partial<TableFile>,
): Promise<void> {
  const { file, manifest } = await readBack(folder);
  await rm(path.join(folder, file));
  const tables = manifest.tables.map((each) =>
    each.table === table
      ? {
          ...each,
          storedBytes: stored.length,
          storedSha256: createHash('sha256').update(stored).digest('hex'),
          ...says,
        }
      : each,
  );
  await writeFile(path.join(folder, fileOf(table, manifest.storage)), stored);
  const changed = await manifestFile({ ...manifest, tables }, noKeys);
  await writeFile(path.join(folder, changed.name), changed.bytes);
}

/** Changes the manifest of an export that is neither encrypted nor signed; its name stays right. */
export async function changeManifest(folder: string, change: (manifest: Manifest) => unknown): Promise<void> {
  const { file, manifest } = await readBack(folder);
  await rm(path.join(folder, file));
  const changed = await manifestFile(change(manifest) as Manifest, noKeys);
  await writeFile(path.join(folder, changed.name), changed.bytes);
}

async function readBack(folder: string): Promise<{ file: string; manifest: Manifest }> {
  const file = (await readdir(folder)).find(isManifestName)!;
  return { file, manifest: JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Manifest };
}
