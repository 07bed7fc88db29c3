import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatPlan } from '../../src/import/format-report.ts';
import { planImport } from '../../src/import/plan-import.ts';
import { applicationSchema, sqliteBytes } from './sqlite-bytes.ts';

describe('the plan of an import', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'lt-plan-'));
    await mkdir(path.join(folder, '.agent-configs'));
    await writeFile(path.join(folder, '.agent-configs/a.json'), '{"name": "a", "model": "m"}');
    await writeFile(path.join(folder, '.agent-configs/b.json'), '{"name": 5}');
    await writeFile(path.join(folder, 'notes.txt'), 'x');
    await writeFile(
      path.join(folder, 'agentlightning.db'),
      await sqliteBytes(
        `${applicationSchema} insert into events values ('e'); insert into tasks (id) values ('t')`,
      ),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('says what would be read for which table, what cannot be stored, and what is left out', async () => {
    expect(formatPlan(await planImport(folder)).split('\n')).toEqual([
      'agents: 2 files; 2 read for app_public.agents, of which 1 cannot be stored',
      'tasks (agentlightning.db): 1 file; 1 read for app_public.tasks, of which 1 cannot be stored',
      'counted and left out, because nothing here takes them: 1 rows of events (agentlightning.db)',
      'left out, because they are not stores to import: notes.txt',
      expect.stringMatching(/^this is the plan, and nothing was changed/),
    ]);
  });

  it('is refused for a folder without a store', async () => {
    const other = path.join(folder, 'other');
    await mkdir(other);
    await cp(path.join(folder, 'notes.txt'), path.join(other, 'notes.txt'));
    await expect(planImport(other)).rejects.toThrow(/^nothing to import in .*; it has notes.txt$/);
  });
});
