import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noServer } from '../support/server.ts';
import { importBench } from './legacy-folder.ts';
import type { ImportBench } from './legacy-folder.ts';
import { applicationSchema, sqliteBytes } from './sqlite-bytes.ts';

for (const on of ['server', 'embedded'] as const) {
  // Without a server the run says so at its start and its end.
  describe.skipIf(on === 'server' && noServer)(`points of the legacy system, imported (${on})`, () => {
    let bench: ImportBench;
    beforeAll(async () => {
      bench = await importBench(on);
    }, 180_000);
    afterAll(() => bench?.close(), 60_000);

    const stored = (tenant: string) =>
      bench.rows(
        `select service_name, metric_name, value, tags, "timestamp" from app_public.metrics where tenant_id = $1
         order by service_name, metric_name, tags::text, "timestamp", value`,
        tenant,
      );

    it('stores a point once, whichever files it is in, with the longest value, and holds its day', async () => {
      const { id, run, audit } = await bench.tenant();
      const head = 'time,measurement,field,value,result,table,host,note';
      const at = '2025-09-04 06:03:49.057240+00:00';
      const folder = await bench.folder({
        'exports/a.csv': [
          head,
          `${at},m,f,0.1234567891,_result,0,h,`,
          `${at},m,f,15,_result,0,,"two, words"`,
          `2025-09-04 06:03:49.057240,m,naive,1,_result,0,,`,
          `${at},m,text,High CPU,_result,0,,`,
          `${at},m,nan,NaN,_result,0,,`,
          `${at},m,none,,_result,0,,`,
          `2025-13-04 06:03:49,m,late,1,_result,0,,`,
          `1999-01-01 00:00:00+00:00,m,early,1,_result,0,,`,
          `${at},m,${'f'.repeat(101)},1,_result,0,,`,
          `${at},m,short,1`,
          `${at},m,f,0.1234567891,_result,0,h,`,
        ].join('\r\n'),
        'exports/b.json': `[{"time": "2025-09-04T08:03:49.057240+02:00", "measurement": "m", "field": "f", "value": 15.0, "note": "two, words"},
          {"time": "${at}", "measurement": "m", "field": "j", "value": NaN}]`,
        'exports/c.pickle': Buffer.from('80049500', 'hex'),
        'migrations/d.db':
          await sqliteBytes(`create table agent_data (time timestamp, measurement text, field text, value real, host text);
          insert into agent_data values ('${at}', 'm', 'f', 0.12345678912345, 'h'), ('${at}', 'm', 'naive', 2, null); create table more (x); insert into more values (1);`),
        'agentlightning.db': await sqliteBytes(`${applicationSchema}
          insert into metrics values (1, 's', 'n', 1, '{"a": 1}', '2025-09-05 00:00:00'), (2, 's', 'n', 1, '{"a": 1}', '2025-09-05 00:00:00'),
            (3, 's', 'n', 'x', null, '2025-09-05 00:00:00');`),
      });
      const { counts, refused, text } = await run(folder);
      expect(counts).toMatchObject({
        points: '15 = stored 3 + already there 3 + quarantined 9',
        'metrics (agentlightning.db)': '3 = stored 2 + already there 0 + quarantined 1',
      });
      expect(
        refused.map(({ file, index, reason }) => `${String(file)} ${String(index)} ${reason.slice(0, 60)}`),
      ).toEqual([
        'agentlightning.db 2 value is "x", not a finite number',
        'exports/a.csv 2 the same point stands elsewhere with the value 2, which is k',
        'exports/a.csv 3 value is "High CPU", not a finite number',
        'exports/a.csv 4 value is "NaN", not a finite number',
        'exports/a.csv 5 value is missing',
        'exports/a.csv 6 time is "2025-13-04 06:03:49"; expected a date and time',
        'exports/a.csv 7 time is "1999-01-01 00:00:00+00:00"; expected one from the y',
        'exports/a.csv 8 field has 101 characters; expected at most 100',
        'exports/a.csv 9 the line has 4 fields; expected 8',
        'exports/b.json 1 value is "NaN", not a finite number',
      ]);
      expect(text).toContain(
        'points: 7 points are distinct, and 3 of them are numbers; for 1 of these files have different digits, and the longer value was taken',
      );
      expect(text).toContain('1 rows of more (migrations/d.db)');
      expect(text).toContain('left out, because they are not stores to import: exports/c.pickle');
      const timestamp = new Date('2025-09-04T06:03:49.057Z');
      const all = [
        { service_name: 'm', metric_name: 'f', value: 0.123_456_789_123_45, tags: { host: 'h' }, timestamp },
        { service_name: 'm', metric_name: 'f', value: 15, tags: { note: 'two, words' }, timestamp },
        { service_name: 'm', metric_name: 'naive', value: 2, tags: {}, timestamp },
        ...Array.from({ length: 2 }, () => ({
          service_name: 's',
          metric_name: 'n',
          value: 1,
          tags: { a: 1 },
          timestamp: new Date('2025-09-05T00:00:00Z'),
        })),
      ];
      expect(await stored(id)).toEqual(all);
      // Retention removes none of them, and whoever reads them gets rollups of them, too.
      await bench.rows('select ops.move_metric_floors()');
      const held = await bench.rows(
        'select held::text from ops.retention_holds where tenant_id = $1 order by held',
        id,
      );
      expect(held).toHaveLength(2);
      expect(
        await bench.rows(
          `select count(*)::int as n from app_public.metrics m
           where tenant_id = $1 and not ops.is_held('metrics.raw', tenant_id, "timestamp")`,
          id,
        ),
      ).toEqual([{ n: 0 }]);
      await bench.rows("select ops.roll_up_metrics('minute', how_many => 10000)");
      expect(
        await bench.rows(
          'select sum(count)::int as points from app_public.metrics_minute where tenant_id = $1',
          id,
        ),
      ).toEqual([{ points: 5 }]);

      const logged = await audit();
      const again = await run(folder);
      expect(again.counts).toMatchObject({
        points: '15 = stored 0 + already there 6 + quarantined 9',
        'metrics (agentlightning.db)': '3 = stored 0 + already there 2 + quarantined 1',
      });
      expect(await stored(id)).toEqual(all);
      expect(await audit()).toBe(logged);
      expect(await bench.rows('select from ops.retention_holds where tenant_id = $1', id)).toHaveLength(2);
    });

    it('leaves a point with fewer digits that came before the file with more, and says so', async () => {
      const { id, run } = await bench.tenant();
      const head = 'time,measurement,field,value\n2025-09-04 06:00:00+00:00,m,f,';
      const short = { 'exports/short.csv': `${head}0.1234567891\n` };
      expect((await run(await bench.folder(short))).counts['points']).toContain('= stored 1 ');
      const both = await run(await bench.folder({ ...short, 'exports/long.csv': `${head}0.12345678911\n` }));
      expect(both.counts['points']).toBe('2 = stored 0 + already there 2 + quarantined 0');
      expect(both.text).toMatch(
        /points: 2 existing rows differ from the files and were left alone: \d+ \(value\)/,
      );
      expect((await stored(id)).map(({ value }) => value)).toEqual([0.123_456_789_1]);
    });
  });
}
