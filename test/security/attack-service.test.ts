import { describe, expect, test } from 'vitest';
import { noServer, readyServer } from '../support/server.ts';
import { attackService } from './service-attacks.ts';

describe.skipIf(noServer || !readyServer().binDirectory)("an attack by an analyst's login", () => {
  test('fails no request of another tenant, and is refused, or ended with an alert that names the login', async () => {
    const names = ['requests', 'connections', 'advisory locks', 'messages in the WAL', 'notify pgrst'];
    const reports = await attackService(readyServer().binDirectory!, names, {
      seconds: 7,
      rate: 10,
      say: () => {},
    });
    expect(reports.map(({ attack }) => attack)).toEqual(names);
    for (const { attack, requests, failed } of reports) {
      expect(requests, attack).toBeGreaterThan(10);
      expect(failed, attack).toEqual([]);
    }
    const stops = (name: string) =>
      reports.find(({ attack }) => attack === name)!.stopped.map(({ how }) => how);
    expect(stops('requests')).toEqual(['429']);
    expect(reports[0]!.alerts).toEqual([
      expect.stringMatching(
        /^tenant default, subject default asks for more than it may, .* requests in progress/,
      ),
    ]);
    expect(stops('connections')).toContainEqual(
      expect.stringMatching(/^53300 too many connections for role "mallory"/),
    );
    expect(stops('advisory locks')).toContainEqual(
      expect.stringMatching(/^42501 permission denied for function pg_advisory_lock/),
    );
    expect(stops('messages in the WAL')).toContainEqual(
      expect.stringMatching(/^42501 permission denied for function pg_logical_emit_message/),
    );
  }, 120_000);
});
