/**
 * The notice of what a run without a server leaves untested, why, and how to get a server. It has several lines, and is
 * shown at the start of the run and again at its end.
 */
export function skippedNotice(reason: string): string {
  return [
    '',
    'SKIPPED: every test that needs a real Postgres server (several logins, timeouts, concurrency, backups).',
    'What runs is the embedded database only.',
    `Why: ${reason}`,
    'To run them, give a server of your own, version 17 or newer with pgvector, as its superuser:',
    '  docker run --rm -p 127.0.0.1:5433:5432 -e POSTGRES_PASSWORD=test pgvector/pgvector:pg17 \\',
    '    -c max_connections=200 -c wal_level=replica -c summarize_wal=on -c max_prepared_transactions=5',
    '  TEST_DATABASE_URL=postgresql://postgres:test@127.0.0.1:5433/postgres npm test',
    '',
  ].join('\n');
}
