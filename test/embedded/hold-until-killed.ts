// A process for durability.test.ts to kill: it holds a directory, and prints its pid once it does.
import { takeLock } from '../../src/embedded/lock.ts';

await takeLock(process.argv[2] ?? '', 0);
process.stdout.write(`${process.pid}\n`);
setInterval(() => {}, 60_000);
