import { createServer } from 'node:http';
import { Pool } from 'pg';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { listenAndAnnounce, opponentEnvironment } from './opponent-process.ts';

/**
 * The opponent PostGraphile with defaults: its recommended preset on its own adaptor and server. Run as a separate
 * process.
 */
const { databaseUrl, poolSize } = opponentEnvironment();
const pool = new Pool({ connectionString: databaseUrl, max: poolSize, idleTimeoutMillis: 0 });
const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ pool, schemas: ['app_public'] })],
});
const server = createServer();
await instance.createServ(grafserv).addTo(server);
listenAndAnnounce(server, async () => {
  await instance.release();
  await pool.end();
});
