import { migrate } from '../../src/db/migrations.ts';

// A process that migrates and tells its parent which migrations it ran, for the test that starts several at once.
const [connectionString = '', rolePrefix = ''] = process.argv.slice(2);
process.send?.(await migrate({ connectionString, rolePrefix, log: () => {} }));
process.disconnect();
